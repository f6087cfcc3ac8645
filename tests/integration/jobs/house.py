"""A job engine on a real Redis and a real database; only the satellites are scripted."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from redis.asyncio import Redis

from conductor.actions.plugin_process import PluginProcesses
from conductor.actions.ports import Ports
from conductor.actions.runner import Actions
from conductor.actions.surroundings import Surroundings
from conductor.announcer import Signals
from conductor.audit.chronicle import described
from conductor.definitions import writer
from conductor.definitions.defaults import seed
from conductor.definitions.kinds import KINDS, Kind
from conductor.definitions.repository import Definitions
from conductor.errors import Deposed
from conductor.jobs.compose import Order
from conductor.jobs.engine import JobEngine
from conductor.jobs.for_actions import JobsForActions
from conductor.jobs.ports import Ports as JobPorts
from conductor.live.book import JobBook
from conductor.live.connection import connect
from conductor.live.job import ActiveJob
from conductor.live.keys import Keys, keys
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import SYSTEM, Signal
from shared.protocol.messages import HeldJob, HeldState, JobLog, JobResult

T = TypeVar("T")

TIMEOUT = 10.0


class Launched(NamedTuple):
    server: str
    job: dict[str, Any]
    details: dict[str, Any]
    attempt: int

    @property
    def id(self) -> str:
        return str(self.job["id"])


class Satellites:
    """The network's edge: who is online, and what they were told."""

    def __init__(self) -> None:
        self.online: dict[str, dict[str, Any]] = {}
        self.expected: dict[str, dict[str, Any]] = {}
        self.base: set[str] = set()
        """Servers that speak the base protocol."""
        self.launched: list[Launched] = []
        self.aborted: list[tuple[str, str, int]] = []
        self.log_acks: list[tuple[str, str, int, bool]] = []
        self.result_acks: list[tuple[str, str, int]] = []
        self.copies: list[tuple[str, str, int]] = []
        self.on_launch: Callable[[Launched], None] = lambda launched: None

    def join(self, server_id: str, **record: Any) -> None:
        self.online[server_id] = {
            "id": server_id, "hostname": server_id, "groups": ["main"], "enabled": True, "info": {}, **record,
        }  # fmt: skip

    def launches_of(self, job_id: str) -> list[Launched]:
        return [one for one in self.launched if one.id == job_id]

    # The port

    def lists_its_jobs(self, server_id: str) -> bool:
        return server_id in self.online and server_id not in self.base

    def launch(
        self, server_id: str, job: Mapping[str, Any], details: Mapping[str, Any], attempt: int
    ) -> None:
        if server_id in self.online:
            launched = Launched(server_id, dict(job), dict(details), attempt)
            self.launched.append(launched)
            self.on_launch(launched)

    def abort(self, server_id: str, job_id: str, attempt: int, reason: str) -> None:
        self.aborted.append((server_id, job_id, attempt))

    def acknowledge_log(
        self, server_id: str, job_id: str, attempt: int, size: int, *, rewind: bool = False
    ) -> None:
        self.log_acks.append((server_id, job_id, size, rewind))

    def acknowledge_result(self, server_id: str, job_id: str, attempt: int) -> None:
        self.result_acks.append((server_id, job_id, attempt))

    def ask_for_copy(self, server_id: str, job_id: str, attempt: int) -> None:
        self.copies.append((server_id, job_id, attempt))


class _Ear(Signals):
    """Announces to nobody and remembers; the event log learns of everything as in a conductor."""

    def __init__(self, told: list[Signal]) -> None:
        super().__init__(described)
        self._told = told

    def publish(self, signal: Signal) -> None:
        self._told.append(signal)


