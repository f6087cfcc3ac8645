"""When each API key was used last, kept in the global state (`api_keys/<id>`) and written once a minute.

Contract api/api_keys.yaml, usage_state. Counting happens in memory (keys.py): a call by key writes nothing.
A primary that dies takes a minute's calls of a daily quota with it, at most.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from conductor.access.keys import ApiKeys
from conductor.errors import Refusal

FLUSH_SECONDS = 60.0

log = structlog.get_logger(__name__)


class State(Protocol):
    """The part of the global state that is written."""

    def get(self, key: str) -> Mapping[str, Any]: ...

    async def merge(self, key: str, changes: Mapping[str, Any]) -> None: ...


class Shelf(Protocol):
    def get(self, kind: str, id: str) -> dict[str, Any] | None: ...


class KeyUsage:
    """Carries the counters over to the state."""

    def __init__(self, keys: ApiKeys, shelf: Shelf, state: State) -> None:
        self._keys = keys
        self._shelf = shelf
        self._state = state
        self._written: dict[str, dict[str, int]] = {}
        keys.remembered = lambda key_id: state.get(f"api_keys/{key_id}")

    async def run(self, every: float = FLUSH_SECONDS) -> None:
        """Until cancelled; `flush` once more after that."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.flush()
            except Refusal as error:
                log.warning("the use of API keys was not written", reason=error.description)

    async def flush(self) -> None:
        """Write what has changed. Keys that were deleted meanwhile are left alone."""
        usage = self._keys.usage()
        for key_id, used in usage.items():
            if self._written.get(key_id) != used and self._shelf.get("api_keys", key_id) is not None:
                await self._state.merge(f"api_keys/{key_id}", used)
        self._written = usage
