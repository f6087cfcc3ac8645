"""`multiplex` as an event's algorithm: parent, sub-jobs, and their sum (contract jobs.md §7.1). Pure parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs import multiplex
from conductor.settings import Settings


def entry(kind: str, **more: object) -> dict:
    return {"type": kind, "enabled": True, "amount": 1, **more}


COMPOSED = {
    "id": "jparent", "event": "e1", "category": "general", "plugin": "shellplug", "command": "run", "uid": "me",
    "algo": "multiplex", "targets": ["main"], "params": {"a": 1}, "tags": ["t1"], "now": 5.0, "env": {"X": "1"},
    "test": True, "test_limits": True, "test_actions": True, "ephemeral": True,
    "limits": [entry("job"), entry("time"), entry("retry", source="category"), entry("mem", source="universal"),
               entry("job", source="universal")],
    "actions": [{"type": "email", "enabled": True}, {"type": "channel", "enabled": True, "source": "category"},
                {"type": "web_hook", "enabled": True, "source": "universal"}],
}  # fmt: skip
SETTINGS = Settings(
    job_universal_limits={"default": [], "workflow": [entry("queue"), entry("time")]},
    job_universal_actions={"default": [], "workflow": [{"type": "ticket", "enabled": True}]},
)


def parent(**event: object) -> dict:
    return multiplex.parent(COMPOSED, {"id": "e1", **event}, SETTINGS)


def kinds(entries: list) -> list[str]:
    return [one["type"] for one in entries]


def test_the_parent_is_a_workflow_that_runs_nowhere() -> None:
    made = parent(stagger=3)
    assert (made["type"], made["plugin"], made["event"]) == ("workflow", "_workflow", "e1")
    assert "command" not in made
    graph = made["workflow"]
    controller, node = graph["nodes"]
    assert controller["data"] == {"controller": "multiplex", "stagger": 3, "continue": 0}
    assert node["data"]["event"] == "e1"
    assert graph["connections"][0] | {"id": ""} == {"id": "", "source": controller["id"], "dest": node["id"]}


def test_limits_and_actions_go_to_the_parent_or_to_each_sub_job() -> None:
    made = parent()
    child = multiplex.children(made, ["s1"], 10.0)[0].job
    assert kinds(made["limits"]) == ["job", "queue"]
    assert kinds(child["limits"]) == ["time", "retry", "mem"]
    assert kinds(made["actions"]) == ["email", "channel", "ticket"]
    assert kinds(child["actions"]) == ["web_hook"]


def test_a_sub_job_runs_the_events_plugin_on_its_server_alone() -> None:
    child = multiplex.children(parent(), ["s1"], 10.0)[0].job
    assert (child["targets"], child["algo"], child["plugin"], child["command"]) == (
        ["s1"], "random", "shellplug", "run",
    )  # fmt: skip
    assert (child["source"], child["ephemeral"], child["test"], child["env"]) == (
        "workflow",
        True,
        True,
        {"X": "1"},
    )
    assert child["workflow"] == {
        "event": "e1", "job": "jparent", "node": multiplex.NODE, "launcher": multiplex.CONTROLLER,
        "params": {"a": 1}, "now": 5.0,
    }  # fmt: skip
    assert "type" not in child


def test_later_sub_jobs_are_staggered() -> None:
    made = multiplex.children(parent(stagger=2), ["s1", "s2", "s3"], 100.0)
    assert [(one.job["state"], one.job.get("until")) for one in made] == [
        ("ready", None), ("start_delay", 102.0), ("start_delay", 104.0),
    ]  # fmt: skip


def test_ids_of_sub_jobs_follow_from_parent_and_server() -> None:
    servers = [f"s{number}" for number in range(500)]
    made = [multiplex.child_id("jparent", one) for one in servers]
    assert len(set(made)) == 500
    assert made == [multiplex.child_id("jparent", one) for one in servers]
    assert all(one.startswith("jparent") and len(one) == len("jparent") + 8 for one in made)


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0], 0), ([0, 3], "warning"), ([5, "abort"], 1), ([0, "warning"], "warning")]
)
def test_the_parent_sums_its_sub_jobs_up(codes: list, expected: object) -> None:
    made = multiplex.children(parent(), [f"s{number}" for number in range(len(codes))], 1.0)
    workflow = multiplex.fanned_out(parent()["workflow"], made, 1.0)
    for one, code in zip(made, codes, strict=True):
        workflow = multiplex.ended(workflow, {**one.job, "code": code})
    assert multiplex.summed(workflow).code == expected
    assert multiplex.summed({**workflow, "aborted": "No more."}) == ("abort", "No more.")


@given(st.permutations(range(4)), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8))
def test_however_often_and_in_whatever_order_ends_are_told_each_counts_once(order: list, again: list) -> None:
    made = multiplex.children(parent(), ["s0", "s1", "s2", "s3"], 1.0)
    workflow = multiplex.fanned_out(parent()["workflow"], made, 1.0)
    retries = dict(again)
    for number in order:
        job = dict(made[number].job)
        for attempt in range(retries.get(number, 0)):
            following = f"{job['id']}r{attempt}"
            tried = {**job, "code": 1, "retried": True, "jobs": [{"id": following, "reason": "retry"}]}
            workflow = multiplex.ended(multiplex.ended(workflow, tried), tried)
            assert following in multiplex.pending(workflow)
            job["id"] = following
        workflow = multiplex.ended(multiplex.ended(workflow, {**job, "code": 0}), {**job, "code": 0})
    assert multiplex.pending(workflow) == {}
    assert sorted(stub["server"] for stub in multiplex.stubs(workflow)) == ["s0", "s1", "s2", "s3"]
    assert workflow["state"][multiplex.CONTROLLER]["count"] == 4
    assert multiplex.summed(workflow).code == 0


def test_outputs_are_merged_with_arrays_joined() -> None:
    data, files = multiplex.outputs(
        [
            {"data": {"list": [1], "last": "a"}, "files": [{"id": "f1"}]},
            {"data": {"list": [2], "last": "b"}},
            {},
        ]
    )
    assert (data, files) == ({"list": [1, 2], "last": "b"}, [{"id": "f1"}])
