"""Quick monitors: the last minute of each server, a row a second, in memory alone (contract monitoring.md §6)."""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conductor.monitoring.monitors import Number, stored
from shared.expressions import UNDEFINED, ExpressionError, compile_expression
from shared.expressions.limits import Allowance
from shared.expressions.numerals import floor_decimals, parse_decimal, to_number
from shared.expressions.patterns import search
from shared.expressions.values import to_text

Json = dict[str, Any]
Row = dict[str, Number | None]
QuickObserver = Callable[[str, Row, Mapping[str, Any]], None]
"""Told of each row that was kept: server, row, and the sample it was made of. Must not wait."""

_DECIMALS = 100
_STEPS = 20_000


class QuickMonitors:
    """`definitions`: the setting `quick_monitors`."""

    def __init__(self, definitions: Sequence[Mapping[str, Any]], most: int) -> None:
        self._definitions = [
            (
                str(one["id"]),
                str(one.get("source", "")),
                one.get("type") == "float",
                str(one.get("data_match") or ""),
            )
            for one in definitions
            if one.get("id")
        ]
        self._most = max(most, 1)
        self._rings: dict[str, deque[Row]] = {}

    def take(self, server_id: str, data: Mapping[str, Any], second: int) -> Row | None:
        """Keep a sample's row; None when the server sends faster than there are seconds."""
        ring = self._rings.get(server_id)
        if ring is None:
            ring = self._rings[server_id] = deque(maxlen=self._most)
        date = second
        if ring:
            last = ring[-1]["date"] or 0
            if second < last <= second + self._most:
                return None
            if last == second:
                date += 1
            elif last > second:
                ring.clear()  # the clock was set back by more than a ring holds
        row: Row = {"date": date}
        for id, source, decimals, match in self._definitions:
            row[id] = quick_value(source, data, match, decimals=decimals)
        ring.append(row)
        return row

    def rows(self, server_id: str) -> list[Row]:
        """Oldest first."""
        return list(self._rings.get(server_id, ()))

    def forget(self, server_id: str) -> None:
        self._rings.pop(server_id, None)

    def clear(self) -> None:
        self._rings.clear()


def quick_value(source: str, data: Mapping[str, Any], match: str = "", *, decimals: bool) -> Number | None:
    """A number as it is kept: two decimals, or whole; None for what is no number. Failures are 0."""
    allowance = Allowance(steps=_STEPS)
    try:
        value = compile_expression(source).evaluate_within(allowance, data)
        if match:
            found = search(match, to_text(value, allowance), allowance)
            value = UNDEFINED if found is None else found[1] if len(found) > 1 else found[0]
        if decimals:
            number = parse_decimal(value, allowance)
            return 0 if number != number else stored(floor_decimals(number, _DECIMALS))
        number = to_number(UNDEFINED if value is None else value, allowance)
    except ExpressionError:
        return 0
    return stored(math.floor(number)) if math.isfinite(number) else None
