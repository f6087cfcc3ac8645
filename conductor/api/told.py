"""Activities that a call makes: who called, and what belongs together, are the call's."""

from collections.abc import Mapping
from typing import Any

from conductor.api.call import Call
from conductor.signals import Activity


def activity(
    call: Call,
    action: str,
    description: str = "",
    payload: Mapping[str, Any] | None = None,
    *,
    keywords: tuple[str, ...] = (),
    resource: tuple[str, str] = ("", ""),
    groups: tuple[str, ...] = (),
) -> Activity:
    """`resource`: kind and ID of what it is about; `groups`: those whose members may see it."""
    return Activity(
        action=action,
        description=description,
        payload=payload or {},
        keywords=keywords,
        resource=resource,
        actor=call.actor,
        correlation_id=call.correlation_id,
        groups=groups,
    )
