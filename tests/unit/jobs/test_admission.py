"""May a job start: concurrency and queues (contract jobs.md §6, §8, §9)."""

import pytest

from conductor.jobs.admission import Abort, Queue, Siblings, Start, admit, enqueue

FULL = "Maximum number of concurrent jobs for event has been reached."


def job(
    state: str = "ready", *, concurrent: int | None = None, queue: int | None = None, **more: object
) -> dict:
    limits = []
    if concurrent is not None:
        limits.append({"type": "job", "enabled": True, "amount": concurrent})
    if queue is not None:
        limits.append({"type": "queue", "enabled": True, "amount": queue})
    return {"id": "j1", "state": state, "started": 1.0, "limits": limits, **more}


@pytest.mark.parametrize(
    ("asked", "others", "expected"),
    [
        (job(), Siblings(99, 0), Start()),
        (job(concurrent=2), Siblings(1, 0), Start()),
        (job(concurrent=2), Siblings(2, 0), Abort(FULL)),
        (job(concurrent=1, queue=2), Siblings(1, 0), Queue(1)),
        (job(concurrent=1, queue=2), Siblings(1, 1), Queue(2)),
        (job(concurrent=1, queue=2), Siblings(1, 2), Abort(f"{FULL[:-1]}, and the queue is maxed out.")),
        (job(concurrent=1, queue=5, priority=True), Siblings(1, 3), Queue(0)),
        # a free slot belongs to those who wait already
        (job(concurrent=2, queue=5), Siblings(1, 1), Queue(2)),
        (job("queued", concurrent=2, queue=5, position=1), Siblings(1, 4), Start()),
        (job("queued", concurrent=1, queue=5, position=1), Siblings(1, 4), Queue(1)),
    ],
)
def test_admission(asked: dict, others: Siblings, expected: object) -> None:
    assert admit(asked, others) == expected


def test_a_disabled_limit_is_no_limit() -> None:
    asked = {**job(), "limits": [{"type": "job", "enabled": False, "amount": 1}]}
    assert admit(asked, Siblings(5, 0)) == Start()


def test_without_a_server_a_job_queues_or_may_be_retried() -> None:
    assert enqueue(job(), Siblings(0, 0), "No server.", retry_ok=True) == Abort("No server.", retry_ok=True)
    assert enqueue(job(queue=1), Siblings(0, 0), "No server.", retry_ok=True) == Queue(1)
