"""Runtime limits (contract jobs.md §8)."""

import pytest

from conductor.jobs import limits
from conductor.jobs.limits import daily
from conductor.jobs.limits.input_files import prune


def running(*entries: dict, **more: object) -> dict:
    return {"started": 100.0, "limits": [{"enabled": True, **entry} for entry in entries], **more}


@pytest.mark.parametrize(
    ("job", "now", "fires"),
    [
        (running({"type": "time", "duration": 10}), 110.0, False),
        (running({"type": "time", "duration": 10}), 110.1, True),
        (running({"type": "time", "duration": 10, "date": 105.0}), 999.0, False),
        (running({"type": "time", "duration": "10"}), 111.0, True),
        (running({"type": "time", "duration": None}), 999.0, False),
        (running({"type": "log", "amount": 5}, log_file_size=5), 101.0, False),
        (running({"type": "log", "amount": 5}, log_file_size=6), 101.0, True),
        (running({"type": "mem", "amount": 5}, mem={"current": 6}), 101.0, True),
        (running({"type": "cpu", "amount": 50}, cpu={"current": 50}), 101.0, False),
        (running({"type": "cpu", "amount": 50}, cpu="rubbish"), 101.0, False),
    ],
)
def test_when_a_limit_fires(job: dict, now: float, fires: bool) -> None:
    assert (limits.exceeded(job, now) is not None) is fires


def test_memory_must_stay_above_for_its_duration() -> None:
    job = running({"type": "mem", "amount": 100, "duration": 5}, mem={"current": 200})
    assert limits.exceeded(job, 101.0) is None
    assert limits.exceeded(job, 105.9) is None
    job["mem"] = {"current": 50}
    assert limits.exceeded(job, 106.5) is None
    job["mem"] = {"current": 200}
    assert limits.exceeded(job, 107.0) is None
    fired = limits.exceeded(job, 112.0)
    assert fired is not None
    assert fired.message == "Job has exceeded 100 bytes of memory for 5 seconds."


def test_time_is_checked_before_memory() -> None:
    job = running({"type": "mem", "amount": 1}, {"type": "time", "duration": 1}, mem={"current": 2})
    fired = limits.exceeded(job, 200.0)
    assert fired is not None
    assert fired.limit["type"] == "time"


def test_weight_is_one_unless_the_job_limit_says_otherwise() -> None:
    assert limits.weight(running()) == 1.0
    assert limits.weight(running({"type": "job", "amount": 1, "weight": 2.5})) == 2.5


def test_a_limit_behind_one_that_fires_goes_on_counting() -> None:
    """At most one fires a second; the others must not begin their time anew."""
    job = running(
        {"type": "time", "duration": 1}, {"type": "cpu", "amount": 50, "duration": 5}, cpu={"current": 90}
    )
    first = limits.exceeded(job, 200.0)
    assert first is not None
    first.limit["date"] = 200.0
    second = limits.exceeded(job, 205.0)
    assert second is not None
    assert second.message == "Job has exceeded 50 % of a CPU core for 5 seconds."


def test_better_a_cpu_limit_speaks_of_percent_and_a_size_in_full() -> None:
    job = running({"type": "cpu", "amount": 150}, cpu={"current": 200})
    fired = limits.exceeded(job, 101.0)
    assert fired is not None
    assert fired.message == "Job has exceeded 150 % of a CPU core."
    job = running({"type": "log", "amount": 1234567}, log_file_size=1234568)
    fired = limits.exceeded(job, 101.0)
    assert fired is not None
    assert fired.message == "Job output has exceeded maximum size of 1234567 bytes."


def test_a_clock_that_was_set_back_makes_no_limit_fire_early_or_never() -> None:
    job = running({"type": "mem", "amount": 1, "duration": 5}, mem={"current": 2})
    assert limits.exceeded(job, 1000.0) is None
    assert limits.exceeded(job, 500.0) is None
    assert limits.exceeded(job, 505.0) is not None


FILES = [
    {"filename": "a.csv", "size": 10},
    {"filename": "b.TXT", "size": 20},
    {"filename": "c.csv", "size": 5},
]


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (None, ["a.csv", "b.TXT", "c.csv"]),
        ({}, ["a.csv", "b.TXT", "c.csv"]),
        ({"amount": 2}, ["a.csv", "b.TXT"]),
        ({"amount": 0}, []),
        ({"amount": ""}, ["a.csv", "b.TXT", "c.csv"]),
        ({"size": 29}, ["a.csv"]),
        ({"size": 30}, ["a.csv", "b.TXT"]),
        ({"size": 0}, ["a.csv", "b.TXT", "c.csv"]),
        ({"accept": ".csv"}, ["a.csv", "c.csv"]),
        ({"accept": "txt, md"}, ["b.TXT"]),
        ({"amount": 1, "size": 1000, "accept": "csv"}, ["a.csv"]),
        ({"amount": "many", "accept": 5, "size": "x"}, []),
    ],
)
def test_input_files_are_pruned_by_count_size_and_ending(limit: dict | None, kept: list[str]) -> None:
    pruned = prune(limit, [*FILES, "rubbish"])
    assert [file["filename"] for file in pruned.files] == kept
    assert len(pruned.files) + len(pruned.left) == len(FILES)


@pytest.mark.parametrize(
    ("source", "count", "refused"),
    [
        ("scheduler", 3, True),
        ("scheduler", 2, False),
        ("action", 9, True),
        ("user", 9, False),
        ("key", 9, False),
    ],
)
def test_a_day_limit_refuses_whoever_does_not_launch_by_hand(source: str, count: int, refused: bool) -> None:
    job = {
        "source": source,
        "limits": [{"type": "day", "enabled": True, "condition": "success", "amount": 3}],
    }
    asked: list[str] = []

    def counted(condition: str) -> int:
        asked.append(condition)
        return count

    assert (daily.reached(job, counted) is not None) is refused
    assert asked in ([], ["success"])


def test_the_counters_of_a_day_begin_anew_with_the_next() -> None:
    state = {"today": daily.counting({}, "2030-01-01", ["complete", "success"])}
    assert daily.counted(state, "2030-01-01", "success") == 1
    assert daily.counted(state, "2030-01-02", "success") == 0
    assert daily.counting(state, "2030-01-02", ["error"]) == {"date": "2030-01-02", "error": 1}
    assert daily.counting(state, "2030-01-01", ["success", "error"], by=-1)["error"] == 0
