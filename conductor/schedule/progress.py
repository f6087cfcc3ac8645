"""How far the schedule as a whole has come, in the book: what a new primary goes on from."""

from collections import Counter
from collections.abc import Iterable, Mapping

from conductor.live.firings import EVERYTHING, Firings


class Progress:
    """Moves the schedule's cursor behind the oldest minute whose launches are not all promised."""

    def __init__(self, firings: Firings) -> None:
        self._firings = firings
        self._open: Counter[int] = Counter()
        """Minutes that plugins are still asked about."""
        self._marks: dict[int, list[str]] = {}
        """Marks that are needed until the cursor passes the minute in which they were made."""
        self._done = 0
        self._inherited: list[str] = []

    def resume(self, minute: int, lasting: str) -> int:
        """The last minute that is done, as an earlier primary left it; `minute` where there was none.

        Marks that end with `lasting` are kept for as long as this term lasts.
        """
        self._inherited = [mark for mark in self._firings.marks if not mark.endswith(lasting)]
        stored = self._firings.cursor(EVERYTHING)
        self._done = int(stored) if stored.isdecimal() else minute
        return self._done

    def begin(self, minute: int) -> None:
        """Something of this minute is still under way."""
        self._open[minute] += 1

    async def end(self, minute: int, marks: Iterable[str], cursors: Mapping[str, str]) -> None:
        """What `begin` announced is promised or declined."""
        self._open[minute] -= 1
        if not self._open[minute]:
            del self._open[minute]
        self.keep(self._done, marks)
        await self._write(cursors, keep=True)

    async def done(
        self, minute: int, marks: Iterable[str], cursors: Mapping[str, str], *, keep: bool
    ) -> None:
        """All launches of `minute` are promised, but for what `begin` announced.

        `keep`: some events are behind, whose marks an earlier primary may have made.
        """
        self._done = minute
        self.keep(minute, marks)
        await self._write(cursors, keep=keep)

    def keep(self, minute: int, marks: Iterable[str]) -> None:
        self._marks.setdefault(minute, []).extend(marks)

    async def forget(self, cursors: Mapping[str, str]) -> None:
        """Events that are gone: their cursors with empty values."""
        await self._firings.advance(
            {event: value for event, value in cursors.items() if self._firings.cursor(event)}
        )

    async def _write(self, cursors: Mapping[str, str], *, keep: bool) -> None:
        """Raises Unavailable; what was not written is written with the next minute."""
        reached = min([*(minute - 60 for minute in self._open), self._done])
        gone = [mark for minute, marks in self._marks.items() if minute <= reached for mark in marks]
        if not keep and not self._open:
            gone += self._inherited
        moved = {
            field: value
            for field, value in {EVERYTHING: str(reached), **cursors}.items()
            if self._firings.cursor(field) != value
        }
        await self._firings.advance(moved, gone)
        self._marks = {minute: marks for minute, marks in self._marks.items() if minute > reached}
        if not keep and not self._open:
            self._inherited = []
