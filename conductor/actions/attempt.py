"""One action is carried out: its time, its retries, and a result whatever happens to it."""

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import structlog

from conductor.actions.catalogue import TYPES
from conductor.actions.muting import muted
from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed, type_of
from conductor.errors import Deposed, Refusal
from shared import clock

_MOST_RETRIES = 10
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before an action with `retries` is tried again."""
UNBOUND = frozenset({"suspend"})
"""Types that end when a person says so."""

log = structlog.get_logger(__name__)


class Once:
    """Data that all actions of a phase share, made for the first that asks."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._made: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._made is None:
            self._made = self._make()
        return self._made


async def attempted(occasion: Occasion, means: Means, deadline: float | None = None) -> Result:
    """The action's result, whatever happens to it; tried again as often as it says (`retries`)."""
    if (result := _muted(occasion, means)) is not None:
        return result
    retries = occasion.action.get("retries")
    left = min(retries, _MOST_RETRIES) if isinstance(retries, int) and not isinstance(retries, bool) else 0
    tried = 0
    while True:
        result = await _tried(occasion, means, deadline)
        if not result.code or tried >= left:
            return result
        pause = _PAUSES[min(tried, len(_PAUSES) - 1)]
        if deadline is not None and clock.monotonic() + pause >= deadline:
            return result
        tried += 1
        await asyncio.sleep(pause)


def _muted(occasion: Occasion, means: Means) -> Result | None:
    if occasion.job is None:
        return None
    windows = means.around.all("maintenance_windows")
    event_id = str(occasion.job.job.get("event") or "")
    return muted(type_of(occasion.action), event_id, windows, clock.now()) if windows else None


async def _tried(occasion: Occasion, means: Means, deadline: float | None) -> Result:
    type_ = type_of(occasion.action)
    run = TYPES.get(type_)
    if run is None:
        return Result("type", f"Unknown action type: {type_ or occasion.action.get('type')}")
    seconds = None
    if type_ not in UNBOUND:
        seconds = means.around.settings.action_timeout
        if deadline is not None:
            seconds = max(min(seconds, deadline - clock.monotonic()), 0.0)
    try:
        async with asyncio.timeout(seconds) as limit:
            return await run(occasion, means)
    except TimeoutError:
        if not limit.expired():
            return failed(type_, "The action failed: whom it asked did not answer in time.")
        return failed(type_, f"The action has not ended within {seconds or 0:.0f} seconds.")
    except Refusal as refusal:
        return failed(type_, refusal.description)
    except Deposed:
        raise
    except Exception as error:
        # Neither the error's text nor the frames' values: both may hold secrets.
        trace = "".join(traceback.format_tb(error.__traceback__))
        log.error(
            "an action failed", type=type_, action=occasion.key, error=type(error).__name__, trace=trace
        )
        return failed(type_, f"The action failed: {type(error).__name__}")
