"""What is counted of active jobs equals what counting them all would give."""

from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs.admission import RUNNING_STATES, Siblings
from conductor.jobs.census import Census
from conductor.live.job import ActiveJob

STATES = ("ready", "queued", "starting", "active", "finishing", "complete")


def job(number: int, **more: object) -> ActiveJob:
    return ActiveJob({"id": f"j{number}", "event": "e1", "state": "ready", "started": 1.0, **more}, {})


def test_siblings_leave_the_job_itself_out() -> None:
    census = Census()
    jobs = [job(1, state="active"), job(2, state="finishing"), job(3, state="queued"), job(4, event="e2")]
    for one in jobs:
        census.count(one)
    assert census.siblings(jobs[0]) == Siblings(running=1, queued=1)
    assert census.siblings(jobs[2]) == Siblings(running=2, queued=0)
    assert census.siblings(jobs[3]) == Siblings(running=0, queued=0)
    assert list(census.queues()) == ["e1"]


def test_the_line_is_first_in_first_out_behind_priority() -> None:
    census = Census()
    for number, (since, first) in enumerate([(3.0, False), (1.0, False), (2.0, True), (1.0, True)]):
        census.count(job(number, state="queued", started=since, priority=first))
    assert census.queue_of("e1") == ["j3", "j2", "j1", "j0"]
    assert census.first_of("e1") == "j3"
    census.forget("j3")
    assert census.first_of("e1") == "j2"


def test_nothing_is_kept_of_what_has_left() -> None:
    census = Census()
    for number in range(10):
        census.count(
            job(number, event=f"e{number % 3}", state=STATES[number % 6], server="s1" if number % 2 else "")
        )
    for number in range(10):
        census.forget(f"j{number}")
    census.forget("j1")
    assert (census.load, census.busy, list(census.queues())) == ({}, {}, [])
    kept = {name: value for name, value in vars(census).items() if value}
    assert kept.keys() <= {"reservations", "_moved"}
    assert (len(census.delays), census.moved()) == (0, [])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(STATES),
            st.sampled_from(["", "s1", "s2"]),
            st.booleans(),
            st.sampled_from([0.1, 0.5, 1, 3]),
        ),
        max_size=40,
    )
)
def test_it_agrees_with_a_count(changes: list) -> None:
    census, jobs = Census(), {}
    for number, state, server, leaves, weight in changes:
        limit = {"type": "job", "enabled": True, "amount": 1, "weight": weight}
        one = jobs.setdefault(number, job(number, event=f"e{number % 2}", limits=[limit]))
        one.job.update(state=state, server=server)
        census.count(one)
        if leaves:
            census.forget(one.id)
            del jobs[number]
    for server in ("s1", "s2"):
        here = [one for one in jobs.values() if one.server == server]
        assert census.busy.get(server, 0) == len(here)
        assert abs(census.load.get(server, 0) - sum(one.job["limits"][0]["weight"] for one in here)) < 1e-5
    for one in jobs.values():
        others = [
            other for other in jobs.values() if other is not one and other.job["event"] == one.job["event"]
        ]
        assert census.siblings(one) == Siblings(
            sum(other.state in RUNNING_STATES for other in others),
            sum(other.state == "queued" for other in others),
        )


def sub_job(number: int, parent: str, node: str = "n1", **more: object) -> ActiveJob:
    return job(number, workflow={"job": parent, "node": node}, **more)


def test_sub_jobs_share_a_queue_with_their_node_in_their_run_alone() -> None:
    """jobs.md §4: limits on workflow nodes are scoped to one run."""
    census = Census()
    here, there = sub_job(1, "jw1", state="active"), sub_job(2, "jw2", state="active")
    other_node, alone = sub_job(3, "jw1", "n2", state="queued"), job(4, state="active")
    for one in (here, there, other_node, alone):
        census.count(one)
    assert census.siblings(sub_job(9, "jw1")) == Siblings(running=1, queued=0)
    assert census.siblings(sub_job(9, "jw1", "n2")) == Siblings(running=0, queued=1)
    assert census.siblings(job(9)) == Siblings(running=3, queued=0)  # sub-jobs of the event count
    assert census.children("jw1") == {"j1", "j3"}
    for one in (here, there, other_node, alone):
        census.forget(one.id)
    assert census.children("jw1") == frozenset()


def test_only_queues_that_have_changed_are_numbered_again() -> None:
    census = Census()
    census.count(job(1, state="queued"))
    census.count(job(2, event="e2", state="queued"))
    assert sorted(census.moved()) == ["e1", "e2"]
    census.count(job(3, state="queued"))
    assert census.moved() == ["e1"]
    assert census.moved() == []


def shared(number: int, **more: object) -> ActiveJob:
    limit = {"type": "job", "enabled": True, "amount": 1, "shared": "database"}
    return job(number, event=f"e{number}", limits=[limit], **more)


def test_better_8_events_may_share_a_queue() -> None:
    """jobs.md, "Where to be better" 8 and 9: other events, and runs alone and in workflows."""
    census = Census()
    in_workflow = {"workflow": {"job": "j9", "node": "n1"}}
    jobs = [
        shared(1, state="active"),
        shared(2, state="queued", **in_workflow),
        shared(3, state="queued", started=0.5),
        job(4, event="e1", state="active"),
    ]
    for one in jobs:
        census.count(one)
    assert census.siblings(shared(5)) == Siblings(running=1, queued=2)
    assert census.siblings(jobs[1]) == Siblings(running=1, queued=1)
    assert [census.queue_of(line) for line in census.queues()] == [["j3", "j2"]]


def test_a_workflow_that_shares_its_sub_jobs_queue_does_not_keep_them_waiting() -> None:
    census = Census()
    outer = shared(1, state="active", type="workflow")
    inner = shared(2, state="active", type="workflow", workflow={"job": "j1", "node": "n1"})
    step = shared(3, workflow={"job": "j2", "node": "n2"})
    for one in (outer, inner, step):
        census.count(one)
    assert census.siblings(step).running == 0
    census.count(shared(4, state="active"))
    assert census.siblings(step).running == 1
