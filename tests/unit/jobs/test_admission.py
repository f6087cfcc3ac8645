"""May a job start: concurrency and queues (contract jobs.md §6, §8, §9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs.admission import Abort, Queue, Siblings, Start, admit, enqueue, next_in_line, siblings

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


def test_siblings_leave_the_job_itself_out() -> None:
    others = [
        {"id": "j1", "state": "active"},
        {"id": "j2", "state": "finishing"},
        {"id": "j3", "state": "queued"},
    ]
    assert siblings("j1", others) == Siblings(running=1, queued=1)


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0, 100), st.integers(0, 10**6)),
        min_size=1,
        unique_by=lambda t: t[2],
    )
)
def test_the_line_is_first_in_first_out_behind_priority(jobs: list[tuple[bool, float, int]]) -> None:
    queued = [{"id": f"j{number:07}", "started": at, "priority": first} for first, at, number in jobs]
    line = next_in_line(queued)
    assert sorted(one["id"] for one in line) == sorted(one["id"] for one in queued)
    ranks = [not one["priority"] for one in line]
    assert ranks == sorted(ranks)
    for rank in (False, True):
        times = [one["started"] for one in line if (not one["priority"]) == rank]
        assert times == sorted(times)
