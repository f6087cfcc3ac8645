"""An event is there if and only if its change is: each kind of change, refused and done, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from conductor.administration.overrides import Overrides
from conductor.administration.shared_overrides import SharedOverrides
from conductor.api import buckets as bucket_calls
from conductor.audit.resources import kind_type, resource_id
from conductor.definitions.secret_uses import SecretUses
from conductor.definitions.writer import House
from conductor.errors import Refusal
from conductor.filing.bucket_contents import BucketContents
from conductor.filing.buckets import Buckets
from conductor.filing.expiry import FileExpiry
from conductor.filing.job_files import JobFiles
from conductor.filing.uploads import UploadRules
from conductor.fleet.credentials import Credentials
from conductor.fleet.joining import Joining
from conductor.fleet.refusals import Refusals
from conductor.fleet.roster import Roster
from conductor.monitoring.watches import Watches
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.search.index import SERVERS, SNAPSHOTS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Write
from conductor.settings import Settings
from conductor.signals import Activity, Actor, SecretUsed, ServerAdded, ServerRemoved, Signal
from shared import ids
from tests.databases import database_url, postgres
from tests.integration.api.conftest import PASSWORD, Served, serving

__all__ = ["database_url", "postgres"]

ANN = Actor(kind="user", id="ann", ips=("192.0.2.1",), story="497f6eca-6276-4993-bfeb-53cbbbba6f08")
NOT_OURS = {"fence"}
"""Whose term it is."""
BESIDE = {"activity", "security_log"}
"""Logs of their own, which are written afterwards."""


class Expected(NamedTuple):
    """The one event of a change; `id` is our own of the resource."""

    type: str
    resource_type: str
    id: str
    actor: str = "user:ann"


class Room:
    """The services, and what is there before a change."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served = served
        self.records, self.signals, self.users = served.records, served.signals, served.users
        self.state = served.definitions.state
        self.sessions = served.accounts.sessions
        settings = Settings(secret_key="secret of the tests")
        self.credentials = Credentials(
            Documents(self.records, tables.satellite_credentials), Roster("1"), settings, self.signals
        )
        self.files = Files.open((folder / "store").as_uri())
        self.archive = JobArchive(self.records)
        self.snapshots = SearchableDocuments(self.records, SNAPSHOTS, tables.snapshots)
        self.watches = Watches(self.state, None)  # type: ignore[arg-type]  # none is taken here
        shared = SharedOverrides(self.records, settings.secret_keys)
        self.overrides = Overrides(folder / "overrides.json", settings, Settings(), shared)
        self.servers = SearchableDocuments(self.records, SERVERS, tables.servers)
        self.joining = Joining(
            Roster("1"), self.servers, served.definitions, settings, self.signals, self.credentials, Refusals()
        )  # fmt: skip
        self.uses = SecretUses(self.records, self.signals.describe)
        self.session_id = ""
        expiry = FileExpiry(self.records, self.files)
        self.job_files = JobFiles(
            self.files, self.archive, expiry, UploadRules("job", 100, 3), lambda _: None
        )

    async def furnish(self) -> None:
        await self.served.changes.create("ann", PASSWORD, {"full_name": "Ann"}, ANN, welcome=False)
        await self.served.call("create_category", {"title": "Ops", "id": "ops"})
        await self.served.call("create_bucket", {"title": "B", "id": "b1"})
        await self.served.call("write_bucket_data", {"id": "b1", "data": {"a": 1}})
        await self.servers.put("s1", SERVER)
        await self.snapshots.add("sn1", {"id": "sn1", "type": "server", "server": "s1"})
        file = {"id": "f1", "path": "files/jobs/j1/x/a.txt", "filename": "a.txt", "size": 1}
        await self.archive.add({"id": "j1", "files": [file], "completed": 1.0, "code": 0})
        self.session_id, _ = await self.sessions.open("ann", "192.0.2.1", "")

    def told(self, action: str, kind: str, id: str) -> Activity:
        return Activity(action=action, resource=(kind, id), actor=ANN)

    async def api(self, name: str, **body: Any) -> None:
        """A call with the administrator's key. Raises Refusal for an answer that tells of one."""
        _, answer = await self.served.call(name, body)
        if answer["code"] != 0:
            raise Refusal(str(answer["code"]), str(answer.get("description")))

    async def set_state(self) -> None:
        told = self.told("state_update", "", "")
        await self.state.merge("scheduler", {"enabled": False}, events=self.signals.events(told))

    async def watch(self) -> None:
        events = self.signals.events(self.told("server_watch", "server", "s1"))
        await self.watches.set("servers", "s1", 600, events=events)

    async def delete_snapshot(self) -> None:
        events = self.signals.events(self.told("snapshot_delete", "snapshot", "sn1"))
        await self.snapshots.delete("sn1", events=events)

    async def delete_job_file(self) -> None:
        events = self.signals.events(self.told("job_delete_file", "job", "j1"))
        await self.job_files.delete_file("j1", "files/jobs/j1/x/a.txt", events)

    async def configure(self) -> None:
        told = self.told("config_update", "", "")
        await self.overrides.update({"list_row_max": 100}, self.signals.events(told))

    async def join(self) -> None:
        came = ServerAdded(server={**SERVER, "ip": "192.0.2.9"}, actor=ANN)
        assert await self.joining.save(dict(came.server), self.signals.events(came))

    async def lose(self) -> None:
        await self.joining.save_left(ServerRemoved(server={**SERVER, "modified": 99}, actor=ANN))

    async def log_in(self, password: str = PASSWORD) -> None:
        asks = Actor(kind="user", ips=("192.0.2.1",), story=ANN.story)
        await self.served.accounts.log_in("ann", password, "192.0.2.1", "", asks)

    async def refused(self) -> None:
        try:
            await self.log_in("wrong")
        except Refusal as refusal:
            if refusal.code != "login":
                raise

    async def update_user(self) -> None:
        await self.served.changes.update("ann", {"full_name": "Anna"}, ANN)


