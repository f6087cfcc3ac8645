"""Runtime limits (contract jobs.md §8)."""

import pytest

from conductor.jobs import limits


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
