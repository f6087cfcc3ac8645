import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.administration import tally

JOB = {
    "event": "e1",
    "category": "c1",
    "plugin": "p1",
    "server": "s1",
    "groups": ["g1", "g2"],
    "elapsed": 2.5,
    "log_file_size": 100,
    "files": [{}, {}],
}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (0, ("complete", "success")),
        ("warning", ("complete", "error", "warning")),
        ("abort", ("complete", "error", "abort")),
        (1, ("complete", "error", "user")),
        ("mine", ("complete", "error", "user")),
    ],
)
def test_what_an_end_counts_as(code: object, names: tuple[str, ...]) -> None:
    assert tally.conditions(code) == names


def test_a_job_counts_for_all_that_it_belongs_to_and_can_be_taken_back() -> None:
    day = tally.new_day(0)
    for amount in (1, 1, -1):
        tally.job(day, JOB, ("complete", "success"), amount=amount)
        tally.job_sums(day, JOB, amount=amount)
    assert day["transactions"] == {
        "job_complete": 1,
        "job_success": 1,
        "job_elapsed": 2.5,
        "job_log_file_size": 100,
        "job_files": 2,
    }
    for kind, ids in (("events", ["e1"]), ("servers", ["s1"]), ("groups", ["g1", "g2"])):
        assert day[kind] == {id: {"job_complete": 1, "job_success": 1} for id in ids}


def test_an_alert_counts_for_its_server_and_groups() -> None:
    day = tally.new_day(0)
    tally.alert(day, {"alert": "a1", "server": "s1", "groups": ["g1"]}, "alert_new")
    assert (day["alerts"], day["servers"], day["groups"]) == (
        {"a1": {"alert_new": 1}},
        {"s1": {"alert_new": 1}},
        {"g1": {"alert_new": 1}},
    )


def test_part_of_a_day() -> None:
    day = {"currentDay": {"transactions": {"job_start": 2, "search": 1}}}
    assert tally.selected(day, "currentDay.transactions", "job_") == {"job_start": 2}
    assert tally.selected(day, "currentDay.transactions.search", "") == 1
    assert tally.selected(day, "currentDay.none.deeper", "") is None


@given(
    st.dictionaries(
        st.text(max_size=4), st.recursive(st.integers() | st.text(max_size=3) | st.none(), st.lists)
    )
)
def test_any_record_can_be_counted(record: dict[str, object]) -> None:
    day = tally.new_day(0)
    tally.job(day, {**JOB, **record}, tally.conditions(record.get("code")))
    tally.job_sums(day, {**JOB, **record})
    assert msgspec.json.decode(msgspec.json.encode(day))["transactions"]["job_complete"] == 1


def test_what_others_can_make_us_count_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_MOST_KEYS", 3)
    day: dict[str, object] = {}
    for number in range(9):
        tally.bump(day, ("events", f"e{number}", "job_start"))
        tally.bump(day, (f"x{number}",))
    assert len(day) == 3
    assert len(day["events"]) == 3  # type: ignore[arg-type]