Change = Callable[[Room], Awaitable[Any]]
KEY = "api_key"
WHO = House("ann")
SERVER = {"id": "s1", "hostname": "one", "groups": [], "modified": 1}
WINDOW = {"id": "w1", "title": "W", "start": 1, "end": 2, "everywhere": True}
USER, BUCKET = kind_type("users"), kind_type("buckets")

CHANGES: dict[str, tuple[Change, Expected]] = {
    "state": (Room.set_state, Expected("state.update", "template", "state_update")),
    "settings": (Room.configure, Expected("config.update", "template", "config_update")),
    "rotated key of a satellite": (
        lambda room: room.credentials.rotate("s1", ANN),
        Expected("satellite.rotate", "connection", "s1"),
    ),
    "revoked key of a satellite": (
        lambda room: room.credentials.revoke("s1", ANN),
        Expected("satellite.revoke", "connection", "s1"),
    ),
    "satellite enrolled anew": (
        lambda room: room.credentials.reissue("s1", ANN),
        Expected("satellite.reissue", "connection", "s1"),
    ),
    "joined satellite": (Room.join, Expected("satellite.joined", "connection", "s1")),
    "lost satellite": (Room.lose, Expected("satellite.lost", "connection", "s1")),
    "watch": (Room.watch, Expected("server.watch", "connection", "s1")),
    "deleted snapshot": (Room.delete_snapshot, Expected("snapshot.delete", "artifact", "sn1")),
    "deleted file of a job": (Room.delete_job_file, Expected("job.delete_file", "automation_run", "j1")),
    "login": (Room.log_in, Expected("login.succeeded", USER, "ann")),
    "refused login that is counted": (Room.refused, Expected("login.refused", USER, "ann", "user:user")),
    "logout": (
        lambda room: room.sessions.end(room.session_id, ANN),
        Expected("login.ended", USER, "ann"),
    ),
    "logout of all": (
        lambda room: room.sessions.end_all("ann", actor=ANN),
        Expected("login.ended", USER, "ann"),
    ),
    "user made": (
        lambda room: room.served.changes.create("bob", PASSWORD, {"full_name": "Bob"}, ANN, welcome=False),
        Expected("user.created", USER, "bob"),
    ),
    "user edited": (Room.update_user, Expected("user.updated", USER, "ann")),
    "category made": (
        lambda room: room.api("create_category", id="new", title="New"),
        Expected("category.created", "template", "new", KEY),
    ),
    "category edited": (
        lambda room: room.api("update_category", id="ops", title="Other"),
        Expected("category.updated", "template", "ops", KEY),
    ),
    "category deleted": (
        lambda room: room.api("delete_category", id="ops"),
        Expected("category.deleted", "template", "ops", KEY),
    ),
    "maintenance window made": (
        lambda room: room.served.definitions.create(
            "maintenance_windows", WINDOW, actor=ANN, by=WHO, correlation_id=ANN.story
        ),
        Expected("maintenance_window.created", kind_type("maintenance_windows"), "w1"),
    ),
    "data of a bucket": (
        lambda room: room.api("write_bucket_data", id="b1", data={"b": 2}),
        Expected("bucket.write_data", BUCKET, "b1", KEY),
    ),
    "emptied bucket": (
        lambda room: room.api("empty_bucket", id="b1", data=True),
        Expected("bucket.empty", BUCKET, "b1", KEY),
    ),
}


@pytest.fixture
async def room(tmp_path: Path, database_url: str) -> AsyncIterator[Room]:
    def make(records: Any, definitions: Any) -> Any:
        files = Files.open((tmp_path / "buckets").as_uri())
        rules = UploadRules("bucket", 1000, 3, "")
        expiry = FileExpiry(records, files)
        known = lambda id: definitions.get("buckets", id) is not None  # noqa: E731
        made = Buckets(BucketContents(records), files, expiry, rules, known, max_data_size=2_000)
        return bucket_calls.endpoints(made, lambda id: definitions.get("buckets", id), definitions._signals)

    async with serving(tmp_path, database_url=database_url, make=make) as served:
        made = Room(served, tmp_path)
        await served.records.begin_term(1)
        await made.furnish()
        yield made


