"""What the schedule asks for: the port behind which jobs are launched."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from conductor.live.firings import Firing
from conductor.signals import EventFired

Doc = Mapping[str, Any]


class ScheduledLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """One job to launch: the event with its trigger's values laid over it (contract scheduler.md §10)."""

    event: Doc
    source: str
    now: float
    """The scheduled time."""
    until: float = 0
    """The job must not start before it."""
    start: str = ""
    """ID of the trigger: where a workflow starts."""
    stype: str = ""
    splugin: str = ""
    firing: Firing
    fired: EventFired


class Launches(Protocol):
    async def launch(self, launch: ScheduledLaunch) -> str:
        """Answer the job's ID once it is promised, or that of the job that the same firing made before.

        Raises Refusal when the event may not be launched, Unavailable when nothing was promised.
        """
        ...

    def active(self) -> Sequence[Doc]:
        """The jobs that are not queued, for trigger plugins."""
        ...
