"""Reports to a conductor that speaks `opsorbit.v1` (docs/satellite-wire.md).

Log by offset within a window, results until acknowledged. A job that ends within a second sends its log
and its result and nothing else.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from satellite.jobs.attempt import Attempt, Phase
from satellite.jobs.launch import AttemptKey
from satellite.outbox import Outbox
from shared.clock import Seconds, monotonic
from shared.protocol.messages import HeldJob, JobLog, JobResult, JobUpdate, LogAck, MetaRow, Resume

_UPDATE_EVERY: Seconds = 1.0


class AcknowledgedReports:
    answer_draining = True

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._noted: dict[AttemptKey, int] = {}
        """Meta rows sent in updates; the result carries all of them."""
        self._introduced: set[AttemptKey] = set()
        """Whose process the conductor knows."""

    def resume(self, attempts: Iterable[Attempt]) -> None:
        held = list(attempts)
        self._outbox.put("resume", Resume(jobs=[_held(attempt) for attempt in held]))
        for attempt in held:
            attempt.shipping.assume(attempt.log_size)
            if attempt.phase is Phase.FINISHED:
                self._send_result(attempt)
            elif attempt.log_size:
                # An empty chunk at the end asks: a conductor with another size answers with a rewind.
                self._send_chunk(attempt, attempt.log_size, b"")

    def second(self, attempts: Iterable[Attempt], usage: Mapping[AttemptKey, dict[str, Any]]) -> None:
        at = monotonic()
        for attempt in attempts:
            if attempt.transferring:
                self._send_update(attempt, {})
            elif attempt.phase is Phase.RUNNING and at - attempt.started >= _UPDATE_EVERY:
                self._send_update(attempt, usage.get(attempt.key, {}))
            if attempt.phase is not Phase.FINISHED:
                self.log_grew(attempt)

    def log_grew(self, attempt: Attempt) -> None:
        """Send what the window takes. Called again by acknowledgements, and each second after congestion."""
        while not self._outbox.congested:
            offset, length = attempt.shipping.next_chunk(attempt.log_size)
            if not length:
                return
            data = attempt.log_chunk(offset, length)
            if not data:
                return
            attempt.shipping.sent = offset + len(data)
            self._send_chunk(attempt, offset, data)

    def noted(self, attempt: Attempt, row: MetaRow) -> None:
        """Rows go with the next update or the result."""

    def finished(self, attempt: Attempt) -> None:
        self.log_grew(attempt)
        self._send_result(attempt)

    def draining(self) -> bool:
        self._outbox.put("drain", {})
        return True

    def close(self) -> None:
        self._noted.clear()
        self._introduced.clear()

    def acknowledged(self, attempt: Attempt, ack: LogAck) -> None:
        attempt.shipping.acknowledge(ack.size, attempt.log_size, rewind=ack.rewind)
        self.log_grew(attempt)

    def repeat(self, attempt: Attempt) -> None:
        """It was launched again although we know it: say what is known."""
        if attempt.phase is Phase.FINISHED:
            self._send_result(attempt)
        elif attempt.phase is Phase.RUNNING:
            self.forget(attempt.key)
            self._send_update(attempt, {})

    def forget(self, key: AttemptKey) -> None:
        self._noted.pop(key, None)
        self._introduced.discard(key)

    def _send_chunk(self, attempt: Attempt, offset: int, data: bytes) -> None:
        self._outbox.put(
            "job_log",
            JobLog(id=attempt.key.id, attempt=attempt.key.attempt, offset=offset, data=data),
            len(data),
        )

    def _send_update(self, attempt: Attempt, usage: dict[str, Any]) -> None:
        update = attempt.report.take_changes() | usage
        sent = self._noted.get(attempt.key)
        if attempt.pid and attempt.key not in self._introduced:
            update |= {"pid": attempt.pid, "cwd": attempt.directory.work}
            self._introduced.add(attempt.key)
        rows = attempt.meta[sent or 0 :]
        self._noted[attempt.key] = len(attempt.meta)
        if update or rows:
            self._outbox.put(
                "job_update",
                JobUpdate(id=attempt.key.id, attempt=attempt.key.attempt, update=update, meta=rows),
            )

    def _send_result(self, attempt: Attempt) -> None:
        assert attempt.result is not None  # noqa: S101
        self._outbox.put(
            "job_result",
            JobResult(
                id=attempt.key.id,
                attempt=attempt.key.attempt,
                log_size=attempt.log_size,
                job=attempt.result,
                meta=attempt.meta,
            ),
        )


def _held(attempt: Attempt) -> HeldJob:
    key = attempt.key
    return HeldJob(id=key.id, attempt=key.attempt, state=attempt.state, log_size=attempt.log_size)
