"""System hooks of jobs' conditions, `job_start` to `job_tag:ID` (contract actions.md §10, platform.md §9).

An observer of signals. What a hook is told is made only where one is configured: most houses have none.
"""

from collections.abc import Callable, Mapping
from typing import Any

from conductor.signals import JobConditionMet, Signal


class ConditionHooks:
    def __init__(
        self, hooks: Callable[[], Mapping[str, Any]], fire: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        """`hooks` answers the configured ones by name; `fire` carries one out and returns at once."""
        self._hooks = hooks
        self._fire = fire

    async def observe(self, signal: Signal) -> None:
        if not isinstance(signal, JobConditionMet):
            return
        name = f"job_{signal.condition}"
        hooks = self._hooks()
        if hooks.get(name) or hooks.get("*"):
            self._fire(name, signal.hook_data())
