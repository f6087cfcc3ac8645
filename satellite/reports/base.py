"""Reports to an original conductor (contract satellite_protocol.md §5): nothing is acknowledged but the end.

Each second the whole job copies; log text and meta rows as they come; the result by HTTP, retried until it
is taken. How much log was sent is kept beside the log, so that a restarted satellite goes on from there:
what was lost in a broken connection stays lost, and nothing is sent twice.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from satellite.jobs.attempt import Attempt, Phase
from satellite.jobs.launch import AttemptKey
from satellite.outbox import Outbox
from shared.protocol.messages import LOG_CHUNK_BYTES, HeldState, MetaRow

_SENT = struct.Struct("<Q")
_ONE_TIME = ("push", "table", "html", "text", "markdown")
"""Content of a copy that a tick carries once."""
_NOT_IN_RESULT = ("procs", "conns")

Deliver = Callable[[Attempt, dict[str, Any]], None]


class BaseReports:
    """`deliver` takes a finished attempt and its job document, and owns it until the conductor has it."""

    answer_draining = False

    def __init__(self, outbox: Outbox, host: str, deliver: Deliver) -> None:
        self._outbox = outbox
        self._host = host
        self._deliver = deliver
        self._copies: dict[AttemptKey, dict[str, Any]] = {}

    def resume(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            if not attempt.shipping.sent:
                attempt.shipping.assume(min(_read_sent(attempt), attempt.log_size))
            if attempt.phase is Phase.FINISHED:
                self.finished(attempt)
            elif attempt.state is HeldState.RUNNING:
                self._put_meta(attempt, f"Reconnected to conductor server: {self._host}")
                self.log_grew(attempt)

    def second(self, attempts: Iterable[Attempt], usage: Mapping[AttemptKey, dict[str, Any]]) -> None:
        copies = {}
        for attempt in attempts:
            if attempt.phase is Phase.FINISHED:
                continue
            copy = self._copy(attempt)
            changes = attempt.report.take_changes()
            copies[attempt.key.id] = copy | changes | usage.get(attempt.key, {})
            for key, value in changes.items():
                if key not in _ONE_TIME:
                    copy[key] = value
            self.log_grew(attempt)
        if copies:
            self._outbox.put("jobs", copies)

    def log_grew(self, attempt: Attempt) -> None:
        shipping = attempt.shipping
        before = shipping.sent
        while not self._outbox.congested and shipping.sent < attempt.log_size:
            data = attempt.log_chunk(shipping.sent, LOG_CHUNK_BYTES)
            data = data[: _whole_characters(data)] or data
            shipping.assume(shipping.sent + len(data))
            text = data.decode(errors="replace")
            self._outbox.put("job_log", {"id": attempt.key.id, "text": text}, len(data))
        if shipping.sent != before:
            with suppress(OSError):
                attempt.directory.write("sent", _SENT.pack(shipping.sent))

    def noted(self, attempt: Attempt, row: MetaRow) -> None:
        self._put_meta(attempt, row.msg)

    def finished(self, attempt: Attempt) -> None:
        self.log_grew(attempt)
        self._put_meta(attempt, "Job is finishing")
        copy = self._copy(attempt) | (attempt.result or {})
        for key in _NOT_IN_RESULT:
            copy.pop(key, None)
        self._outbox.put(
            "jobs", {attempt.key.id: {"id": attempt.key.id, "pid": attempt.pid, "state": "finishing"}}
        )
        self._deliver(attempt, copy)

    def draining(self) -> bool:
        self._outbox.put("notice", {"description": "Satellite is draining: it takes no more jobs"})
        return True

    def close(self) -> None:
        self._copies.clear()

    def _copy(self, attempt: Attempt) -> dict[str, Any]:
        """The whole job as this protocol repeats it. Its parameters are among what the conductor sent."""
        copy = self._copies.get(attempt.key)
        if copy is None:
            copy = dict(attempt.launch.job)
            self._copies[attempt.key] = copy
        copy |= {"pid": attempt.pid, "cwd": attempt.directory.work}
        return copy

    def _put_meta(self, attempt: Attempt, text: str) -> None:
        self._outbox.put("job_meta", {"id": attempt.key.id, "text": text})


def _read_sent(attempt: Attempt) -> int:
    try:
        with open(attempt.directory.file("sent"), "rb") as file:
            return int(_SENT.unpack(file.read(_SENT.size))[0])
    except (OSError, struct.error):
        return 0


def _whole_characters(data: bytes) -> int:
    """Where a UTF-8 character that is cut off at the end begins; else the length."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return len(data)
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if length > back else len(data)
    return len(data)
