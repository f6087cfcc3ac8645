"""The repository over real databases: what it answers, what SQL holds afterwards, what it announces."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from conductor.announcer import Signals
from conductor.definitions import versions
from conductor.definitions.defaults import SETUP, seed
from conductor.definitions.repository import MAX_BYTES, Definitions
from conductor.definitions.versions import of_definition
from conductor.definitions.writer import House
from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.records.store import Records, Write
from conductor.records.tables import definitions as table
from conductor.signals import Actor, DefinitionChanged

ANN = Actor(kind="user", id="ann")
BY = House("ann")
EVENT = {
    "title": "Nightly",
    "enabled": True,
    "category": "general",
    "targets": ["main"],
    "plugin": "shellplug",
    "params": {"script": "true"},
}


async def reopened(records: Records) -> Definitions:
    """What another conductor would see."""
    other = Definitions(records, Signals())
    await other.load()
    return other


async def create(definitions: Definitions, kind: str, **doc: Any) -> dict[str, Any]:
    return await definitions.create(kind, doc, actor=ANN, by=BY)


async def test_a_new_installation(records: Records, signals: Signals, seen: list[DefinitionChanged]) -> None:
    definitions = Definitions(records, signals)
    await definitions.load()
    assert await seed(definitions) is True
    assert await seed(definitions) is False
    other = await reopened(records)
    for kind in definitions.kinds:
        assert list(other.all(kind)) == list(definitions.all(kind))
    assert [doc["id"] for doc in other.all("plugins")][:2] == ["testplug", "shellplug"]
    assert other.get("groups", "main") is not None
    assert other.state.get("scheduler") == {"enabled": True}
    assert {(signal.verb, signal.actor) for signal in seen} == {("create", SETUP)}
    assert len(seen) == 32
    assert {signal.kind for signal in seen} == set(definitions.kinds) - {
        *("api_keys", "buckets", "events", "maintenance_windows", "secrets"),
        "roles",  # by contract the only first content without an activity row
    }


async def test_create_update_delete(
    definitions: Definitions, records: Records, seen: list[DefinitionChanged]
) -> None:
    created = await create(definitions, "events", **EVENT, custom={"kept": [1]})
    id = created["id"]
    assert definitions.get("events", id) == created
    assert definitions.state.get(f"events/{id}") == {}
    before = definitions.version("events")

    changed = await definitions.update("events", id, {"title": "New"}, actor=ANN, by=BY)
    assert changed == {**created, "title": "New", "revision": 2, "modified": changed["modified"]}
    assert created["title"] == "Nightly"  # what was handed out does not change
    assert definitions.version("events") > before
    assert (await reopened(records)).get("events", id) == changed

    assert await definitions.delete("events", id, actor=ANN, by=BY) == changed
    assert definitions.get("events", id) is None
    assert (await reopened(records)).get("events", id) is None
    assert [(signal.kind, signal.verb, signal.updated) for signal in seen[-2:]] == [
        ("events", "update", ("title",)),
        ("events", "delete", ()),
    ]
    assert seen[-1].item == changed
    assert seen[-1].actor == ANN


@pytest.mark.parametrize(
    ("kind", "update_code", "delete_code"),
    [("events", "event", "event"), ("categories", "category", "category"), ("groups", "group", "group"),
     ("plugins", "api", "plugin"), ("api_keys", "api_key", "api_key"), ("tags", "tag", "tag")],
)  # fmt: skip
async def test_unknown_items(definitions: Definitions, kind: str, update_code: str, delete_code: str) -> None:
    with pytest.raises(Refusal, match="gone") as refusal:
        await definitions.update(kind, "gone", {}, actor=ANN, by=BY)
    assert refusal.value.code == update_code
    with pytest.raises(Refusal, match="gone") as refusal:
        await definitions.delete(kind, "gone", actor=ANN, by=BY)
    assert refusal.value.code == delete_code


async def test_a_taken_id_is_refused(definitions: Definitions) -> None:
    with pytest.raises(Refusal, match="That Category ID already exists: general") as refusal:
        await create(definitions, "categories", id="general", title="Again")
    assert refusal.value.code == "category"


async def test_order(definitions: Definitions, records: Records) -> None:
    for number in range(3):
        await create(definitions, "categories", id=f"c{number}", title="C", sort_order=99)
        await create(definitions, "api_keys", title=f"K{number}")
    await definitions.update("categories", "c0", {"title": "Changed"}, actor=ANN, by=BY)
    await definitions.delete("categories", "c1", actor=ANN, by=BY)
    await create(definitions, "categories", id="c1", title="C")
    for held in (definitions, await reopened(records)):
        orders = [(doc["id"], doc["sort_order"]) for doc in held.all("categories")]
        assert orders == [("general", 0), ("c0", 1), ("c2", 3), ("c1", 4)]
        assert [doc["title"] for doc in held.all("api_keys")] == ["K2", "K1", "K0"]


async def test_reordering_changes_nothing_else(
    definitions: Definitions, records: Records, seen: list[DefinitionChanged]
) -> None:
    await create(definitions, "groups", id="web", title="Web", hostname_match="^web")
    items = [{"id": "main", "sort_order": 5, "title": "no"}, {"id": "gone", "sort_order": 1}, {"id": "web"}]
    await definitions.multi_update("groups", items, actor=ANN, by=BY)
    main = (await reopened(records)).get("groups", "main")
    assert main is not None
    assert (main["sort_order"], main["title"], main["revision"]) == (5, "Main Group", 1)
    assert (seen[-1].verb, seen[-1].updated) == ("multi_update", ("sort_order", "title"))
    with pytest.raises(BadParameter):
        await definitions.multi_update("groups", [], actor=ANN, by=BY)
    with pytest.raises(BadParameter):
        await definitions.multi_update("plugins", items, actor=ANN, by=BY)


async def test_two_writers_lose_no_update(definitions: Definitions, records: Records) -> None:
    await create(definitions, "tags", id="shared", title="T", count=0)
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(
                definitions.update("tags", "shared", {f"p{number}": 1, "count": "+1"}, actor=ANN, by=BY)
            )
    stored = (await reopened(records)).get("tags", "shared")
    assert stored is not None
    assert (stored["count"], stored["revision"]) == (40, 41)
    assert all(stored[f"p{number}"] == 1 for number in range(40))


async def test_one_of_two_with_the_same_id_is_created(definitions: Definitions) -> None:
    results = await asyncio.gather(
        *(create(definitions, "tags", id="same", title=str(number)) for number in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Refusal) for result in results) == 4


async def test_a_category_in_use_stays(definitions: Definitions) -> None:
    await create(definitions, "categories", id="mine", title="Mine")
    event = await create(definitions, "events", **{**EVENT, "category": "mine"})
    with pytest.raises(Refusal, match="still has events") as refusal:
        await definitions.delete("categories", "mine", actor=ANN, by=BY)
    assert refusal.value.code == "category"
    await definitions.delete("events", event["id"], actor=ANN, by=BY)
    data = {"plugin": "testplug", "category": "mine", "targets": ["main"], "params": {"duration": 1}}
    node = {"id": "n", "type": "job", "x": 0, "y": 0, "data": data}
    graph = {"nodes": [node], "connections": []}
    workflow = await create(
        definitions, "events", title="W", enabled=True, category="general", type="workflow", workflow=graph
    )
    with pytest.raises(Refusal, match=workflow["id"]):
        await definitions.delete("categories", "mine", actor=ANN, by=BY)
    await definitions.delete("events", workflow["id"], actor=ANN, by=BY)
    await definitions.delete("categories", "mine", actor=ANN, by=BY)


async def test_no_event_is_left_without_its_category(definitions: Definitions) -> None:
    """Whatever the order, an event and the deletion of its category never both succeed."""
    for number in range(10):
        id = f"c{number}"
        await create(definitions, "categories", id=id, title="C")
        made, deleted = await asyncio.gather(
            create(definitions, "events", **{**EVENT, "category": id}),
            definitions.delete("categories", id, actor=ANN, by=BY),
            return_exceptions=True,
        )
        assert isinstance(made, Refusal) != isinstance(deleted, Refusal)


async def test_an_event_with_jobs_stays(records: Records, definitions: Definitions) -> None:
    event = await create(definitions, "events", **EVENT)
    jobs = {event["id"]: 2}
    busy = Definitions(records, Signals(), active_jobs=lambda id: jobs.get(id, 0))
    await busy.load()
    with pytest.raises(Refusal, match="2 active jobs") as refusal:
        await busy.delete("events", event["id"], actor=ANN, by=BY)
    assert refusal.value.code == "event"
    jobs.clear()
    await busy.delete("events", event["id"], actor=ANN, by=BY)


async def test_an_events_state_lives_with_it(definitions: Definitions, records: Records) -> None:
    event = await create(definitions, "events", **EVENT, update_state={"cursor": 5, "nth": 1})
    key = f"events/{event['id']}"
    await definitions.update("events", event["id"], {"update_state": {"cursor": 9}}, actor=ANN, by=BY)
    assert (await reopened(records)).state.get(key) == {"cursor": 9, "nth": 1}
    await definitions.delete("events", event["id"], actor=ANN, by=BY)
    assert definitions.state.get(key) == {}
    assert key not in (await reopened(records)).state.under("events")


async def test_an_api_key_is_shown_once(definitions: Definitions, records: Records) -> None:
    draft = await definitions.create_showing("api_keys", {"title": "Key"}, actor=ANN, by=BY)
    plain = draft.shown_once["plain_key"]
    rows = await records.read(lambda connection: connection.execute(sa.select(table.c.doc)).scalars().all())
    assert not any(plain.encode() in row for row in rows)
    key = draft.doc["id"]
    await definitions.state.merge(f"api_keys/{key}", {"date": 1, "count": 1})
    await definitions.delete("api_keys", key, actor=ANN, by=BY)
    assert definitions.state.get(f"api_keys/{key}") == {}


@pytest.mark.parametrize("value", ["\ud800", "x" * MAX_BYTES], ids=["surrogate", "size"])
async def test_what_cannot_be_stored_is_refused(definitions: Definitions, value: Any) -> None:
    with pytest.raises(BadParameter):
        await create(definitions, "tags", id="odd", title="T", value=value)
    assert definitions.get("tags", "odd") is None
    await create(definitions, "tags", id="odd", title="T")


async def test_memory_holds_what_the_database_holds(definitions: Definitions, records: Records) -> None:
    sent: dict[str, Any] = {"list": [1, {"x": float("nan")}]}
    created = await create(definitions, "tags", id="odd", title="T", value=sent)
    sent["list"].append("later")
    assert created["value"] == {"list": [1, {"x": None}]}
    assert created == (await reopened(records)).get("tags", "odd") == definitions.get("tags", "odd")


async def test_a_caller_that_leaves_breaks_nothing(definitions: Definitions, records: Records) -> None:
    task = asyncio.create_task(create(definitions, "tags", id="half", title="T"))
    await asyncio.sleep(0)  # it is now waiting for the commit
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert definitions.get("tags", "half") == (await reopened(records)).get("tags", "half") is not None


async def test_after_a_failed_write_memory_follows_the_database(
    definitions: Definitions, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = records.write

    async def commits_without_answer(*writes: Write, timeout: float = 10.0, **more: Any) -> int:
        await write(*writes, timeout=timeout, **more)
        raise Unavailable("no answer")

    monkeypatch.setattr(records, "write", commits_without_answer)
    with pytest.raises(Unavailable):
        await create(definitions, "tags", id="late", title="T")
    monkeypatch.setattr(records, "write", write)
    with pytest.raises(Refusal, match="already exists"):
        await create(definitions, "tags", id="late", title="T")
    assert definitions.get("tags", "late") is not None


async def test_what_names_a_deleted_item_changes_with_it(
    definitions: Definitions, records: Records, seen: list[DefinitionChanged]
) -> None:
    await create(definitions, "events", **EVENT, id="e1", tags=["flag", "important"])
    seen.clear()
    await definitions.delete("tags", "flag", actor=ANN, by=BY, correlation_id="story")
    for one in (definitions, await reopened(records)):
        event = one.get("events", "e1")
        assert event is not None
        assert (event["tags"], event["revision"]) == (["important"], 2)
    assert [(signal.kind, signal.verb, signal.correlation_id) for signal in seen] == [
        *(("tags", "delete", "story"), ("events", "update", "story"))
    ]
    rows, total = await of_definition(records, "events", "e1", limit=5)
    assert ([row["event"]["tags"] for row in rows], total) == ([["important"], ["flag", "important"]], 2)


async def test_deletions_that_touch_each_other_do_not_wait_for_each_other(definitions: Definitions) -> None:
    for number in range(10):
        await create(definitions, "tags", id=f"t{number}", title="T")
        await create(definitions, "categories", id=f"c{number}", title="C")
        await create(definitions, "events", **EVENT, id=f"e{number}", tags=[f"t{number}"])
    async with asyncio.timeout(20):
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                for kind in ("tags", "categories", "events"):
                    group.create_task(definitions.delete(kind, f"{kind[0]}{number}", actor=ANN, by=BY))
    assert list(definitions.all("events")) == []


async def test_old_versions_go(
    definitions: Definitions, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(definitions, "tags", id="busy", title="T")
    for number in range(versions.KEPT + 5):
        await definitions.update("tags", "busy", {"notes": str(number)}, actor=ANN, by=BY)
    rows, total = await of_definition(records, "tags", "busy", limit=1, newest_first=False)
    assert total == versions.KEPT
    assert rows[0]["tag"]["notes"] == "5"
    tag = definitions.kinds["tags"]
    assert await versions.at_revision(records, tag, "busy", 1) is None
    kept = await versions.at_revision(records, tag, "busy", 100)
    assert kept is not None
    assert kept["revision"] == 100
