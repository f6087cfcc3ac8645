"""What is due of an active invocation after it has fired: told after a silence, escalated, repeated. Pure.

An invocation carries how far it is: `told` (Unix time; absent as long as it is silenced), `escalated` (steps that
have run), `repeats`. Acknowledged it is left alone, but for the end of a silence.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from conductor.monitoring.alerts.silence import kept_from

Doc = Mapping[str, Any]

REFRESH_SECONDS = 300
"""Between two writes of an active invocation's present message and values."""


class Step(StrEnum):
    TOLD = "told"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    REFRESHED = "refreshed"


class Due(NamedTuple):
    step: Step
    number: int
    """Of the escalation or repetition, from 1."""


def due(invocation: Doc, definition: Doc, now: float) -> Due | None:
    """The next thing to do, if its time has come. `invocation` is active; one that is silenced is due at any time."""
    if kept_from(invocation):
        return Due(Step.TOLD, 1)
    if not definition.get("enabled"):
        return None
    if not invocation.get("acknowledged"):
        told = (
            _number(invocation.get("told"))
            or _number(invocation.get("fired"))
            or _number(invocation.get("date"))
        )
        done = int(_number(invocation.get("escalated")))
        if (after := escalation_after(definition, done + 1)) is not None and now >= told + after:
            return Due(Step.ESCALATED, done + 1)
        every, repeats = (
            60 * _number(definition.get("repeat_minutes")),
            int(_number(invocation.get("repeats"))),
        )
        if every > 0 and now >= told + every * (repeats + 1):
            # What was missed while nobody was primary is told once.
            return Due(Step.REPEATED, max(int((now - told) // every), repeats + 1))
    if now - _number(invocation.get("refreshed") or invocation.get("fired")) >= REFRESH_SECONDS:
        return Due(Step.REFRESHED, 1)
    return None


def escalation_after(definition: Doc, number: int) -> float | None:
    """Seconds after which the step runs; None when there is none of this number. The steps go by their time."""
    steps = escalations(definition)
    return 60 * _number(steps[number - 1].get("after")) if number <= len(steps) else None


def escalations(definition: Doc) -> list[Doc]:
    steps = definition.get("escalations")
    listed = [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []
    return sorted(listed, key=lambda one: _number(one.get("after")))


def actions_of(definition: Doc, number: int) -> list[dict[str, Any]]:
    """The actions of an escalation step, as those of a firing."""
    actions = escalations(definition)[number - 1].get("actions")
    return [{**one, "condition": "alert_new"} for one in actions or () if isinstance(one, dict)]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