async def stored(room: Room) -> dict[str, Any]:
    """Everything in the database, by table."""

    def read(sql: sa.Connection) -> dict[str, Any]:
        found = {
            name: sorted(map(repr, sql.execute(sa.select(table))))
            for name, table in tables.metadata.tables.items()
            if name not in NOT_OURS | BESIDE
        }
        found["terms"] = [row for row in found["terms"] if not row.startswith("('activity'")]
        return found

    return await room.records.read(read)


async def events_after(room: Room, seq: int) -> list[Any]:
    query = sa.select(tables.events).where(tables.events.c.seq > seq).order_by(tables.events.c.seq)
    return await room.records.read(lambda sql: list(sql.execute(query)))


async def depose(room: Room, epoch: int) -> None:
    """Another conductor's term has begun."""
    raised = Write(sa.text("UPDATE fence SET epoch = :epoch"), {"epoch": epoch})
    await room.records.write(raised, fenced=False)


@pytest.mark.parametrize("kind", CHANGES)
async def test_event_log_has_an_event_if_and_only_if_its_change_is_stored(room: Room, kind: str) -> None:
    change, expected = CHANGES[kind]
    late: list[Signal] = []

    async def observe(signal: Signal) -> None:
        if room.signals.events(signal):
            late.append(signal)

    before = await stored(room)
    last = len(before["events"])

    await depose(room, 2)
    with pytest.raises(Exception) as refused:
        await change(room)
    assert refused.type.__name__ in ("Deposed", "NotPrimary", "Unavailable", "Refusal"), refused.value
    assert await stored(room) == before, "a refused change left something"

    await room.records.begin_term(3)
    await room.served.definitions.load()
    await room.users.load()
    room.signals.subscribe("late", observe, unlogged=True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(room.signals.run())
        await change(room)
        await room.signals.settled(5)
        running.cancel()
    after = await stored(room)
    [event] = await events_after(room, last)
    kind_of_actor, _, who = expected.actor.partition(":")
    assert (event.type, event.resource_type) == (expected.type, expected.resource_type)
    assert event.resource == resource_id(expected.resource_type, expected.id)
    assert event.actor_type == kind_of_actor
    if who:
        assert (event.actor, event.correlation) == (who, ANN.story)
    assert event.correlation != event.id, "it belongs to the story of the call"
    assert any(after[name] != before[name] for name in before if name != "events"), "nothing has changed"
    assert late == [], "it was left to the log's observer"
    assert ids.story_id() > event.id


async def test_event_log_has_nothing_of_what_changes_nothing(room: Room) -> None:
    """The end of a watch that is none, a session that is unknown, a snapshot that has gone."""
    before = await stored(room)
    events = room.signals.events(room.told("server_watch", "server", "s9"))

    await room.watches.set("servers", "s9", 0, events=events)
    await room.sessions.end("0" * 64, ANN)
    await room.sessions.end_all("nobody", actor=ANN)
    assert not await room.snapshots.delete("sn9", events=events)

    assert await stored(room) == before


async def test_event_log_has_the_use_of_a_secret_with_its_count(room: Room) -> None:
    """While it cannot be written both wait: neither is there without the other."""
    before = await stored(room)
    await room.uses.observe(SecretUsed(secret_id="z1", used_by=("events", "e1"), actor=ANN))
    await depose(room, 2)
    await room.uses.flush()
    assert await stored(room) == before

    await room.records.begin_term(3)
    await room.uses.flush()
    await room.uses.flush()

    [event] = await events_after(room, len(before["events"]))
    assert (event.type, event.actor) == ("secret.used", "ann")
    assert event.resource == resource_id(kind_type("secrets"), "z1")
    [use] = await room.uses.of("z1")
    assert (use["type"], use["id"], use["count"]) == ("events", "e1", 1)


async def test_event_log_has_a_lost_satellite_that_was_back_before_it_was_written(room: Room) -> None:
    """Nothing of it is stored then: the log's observer takes it, and nobody else hears of it twice."""
    heard: list[str] = []

    async def observer(signal: Signal) -> None:
        heard.append("observer")

    async def log(signal: Signal) -> None:
        heard.append("log")

    room.signals.subscribe("other", observer, ServerRemoved)
    room.signals.subscribe("log", log, ServerRemoved, unlogged=True)
    lost = ServerRemoved(server={**SERVER, "id": "s2"}, actor=ANN)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(room.signals.run())
        room.signals.publish_logged(lost)
        await room.joining.save_left(lost)
        await room.signals.settled(5)
        running.cancel()

    assert heard == ["observer", "log"]
