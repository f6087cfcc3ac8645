"""The job book: active jobs in memory and in Redis, written through before any effect.

A job exists in Redis before a satellite hears of it, and stays until its result is in SQL. Launch,
assignment and finish are awaited; progress and usage are marked and flushed together a few times a second.

What a job says is written with the change that makes it true, as part of the job. Its end takes it into the
event log with the archived record; jobs that last are relieved of it meanwhile (`untold`, `learned`); what a job
still has when it leaves without a record goes to the outbox in the same step.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import structlog
from redis.asyncio import Redis

from conductor.announcer import Signals
from conductor.errors import Unavailable
from conductor.live.active_jobs import ActiveJobs, Observer
from conductor.live.connection import text
from conductor.live.firings import NO_FIRING, Firing, Firings
from conductor.live.job import NOTHING, ActiveJob, Untold
from conductor.live.keys import Keys
from conductor.live.outbox import Outbox, words
from conductor.live.writer import BookWriter, Operation

FLUSH_SECONDS = 0.25
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


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
        self._jobs = ActiveJobs()
        self._telling: dict[str, ActiveJob] = {}
        self._any_telling = asyncio.Event()
        self._marked: set[str] = set()
        self._any_marked = asyncio.Event()
        self.outbox = Outbox(redis, keys)
        self._writer = BookWriter(
            redis,
            keys,
            epoch,
            holds_lease=holds_lease,
            everything=self._everything,
            told=self._noted_in_outbox,
        )
        self.firings = Firings(redis, keys, self._writer)

    # Reading

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __iter__(self) -> Iterator[ActiveJob]:
        return iter(self._jobs)

    def get(self, job_id: str) -> ActiveJob | None:
        return self._jobs.get(job_id)

    def of_event(self, event_id: str) -> list[ActiveJob]:
        """The event's active jobs in the order they were accepted."""
        return self._jobs.of_event(event_id)

    def count_of_event(self, event_id: str) -> int:
        return self._jobs.count_of_event(event_id)

    def of_workflow(self, job_id: str) -> list[ActiveJob]:
        """The active sub-jobs of a workflow job in the order they were accepted."""
        return self._jobs.of_workflow(job_id)

    def observe(self, observer: Observer) -> None:
        """Tell of every job from now on, those already there first."""
        self._jobs.observe(observer)

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
                    job = ActiveJob.decode(fields.pop("doc"), fields.pop("live", NOTHING))
                    job.fields = fields
                    _ = job.state, job.job["started"] + 0.0
                except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
                    # One unreadable job must not keep the cluster from having a primary.
                    log.error(
                        "a job of the book cannot be read, it is left out", job=job_id, error=repr(error)
                    )
                    continue
                self._jobs.enter(job)
                self._announce(job, ())

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
        said = job.note(self.signals.describe)
        operation = (
            *("accept", job.id, job.encoded_doc(), job.encoded_live(), idempotency_key, keep_ms),
            *(firing.mark, firing.field, firing.cursor),
        )
        # Else a job that nobody knows of would lie in Redis until the next take-over starts it, and its key
        # would answer for it until then.
        undo = ("withdraw", job.id, idempotency_key, firing.mark, firing.field, firing.before)
        answer = text(await self._writer.write(operation, undo=undo))
        self.firings.note(firing, answer)
        if answer == job.id:
            self._jobs.enter(job)
            self._announce(job, said)
        return answer

    async def save(self, job: ActiveJob) -> None:
        """Write what has changed on the job; return when Redis has it."""
        self._marked.discard(job.id)
        said = job.note(self.signals.describe)
        if await self._writer.write(("update", job.id, job.encoded_live())):
            self._announce(job, said)

    def mark(self, job: ActiveJob) -> None:
        """Something changed that can be lost without harm; it is written with the next flush."""
        self._marked.add(job.id)
        self._any_marked.set()

    async def settle(self, job: ActiveJob, follow_ups: Sequence[ActiveJob] = ()) -> None:
        """The archive has the job: it leaves the book, and what follows it enters, in one step."""
        self._marked.discard(job.id)
        said = job.note(self.signals.describe)
        operation = ("settle", job.id, *self._following(job, follow_ups))
        await self._writer.write(_told(operation, job))
        self._leave(job.id)
        self._announce(job, said)
        self._entered(follow_ups)

    async def fan_out(self, parent: ActiveJob, jobs: Sequence[ActiveJob]) -> None:
        """Write what has changed on `parent` and the new jobs that it stands for, in one step.

        Raises Unavailable: then it may be repeated. Nothing enters for a parent that has left meanwhile.
        """
        self._marked.discard(parent.id)
        said = parent.note(self.signals.describe)
        new = self._following(parent, jobs)
        there = await self._writer.write(("fan_out", parent.id, parent.encoded_live(), *new))
        if there and parent.id in self._jobs:
            self._announce(parent, said)
            self._entered(jobs)

    async def drop(self, job: ActiveJob, parent: ActiveJob | None = None) -> None:
        """Let a job leave without a trace; what has changed on its `parent` is written in the same step."""
        self._marked.discard(job.id)
        said, of_parent = job.note(self.signals.describe), list[Untold]()
        told: tuple[str | bytes, ...] = ()
        if parent is not None:
            self._marked.discard(parent.id)
            of_parent = parent.note(self.signals.describe)
            told = (parent.id, parent.encoded_live())
        await self._writer.write(_told(("drop", job.id, *told), job))
        self._leave(job.id)
        self._announce(job, said)
        if parent is not None:
            self._announce(parent, of_parent)

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
        said, last_words = (
            workflow.note(self.signals.describe),
            ended.note(self.signals.describe) if ended else [],
        )
        written = dict(fields)
        if said:
            written["live"] = workflow.encoded_live()
        step: list[str | bytes | int] = [2 * len(written)]
        step += [word for pair in written.items() for word in pair]
        step += self._following(workflow, follow_ups)
        operation = ("advance", workflow.id, ended.id if ended else "", *step)
        there = bool(await self._writer.write(_told(operation, ended), timeout=None))
        if ended is not None:
            self._leave(ended.id)
            self._announce(ended, last_words)
        if there:
            self._announce(workflow, said)
            self._entered(follow_ups)
        return there

    # What the event log learns

    def untold(self, job: ActiveJob) -> list[Untold]:
        """What the log has still to learn of a job whose end is written to it now."""
        job.note(self.signals.describe)
        return [one for one in job.untold if not one.leaving]

    def learned(self, job: ActiveJob, told: Sequence[Untold]) -> None:
        """The log has these. Redis hears of it with the job's next write: the log takes each but once."""
        job.learned(told)
        if not job.untold:
            self._telling.pop(job.id, None)
        for one in told:
            if one.signal is not None:
                self.signals.publish_logged(one.signal)
                one.signal = None
        if job.id in self._jobs and job.outcome is None:
            self.mark(job)

    def lasting(self, before: int, most: int) -> list[tuple[ActiveJob, list[Untold]]]:
        """Of jobs that go on: about `most` events from before that moment (microseconds) that Redis has."""
        found, count = [], 0
        for job in self._telling.values():
            old = [
                one
                for one in job.untold
                if one.signal is None and not one.leaving and one.rows and one.rows[0].occurred < before
            ]
            if old:
                found.append((job, old))
                count += len(old)
                if count >= most:
                    break
        return found

    async def until_telling(self) -> None:
        """Return once there is something that the log may have to learn."""
        while not (self._telling or len(self.outbox)):
            self._any_telling.clear()
            await self._any_telling.wait()

    async def forget(self, ids: Sequence[str]) -> None:
        """The event log has these entries of the outbox."""
        await self._writer.write(("forget", *ids))
        self.outbox.withdraw(ids)

    def _noted_in_outbox(self, entries: Sequence[str | bytes | int]) -> None:
        self.outbox.note(entries)
        self._any_telling.set()

    def _announce(self, job: ActiveJob, said: Sequence[Untold]) -> None:
        """Redis has what the job said."""
        silent = False
        for one in said:
            signal, one.signal = one.signal, None
            silent = silent or not one.rows
            if signal is not None:
                self.signals.publish_logged(signal)
        if silent:
            job.untold = [one for one in job.untold if one.rows or one.signal is not None]
        if job.untold and job.id in self._jobs:
            self._telling[job.id] = job
            self._any_telling.set()

    def _entered(self, jobs: Sequence[ActiveJob]) -> None:
        """They were written with what they say."""
        for job in jobs:
            self._jobs.enter(job)
            self._announce(job, list(job.untold))

    def _following(self, cause: ActiveJob, jobs: Sequence[ActiveJob]) -> list[str | bytes]:
        """New jobs as the script takes them; each belongs to the story of the job that it follows."""
        for one in jobs:
            if "correlation_id" not in one.job and (story := cause.job.get("correlation_id")):
                one.job["correlation_id"] = story
            one.say_accepted()
            one.note(self.signals.describe)
        return [word for one in jobs for word in (one.id, one.encoded_doc(), one.encoded_live())]

    def _leave(self, job_id: str) -> None:
        self._telling.pop(job_id, None)
        self._jobs.leave(job_id)

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
            for job in self._jobs
        ]
        unlearned: list[Operation] = [("tell", id, row) for id, row in self.outbox.everything().items()]
        return [*jobs, *self.firings.everything(), *unlearned]


def _told(operation: Operation, leaving: ActiveJob | None) -> Operation:
    """The operation with what a job that leaves has not told: it goes to the outbox."""
    rows = [row for one in leaving.untold for row in one.rows] if leaving else []
    return ("told", 2 * len(rows), *words(rows), *operation) if rows else operation
