"""Workflows carried out on a real job book and archive; and the same result when the primary dies on the way."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from conductor.live.connection import connect
from conductor.live.embedded import EmbeddedRedis
from conductor.records.job_archive import JobArchive
from conductor.records.store import Records
from tests.integration.redis_server import redis_server
from tests.integration.workflows.house import NAMES, House
from tests.unit.workflows.simulation import graph_of

EVENT = ("event", {"event": "e1"})
JOB = ("job", {"plugin": "shellplug", "category": "general", "targets": ["main"]})

FAN = graph_of(
    "t -> s", "s -> a", "a -success-> b", "a -continue-> j", "t -> c", "c -success-> j", "j -> d",
    "d -complete-> mail", "d -success-> w", "w -> e", "w -> mail2",
    t="trigger", s=("split", {"split": "data.list"}), a=EVENT, b=JOB, c=EVENT, j="join", d=EVENT, e=JOB,
    w=("wait", {"wait": 0.01}), mail=("action", {"enabled": True, "type": "email"}),
    mail2=("action", {"enabled": True, "type": "channel"}),
)  # fmt: skip
GIVEN = {"data": {"list": [1, 2, 3, 4]}, "files": []}


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedRedis]:
    async with redis_server() as running:
        yield running


@pytest.fixture
async def house(server: EmbeddedRedis, tmp_path: Path) -> AsyncIterator[House]:
    redis: Redis = connect(server.url)
    await redis.flushall()
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    house = House(redis, JobArchive(records))
    house.events["e1"] = {"id": "e1", "title": "An event", "params": {"p": 1}, "targets": ["main"]}
    yield house
    await records.close()
    await redis.aclose()


def result(node: str, number: int, given: Any) -> dict[str, Any]:
    item = (given or {}).get("data", {}).get("item")
    return {
        "code": 0,
        "data": {"node": node, "item": item},
        "workflowData": {"seen": [node]},
        "tags": [f"u_{node}"],
    }


async def test_a_fan_out_with_a_join_runs_to_its_end(house: House) -> None:
    house.result = result

    record = await house.run(FAN, GIVEN)

    assert record["code"] == 0
    assert house.ran == {"a": 4, "b": 4, "c": 1, "d": 1, "e": 1}
    (given,) = house.inputs["d"]
    assert sorted(item["item"] or 0 for item in given["data"]["items"]) == [0, 1, 2, 3, 4]
    assert sorted(type for type, _ in house.acted) == ["channel"]
    workflow = record["workflow"]
    assert {node: len(stubs) for node, stubs in workflow["jobs"].items()} == house.ran
    assert workflow["state"]["s"] | {"started": 0, "completed": 0} == {
        "started": 0, "completed": 0, "active": False, "max": 4, "count": 4,
    }  # fmt: skip
    assert sorted(record["workflowData"]["seen"]) == sorted(house.ran.elements())
    assert set(record["tags"]) == {"u_a", "u_b", "u_c", "u_d", "u_e"}
    assert record["data"]["node"] in house.ran


async def test_a_primary_killed_after_any_effect_leads_to_the_same_result(house: House) -> None:
    house.result = result
    await house.run(FAN, GIVEN)
    undisturbed, effects = dict(house.ran), house.effects
    assert effects > 30

    for kill_at in range(1, effects + 1):
        house.ran.clear()
        house.acted.clear()
        house.effects, house.kill_at = 0, kill_at

        record = await house.run(FAN, GIVEN)

        assert dict(house.ran) == undisturbed, f"killed after effect {kill_at}"
        assert record["code"] == 0
        assert {node: len(stubs) for node, stubs in record["workflow"]["jobs"].items()} == undisturbed
        assert {type for type, _ in house.acted} == {"channel"}
        assert len({key for _, key in house.acted}) == 1, "a repeated action carries the same key"


async def test_better_8_a_refused_launch_fails_its_node_and_not_the_whole_run(house: House) -> None:
    house.refuse = {"b"}
    workflow = graph_of("t -> a", "t -> b", "b -error-> c", t="trigger", a=EVENT, b=EVENT, c=EVENT)

    record = await house.run(workflow)

    assert record["code"] == "warning"
    assert house.ran == {"a": 1, "c": 1}
    assert record["workflow"]["jobs"]["b"][0]["description"] == "Refused on purpose."


async def test_an_event_that_was_deleted_fails_its_node(house: House) -> None:
    workflow = graph_of("t -> a", t="trigger", a=("event", {"event": "gone"}))

    record = await house.run(workflow)

    assert (record["code"], house.ran) == (1, {})
    assert record["workflow"]["jobs"]["a"][0]["code"] == "event"


async def test_a_replayed_job_stands_for_a_run(house: House) -> None:
    await house.archive.add(
        {"id": "jold", "event": "e1", "category": "general", "started": 1.0, "completed": 2.0, "elapsed": 1.0,
         "code": 0, "description": "", "data": {"old": True}, "files": [], "tags": []}
    )  # fmt: skip
    workflow = graph_of("t -> a", "a -success-> b", t="trigger", a=("event", {"event": "e1", "replay": "jold"}),
                        b=EVENT)  # fmt: skip

    record = await house.run(workflow)

    assert house.ran == {"b": 1}
    assert house.inputs["b"] == [{"data": {"old": True}, "files": []}]
    (stub,) = record["workflow"]["jobs"]["a"]
    assert (stub["id"], stub["replay"]) == ("jold", True)


async def test_a_replayed_job_that_is_gone_aborts_the_run(house: House) -> None:
    workflow = graph_of("t -> a", t="trigger", a=("event", {"event": "e1", "replay": "jnone"}))

    record = await house.run(workflow)

    assert (record["code"], record["description"]) == ("abort", "Replayed job not found: jnone")


async def test_an_aborting_decision_aborts_what_is_under_way(house: House) -> None:
    workflow = graph_of(
        "t -> r", "r -> a", "t -> d", "d -> b",
        t="trigger", r=("repeat", {"repeat": 3}), a=EVENT, b=EVENT, d=("decision", {"decision": "0", "abort": True}),
    )  # fmt: skip

    record = await house.run(workflow)

    assert record["code"] == "abort"
    assert "aborted" not in record["workflow"]
    assert house.ran["b"] == 0


async def test_better_1_a_sub_job_missing_from_the_book_ends_its_controller(house: House) -> None:
    workflow = graph_of(
        "t -> r", "r -> a", "a -continue-> b", "a -error-> c",
        t="trigger", r=("repeat", {"repeat": 3, "continue": 50}), a=EVENT, b=EVENT, c=EVENT,
    )  # fmt: skip

    async def lose_one() -> None:
        """While no primary is there a sub-job disappears from Redis."""
        stored = [key async for key in house.redis.scan_iter(NAMES.job + "*")]
        lost = min([key for key in stored if b"run" not in await house.redis.hkeys(key)])
        await house.redis.delete(lost)
        await house.redis.srem(NAMES.jobs, lost.decode().removeprefix(NAMES.job))

    house.kill_at, house.after_death = 2, lose_one

    record = await house.run(workflow)

    assert record["code"] == "warning"
    assert house.ran == {"a": 2, "b": 1, "c": 1}
    assert record["workflow"]["state"]["r"]["count"] == 3


async def test_better_3_a_failed_workflow_is_run_again_from_its_failed_nodes(house: House) -> None:
    house.result = lambda node, number, given: {"code": int(node == "b"), "data": {node: number}}
    failed = await house.run(FAN, GIVEN)
    assert (failed["code"], house.ran["b"], house.ran["e"]) == ("warning", 4, 1)
    before = dict(house.ran)
    house.result = result

    again = await house.run(FAN, GIVEN, rerun=failed["id"])

    assert again["code"] == 0
    assert house.ran == {**before, "b": 8}
    assert sorted(map(str, house.inputs["b"][4:])) == sorted(map(str, house.inputs["b"][:4]))
    assert {node: len(stubs) for node, stubs in again["workflow"]["jobs"].items()} == before
    assert again["data"]["a"] in range(4)


async def test_a_rerun_of_what_is_gone_says_so(house: House) -> None:
    record = await house.run(FAN, GIVEN, rerun="jnone")

    assert (record["code"], house.ran) == ("abort", {})
