"""Arrays that a running job appends to its own (contract jobs.md §11 step 6). Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.jobs.compose import armed, words

_MOST = 100
"""Entries of one array: what a job can push again and again must end somewhere."""


def pushed(job: Mapping[str, Any], push: Mapping[str, Any]) -> dict[str, Any]:
    """The job's properties with what is appended. Only tags, actions and limits take anything.

    An action or limit comes as it is before it has fired, and says where it came from.
    """
    changes: dict[str, Any] = {}
    tags = words(push.get("tags"))
    if tags:
        changes["tags"] = list(dict.fromkeys((*words(job.get("tags")), *tags)))[:_MOST]
    for name in ("actions", "limits"):
        own = job.get(name)
        entries = [
            one for one in armed(push.get(name)) if isinstance(one.get("type"), str) and "enabled" in one
        ]
        if entries:
            kept = list(own) if isinstance(own, list) else []
            room = max(_MOST - len(kept), 0)
            changes[name] = [*kept, *({**one, "source": "job"} for one in entries[:room])]
    return changes


def pushes_instant(changes: Mapping[str, Any]) -> bool:
    """Whether something of it runs at once."""
    return any(
        one.get("condition") == "instant"
        and one.get("enabled")
        and "code" not in one
        and not one.get("active")
        for one in changes.get("actions") or ()
        if isinstance(one, dict)
    )
