"""May a job start: concurrency and queues (contract jobs.md §6, §8, §9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs.admission import Abort, Queue, Siblings, Start, admit, enqueue, overdue, rank

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


def test_better_a_queue_limit_may_bound_the_wait() -> None:
    """jobs.md, "Where to be better" 8: no queue kept a job from waiting for ever."""
    asked = {
        **job("queued", concurrent=1),
        "queued": 100.0,
        "limits": [{"type": "queue", "enabled": True, "amount": 5, "duration": 30}],
    }
    assert overdue(asked, 130.0) is None
    assert overdue(asked, 131.0) == "Job has waited in its queue for more than 30 seconds."
    assert overdue({**asked, "limits": []}, 999.0) is None


@given(
    st.lists(st.tuples(st.sampled_from(["launch", "launch first", "end"]), st.integers(0, 9)), max_size=60),
    st.integers(1, 3),
    st.integers(0, 4),
)
def test_no_order_of_launches_and_ends_breaks_a_queue(steps: list, concurrent: int, queue: int) -> None:
    """Never more run than may, never more wait than may, none passes one of its rank that waits."""
    limits = [
        {"type": "job", "enabled": True, "amount": concurrent},
        {"type": "queue", "enabled": True, "amount": queue},
    ]
    running: list[dict] = []
    waiting: list[dict] = []
    started: list[dict] = []
    for number, (step, which) in enumerate(steps):
        if step == "end" and running:
            running.pop(which % len(running))
        elif step != "end":
            fresh = {"id": f"j{number:03}", "state": "ready", "started": float(number), "limits": limits}
            fresh["priority"] = step == "launch first"
            decision = admit(fresh, Siblings(len(running), len(waiting)))
            if isinstance(decision, Queue):
                waiting.append({**fresh, "state": "queued", "position": decision.position})
            elif isinstance(decision, Start):
                assert not waiting
                running.append(fresh)
                started.append(fresh)
        waiting.sort(key=rank)
        while waiting and isinstance(admit(waiting[0], Siblings(len(running), len(waiting) - 1)), Start):
            running.append(waiting.pop(0))
            started.append(running[-1])
        assert len(running) <= concurrent
        assert len(waiting) <= queue
        assert not waiting or len(running) == concurrent
    for first in (True, False):
        of_rank = [one["started"] for one in started if one["priority"] is first]
        assert of_rank == sorted(of_rank)
