"""The job book: active jobs in memory and in Redis, written through before any effect.

A job exists in Redis before a satellite hears of it, and stays until its result is in SQL. Launch,
assignment and finish are awaited; progress and usage are marked and flushed together a few times a second.
In Redis a job is a hash: `doc`, the job as it was accepted, `live`, what has changed since, and on a workflow
job the fields of its run.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog
from redis.asyncio import Redis

from conductor.errors import Unavailable
from conductor.live.connection import text
from conductor.live.firings import NO_FIRING, Firing, Firings
from conductor.live.keys import Keys
from conductor.live.outbox import Outbox, words
from conductor.live.writer import BookWriter, Operation
from conductor.signals import EventRow, JobAccepted, Signal, Signals
from shared.protocol.packing import packed

FLUSH_SECONDS = 0.25
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class _Doc(msgspec.Struct):
    job: dict[str, Any]
    details: dict[str, Any]


class _Live(msgspec.Struct, omit_defaults=True):
    job: dict[str, Any] = {}
    details: dict[str, Any] = {}
    gone: list[str] = []
    attempt: int = 0
    outcome: dict[str, Any] | None = None


class ActiveJob:
    """One active job: `job` is the summary every list shows, `details` its verbose half.

    Change it through `set`, `set_details` and `remove` only, so that the change reaches Redis.
    """

    __slots__ = (
        "_details_changed",
        "_gone",
        "_job_changed",
        "_said",
        "attempt",
        "details",
        "fields",
        "id",
        "job",
        "moved",
        "outcome",
    )

    def __init__(self, job: dict[str, Any], details: dict[str, Any]) -> None:
        self.id: str = job["id"]
        self.job = job
        self.details = details
        self.attempt = 0
        """Number of the launch under way, from 1; 0 before the first."""
        self.outcome: dict[str, Any] | None = None
        """What was decided at the end: set in state `finishing` of the book, before the archive."""
        self.fields: dict[str, bytes] = {}
        """Further fields of its hash, written by `JobBook.advance`: a workflow's run, piece by piece."""
        self.moved: Callable[[ActiveJob], None] | None = None
        """Called when its state or server has changed."""
        self._job_changed: dict[str, Any] = {}
        self._details_changed: dict[str, Any] = {}
        self._gone: set[str] = set()
        self._said: list[Signal] = []

    @property
    def state(self) -> str:
        return str(self.job["state"])

    @property
    def server(self) -> str:
        return str(self.job.get("server") or "")

    @property
    def parent(self) -> str:
        """The workflow job that it is a sub-job of; empty for none."""
        workflow = self.job.get("workflow")
        return str(workflow.get("job") or "") if isinstance(workflow, dict) else ""

    def set(self, **properties: Any) -> None:
        self.update(properties)

    def update(self, properties: Mapping[str, Any]) -> None:
        self.job.update(properties)
        self._job_changed.update(properties)
        if self._gone:
            self._gone.difference_update(properties)
        if self.moved is not None and ("state" in properties or "server" in properties):
            self.moved(self)

    def set_details(self, **properties: Any) -> None:
        self.details.update(properties)
        self._details_changed.update(properties)

    def remove(self, *names: str) -> None:
        for name in names:
            if name in self.job:
                del self.job[name]
                self._job_changed.pop(name, None)
                self._gone.add(name)

    def say(self, signal: Signal) -> None:
        """Announce a change of the job with the write that makes it true: to the event log in the same step,
        to all others once it is written."""
        self._said.append(signal)

    def say_accepted(self) -> None:
        """Announce that it is promised, unless that is being said already."""
        if not any(isinstance(one, JobAccepted) for one in self._said):
            event = str(self.job.get("event") or "")
            self.say(JobAccepted(job_id=self.id, event_id=event, job=self.job, **self.story()))

    def say_again(self, signals: list[Signal]) -> None:
        """What could not be written is to be announced with the next write."""
        self._said[:0] = signals

    @property
    def says(self) -> bool:
        return bool(self._said)

    def story(self) -> dict[str, Any]:
        """What each signal about the job says: its story, and who may hear of it."""
        groups = self.job.get("groups")
        return {
            "correlation_id": str(self.job.get("correlation_id") or ""),
            "category": str(self.job.get("category") or ""),
            "groups": tuple(map(str, groups)) if isinstance(groups, list) else (),
        }

    def unsaid(self) -> list[Signal]:
        """What is to be announced with the next write; nothing after that."""
        said, self._said = self._said, []
        return said

    def encoded_doc(self) -> bytes:
        return packed(_Doc(self.job, self.details))

    def encoded_live(self) -> bytes:
        return packed(
            _Live(self._job_changed, self._details_changed, sorted(self._gone), self.attempt, self.outcome)
        )

    @classmethod
    def decode(cls, doc: bytes, live: bytes) -> "ActiveJob":
        base = _decode_doc(doc)
        changed = _decode_live(live)
        job = cls(base.job, base.details)
        job.update(changed.job)
        job.set_details(**changed.details)
        job.remove(*changed.gone)
        job.attempt, job.outcome = changed.attempt, changed.outcome
        return job


