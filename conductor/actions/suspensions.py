"""Jobs that wait for a person (contract jobs.md §13)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.signals import Actor


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody let the job go on."""

    by: Actor
    date: float
    params: Mapping[str, Any] = {}
    redirect: str = ""

    def details(self, suspended: float) -> str:
        """The facts as Markdown; `suspended` in seconds."""
        lines = [
            f"- **Suspended for:** {suspended:.0f} s",
            f"- **Resumed by:** {self.by.id or self.by.kind}",
        ]
        if self.by.ips:
            lines.append(f"- **Address:** {', '.join(self.by.ips)}")
        if self.by.useragent:
            lines.append(f"- **User agent:** {self.by.useragent}")
        if self.redirect:
            lines.append(f"- **Goes on at node:** {self.redirect}")
        if self.params:
            shown = msgspec.json.format(msgspec.json.encode(self.params)).decode().replace("```", "'''")
            lines.append(f"- **Parameters:**\n\n```json\n{shown}\n```")
        return "\n".join(lines)


class Suspensions:
    """Who waits, and how they are let go. One for each term."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    def waits(self, job_id: str) -> bool:
        return job_id in self._waiting

    async def wait(self, job_id: str) -> None:
        """Return when the job is let go."""
        event = self._waiting.setdefault(job_id, asyncio.Event())
        try:
            await event.wait()
        finally:
            if self._waiting.get(job_id) is event:
                del self._waiting[job_id]

    def release(self, job_id: str) -> None:
        """Let the job go: it was resumed, or it is aborted. Nothing for one that does not wait."""
        event = self._waiting.get(job_id)
        if event is not None:
            event.set()
