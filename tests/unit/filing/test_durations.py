from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.filing.durations import expiry, seconds_of, zone

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30 days", 2_592_000), ("5 years", 157_680_000), ("1.5 hours", 5400), ("1 day", 86_400), (90, 90),
     ("90", 90), ("2 months", 5_184_000), ("10min", 600), ("3 Weeks", 1_814_400)],
)  # fmt: skip
def test_durations_are_read(text: str | int, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "days", "5 parsecs", "-3 days"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds_of(text)


@given(st.integers(min_value=0, max_value=4_000_000_000), st.integers(min_value=0, max_value=10**8))
def test_files_go_at_a_midnight_and_never_too_early(now: int, seconds: int) -> None:
    expires = expiry(now, seconds, BERLIN)
    local = datetime.fromtimestamp(expires, BERLIN)
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    assert 0 <= expires - (now + seconds) < 90_001  # a day, and the hour of the clock change


def test_an_unknown_zone_is_the_systems() -> None:
    assert zone("Nowhere/Land") is None
    assert zone("") is None
    assert zone("Europe/Berlin") == BERLIN
