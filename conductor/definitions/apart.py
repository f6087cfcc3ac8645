"""What belongs to a definition and is not in its document: the port to the store that keeps it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from conductor.definitions.json_values import Json
from conductor.records.store import Write


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Staged:
    """Writes for the definition's own transaction, and what to call once that is committed."""

    writes: Sequence[Write] = ()
    committed: Callable[[], None] = _nothing


class Apart(Protocol):
    """The store of one kind's `Kind.apart` properties. It changes in the definition's transaction alone."""

    @property
    def lock(self) -> asyncio.Lock:
        """Held from `staged` or `removal` until the transaction is over."""

    async def load(self) -> None:
        """Read everything again: at each take-over, and after a write of unknown outcome."""

    async def staged(self, id: str, parts: Json) -> Staged:
        """Store `parts` (only what was sent) for the item. Raises Refusals."""

    def removal(self, id: str) -> Staged:
        """Forget everything about the item."""
