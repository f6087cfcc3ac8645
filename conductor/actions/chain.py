"""Chains of jobs that run each other's events: who came before, and when it is enough. Pure.

A job that was run by an action carries in its `parent` the events that led to it (`chain`, oldest first), so
that a chain that returns to itself ends after a bounded number of steps, whatever dies in between.
"""

from collections.abc import Mapping
from typing import Any

_REMEMBERED = 1_000


def of(job: Mapping[str, Any]) -> list[str]:
    """The events that led to this job, its own last."""
    parent = job.get("parent")
    before = parent.get("chain") if isinstance(parent, dict) else None
    events = [one for one in before if isinstance(one, str)] if isinstance(before, list) else []
    return [*events, str(job.get("event") or "")][-_REMEMBERED:]


def objection(chain: list[str], event_id: str, most: int) -> str:
    """Why the next event of the chain must not run; empty when it may. `most` 0 is no bound."""
    if not most or len(chain) < most:
        return ""
    again = f" It returns to {event_id}." if event_id in chain else ""
    last = " → ".join([*chain[-4:], event_id])
    return f"A chain of events that run each other has reached its bound of {most} jobs (… {last}).{again}"
