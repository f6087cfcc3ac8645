"""Bringing all work to rest, before something that must have nothing running beside it."""

import asyncio

from conductor.announcer import Signals
from conductor.definitions.state import GlobalState
from conductor.jobs.engine import JobEngine
from conductor.signals import Activity, Actor
from shared import clock

_LOOK = 0.25
_PATIENCE = 120.0
"""Seconds after which what still runs is left to its end: a dead satellite must not hold up the house."""


async def interrupt(
    engine: JobEngine, state: GlobalState, signals: Signals, reason: str, actor: Actor
) -> tuple[bool, int, int]:
    """Switch the scheduler off; with a `reason`, abort every job and wait until none is left.

    Returns whether the scheduler was on, how many jobs were aborted, and how many have not ended in time.
    """
    was_on = state.get("scheduler").get("enabled", True) is not False
    if was_on:
        told = Activity(
            action="state_update",
            description="scheduler.enabled",
            payload={"key": "scheduler.enabled", "value": False},
            keywords=("scheduler.enabled",),
            actor=actor,
        )
        await state.merge("scheduler", {"enabled": False}, events=signals.events(told))
        signals.publish_logged(told)
    if not reason:
        return was_on, 0, 0
    running = [job.id for job in engine.book]
    for job_id in running:
        engine.abort(job_id, reason, actor)
    deadline = clock.monotonic() + _PATIENCE
    while len(engine.book) and clock.monotonic() < deadline:
        await asyncio.sleep(_LOOK)
    return was_on, len(running), len(engine.book)
