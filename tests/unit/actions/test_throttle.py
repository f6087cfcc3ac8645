"""How often a channel may be notified within a minute (channels.yaml, "Where to be better": daily cap only)."""

from hypothesis import given
from hypothesis import strategies as st

from conductor.actions.throttle import Throttle


def test_rest_channels_yaml_a_storm_is_told_in_one_notification() -> None:
    throttle = Throttle()
    assert [throttle.take("pager", 2, moment) for moment in (0, 1, 2, 3, 4)] == [0, 0, None, None, None]
    assert throttle.take("other", 2, 4) == 0
    assert throttle.take("pager", 2, 60.5) == 3
    assert throttle.take("pager", 2, 61.5) == 0


def test_rest_channels_yaml_without_a_limit_nothing_is_held_back() -> None:
    throttle = Throttle()
    assert [throttle.take("pager", 0, 0) for _ in range(100)] == [0] * 100


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 5))
def test_no_minute_has_more_than_its_share_and_none_is_forgotten(pauses: list[float], most: int) -> None:
    throttle, moment, sent, held, told = Throttle(), 0.0, [], 0, 0
    for pause in pauses:
        moment += pause
        found = throttle.take("pager", most, moment)
        if found is None:
            held += 1
        else:
            sent.append(moment)
            told += found
    assert all(len([one for one in sent if last - 60 < one <= last]) <= most for last in sent)
    assert told <= held
