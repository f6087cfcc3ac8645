"""Which minutes have been evaluated: none twice, none left out that can still be had. Pure."""

from typing import NamedTuple

_GAPS = 20


class Stretch(NamedTuple):
    """Minutes to evaluate: later than `after`, up to and including `until`."""

    after: int
    until: int
    back: bool = False
    """The clock went back to minutes that it had jumped over."""
    skipped: int = 0
    """Seconds that were jumped over and are too long ago."""


class Minutes:
    """One clock's way through time, with its jumps.

    A minute that was evaluated is never evaluated again. After a stall, a jump or a fail-over the last `grace`
    seconds are made up for; what is older counts as missed, until the clock comes back to it.
    """

    def __init__(self, done: int, grace: int) -> None:
        self.done = done
        """The latest minute that was evaluated."""
        self._grace = grace
        self._gaps: list[tuple[int, int]] = []
        """(after, until) of minutes that were jumped over."""

    def next(self, minute: int) -> Stretch | None:
        """What is to be evaluated now that it is `minute`; it counts as evaluated. None: nothing."""
        if minute > self.done:
            after = max(self.done, minute - self._grace)
            if after > self.done:
                self._gaps = [*self._gaps, (self.done, after)][-_GAPS:]
            skipped, self.done = after - self.done, minute
            return Stretch(after, minute, skipped=skipped)
        for gap in self._gaps:
            start, end = gap
            if start < minute <= end:
                after = max(start, minute - self._grace)
                self._gaps.remove(gap)
                self._gaps += [piece for piece in ((start, after), (minute, end)) if piece[0] < piece[1]]
                return Stretch(after, minute, back=True)
        return None

    def pass_by(self, minute: int) -> None:
        """The schedule is off: these minutes will not be had again."""
        self.done = max(self.done, minute)
        self._gaps = []
