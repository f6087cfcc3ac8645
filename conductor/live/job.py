"""One active job as the book keeps it: its document, what has changed since, and what the event log has to learn.

In Redis it is a hash: `doc`, the job as it was accepted, `live`, what has changed since, and on a workflow
job the fields of its run.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from conductor.signals import EventRow, JobAccepted, Signal
from shared.protocol.packing import packed


class _Doc(msgspec.Struct):
    job: dict[str, Any]
    details: dict[str, Any]


class _Live(msgspec.Struct, omit_defaults=True):
    job: dict[str, Any] = {}
    details: dict[str, Any] = {}
    gone: list[str] = []
    attempt: int = 0
    outcome: dict[str, Any] | None = None
    untold: list[EventRow] = []


class Untold:
    """What a job has said and the event log has not been given. The book has it with what makes it true."""

    __slots__ = ("leaving", "rows", "signal")

    def __init__(self, rows: Sequence[EventRow], signal: Signal | None = None) -> None:
        self.rows = rows
        self.signal = signal
        """Announced once the book has it; None then."""
        self.leaving = False
        """It is on its way into the log."""


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
        "untold",
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
        self.untold: list[Untold] = []
        """What the event log has still to learn of it, in order."""
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

    def tells(self, kind: type[Signal]) -> bool:
        """Whether it has said such a thing that nobody was told yet."""
        return any(isinstance(one, kind) for one in self._said) or any(
            isinstance(one.signal, kind) for one in self.untold
        )

    def story(self) -> dict[str, Any]:
        """What each signal about the job says: its story, and who may hear of it."""
        groups = self.job.get("groups")
        return {
            "correlation_id": str(self.job.get("correlation_id") or ""),
            "category": str(self.job.get("category") or ""),
            "groups": tuple(map(str, groups)) if isinstance(groups, list) else (),
        }

    def note(self, describe: Callable[[Signal], Sequence[EventRow]]) -> list[Untold]:
        """Make events of what was said, before the job is encoded; what is to be announced once that is written."""
        if self._said:
            self.untold += [Untold(describe(signal), signal) for signal in self._said]
            self._said.clear()
        return [one for one in self.untold if one.signal is not None]

    def learned(self, told: Sequence[Untold]) -> None:
        """The log has these."""
        self.untold = [one for one in self.untold if one not in told]

    def encoded_doc(self) -> bytes:
        return packed(_Doc(self.job, self.details))

    def encoded_live(self) -> bytes:
        return packed(
            _Live(
                self._job_changed,
                self._details_changed,
                sorted(self._gone),
                self.attempt,
                self.outcome,
                [row for one in self.untold for row in one.rows],
            )
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
        job.untold = [Untold((row,)) for row in changed.untold]
        return job


_decode_doc = msgspec.msgpack.Decoder(_Doc).decode
_decode_live = msgspec.msgpack.Decoder(_Live).decode
NOTHING = packed(_Live())
"""Of a job that has not changed."""
