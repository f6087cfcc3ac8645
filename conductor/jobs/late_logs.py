"""Logs of jobs that were archived as aborted while their satellite was away (satellite wire, "Rules").

Such a record has what had arrived by then, often nothing. The satellite still holds all of it: it is asked for
from the beginning, gathered like a running job's, and laid into the record together with the late result.
"""

import asyncio
from typing import Any, NamedTuple

from conductor.jobs.agents import Agents
from conductor.jobs.finisher import log_key
from conductor.jobs.livelog import LiveLogs
from conductor.records.files import Files
from shared.protocol.messages import JobLog, JobResult


class _Awaited(NamedTuple):
    server_id: str
    result: JobResult


class LateLogs:
    """What is awaited is forgotten with the term: satellites repeat their results until they are acknowledged."""

    def __init__(self, logs: LiveLogs, files: Files, agents: Agents, inline: int) -> None:
        """`inline`: bytes of output that a record holds itself."""
        self._logs = logs
        self._files = files
        self._agents = agents
        self._inline = inline
        self._awaited: dict[str, _Awaited] = {}

    def is_whole(self, result: JobResult) -> bool:
        """Whether nothing of the job's log is missing here."""
        return self._logs.size(result.id) >= result.log_size

    def ask(self, server_id: str, result: JobResult) -> None:
        """Have the satellite send what is missing; `take` answers the result when it has."""
        self._awaited[result.id] = _Awaited(server_id, result)
        self._rewind(result.id)

    def take(self, server_id: str, chunk: JobLog) -> JobResult | None:
        """A chunk of a log that is awaited; the result whose log is whole with it. Any other is dropped."""
        awaited = self._awaited.get(chunk.id)
        if awaited is None or awaited.server_id != server_id or awaited.result.attempt != chunk.attempt:
            return None
        size = self._logs.size(chunk.id)
        if chunk.offset > size:
            self._rewind(chunk.id)
            return None
        self._logs.append(chunk.id, chunk.data[size - chunk.offset :])
        if not self.is_whole(awaited.result):
            return None
        del self._awaited[chunk.id]
        return awaited.result

    def written(self, job_id: str, size: int) -> None:
        """So much of a log that may be awaited was handed to the operating system."""
        if awaited := self._awaited.get(job_id):
            self._agents.acknowledge_log(awaited.server_id, job_id, awaited.result.attempt, size)

    async def keep(self, result: JobResult) -> dict[str, Any]:
        """The whole log in the archive's keeping; what the record says of it. Raises Unavailable."""
        size = self._logs.size(result.id)
        if not size:
            return {}
        if size <= self._inline:
            return {"output": self._logs.read(result.id).decode(errors="replace"), "log_file_size": size}
        await self._files.put(log_key(result.id), await asyncio.to_thread(self._logs.packed, result.id))
        return {"output": None, "log_file_size": size}

    def drop(self, job_id: str) -> None:
        """The record has it."""
        self._logs.drop(job_id)

    def _rewind(self, job_id: str) -> None:
        server_id, result = self._awaited[job_id]
        self._agents.acknowledge_log(server_id, job_id, result.attempt, self._logs.size(job_id), rewind=True)
