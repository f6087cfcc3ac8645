"""Output of running jobs as it comes from satellites (contract jobs.md §10, satellite wire).

Acknowledged when it is written, asked for again when some is missing. What a job writes beyond the bound is
counted and let go, so that a plugin that floods can fill neither memory nor disk.
"""

import asyncio
from collections.abc import Callable

from conductor.jobs.agents import Agents
from conductor.jobs.finisher import Finisher
from conductor.jobs.followers import Followers
from conductor.jobs.livelog import LiveLogs
from conductor.jobs.notes import note
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from shared import clock

LOG_FLUSH_SECONDS = 0.05
"""How long output is gathered before it is written and acknowledged."""


class LogIntake:
    def __init__(
        self,
        book: JobBook,
        logs: LiveLogs,
        agents: Agents,
        finisher: Finisher,
        followers: Followers,
        *,
        host: str,
        written_late: Callable[[str, int], None],
    ) -> None:
        """`written_late` is told of output that was written for a job which is not in the book."""
        self._book = book
        self._logs = logs
        self._agents = agents
        self._finisher = finisher
        self._followers = followers
        self._host = host
        self._written_late = written_late
        self._gathered = asyncio.Event()

    def chunk(self, job: ActiveJob, offset: int, data: bytes) -> bool:
        """Append a chunk at our own size; False when what comes before it is missing and was asked for."""
        size = self._logs.size(job.id)
        if offset > size:
            self._agents.acknowledge_log(job.server, job.id, job.attempt, size, rewind=True)
            return False
        if offset + len(data) > size:
            self._append(job, data[size - offset :])
        elif data:
            # It has come before and its acknowledgement was lost: without one the window would stay full.
            self._agents.acknowledge_log(job.server, job.id, job.attempt, size)
        self._alive(job)
        return True

    def text(self, job: ActiveJob, text: str) -> None:
        """Output of the base protocol, which has no offsets."""
        self._append(job, text.encode(errors="replace"))
        self._alive(job)

    def size(self, job: ActiveJob) -> int:
        """Bytes that have arrived."""
        return self._logs.size(job.id)

    def ask_again(self, job: ActiveJob) -> None:
        """The satellite has more than we have: it goes on from our size."""
        self._agents.acknowledge_log(job.server, job.id, job.attempt, self.size(job), rewind=True)

    def gathered(self) -> None:
        """Output was appended that no chunk of a running job brought: it is to be written too."""
        self._gathered.set()

    async def flush(self) -> None:
        """Hand gathered output to the operating system and acknowledge it, many times a second, until cancelled."""
        while True:
            await self._gathered.wait()
            await asyncio.sleep(LOG_FLUSH_SECONDS)
            self._gathered.clear()
            for job_id, size in self._logs.flush().items():
                job = self._book.get(job_id)
                if job is None:
                    self._written_late(job_id, size)
                elif not self._finisher.is_ending(job_id):
                    job.set(log_file_size=size)
                    self._book.mark(job)
                    self._agents.acknowledge_log(job.server, job.id, job.attempt, size)

    def _append(self, job: ActiveJob, data: bytes) -> None:
        was_whole = not self._logs.cut(job.id)
        self._logs.append(job.id, data)
        self._gathered.set()
        if was_whole and self._logs.cut(job.id):
            text = f"Output beyond {self._logs.most_bytes} bytes is not kept."
            note(job, self._host, text, clock.now())
            self._book.mark(job)

    def _alive(self, job: ActiveJob) -> None:
        job.job["updated"] = clock.now()
        self._followers.changed(job.id)
