"""What a runtime limit does once it has fired, besides its abort (contract jobs.md §8): the port to actions."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from conductor.live.job import ActiveJob


class Notified(NamedTuple):
    """What became of a fired limit's e-mail, web hook and snapshot, for the limit's own properties."""

    code: int | float | str = 0
    description: str = ""
    details: str = ""
    """Markdown."""


class LimitNotices(Protocol):
    """Tells of a fired limit by what it names: `users` and `email`, `web_hook` with `text`, `snapshot`."""

    async def limit_fired(
        self, job: ActiveJob, limit: Mapping[str, Any], message: str
    ) -> tuple[int | float | str, str, str]:
        """Run in parallel what the limit asks for; the fields of `Notified` when all is done. Never raises."""
        ...


class NoNotices:
    """Nobody is told: a conductor without actions."""

    async def limit_fired(self, job: ActiveJob, limit: Mapping[str, Any], message: str) -> Notified:
        asked = limit.get("users") or limit.get("email") or limit.get("web_hook") or limit.get("snapshot")
        return Notified("limit", "Notices are not available.") if asked else Notified()


def tells(limit: Mapping[str, Any]) -> bool:
    """Whether the limit names anything to be told or taken."""
    return any(limit.get(key) for key in ("users", "email", "web_hook", "snapshot"))
