"""Workflows over plain HTTP with a real satellite: each controller, conditions, data handed on, the command line."""

import asyncio
import sys
from typing import Any

import pytest

from tests.acceptance.jobs import create_event, finished
from tests.processes import ApiError, Client, eventually
from tests.unit.workflows.simulation import graph_of


def script(data: str, code: int = 0, more: str = "") -> str:
    """A shell job that ends with `data` (JSON) and `code`."""
    return f'{more}\nprintf \'%s\\n\' \'{{"xy":1,"code":{code},"description":"said so","data":{data}}}\''


async def workflow(client: Client, graph: dict[str, Any], **more: Any) -> str:
    doc = {
        "title": "A workflow",
        "type": "workflow",
        "enabled": True,
        "category": "general",
        "triggers": [{"id": "t", "type": "manual", "enabled": True}],
        "workflow": graph,
        **more,
    }
    return str((await client.call("create_event", **doc))["event"]["id"])


async def run(client: Client, graph: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The record of a run of the graph."""
    event_id = await workflow(client, graph)
    job_id = (await client.call("run_event", id=event_id, **more))["id"]
    return await finished(client, job_id)


def ran(record: dict[str, Any]) -> dict[str, int]:
    return {node: len(stubs) for node, stubs in record["workflow"]["jobs"].items()}


def node(event_id: str, **data: Any) -> tuple[str, dict[str, Any]]:
    return "event", {"event": event_id, **data}


async def test_decisions_take_the_branch_that_the_output_says(client: Client) -> None:
    asked = await create_event(client, script('{"num":42}'), title="Asks")
    other = await create_event(client, "true", title="Goes on")
    graph = graph_of(
        "t -> a", "a -success-> yes", "a -success-> no", "yes -> b", "no -> c",
        t="trigger", a=node(asked), b=node(other), c=node(other),
        yes=("decision", {"decision": "data.num == 42"}), no=("decision", {"decision": "data.num != 42"}),
    )  # fmt: skip

    record = await run(client, graph)

    assert (record["code"], record["description"]) == (0, "Workflow completed successfully.")
    assert ran(record) == {"a": 1, "b": 1}
    assert record["data"]["num"] == 42
    child = await finished(client, record["workflow"]["jobs"]["b"][0]["id"])
    assert child["workflow"]["job"] == record["id"]
    assert child["parent"]["job"] == record["workflow"]["jobs"]["a"][0]["id"]


async def test_repeat_split_and_join_hand_on_data(client: Client) -> None:
    lists = await create_event(client, script('{"list":[3,1,2]}'), title="Lists")
    works = await create_event(client, script('{"done":true}'), title="Works")
    graph = graph_of(
        "t -> a", "a -success-> s", "s -> b", "b -continue-> j", "t -> r", "r -> c", "c -continue-> j", "j -> d",
        t="trigger", a=node(lists), b=node(works), c=node(works), d=node(works), j="join",
        s=("split", {"split": "data.list"}), r=("repeat", {"repeat": 2}),
    )  # fmt: skip

    record = await run(client, graph)

    assert (record["code"], ran(record)) == (0, {"a": 1, "b": 3, "c": 2, "d": 1})
    items = [
        (await finished(client, stub["id"]))["input"]["data"]["item"]
        for stub in record["workflow"]["jobs"]["b"]
    ]
    assert sorted(items) == [1, 2, 3]
    joined = (await finished(client, record["workflow"]["jobs"]["d"][0]["id"]))["input"]["data"]
    assert joined == {"items": [{"done": True}] * 5, "combined": {"done": True}}


async def test_multiplex_wait_and_an_ad_hoc_job(client: Client) -> None:
    works = await create_event(client, "true", title="On each")
    adhoc = {
        "plugin": "shellplug",
        "category": "general",
        "targets": ["main"],
        "params": {"script": "exit 0"},
    }
    graph = graph_of(
        "t -> m", "m -> a", "a -continue-> w", "w -> b",
        t="trigger", m="multiplex", a=node(works, targets=["main"]), w=("wait", {"wait": 1}),
        b=("job", {**adhoc, "label": "Tidy up"}),
    )  # fmt: skip

    record = await run(client, graph)

    assert (record["code"], ran(record)) == (0, {"a": 1, "b": 1})
    child = await finished(client, record["workflow"]["jobs"]["b"][0]["id"])
    assert (child["type"], child["event"], child["plabel"]) == ("adhoc", "", "Tidy up")
    waited = child["started"] - record["workflow"]["jobs"]["a"][0]["completed"]
    assert waited >= 0.9


async def test_a_failed_branch_stops_no_other_and_can_be_run_again(client: Client, tmp_path: Any) -> None:
    flag = tmp_path / "repaired"
    fails = await create_event(client, f'test -e "{flag}"', title="Fails at first")
    works = await create_event(client, "true", title="Never fails")
    graph = graph_of(
        "t -> a", "t -> b", "a -success-> j", "b -success-> j", "j -> c",
        t="trigger", a=node(fails), b=node(works), c=node(works), j="join",
    )  # fmt: skip
    failed = await run(client, graph)
    assert (failed["code"], ran(failed)) == ("warning", {"a": 1, "b": 1})
    flag.touch()

    again = (await client.call("rerun_workflow", id=failed["id"]))["id"]
    record = await finished(client, again)

    assert (record["code"], ran(record)) == (0, {"a": 1, "b": 1, "c": 1})
    assert record["workflow"]["jobs"]["b"][0]["id"] == failed["workflow"]["jobs"]["b"][0]["id"]
    with pytest.raises(ApiError, match="did not fail"):
        await client.call("rerun_workflow", id=again)


async def test_an_abort_ends_the_run_and_its_sub_jobs(client: Client) -> None:
    sleeps = await create_event(client, "sleep 60", title="Sleeps")
    graph = graph_of("t -> r", "r -> a", t="trigger", r=("repeat", {"repeat": 2}), a=node(sleeps))
    event_id = await workflow(client, graph)
    job_id = (await client.call("run_event", id=event_id))["id"]

    async def both_run() -> bool:
        rows = (await client.call("get_active_jobs", event=sleeps))["rows"]
        return [row["state"] for row in rows] == ["active", "active"]

    await eventually(both_run, "both sub-jobs run")
    summary = await client.call("get_workflow_job_summary", **{"workflow.job": job_id})
    assert summary["nodes"] == {"a": 2}
    await client.call("abort_job", id=job_id)
    record = await finished(client, job_id)

    assert record["code"] == "abort"
    assert [stub["code"] for stub in record["workflow"]["jobs"]["a"]] == ["abort", "abort"]


async def test_limits_and_actions_by_wire_and_a_workflow_within_a_workflow(client: Client) -> None:
    works = await create_event(client, "echo hello", title="Within")
    inner = await workflow(
        client,
        graph_of(
            "t -> a", "a -> one", "a -success-> tag",
            t="trigger", a=node(works), one=("limit", {"type": "job", "enabled": True, "amount": 1}),
            tag=("action", {"enabled": True, "type": "tag", "tags": ["flag"]}),
        ),
        title="Inner",
    )  # fmt: skip
    record = await run(client, graph_of("t -> w", t="trigger", w=node(inner)))

    assert (record["code"], ran(record)) == (0, {"w": 1})
    child = await finished(client, record["workflow"]["jobs"]["w"][0]["id"])
    assert child["type"] == "workflow"
    leaf = await finished(client, child["workflow"]["jobs"]["a"][0]["id"])
    assert "flag" in leaf["tags"]
    assert [limit["type"] for limit in leaf["limits"] if limit.get("source") == "workflow"] == ["job"]


async def test_the_graph_is_drawn_on_the_command_line(client: Client) -> None:
    works = await create_event(client, "true", title="Drawn")
    event_id = await workflow(client, graph_of("t -> a", t="trigger", a=node(works)))
    command = [sys.executable, "-c", "from conductor.cli import main; main()", "workflow", "graph", event_id]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--url",
        client.url,
        "--api-key",
        client._headers["X-API-Key"],
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()

    assert printed.decode().splitlines() == [
        "flowchart LR",
        '    n_t(["t"])',
        '    n_a["Drawn"]',
        "    n_t --> n_a",
    ]


@pytest.mark.parametrize(
    "graph",
    [
        {
            "nodes": [{"id": "a", "type": "event", "x": 0, "y": 0, "data": {"event": "gone"}}],
            "connections": [],
        },
        {"nodes": [{"id": "a", "type": "note", "x": 0, "y": 0}] * 2, "connections": []},
        {"nodes": [], "connections": [{"id": "c", "source": "a", "dest": "b"}]},
        graph_of("t -> s", t="trigger", s=("split", {"split": "(("})),
        graph_of("t -> d", t="trigger", d=("decision", {"decision": "a ="})),
        graph_of("t -> r", t="trigger", r=("repeat", {"repeat": "many"})),
    ],
)
async def test_what_can_never_run_is_refused_when_it_is_saved(client: Client, graph: Any) -> None:
    with pytest.raises(ApiError) as refused:
        await workflow(client, graph)

    assert (refused.value.code, refused.value.status) == ("api", 400)
