"""Whom a runtime limit tells once it has fired (contract jobs.md §8): mail, web hook and snapshot, side by side."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conductor.actions.attempt import attempted
from conductor.actions.occasion import Means, Occasion
from conductor.actions.recipients import listed
from conductor.actions.result import Action, Result, title_of
from shared import clock

_LIMITS: Mapping[str, str] = {
    "time": "Run time", "log": "Output size", "mem": "Memory", "cpu": "CPU",
}  # fmt: skip


class Notified(NamedTuple):
    """What became of a fired limit's notices, for the limit's own properties."""

    code: int | float | str = 0
    description: str = ""
    details: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Notified":
        return cls(fields["code"], fields["description"], fields["details"])


def parts_of(limit: Mapping[str, Any]) -> list[Action]:
    done = [f"tags: {', '.join(listed(limit['tags']))}"] if limit.get("tags") else []
    done += [name for name in ("snapshot", "abort") if limit.get(name)]
    shared = {
        "template": "job_limited",
        "msg": limit.get("msg"),
        "title": _LIMITS.get(str(limit.get("type")), str(limit.get("type") or "")),
        "source": limit.get("source") or "event",
        "list": ", ".join(done) or "nothing",
    }
    parts: list[Action] = []
    if limit.get("users") or limit.get("email"):
        parts.append({"type": "email", "users": limit.get("users"), "email": limit.get("email"), **shared})
    if limit.get("web_hook"):
        parts.append({"type": "web_hook", "web_hook": limit["web_hook"], "text": limit.get("text"), **shared})
    if limit.get("snapshot"):
        parts.append({"type": "snapshot", **shared})
    return parts


async def tell(occasions: Sequence[Occasion], means: Means, message: str) -> dict[str, Any]:
    """The limit's result fields: code, description, details, elapsed_ms. The first failure is the limit's."""
    began = clock.monotonic()
    outcomes = await asyncio.gather(*(attempted(occasion, means) for occasion in occasions))
    wrong = next((result for result in outcomes if result.code), Result(0, message))
    details = "\n\n".join(
        f"### {title_of(occasion.action)}\n\n{result.description}\n\n{result.details}".rstrip()
        for occasion, result in zip(occasions, outcomes, strict=True)
    )
    return {
        "code": wrong.code,
        "description": wrong.description,
        "details": details,
        "elapsed_ms": round((clock.monotonic() - began) * 1000),
    }
