"""Times of active jobs when the wall clock is set."""

from typing import Any

import pytest

from conductor.jobs.clock_steps import ClockSteps, move
from conductor.live.job import ActiveJob
from shared import clock


def job(**properties: Any) -> ActiveJob:
    return ActiveJob({"id": "j1", "state": "active", "started": 100.0, "updated": 200.0, **properties}, {})


def test_times_move_and_nothing_else() -> None:
    limits = [{"type": "mem", "when": 150.0}, {"type": "cpu"}, {"type": "time", "duration": 9}, "odd"]
    one = job(limits=limits, now=90, completed=None)
    assert move([one], 3600.0) == [one]
    assert (one.job["started"], one.job["updated"], one.job["now"]) == (3700.0, 3800.0, 90)
    assert one.job["limits"] == [{"type": "mem", "when": 3750.0}, *limits[1:]]


@pytest.mark.parametrize("state", ["queued", "ready", "complete", "start_delay"])
def test_jobs_that_do_not_run_wait_for_what_the_clock_says(state: str) -> None:
    one = job(state=state)
    assert move([one], 3600.0) == []
    assert one.job["started"] == 100.0


def test_a_step_is_told_once_and_drift_never(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, passed = 1000.0, 0.0
    monkeypatch.setattr(clock, "now", lambda: wall)
    monkeypatch.setattr(clock, "monotonic", lambda: passed)
    steps = ClockSteps()
    for added, expected in ((1, 0), (4, 0), (3601, 3600), (1, 0), (-3599, -3600), (1, 0)):
        wall, passed = wall + added, passed + 1
        assert steps.step() == expected