_decode_doc = msgspec.msgpack.Decoder(_Doc).decode
_decode_live = msgspec.msgpack.Decoder(_Live).decode
_NOTHING = packed(_Live())


class Observer(Protocol):
    """Who is told of each job that enters the book, changes its state or server, or leaves."""

    def count(self, job: ActiveJob) -> None: ...

    def forget(self, job_id: str) -> None: ...


class JobBook:
    """All active jobs of the cluster. One for each term of a primary; `load`, then `run` beside its users."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        epoch: int,
        *,
        holds_lease: Callable[[], bool],
        signals: Signals | None = None,
    ) -> None:
        self._redis = redis
        self.signals = signals or Signals()
        """Where what jobs say is announced."""
        self._keys = keys
        self._jobs: dict[str, ActiveJob] = {}
        self._by_event: dict[str, set[str]] = {}
        self._by_parent: dict[str, set[str]] = {}
        self._marked: set[str] = set()
        self._any_marked = asyncio.Event()
        self._observer: Observer | None = None
        self.outbox = Outbox(redis, keys)
        self._writer = BookWriter(
            redis, keys, epoch, holds_lease=holds_lease, everything=self._everything, told=self.outbox.note
        )
        self.firings = Firings(redis, keys, self._writer)

    # Reading

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __iter__(self) -> Iterator[ActiveJob]:
        return iter(self._jobs.values())

    def get(self, job_id: str) -> ActiveJob | None:
        return self._jobs.get(job_id)

    def of_event(self, event_id: str) -> list[ActiveJob]:
        """The event's active jobs in the order they were accepted."""
        return [self._jobs[job_id] for job_id in sorted(self._by_event.get(event_id, ()))]

    def count_of_event(self, event_id: str) -> int:
        return len(self._by_event.get(event_id, ()))

    def of_workflow(self, job_id: str) -> list[ActiveJob]:
        """The active sub-jobs of a workflow job in the order they were accepted."""
        return [self._jobs[child] for child in sorted(self._by_parent.get(job_id, ()))]

    def observe(self, observer: Observer) -> None:
        """Tell of every job from now on, those already there first."""
        self._observer = observer
        for job in self:
            job.moved = observer.count
            observer.count(job)

    # Writing

    async def load(self) -> None:
        """Read the whole book; the first thing a new primary does."""
        await self.firings.load()
        await self.outbox.load()
        ids = sorted(text(job_id) for job_id in await self._redis.smembers(self._keys.jobs))
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            pipeline = self._redis.pipeline(transaction=False)
            for job_id in some:
                pipeline.hgetall(self._keys.job + job_id)
            for job_id, stored in zip(some, await pipeline.execute(), strict=True):
                try:
                    fields = {text(name): value for name, value in stored.items()}
                    job = ActiveJob.decode(fields.pop("doc"), fields.pop("live", _NOTHING))
                    job.fields = fields
                    _ = job.state, job.job["started"] + 0.0
                except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
                    # One unreadable job must not keep the cluster from having a primary.
                    log.error(
                        "a job of the book cannot be read, it is left out", job=job_id, error=repr(error)
                    )
                    continue
                self._enter(job)

    async def run(self) -> None:
        """Write through and flush until cancelled; raises Deposed when another conductor is primary."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run(), name="book writer")
            group.create_task(self._flush(), name="book flush")

    async def accept(
        self,
        job: ActiveJob,
        *,
        idempotency_key: str = "",
        keep_seconds: float = 0,
        firing: Firing = NO_FIRING,
    ) -> str:
        """Write a new job. Answers its ID, or the ID of the job that the same key or firing made before.

        The firing's mark and cursor are written in the same step.
        When this returns the job is promised. Raises Unavailable or Deposed: then it is not, though it may
        still run if it was on its way to Redis.
        """
        keep_ms = int(keep_seconds * 1000)
        said = job.unsaid()
        rows = self.signals.events(*said)
        told = [str(row["id"]) for row in rows]
        operation = (
            *("accept", job.id, job.encoded_doc(), job.encoded_live(), idempotency_key, keep_ms),
            *(firing.mark, firing.field, firing.cursor),
        )
        # Else a job that nobody knows of would lie in Redis until the next take-over starts it, and its key
        # would answer for it until then.
        undo = ("withdraw", job.id, idempotency_key, firing.mark, firing.field, firing.before, *told)
        try:
            answer = text(await self._writer.write(_told(rows, operation), undo=undo))
        except BaseException:
            self.outbox.withdraw(told)
            raise
        self.firings.note(firing, answer)
        if answer == job.id:
            self._enter(job)
            self._publish(said)
        return answer

    async def save(self, job: ActiveJob) -> None:
        """Write what has changed on the job; return when Redis has it."""
        self._marked.discard(job.id)
        await self._write(("update", job.id, job.encoded_live()), job)

    def mark(self, job: ActiveJob) -> None:
        """Something changed that can be lost without harm; it is written with the next flush."""
        self._marked.add(job.id)
        self._any_marked.set()

    async def settle(self, job: ActiveJob, follow_ups: Sequence[ActiveJob] = ()) -> None:
        """The archive has the job: it leaves the book, and what follows it enters, in one step."""
        self._marked.discard(job.id)
        follow = self._following(job, follow_ups)
        await self._write(("settle", job.id, *follow), job, *follow_ups)
        self._leave(job.id)
        for one in follow_ups:
            self._enter(one)

    async def fan_out(self, parent: ActiveJob, jobs: Sequence[ActiveJob]) -> None:
        """Write what has changed on `parent` and the new jobs that it stands for, in one step.

        Raises Unavailable: then it may be repeated. Nothing enters for a parent that has left meanwhile.
        """
        self._marked.discard(parent.id)
        new = self._following(parent, jobs)
        await self._write(("fan_out", parent.id, parent.encoded_live(), *new), parent, *jobs)
        if parent.id in self._jobs:
            for one in jobs:
                self._enter(one)

    async def drop(self, job: ActiveJob, parent: ActiveJob | None = None) -> None:
        """Let a job leave without a trace; what has changed on its `parent` is written in the same step."""
        self._marked.discard(job.id)
        told: tuple[str | bytes, ...] = ()
        if parent is not None:
            self._marked.discard(parent.id)
            told = (parent.id, parent.encoded_live())
        await self._write(("drop", job.id, *told), job, *([parent] if parent else ()))
        self._leave(job.id)

    async def advance(
        self,
        workflow: ActiveJob,
        fields: Mapping[str, bytes],
        *,
        ended: ActiveJob | None = None,
        follow_ups: Sequence[ActiveJob] = (),
    ) -> bool:
        """One step of a workflow, all or nothing: `ended` leaves, `fields` change, `follow_ups` enter.

        An empty field is removed. Steps of one workflow take effect in the order of these calls, however
        long Redis is away: whoever computed the next one has seen this one. Answers whether the workflow job
        was still there; if not, nothing follows. Raises Deposed.
        """
        if ended is not None:
            self._marked.discard(ended.id)
        for name, value in fields.items():
            if value:
                workflow.fields[name] = value
            else:
                workflow.fields.pop(name, None)
        step: list[str | bytes | int] = [2 * len(fields)]
        step += [word for pair in fields.items() for word in pair]
        step += self._following(workflow, follow_ups)
        operation = ("advance", workflow.id, ended.id if ended else "", *step)
        told = [workflow, *([ended] if ended else ()), *follow_ups]
        there = bool(await self._write(operation, *told, timeout=None))
        if ended is not None:
            self._leave(ended.id)
        for one in follow_ups if there else ():
            self._enter(one)
        return there

    async def learned(self, ids: Sequence[str]) -> None:
        """The event log has these entries of the outbox."""
        await self._writer.write(("forget", *ids))
        self.outbox.withdraw(ids)

    async def _write(self, operation: Operation, *jobs: ActiveJob, timeout: float | None = 10.0) -> Any:
        """Apply an operation; if it takes effect, what `jobs` have to say of it is told in the same step."""
        said = [(job, job.unsaid()) for job in jobs if job.says]
        if not said:
            return await self._writer.write(operation, timeout)
        signals = [signal for _, own in said for signal in own]
        try:
            answer = await self._writer.write(_told(self.signals.events(*signals), operation), timeout)
        except BaseException:
            for job, own in said:
                job.say_again(own)
            raise
        if answer:
            self._publish(signals)
        return answer

    def _publish(self, signals: Sequence[Signal]) -> None:
        for signal in signals:
            self.signals.publish_logged(signal)

    @staticmethod
    def _following(cause: ActiveJob, jobs: Sequence[ActiveJob]) -> list[str | bytes]:
        """New jobs as the script takes them; each belongs to the story of the job that it follows."""
        for one in jobs:
            if "correlation_id" not in one.job and (story := cause.job.get("correlation_id")):
                one.job["correlation_id"] = story
            one.say_accepted()
        return [word for one in jobs for word in (one.id, one.encoded_doc(), one.encoded_live())]

    def _enter(self, job: ActiveJob) -> None:
        self._jobs[job.id] = job
        if job.parent:
            self._by_parent.setdefault(job.parent, set()).add(job.id)
        self._by_event.setdefault(str(job.job.get("event", "")), set()).add(job.id)
        if self._observer is not None:
            job.moved = self._observer.count
            self._observer.count(job)

    def _leave(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        job.moved = None
        if self._observer is not None:
            self._observer.forget(job_id)
        _drop(self._by_event, str(job.job.get("event", "")), job_id)
        _drop(self._by_parent, job.parent, job_id)

    async def _flush(self) -> None:
        while True:
            await self._any_marked.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            self._any_marked.clear()
            marked, self._marked = self._marked, set()
            jobs = [job for job_id in marked if (job := self._jobs.get(job_id))]
            outcomes = await asyncio.gather(*(self.save(job) for job in jobs), return_exceptions=True)
            for job, outcome in zip(jobs, outcomes, strict=True):
                if isinstance(outcome, Unavailable):
                    self.mark(job)
                elif isinstance(outcome, BaseException):
                    raise outcome
            if self._marked.intersection(marked):
                await asyncio.sleep(_RETRY_SECONDS)

    def _everything(self) -> list[Operation]:
        jobs: list[Operation] = [
            (
                "restore",
                job.id,
                job.encoded_doc(),
                job.encoded_live(),
                *(word for pair in job.fields.items() for word in pair),
            )
            for job in self._jobs.values()
        ]
        unlearned: list[Operation] = [("tell", id, row) for id, row in self.outbox.everything().items()]
        return [*jobs, *self.firings.everything(), *unlearned]


def _told(rows: Sequence[EventRow], operation: Operation) -> Operation:
    """The operation with what the event log has to say of it."""
    return ("told", 2 * len(rows), *words(rows), *operation) if rows else operation


def _drop(index: dict[str, set[str]], key: str, job_id: str) -> None:
    members = index.get(key)
    if members is not None:
        members.discard(job_id)
        if not members:
            del index[key]