class House:
    """What outlives a term: stores, definitions, satellites. `term` begins one."""

    def __init__(
        self, redis: Redis, names: Keys, records: Records, definitions: Definitions, folder: Path
    ) -> None:
        self.redis = redis
        self.names = names
        self.records = records
        self.definitions = definitions
        self.folder = folder
        self.archive = JobArchive(records)
        self.files = Files.open((folder / "files").as_uri())
        self.satellites = Satellites()
        self.settings = Settings(hostname="here")
        self.ports = Ports()
        """What actions reach of other rooms."""
        self.epoch = 0
        self.tick = 0.1
        self.job_ports: JobPorts | None = None
        """What the job engine reaches of other rooms; None: the actions of the house."""
        self.told: list[Signal] = []
        """What was announced, in order."""
        self.signals: Signals = _Ear(self.told)

    async def event(self, **changes: Any) -> dict[str, Any]:
        doc = {
            "title": "An event", "enabled": True, "category": "general", "plugin": "shellplug",
            "targets": ["main"], "algo": "prefer_first", "params": {"script": "true"}, **changes,
        }  # fmt: skip
        return await self.definitions.create("events", doc, actor=SYSTEM, by=writer.House("admin"))

    @asynccontextmanager
    async def term(self) -> AsyncIterator["Term"]:
        self.epoch += 1
        await self.redis.set(self.names.epoch, self.epoch)
        book = JobBook(self.redis, self.names, self.epoch, holds_lease=lambda: True)
        await book.load()
        around = Surroundings(self.definitions, self.settings, book, self.satellites.online.get)
        processes = PluginProcesses(self.settings.action_processes)
        for_actions = JobsForActions(book, self.settings.host_id())
        actions = Actions(book, around, self.ports, processes, for_actions, self.signals)
        engine = JobEngine(
            book, self.archive, self.files, self.definitions, self.definitions.state, self.satellites,
            self.settings, self.signals, self.folder, tick_seconds=self.tick,
            ports=self.job_ports or jobs_ports(actions),
        )  # fmt: skip
        for_actions.open(engine)
        running = asyncio.create_task(engine.run())
        ready = asyncio.create_task(engine.ready.wait())
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        try:
            yield Term(engine, running, self)
        finally:
            ready.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError, Deposed, BaseExceptionGroup):
                await running
            processes.close()


class Term:
    """One term of a primary: its engine, and what satellites tell it."""

    def __init__(self, engine: JobEngine, running: "asyncio.Task[None]", house: House) -> None:
        self.engine = engine
        self.running = running
        self.house = house

    @property
    def book(self) -> JobBook:
        return self.engine.book

    def job(self, job_id: str) -> ActiveJob:
        job = self.book.get(job_id)
        assert job is not None
        return job

    async def launch(
        self, event: Mapping[str, Any], key: str = "", source: str = "user", **overrides: Any
    ) -> str:
        order = Order(event={**event, **overrides}, source=source, username="ann", idempotency_key=key)
        return await self.engine.launch(order, SYSTEM)

    async def launched(self, job_id: str, times: int = 1) -> Launched:
        satellites = self.house.satellites
        await until(lambda: len(satellites.launches_of(job_id)) >= times, f"{job_id} is launched")
        return satellites.launches_of(job_id)[-1]

    async def state(self, job_id: str, state: str) -> None:
        await until(
            lambda: (job := self.book.get(job_id)) is not None and job.state == state, f"{job_id} is {state}"
        )

    def log(self, launched: Launched, data: bytes, offset: int = 0) -> None:
        self.engine.reports.output(
            launched.server, JobLog(id=launched.id, attempt=launched.attempt, offset=offset, data=data)
        )

    def result(self, launched: Launched, log_size: int = 0, **job: Any) -> None:
        message = JobResult(
            id=launched.id, attempt=launched.attempt, log_size=log_size, job={"code": 0, **job}
        )
        self.engine.reports.result(launched.server, message)

    async def resumed(self, server_id: str, *held: HeldJob) -> None:
        """The satellite has joined again and lists what it holds."""
        await self.engine.reports.resume(server_id, list(held))
        self.engine.server_joined(server_id)

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The stored record of a job that has left the book."""
        await until(lambda: job_id not in self.book, f"{job_id} has ended")
        record = await self.house.archive.get(job_id)
        assert record is not None
        return record


@asynccontextmanager
async def furnished(
    redis_url: str, records: Records, folder: Path, kinds: Mapping[str, Kind] = KINDS
) -> AsyncIterator[House]:
    redis = connect(redis_url)
    definitions = Definitions(records, Signals(), kinds=kinds)
    await definitions.load()
    await seed(definitions)
    try:
        yield House(redis, keys(secrets.token_hex(4)), records, definitions, folder)
    finally:
        await redis.aclose()


def held(launched: Launched, state: HeldState = HeldState.RUNNING) -> HeldJob:
    return HeldJob(id=launched.id, attempt=launched.attempt, state=state)


async def until(look: Callable[[], T], what: str, timeout: float = TIMEOUT) -> T:
    """The first true value that `look` returns."""
    try:
        async with asyncio.timeout(timeout):
            while not (value := look()):
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {timeout:g} s: {what}") from None
    return value


def jobs_ports(actions: Actions) -> JobPorts:
    """The job engine's ports as a term fills them with its actions."""
    return JobPorts(actions=actions, notices=actions, suspension=actions.suspension)
