"""Commands of satellites that have joined, translated to calls of the services."""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from conductor.announcer import Signals
from conductor.fleet.connection import Connection
from conductor.fleet.roster import Roster
from conductor.jobs.engine import JobEngine
from conductor.monitoring.samples import Samples
from conductor.signals import Actor, Notice
from shared import clock, ids
from shared.protocol.frames import Frame, FrameError
from shared.protocol.messages import (
    JobCopy,
    JobLog,
    JobResult,
    JobUpdate,
    LateAck,
    LateSamples,
    MetaRow,
    Resume,
)

NOTICES = frozenset({"notice", "warning", "error", "critical"})

_MAX_TEXT = 4096

log = structlog.get_logger(__name__)


class Inbox:
    """Dispatches the frames of one joined socket. Whatever is malformed is counted and dropped."""

    def __init__(
        self, connection: Connection, engine: JobEngine, samples: Samples, roster: Roster, signals: Signals
    ) -> None:
        self._connection = connection
        self._server_id = connection.server_id
        self._engine = engine
        self._samples = samples
        self._roster = roster
        self._signals = signals
        common: dict[str, Callable[[Any], Any]] = {
            "monitor": self._monitor,
            "quickmon": self._quickmon,
            "monitorPluginTestResult": self._answer,
            "sampleTaken": self._answer,
        }
        acknowledged = {
            "resume": self._resume,
            "drain": self._drain,
            "job_update": self._update,
            "job_log": self._log,
            "job_result": self._result,
            "job_copy": self._copy,
            "late_samples": self._late_samples,
        }
        base = {"jobs": self._base_jobs, "job_log": self._base_log, "job_meta": self._base_meta}
        self._commands = common | (acknowledged if connection.acknowledges else base)

    async def take(self, frame: Frame) -> None:
        """Act on a frame; unknown commands are ignored.

        Raises FrameError or msgspec.ValidationError for a bad payload.
        """
        if frame.cmd in NOTICES:
            self._notice(frame.cmd, frame.body())
            return
        handler = self._commands.get(frame.cmd)
        if handler is None:
            return
        waiting = handler(frame.data)
        if waiting is not None:
            await waiting

    async def _resume(self, data: Any) -> None:
        message = msgspec.convert(data, Resume)
        await self._engine.reports.resume(self._server_id, message.jobs)
        self._engine.server_joined(self._server_id)

    def _drain(self, data: Any) -> None:
        """The server takes no more jobs until it joins again; placement is told before it is answered."""
        record = self._roster.online.get(self._server_id)
        if record is None:
            return
        if not record.get("draining"):
            record["draining"] = True
            self._notice("notice", {"description": f"Server is draining: {record['hostname']}"})
        self._connection.send("draining", {})

    def _update(self, data: Any) -> None:
        self._engine.reports.update(self._server_id, msgspec.convert(data, JobUpdate))

    def _log(self, data: Any) -> None:
        self._engine.reports.output(self._server_id, msgspec.convert(data, JobLog))

    def _result(self, data: Any) -> None:
        self._engine.reports.result(self._server_id, msgspec.convert(data, JobResult))

    async def _copy(self, data: Any) -> None:
        copy = msgspec.convert(data, JobCopy)
        await self._engine.reports.adopt(
            self._server_id, copy, lambda: self._roster.connection(self._server_id) is self._connection
        )

    def _base_jobs(self, data: Any) -> None:
        self._engine.reports.base_updates(self._server_id, _object(data))

    def _base_log(self, data: Any) -> None:
        job_id, text = _text_of_job(data)
        self._engine.reports.base_output(self._server_id, job_id, text)

    def _base_meta(self, data: Any) -> None:
        job_id, text = _text_of_job(data)
        row = MetaRow(id=ids.short_id("m"), epoch=clock.now(), msg=text[:_MAX_TEXT])
        self._engine.reports.base_note(self._server_id, job_id, row)

    def _monitor(self, data: Any) -> None:
        record = self._roster.online.get(self._server_id)
        if record is not None:
            self._samples.minute(record, _object(data))

    def _late_samples(self, data: Any) -> None:
        message = msgspec.convert(data, LateSamples)
        record = self._roster.online.get(self._server_id)
        if record is not None:
            answer = LateAck(batch=message.batch)
            self._samples.late(record, message, lambda: self._connection.send("late_ack", answer))

    def _quickmon(self, data: Any) -> None:
        self._samples.quick(self._server_id, _object(data))

    def _answer(self, data: Any) -> None:
        self._roster.questions.answered(self._server_id, _object(data))

    def _notice(self, level: str, data: dict[str, Any]) -> None:
        self._signals.publish(
            Notice(
                level=level,
                description=str(data.get("description", ""))[:_MAX_TEXT],
                details=str(data.get("details", ""))[: 16 * _MAX_TEXT],
                server=self._roster.online.get(self._server_id) or {},
                actor=Actor(kind="satellite", id=self._server_id),
            )
        )


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise FrameError(f"an object was expected, not {type(data).__name__}")
    return data


def _text_of_job(data: Any) -> tuple[str, str]:
    job_id, text = _object(data).get("id"), data.get("text")
    if not isinstance(job_id, str) or not isinstance(text, str):
        raise FrameError("a job's text needs an id and a text")
    return job_id, text
