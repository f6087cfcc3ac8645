"""Workflows on a real job book, with sub-jobs that end as a script says, and deaths on purpose."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from conductor.jobs.outcome import normal_code
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.live.keys import keys
from conductor.records.job_archive import JobArchive
from conductor.workflows.driver import Workflows
from shared import clock, ids

Json = dict[str, Any]
NAMES = keys("test")
WAIT = 20.0


async def _nothing() -> None: ...


class Killed(BaseException):
    """The primary died here."""


@dataclass
class House:
    """What outlives a primary: Redis, the archive, the definitions, and what the outside world saw."""

    redis: Redis
    archive: JobArchive
    result: Callable[[str, int, Any], Json] = lambda node, number, given: {"code": 0}
    events: dict[str, Json] = field(default_factory=dict)
    servers: dict[str, list[str]] = field(default_factory=dict)
    most_jobs: int = 1000
    ran: Counter[str] = field(default_factory=Counter)
    results: dict[str, Json] = field(default_factory=dict)
    """What the satellites have run, by job: told again to each primary until one has it."""
    inputs: dict[str, list[Any]] = field(default_factory=dict)
    acted: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)
    epoch: int = 0
    kill_at: int = -1
    after_death: Callable[[], Awaitable[None]] = field(default=_nothing)
    effects: int = 0

    def library(self, kind: str, id: str) -> Json | None:
        return self.events.get(id) if kind == "events" else None

    async def run(self, workflow: Json, given: Json | None = None, **more: Any) -> Json:
        """Run a workflow to its end, through as many primaries as it takes; its stored record."""
        job_id = ids.short_id("j")
        self.events["wf"] = {
            "id": "wf",
            "type": "workflow",
            "title": "A workflow",
            "triggers": [{"id": "t", "type": "manual", "enabled": True}],
        }
        parent = ActiveJob(
            {
                "id": job_id, "event": "wf", "type": "workflow", "state": "active", "started": clock.now(),
                "category": "general", "params": {}, "tags": [], "source": "user", "username": "admin",
                "workflow": {**workflow, "start": "t", **more},
            },
            {"input": given or {}, "activity": []},
        )  # fmt: skip
        first: ActiveJob | None = parent
        while True:
            try:
                return await Term(self).serve(first, job_id)
            except Killed:
                self.kill_at = -1
                await self.after_death()
                first = None if await self.redis.exists(NAMES.job + job_id) else parent


class Term:
    """One primary: its book, its workflows, and the port they ask of the house."""

    def __init__(self, house: House) -> None:
        self.house = house
        house.epoch += 1
        self.book = JobBook(house.redis, NAMES, house.epoch, holds_lease=lambda: True)
        self.workflows = Workflows(
            self.book, house.archive, house.library, self, self, self,
            most_jobs=house.most_jobs, note=self.note,
        )  # fmt: skip
        self._ready: asyncio.Queue[ActiveJob] = asyncio.Queue()
        self._spawned: set[asyncio.Task[Any]] = set()
        self._failure: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._finished: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

    async def serve(self, parent: ActiveJob | None, job_id: str) -> Json:
        await self.house.redis.set(NAMES.epoch, self.house.epoch)
        await self.book.load()
        running = asyncio.create_task(self.book.run())
        try:
            if parent is not None:
                await self.book.accept(parent)
            archived = await self.house.archive.get(job_id)
            if archived is not None:
                return archived
            self.spawn(self._work(job_id))
            async with asyncio.timeout(WAIT):
                await asyncio.wait([self._finished, self._failure], return_when=asyncio.FIRST_COMPLETED)
            return self._failure.result() if self._failure.done() else self._finished.result()
        finally:
            for task in (*self._spawned, running):
                task.cancel()
            with suppress(BaseException):
                await asyncio.gather(*self._spawned, running, return_exceptions=True)

    async def _work(self, job_id: str) -> None:
        parent = self.book.get(job_id)
        assert parent is not None
        for child in self.book.of_workflow(job_id):
            self._ready.put_nowait(child)
        await self.workflows.begin(parent)
        while True:
            try:
                async with asyncio.timeout(0.02):
                    self.spawn(self._end(await self._ready.get()))
            except TimeoutError:
                await self.workflows.tick()

    async def _end(self, child: ActiveJob) -> None:
        """A satellite runs the sub-job, its record is archived, and then its workflow is told."""
        house, node = self.house, child.job["workflow"]["node"]
        record = await house.archive.get(child.id)
        if record is None:
            if child.id not in house.results:
                given = child.details.get("input")
                house.results[child.id] = house.result(node, house.ran[node], given)
                house.ran[node] += 1
                house.inputs.setdefault(node, []).append(given)
            result = {"code": "abort"} if child.job.get("aborted") else house.results[child.id]
            record = {
                **child.details, **child.job, "completed": clock.now(), "elapsed": 0.1, "description": "",
                "state": "complete", **result, "code": normal_code(result.get("code")),
            }  # fmt: skip
            await house.archive.add(record)
            self._effect()
        await self.workflows.settle(child, record)
        self._effect()

    def _effect(self) -> None:
        """Something has reached the outside: a place to die."""
        self.house.effects += 1
        if self.house.effects == self.house.kill_at:
            raise Killed

    # The ports

    def compose(self, parent: ActiveJob, event: Mapping[str, Any], extra: Mapping[str, Any]) -> ActiveJob:
        if event["workflow"]["node"] in self.house.refuse:
            from conductor.errors import Refusal

            raise Refusal("event", "Refused on purpose.")
        details = {key: extra[key] for key in ("input", "workflowData") if key in extra}
        job = {key: value for key, value in event.items() if key not in ("id", "title", "triggers")}
        job |= {key: value for key, value in extra.items() if key not in details}
        job |= {"id": ids.short_id("j"), "event": event["id"], "source": "workflow", "started": clock.now()}
        return ActiveJob({"state": "ready", "category": "general", "tags": [], **job}, details)

    def entered(self, job: ActiveJob) -> None:
        self._effect()
        self._ready.put_nowait(job)

    def abort(self, job_id: str, reason: str) -> None:
        child = self.book.get(job_id)
        assert child is not None
        child.set(aborted=reason)

    def finish(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        self._effect()
        self.spawn(self._finish(job, result))

    async def _finish(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        record = {**job.details, **job.job, "completed": clock.now(), "elapsed": 1.0, **result}
        await self.house.archive.add(record)
        self._effect()
        await self.book.settle(job)
        self.workflows.forget(job.id)
        self._finished.set_result(record)

    def conditions(self, record: Mapping[str, Any]) -> frozenset[str]:
        tags = {f"tag:{tag}" for tag in record.get("tags") or ()}
        return frozenset({"complete", "error" if record["code"] else "success", *tags})

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        task.add_done_callback(lambda _: work.close())  # it may never have been started

    async def _guarded(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not self._failure.done():
                self._failure.set_exception(error)

    async def run_in_flow(
        self,
        job: ActiveJob,
        action: Mapping[str, Any],
        *,
        condition: str,
        output: Mapping[str, Any],
        key: str,
    ) -> Json:
        self._effect()
        self.house.acted.append((str(action.get("type")), key))
        return {"code": 0, "description": "done", "date": clock.now()}

    def eligible(self, targets: list[str], expression: str) -> list[str]:
        return [server for target in targets for server in self.house.servers.get(target, [])]

    def note(self, job: ActiveJob, text: str, node: str) -> None:
        self.house.notes.append(text)
