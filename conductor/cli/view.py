"""What the demonstration shows: log lines above a progress bar, or plain lines where there is no terminal."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_PLAIN_STEP = 25
"""Percent between two progress lines without a terminal."""
_CURVE = 60
"""Seconds that a monitor's curve shows."""
_BARS = "▁▂▃▄▅▆▇█"


class View:
    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        self._console.print(f"[bold]›[/bold] {escape(text)}")

    def result(self, rows: dict[str, str]) -> None:
        self._table(rows, "Result")

    def access(self, rows: dict[str, str]) -> None:
        self._table(rows, "Your conductor")

    def command(self, caption: str, text: str) -> None:
        self._console.print(f"\n{escape(caption)}\n")
        self._console.print(f"  {escape(text)}\n", style="cyan")

    def job(self, title: str) -> "JobView":
        return JobView(self._console, title)

    def alert(self, title: str, rows: dict[str, str]) -> None:
        self._table(rows, title)

    def monitors(self) -> "MonitorView":
        return MonitorView(self._console)

    def _table(self, rows: dict[str, str], title: str) -> None:
        self._console.print(f"\n[bold]{escape(title)}[/bold]")
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
        for name, value in rows.items():
            table.add_row(name, escape(value))
        self._console.print(table)


class JobView:
    """One running job: its log and its progress."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._shown = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(escape(title), total=100)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def log(self, line: str) -> None:
        self._console.print(f"  {escape(line)}", style="dim")

    def progress(self, value: Any) -> None:
        """`value` from 0 to 1."""
        percent = min(100, int(float(value or 0) * 100))
        self._bar.update(self._task, completed=percent)
        if not self._console.is_terminal and percent >= self._shown + _PLAIN_STEP:
            self._shown = percent - percent % _PLAIN_STEP
            self._console.print(f"  [{percent:3d}%]", markup=False)


class MonitorView:
    """This host's readings, a second each: a table that moves, or plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._history: dict[str, list[float]] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, readings: Mapping[str, tuple[float, str]]) -> None:
        """`readings`: value and its text, by name."""
        if self._live is None:
            line = ", ".join(f"{name} {text}" for name, (_, text) in readings.items())
            self._console.print(f"  {escape(line)}")
            return
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
        for name, (value, text) in readings.items():
            own = self._history.setdefault(name, [])
            own.append(value)
            del own[:-_CURVE]
            table.add_row(name, text, curve(own))
        self._live.update(table, refresh=True)


def curve(values: Sequence[float]) -> str:
    """The values as a row of bars, the greatest of them the highest."""
    top = max(values, default=0.0)
    if top <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[int(max(value, 0.0) / top * (len(_BARS) - 1))] for value in values)
