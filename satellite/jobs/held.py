"""Every attempt this host holds: the only way in for commands, ticks and reports."""

import asyncio
from collections.abc import Callable, Iterator

import structlog

from satellite import connections, processes
from satellite.jobs.attempt import Attempt, Phase
from satellite.jobs.draining import REFUSAL, Draining
from satellite.jobs.host import Host
from satellite.jobs.launch import AttemptKey, Launch
from satellite.jobs.watch import ExitWatch
from satellite.reports import Reports, Silence
from shared.clock import Seconds, monotonic
from shared.protocol.messages import HeldState, MetaRow

_TICK: Seconds = 0.05
_SECOND: Seconds = 1.0
_DRAIN_POLL: Seconds = 0.1

log = structlog.get_logger(__name__)


class HeldJobs:
    """Holds attempts from launch to acknowledgement and passes on what happens to them to the reports."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._watch = ExitWatch(host.loop)
        self._attempts: dict[AttemptKey, Attempt] = {}
        self._busy: set[Attempt] = set()
        """Those not finished: the ones a tick has to look at."""
        self._work = asyncio.Event()
        self._reports: Reports = Silence()
        self.refuse_launches = False
        self.draining = Draining()
        self._drain_wanted = asyncio.Event()

    def __len__(self) -> int:
        return len(self._attempts)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(list(self._attempts.values()))

    def get(self, key: AttemptKey) -> Attempt | None:
        return self._attempts.get(key)

    def latest(self, job_id: str) -> Attempt | None:
        """The newest attempt of a job, for the base protocol, which does not count them."""
        return max(
            (a for a in self._attempts.values() if a.key.id == job_id),
            key=lambda attempt: attempt.key.attempt,
            default=None,
        )

    # Commands

    def launch(self, launch: Launch) -> Attempt | None:
        """Start an attempt; None, and nothing happens, if it is known already."""
        if launch.key in self._attempts or self.refuse_launches:
            return None
        attempt = Attempt(launch, self._host, self._watch, self)
        self._hold(attempt)
        if self.draining.refuses(monotonic(), answers=self._reports.answer_draining):
            attempt.refuse(REFUSAL)
        else:
            attempt.begin()
        return attempt

    def discard(self, attempt: Attempt) -> None:
        """Its result is acknowledged."""
        self._attempts.pop(attempt.key, None)
        self._busy.discard(attempt)
        attempt.discard()

    # Going out of service

    def drain(self) -> None:
        """Take nothing new from now on; `drained` returns when the last result has gone."""
        if self.draining.begun:
            return
        log.info("draining", jobs=len(self))
        self.draining.begin()
        self._tell_draining()
        self._drain_wanted.set()

    async def drained(self) -> None:
        """Return once nothing is held any more after `drain`."""
        await self._drain_wanted.wait()
        while not self.draining.complete(len(self), monotonic()):
            await asyncio.sleep(_DRAIN_POLL)
        log.info("drained")

    def _tell_draining(self) -> None:
        if self._reports.draining():
            self.draining.told(monotonic(), answers=self._reports.answer_draining)

    # Start, stop and connection

    def recover(self, journalled: dict[AttemptKey, bool]) -> None:
        """Take up what an earlier satellite left. `journalled`: taken, and whether in this boot."""
        for key, same_boot in journalled.items():
            attempt = Attempt(Launch(job={"id": key.id}, attempt=key.attempt), self._host, self._watch, self)
            record = attempt.directory.read_record()
            if record is None and same_boot and not attempt.directory.has_started():
                # The set-up never ended: to the conductor it never arrived, and it launches it again.
                attempt.discard()
                continue
            if record is not None:
                launch = Launch(job=record.job, details=record.details, attempt=key.attempt)
                attempt = Attempt(launch, self._host, self._watch, self)
                attempt.directory.read_record()
            self._hold(attempt)
            try:
                attempt.recover(same_boot)
            except Exception:
                log.exception("attempt was not recovered", job=key.id)
            log.info("job found again", job=key.id, attempt=key.attempt, state=attempt.state)

    def attach(self, reports: Reports) -> None:
        """A connection is joined."""
        self._reports = reports
        reports.resume(self)
        if self.draining.begun:
            self._tell_draining()

    def detach(self) -> None:
        """The connection is gone: jobs go on, their reports wait."""
        self._reports.close()
        self._reports = Silence()
        self.draining.disconnected()

    def release(self) -> None:
        """The satellite stops; its jobs do not."""
        for attempt in self:
            attempt.release()

    # Time

    async def run(self) -> None:
        """Tick, and carry jobs' files, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._host.transfers.run(), name="files of jobs")
            group.create_task(self._tick(), name="ticks")

    async def _tick(self) -> None:
        """Asleep while no job runs."""
        next_second = monotonic() + _SECOND
        while True:
            if not self._busy:
                self._work.clear()
                await self._work.wait()
                next_second = monotonic() + _SECOND
            await asyncio.sleep(_TICK)
            for attempt in list(self._busy):
                self._safely(attempt.tick)
            self._watch.poll()
            if monotonic() >= next_second:
                next_second = monotonic() + _SECOND
                self._safely(self._second)

    @staticmethod
    def _safely(step: Callable[[], None]) -> None:
        """One job's trouble must not stop the others' ticks."""
        try:
            step()
        except Exception:
            log.exception("tick failed")

    def _second(self) -> None:
        at = monotonic()
        running = [a for a in self._busy if a.phase is Phase.RUNNING and at - a.started >= _SECOND]
        usage = {}
        if running:
            table = processes.table()
            uptime = processes.uptime()
            unwanted = self._host.config.settings.disable_job_network_io or not processes.HAS_PROC
            sockets = None if unwanted else connections.Table()
            for attempt in running:
                if not attempt.runner:
                    usage[attempt.key] = attempt.usage.sample(table, attempt.pid, at, uptime, sockets)
                self._safely(attempt.second)
        self._reports.second(self, usage)

    # What attempts announce

    def log_grew(self, attempt: Attempt) -> None:
        self._reports.log_grew(attempt)

    def noted(self, attempt: Attempt, row: MetaRow) -> None:
        self._reports.noted(attempt, row)

    def finished(self, attempt: Attempt) -> None:
        self._busy.discard(attempt)
        if attempt.state is HeldState.LOST:
            log.warning("job was lost", job=attempt.key.id, attempt=attempt.key.attempt)
        self._reports.finished(attempt)

    def _hold(self, attempt: Attempt) -> None:
        self._attempts[attempt.key] = attempt
        self._busy.add(attempt)
        self._work.set()
