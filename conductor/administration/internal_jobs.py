"""Background work of the conductor, with progress (contract platform.md §6, structures/internal_job.yaml).

A job lives in memory while it runs and is cancelled when the term ends; what it does must be such that doing
it again does no harm. What is left of it is its activity row.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from conductor.administration.ports import Browsers, Mailer, NoBrowsers, NoMailer
from conductor.announcer import Signals
from conductor.errors import Deposed, NotPrimary, Refusal
from conductor.signals import Activity, Actor
from shared import clock
from shared.ids import short_id

Json = dict[str, Any]

BUSY = "Another maintenance job is already running."

_FOR_ADMINISTRATORS = ("params", "details", "email")
_MOST = 100
"""Jobs at a time."""

log = structlog.get_logger(__name__)


class InternalJob:
    """What the work sees of itself: it tells its progress, and leaves a report in `details` (Markdown)."""

    def __init__(self, id: str, title: str, type: str, username: str, params: Mapping[str, Any]) -> None:
        self.id = id
        self.title = title
        self.type = type
        self.username = username
        self.params = dict(params)
        self.started = clock.now()
        self.details = ""
        self.stats: Json = {}
        self.email = ""
        """Where the report goes, if there are details."""
        self.index = ""
        """The collection that it changes: nobody else sweeps through that one meanwhile."""
        self._began = clock.monotonic()
        self._fraction = 0.0

    def progress(self, fraction: float) -> None:
        """How much is done, 0 to 1."""
        self._fraction = min(max(fraction, 0.0), 1.0)

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter of the report."""
        self.stats[name] = self.stats.get(name, 0) + amount

    def shown(self) -> Json:
        """As clients see it while it runs."""
        made: Json = {
            "id": self.id,
            "title": self.title,
            "type": self.type,
            "username": self.username,
            "started": self.started,
            "progress": round(self._fraction, 4),
        }
        for key in ("params", "stats", "details", "email"):
            if value := getattr(self, key):
                made[key] = value
        return made

    def told(self) -> Json:
        """As everybody sees it: what it was given, its report and whom it is for are for administrators."""
        return {key: value for key, value in self.shown().items() if key not in _FOR_ADMINISTRATORS}

    def ended(self) -> Json:
        made = self.shown()
        del made["progress"]
        elapsed = round(clock.monotonic() - self._began, 3)
        return made | {"complete": True, "completed": clock.now(), "elapsed": elapsed}


Work = Callable[[InternalJob], Awaitable[None]]


class InternalJobs:
    """Starts jobs during a term; `run` is the term's."""

    def __init__(self, signals: Signals) -> None:
        self.browsers: Browsers = NoBrowsers()
        self.mailer: Mailer = NoMailer()
        self._signals = signals
        self._group: asyncio.TaskGroup | None = None
        self._jobs: dict[str, InternalJob] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._exclusive: set[str] = set()
        self._resting: set[str] = set()

    def all(self) -> list[InternalJob]:
        """Those that run, oldest first."""
        return list(self._jobs.values())

    def works_on(self, index: str) -> bool:
        """Whether a job sweeps through this collection."""
        return any(job.index == index for job in self._jobs.values())

    @property
    def open(self) -> bool:
        """Whether a term is under way: what is cancelled then was cancelled by somebody."""
        return self._group is not None

    @property
    def resting(self) -> str:
        """The title of a job beside which no other work may begin; empty without one."""
        return next((job.title for job in self._jobs.values() if job.id in self._resting), "")

    def rest(self, job: InternalJob) -> None:
        """From now on, until it ends, no other work may begin."""
        self._resting.add(job.id)

    @property
    def exclusive(self) -> bool:
        """Whether heavy maintenance runs."""
        return bool(self._exclusive)

    def start(
        self,
        title: str,
        type: str,
        work: Work,
        *,
        username: str,
        quiet: bool = False,
        exclusive: bool = False,
        hush: bool = False,
        params: Mapping[str, Any] | None = None,
        email: str = "",
        index: str = "",
        actor: Actor | None = None,
    ) -> str:
        """Begin `work`; return the job's ID. It is listed on return.

        `quiet`: no activity row and no message at its end; `hush`: no message. `exclusive`: refused with
        code `admin` while another exclusive one runs. Raises NotPrimary between terms.
        """
        if self._group is None:
            raise NotPrimary
        if exclusive and self._exclusive:
            raise Refusal("admin", BUSY)
        if len(self._jobs) >= _MOST:
            raise Refusal("admin", "Too many internal jobs are running.")
        job = InternalJob(short_id("db" if type == "db" else "i"), title, type, username, params or {})
        job.email = email
        job.index = index
        self._jobs[job.id] = job
        if exclusive:
            self._exclusive.add(job.id)
        by = actor or Actor(kind="user" if username else "system", id=username)
        running = self._run(job, work, by, quiet=quiet, hush=hush or quiet)
        self._tasks[job.id] = self._group.create_task(running, name=f"internal job {title}")
        self._show()
        return job.id

    def abort(self, job_id: str) -> None:
        """End a job before its time. Raises Refusal `admin` for one that does not run."""
        task = self._tasks.get(job_id)
        if task is None:
            raise Refusal("admin", f"No internal job is running with ID: {job_id}")
        task.cancel()

    async def run(self) -> None:
        """Own the jobs of one term, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                try:
                    await asyncio.Event().wait()
                finally:
                    self._group = None  # what is cancelled from here on ends with the term, and says nothing
        finally:
            self._jobs.clear()
            self._tasks.clear()
            self._exclusive.clear()
            self._resting.clear()

    async def _run(self, job: InternalJob, work: Work, actor: Actor, *, quiet: bool, hush: bool) -> None:
        try:
            await work(job)
        except asyncio.CancelledError:
            if self._group is None or (task := asyncio.current_task()) is None:
                raise
            task.uncancel()
            job.details = f"{job.details}\n\nAborted.".strip()
        except Deposed:
            log.warning("an internal job ended with its term", job=job.title)
        except Refusal as refusal:
            job.details = f"{job.details}\n\n**Error:** {refusal.description}".strip()
            log.warning("an internal job failed", job=job.title, reason=refusal.description)
        except Exception:
            job.details = f"{job.details}\n\n**Error:** an internal error, see the log".strip()
            log.exception("an internal job failed", job=job.title)
        finally:
            self._jobs.pop(job.id, None)
            self._tasks.pop(job.id, None)
            self._exclusive.discard(job.id)
            self._resting.discard(job.id)
        await self._tell(job, actor, quiet=quiet, hush=hush)

    async def _tell(self, job: InternalJob, actor: Actor, *, quiet: bool, hush: bool) -> None:
        ended = job.ended()
        log.info("internal job ended", job=job.title, id=job.id, elapsed=ended["elapsed"])
        if not quiet:
            self._signals.publish(
                Activity(
                    action="internal_job",
                    description=job.title,
                    payload={"job": ended},
                    keywords=(job.id,),
                    actor=actor,
                )
            )
        if not hush and job.username:
            text = f"Job completed: {job.title}"
            self.browsers.notify([job.username], {"type": "info", "message": text})
        self._show()
        if job.email and job.details:
            await self.mailer.send_template("internal_job", {"job": ended}, to=[job.email])

    def _show(self) -> None:
        listed = {job.id: job.told() for job in self._jobs.values()}
        status = {"epoch": clock.now(), "internalJobs": listed, "internalJobsChanged": True}
        self.browsers.broadcast("status", status)
