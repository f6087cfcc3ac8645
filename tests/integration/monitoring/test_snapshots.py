"""Snapshots and watches on SQLite and PostgreSQL (contract snapshots.md)."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from conductor.definitions.writer import House
from conductor.errors import Refusal
from conductor.monitoring import snapshots as snapshots_module
from conductor.monitoring.watches import Watches, in_words
from conductor.records.store import Records
from conductor.signals import SYSTEM
from tests.integration.monitoring.alert_room import Deeds, Fleet, JobList, Room, term
from tests.processes import eventually

Json = dict[str, Any]

DATA: Json = {"processes": {"list": [{"pid": 1}]}, "conns": [{"type": "tcp"}]}


@pytest.fixture
async def room(both_records: Records) -> AsyncIterator[Room]:
    async with term(both_records, Fleet(), JobList(), Deeds()) as one:
        group = {"id": "web", "title": "Web", "hostname_match": "(?!)"}
        await one.definitions.create("groups", group, actor=SYSTEM, by=House("test"))
        yield one


async def found(room: Room, query: str = "*") -> list[Json]:
    page = await room.snapshot_records.search(query, limit=100, sort_dir=1)
    return [msgspec.json.decode(row) for row in page.rows]


async def test_a_snapshot_of_a_server_has_all_that_is_known_of_it(room: Room) -> None:
    server = room.fleet.add("s1", "web")
    await room.define()
    room.sample(server, True, **DATA)
    (invocation,) = await room.fired()
    room.jobs.jobs = [
        {"id": "j1", "server": "s1", "state": "active", "workflow": {"job": "jw"}},
        {"id": "j2", "server": "s1", "state": "queued"},
    ]
    id = await room.snapshots.take_server("s1", source="user", username="admin", about={"label": "before"})
    (snapshot,) = await found(room, "type:server server:s1 source:user groups:web")
    assert snapshot["id"] == id
    assert snapshot["data"]["processes"]["list"] == [{"pid": 1}]
    assert snapshot["data"]["conns"] == [{"type": "tcp"}]
    assert snapshot["new_alerts"] == {"hot": True}
    assert (snapshot["jobs"], snapshot["alerts"]) == (["j1", "j2", "jw"], [invocation["id"]])
    assert snapshot["quickmon"] == [{"date": 1, "_qm_cpu": 3}]
    assert (snapshot["username"], snapshot["label"]) == ("admin", "before")
    assert snapshot["date"] == room.minute, "that of the sample"
    assert abs(snapshot["taken"] - time.time()) < 30, "that of the snapshot: hole 3 of snapshots.md §6"


@pytest.mark.parametrize("state", ["unknown", "offline", "no data", "disabled"])
async def test_there_is_no_snapshot_of_what_is_not_known(room: Room, state: str) -> None:
    server = room.fleet.add("s1")
    if state == "disabled":
        room.fleet.samples["s1"] = {"data": {"dummy": True}}
    elif state == "offline":
        room.sample(server, False)
        room.fleet.leave("s1")
    with pytest.raises(Refusal) as refused:
        await room.snapshots.take_server("s9" if state == "unknown" else "s1", source="job")
    assert refused.value.code == "snapshot"
    assert await found(room) == []


async def test_of_one_sample_alerts_and_jobs_make_one_snapshot(room: Room) -> None:
    """Hole 6 of snapshots.md §6: flapping alerts made many that were nearly the same."""
    server = room.fleet.add("s1")
    room.sample(server, False)
    first = await room.snapshots.take_server("s1", source="alert", alert_id="a1")
    assert await room.snapshots.take_server("s1", source="job", job_id="j1") == first
    assert await room.snapshots.take_server("s1", source="user", username="admin") != first
    room.sample(server, False)
    assert await room.snapshots.take_server("s1", source="alert", alert_id="a2") != first
    together = await room.snapshot_records.get(first)
    assert together is not None
    assert "j1" in together["jobs"]
    assert len(await found(room)) == 3
    await room.snapshots.delete(first)
    assert await room.snapshots.delete(first) is False


async def test_a_wish_that_is_expressed_again_after_a_takeover_is_answered_with_its_snapshot(
    room: Room,
) -> None:
    """Better, actions.md 3: what was taken before its conductor ended is not taken twice."""
    server = room.fleet.add("s1")
    room.sample(server, False)
    first = await room.snapshots.take_server("s1", source="job", job_id="j1", key="j1-0")
    shared = await room.snapshots.take_server("s1", source="alert", alert_id="a1", key="a1-alert_new-0")
    assert shared == first
    room.snapshots.forget()  # of the next term
    room.sample(server, False)
    for key, asked in (("j1-0", {"job_id": "j1"}), ("a1-alert_new-0", {"alert_id": "a1"})):
        source = "job" if "job_id" in asked else "alert"
        again = await room.snapshots.take_server("s1", source=source, key=key, again=True, **asked)  # type: ignore[arg-type]
        assert again == first
    other = await room.snapshots.take_server("s1", source="job", job_id="j2", key="j2-0", again=True)
    assert other != first, "this one had not been taken"


async def test_a_snapshot_of_a_group_succeeds_with_members_that_sent_nothing(room: Room) -> None:
    """Hole 2 of snapshots.md §6: one member without data broke it."""
    room.sample(room.fleet.add("s1", "web"), False, **DATA)
    room.fleet.add("s2", "web")
    room.fleet.add("s3", "db")
    room.fleet.add("s4", "web")["modified"] = int(time.time()) + 5
    for server_id, left in (("s5", int(time.time()) - 60), ("s6", 1)):
        room.sample(room.fleet.add(server_id, "web"), False)
        room.fleet.leave(server_id, left)
    room.jobs.jobs = [{"id": "j1", "server": "s5"}, {"id": "j3", "server": "s3"}]
    id = await room.snapshots.take_group("web", source="user", username="admin")
    (snapshot,) = await found(room, "type:group groups:web")
    assert snapshot["id"] == id
    assert [(one["id"], one["offline"]) for one in snapshot["servers"]] == [
        ("s1", False), ("s2", False), ("s5", True),
    ]  # fmt: skip
    assert [bool(one) for one in snapshot["snapshots"]] == [True, False, True]
    assert [bool(rows) for rows in snapshot["quickmons"]] == [True, True, False]
    assert (snapshot["jobs"], snapshot["server"]) == (["j1"], "")
    assert snapshot["group_def"]["title"] == "Web"


async def test_an_empty_group_has_a_snapshot_and_an_unknown_one_none(room: Room) -> None:
    await room.snapshots.take_group("web", source="watch")
    assert [one["servers"] for one in await found(room)] == [[]]
    with pytest.raises(Refusal) as refused:
        await room.snapshots.take_group("nowhere", source="watch")
    assert refused.value.code == "snapshot"


async def test_of_a_great_group_the_bulk_of_some_members_is_left_out(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hole 1 of snapshots.md §6: such records grew without bound."""
    monkeypatch.setattr(snapshots_module, "MOST_WHOLE", 1)
    for server_id in ("s1", "s2"):
        room.sample(room.fleet.add(server_id, "web"), False, **DATA)
    await room.snapshots.take_group("web", source="user")
    whole, cut = (await found(room))[0]["snapshots"]
    assert "processes" in whole["data"]
    assert "processes" not in cut["data"]
    assert (cut["cut"], cut["data"]["degrees"]) == (True, 90)


