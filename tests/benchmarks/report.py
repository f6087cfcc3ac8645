"""Figures and the table they are shown in."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float | None
    """None: not measured, `note` says why."""
    unit: str
    original: float | None = None
    """The original's value in the same kind of run, on a like machine (2 cores, generator beside it)."""
    lower_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the original; below 1 is worse."""
        if not self.value or not self.original:
            return None
        return self.original / self.value if self.lower_is_better else self.value / self.original


def table(figures: Iterable[Figure]) -> str:
    rows = [("figure", "value", "unit", "original", "better by", "")]
    for figure in figures:
        ratio = "" if figure.ratio is None else f"x {figure.ratio:.1f}"
        rows.append(
            (figure.name, _number(figure.value), figure.unit, _number(figure.original), ratio, figure.note)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([lines[0], "-" * (sum(widths) + 8), *lines[1:]])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, value, unit, original, ratio, note = row
    cells = (
        name.ljust(widths[0]),
        value.rjust(widths[1]),
        unit.ljust(widths[2]),
        original.rjust(widths[3]),
        ratio.rjust(widths[4]),
        note,
    )
    return "  ".join(cells).rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
