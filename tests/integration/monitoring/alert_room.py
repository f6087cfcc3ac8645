"""Alerts on a real database, with the rooms around them reduced to what a test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.definitions.writer import House
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.alerting import Alerting
from conductor.monitoring.alerts.ports import with_parents
from conductor.monitoring.alerts.purge import Purge
from conductor.monitoring.alerts.store import AlertStore
from conductor.monitoring.snapshots import Snapshots
from conductor.monitoring.watches import Watches
from conductor.records import tables
from conductor.records.search.index import ALERTS, SNAPSHOTS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records
from conductor.signals import SYSTEM, AlertCleared, AlertFired, Signal
from tests.processes import eventually

Json = dict[str, Any]


@dataclass
class Fleet:
    """The servers that a test says are there. Fills the ports `Servers` and `Samples`."""

    online: dict[str, Json] = field(default_factory=dict)
    recent: dict[str, Json] = field(default_factory=dict)
    samples: dict[str, Json] = field(default_factory=dict)

    def add(self, server_id: str, *groups: str) -> Json:
        server = {"id": server_id, "hostname": f"{server_id}.lan", "groups": list(groups), "modified": 1}
        self.online[server_id] = server
        return server

    def leave(self, server_id: str, modified: int = 1) -> None:
        self.recent[server_id] = {**self.online.pop(server_id), "modified": modified}

    def record(self, server_id: str) -> Json | None:
        return self.online.get(server_id) or self.recent.get(server_id)

    async def latest(self, server_id: str) -> Json | None:
        return self.samples.get(server_id)

    def quick(self, server_id: str) -> list[Json]:
        return [{"date": 1, "_qm_cpu": 3}] if server_id in self.online else []


@dataclass
class JobList:
    """The jobs that a test says run. Fills the port `ServerJobs`."""

    jobs: list[Json] = field(default_factory=list)
    aborted: list[tuple[str, str]] = field(default_factory=list)

    def running_on(self, server_id: str) -> Sequence[Mapping[str, Any]]:
        return [job for job in self.jobs if job.get("server") == server_id and job.get("remote")]

    def all_on(self, server_ids: Any) -> Sequence[Mapping[str, Any]]:
        wanted = set(server_ids)
        return [job for job in self.jobs if job.get("server") in wanted]

    def get(self, job_id: str) -> Mapping[str, Any] | None:
        return next((job for job in self.jobs if job["id"] == job_id), None)

    def abort(self, job_id: str, reason: str) -> None:
        self.aborted.append((job_id, reason))


class Deeds:
    """Actions that only note what they were asked. `hold` keeps them from ending."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.stages: list[tuple[str, list[str]]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def run_for_alert(
        self,
        invocation: Json,
        definition: Mapping[str, Any],
        server: Mapping[str, Any],
        condition: str,
        *,
        again: bool = False,
        stage: str = "",
    ) -> list[Json]:
        self.asked.append((invocation["id"], condition))
        if stage:
            self.stages.append((stage, [str(one.get("type")) for one in definition.get("actions") or ()]))
        await self.hold.wait()
        if condition == "alert_new":
            invocation["tickets"].append("t7")
        ran = {"type": "email", "condition": condition, "code": 0, "server": server["hostname"]}
        return [{**ran, "stage": stage} if stage else ran]


class _Samples:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def latest(self, server_id: str) -> Json | None:
        return await self._fleet.latest(server_id)

    def recent(self, server_id: str) -> list[Json]:
        return self._fleet.quick(server_id)


class Room:
    def __init__(self, records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds) -> None:
        self.records = records
        self.fleet = fleet
        self.jobs = jobs
        self.deeds = deeds
        self.signals = Signals()
        self.seen: list[Signal] = []
        self.signals.subscribe("test", self._note)
        self.definitions = Definitions(records, self.signals)
        self.invocations = SearchableDocuments(records, ALERTS, tables.alerts)
        self.snapshot_records = SearchableDocuments(records, SNAPSHOTS, tables.snapshots)
        self.store = AlertStore(records, self.invocations)
        self.active = ActiveAlerts(lambda id: self.definitions.get("alerts", id))
        self.alerting = Alerting(
            self.store, self.active, self.definitions, self.signals, fleet, jobs, stale_seconds=90
        )
        self.alerting.owing.actions = deeds
        self.purge = Purge(self.store, self.definitions.state)
        self.signals.subscribe("alerts", self.alerting.observe)
        self.signals.subscribe("purge", self.purge.observe)
        self.snapshots = Snapshots(
            self.snapshot_records, fleet, self.active, jobs, self.definitions, self.signals
        )
        self.watches = Watches(self.definitions.state, self.snapshots)
        self.alerting.samples = self.snapshots.samples = _Samples(fleet)
        self.minute = 1_760_000_000

    async def _note(self, signal: Signal) -> None:
        self.seen.append(signal)

    async def define(self, id: str = "hot", **properties: Any) -> Json:
        given = {
            "id": id,
            "title": f"Alert {id}",
            "expression": "hot",
            "message": "{{degrees}} degrees",
            **properties,
        }
        return await self.definitions.create("alerts", given, actor=SYSTEM, by=House("test"))

    async def redefine(self, id: str, **changes: Any) -> None:
        await self.definitions.update("alerts", id, changes, actor=SYSTEM, by=House("test"))

    def sample(self, server: Mapping[str, Any], hot: bool, **data: Any) -> Json:
        """A minute later the server sends a sample; answers the host record."""
        self.minute += 60
        sample = {
            "version": "1.0",
            "date": self.minute,
            "server": server["id"],
            "hostname": server["hostname"],
            "groups": server["groups"],
            "data": {"hot": hot, "degrees": 90, "monitors": {}, "deltas": {}, **data},
        }
        self.alerting.sampled(server, sample, self.minute)
        self.watches.sampled(server, sample, self.minute)
        self.fleet.samples[str(server["id"])] = sample
        return sample

    def told(self, kind: type[Signal]) -> list[str]:
        """IDs of the invocations that fired or cleared."""
        return [
            str(one.invocation["id"])
            for one in self.seen
            if isinstance(one, kind) and isinstance(one, AlertFired | AlertCleared)
        ]

    async def fired(self, number: int = 1) -> list[Json]:
        """The active invocations once there are so many."""

        async def enough() -> bool:
            return len(self.active) == number

        await eventually(enough, f"{number} alerts are active")
        return list(self.active)

    async def until(self, condition: Any, what: str) -> None:
        async def holds() -> bool:
            return bool(condition())

        await eventually(holds, what)

    async def stored(self, id: str) -> Json:
        doc = await self.store.get(id)
        assert doc is not None
        return doc


@asynccontextmanager
async def term(
    records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds, *, clean: bool = True
) -> AsyncIterator[Room]:
    """One term of a primary. Not `clean`: it ends as by a kill, and writes nothing more."""
    room = Room(records, fleet, jobs, deeds)
    await room.definitions.load()
    servers = [*fleet.online.values(), *fleet.recent.values()]
    await room.alerting.load(servers)
    running = [
        asyncio.create_task(one)
        for one in (room.signals.run(), room.alerting.run(), room.purge.run(), room.watches.run())
    ]
    try:
        yield room
        if clean:
            await room.alerting.flush()
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task
        room.alerting.forget()


__all__ = ["Deeds", "Fleet", "JobList", "Room", "term", "with_parents"]