async def test_a_watched_server_has_a_snapshot_of_each_sample(room: Room) -> None:
    server, other = room.fleet.add("s1"), room.fleet.add("s2")
    room.minute = int(time.time())
    await room.watches.set("servers", "s1", 600)
    for _ in range(2):
        room.sample(server, False)
        room.sample(other, False)

    async def two() -> bool:
        return len(await found(room, "source:watch")) == 2

    await eventually(two, "both are stored")
    assert {one["server"] for one in await found(room)} == {"s1"}
    await room.watches.set("servers", "s1", 0)
    room.sample(server, False)
    assert room.watches.until("servers", "s1") == 0
    assert room.watches._waiting.empty()


async def test_a_watched_group_that_is_gone_keeps_no_other_from_its_snapshot(room: Room) -> None:
    """Hole 2 of snapshots.md §6."""
    for group_id in ("gone", "web"):
        await room.watches.set("groups", group_id, 600)
    await room.definitions.state.merge("watches/groups", {"main": 5})
    await room.watches.take_groups()
    assert [one["groups"] for one in await found(room, "source:watch type:group")] == [["web"]]


async def test_watches_outlive_a_restart(room: Room, both_records: Records) -> None:
    await room.watches.set("groups", "web", 600)
    await room.watches.set("servers", "s1", 600)
    await room.watches.set("servers", "s1", 0)
    async with term(both_records, room.fleet, room.jobs, room.deeds) as other:
        assert other.watches.until("groups", "web") > time.time()
        assert other.watches.until("servers", "s1") == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds (disabled)"), (1, "1 second"), (300, "5 minutes"), (3600, "1 hour"), (90, "90 seconds")],
)
def test_the_duration_of_a_watch_in_words(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


async def test_better_8_a_watch_says_who_set_it(room: Room) -> None:
    """Nobody knew whose watch filled the snapshots; the contract's state stays as it is."""
    await room.watches.set("servers", "s1", 600, "ann")
    assert isinstance(room.definitions.state.get("watches/servers")["s1"], int)
    owner = room.watches.owner("servers", "s1")
    assert (owner["username"], abs(owner["since"] - time.time()) < 30) == ("ann", True)
    await room.watches.set("servers", "s1", 300, "bob")
    assert room.watches.owner("servers", "s1")["username"] == "bob", "he prolonged it"
    await room.watches.set("servers", "s1", 0, "ann")
    assert room.watches.owner("servers", "s1") == {}


async def test_better_8_a_user_has_so_many_watches_and_no_more(room: Room) -> None:
    watches = Watches(room.definitions.state, room.snapshots, most_of_a_user=2)
    await watches.set("servers", "s1", 600, "ann")
    await watches.set("groups", "web", 600, "ann")
    with pytest.raises(Refusal) as refused:
        await watches.set("servers", "s2", 600, "ann")
    assert refused.value.code == "watch"
    assert watches.until("servers", "s2") == 0
    await watches.set("servers", "s1", 900, "ann")
    await watches.set("servers", "s2", 600, "bob")
    await watches.set("groups", "web", 0, "ann")
    await watches.set("servers", "s3", 600, "ann")


async def test_watches_that_have_ended_are_dropped_with_their_owners(room: Room) -> None:
    state = room.definitions.state
    await room.watches.set("servers", "s1", 600, "ann")
    await state.merge_many(
        {"watches/servers": {"s2": 5}, "watch_owners/servers": {"s2": {"username": "x"}, "s9": {}}}
    )
    assert await room.watches.drop_ended() == 1
    assert list(state.get("watches/servers")) == ["s1"]
    assert list(state.get("watch_owners/servers")) == ["s1"]


async def test_better_5_a_snapshot_may_be_pinned_and_labelled_afterwards(room: Room) -> None:
    room.sample(room.fleet.add("s1"), False)
    id = await room.snapshots.take_server("s1", source="user")
    assert await room.snapshots.remark(id, {"pinned": True, "label": "incident", "notes": ""})
    assert [one["id"] for one in await found(room, "pinned:true")] == [id]
    (kept,) = await found(room)
    assert (kept["label"], "notes" in kept, kept["data"]["degrees"]) == ("incident", False, 90)
    assert await room.snapshots.remark(id, {"pinned": False})
    (kept,) = await found(room)
    assert ("pinned" in kept, kept["label"]) == (False, "incident")
    assert not await room.snapshots.remark("snone", {"pinned": True})
