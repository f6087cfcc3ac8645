"""Figures and records as a person reads them, for texts and mails. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from html import escape
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_EXCERPT_LINES = 10
"""Lines of a long output that a mail shows from its beginning, and from its end."""
_EXCERPT_CHARACTERS = 32 * 1024

NONE = "(None)"


def duration(seconds: Any) -> str:
    """`2 minutes`, `1 hour, 5 minutes`: the two largest units."""
    left = max(int(number(seconds)), 0)
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return ", ".join(parts[:2]) or "0 seconds"


def size(amount: Any) -> str:
    from shared.expressions.formats import byte_size

    return byte_size(int(number(amount)))


def memory(usage: Any) -> str:
    """Average and peak of a job's memory."""
    return _usage(usage, size)


def cpu(usage: Any) -> str:
    return _usage(usage, lambda value: f"{value:.2f}".rstrip("0").rstrip(".") + "%")


def perf(metrics: Any) -> str:
    """The job's own metrics, one after another."""
    if isinstance(metrics, str) and metrics:
        return metrics
    inner = metrics.get("perf") if isinstance(metrics, dict) else None
    shown = inner if isinstance(inner, dict) else metrics
    if not isinstance(shown, dict) or not shown:
        return "(No metrics provided)"
    return ", ".join(
        f"{name}: {value}" for name, value in shown.items() if not isinstance(value, dict | list)
    )


def local_time(epoch: Any, zone: tzinfo | None) -> str:
    """`Sunday, November 22, 2026 6:05 AM`."""
    moment = datetime.fromtimestamp(number(epoch), UTC).astimezone(zone)
    hour = moment.hour % 12 or 12
    return f"{moment:%A}, {moment:%B} {moment.day}, {moment.year} {hour}:{moment:%M} {moment:%p}"


def without(pattern: str, text: str) -> str:
    """`text` without what a configured pattern matches; a pattern that is none removes nothing."""
    try:
        return re.sub(pattern, "", text) if pattern else text
    except re.error:
        return text


def excerpt(output: str) -> str:
    """The beginning and the end of an output, without colours, safe within a Markdown fence."""
    text = _ANSI.sub("", output).replace("```", "'''").strip("\r\n")
    if not text.strip():
        return "n/a"
    lines = text.splitlines()
    if len(lines) > 2 * _EXCERPT_LINES:
        left_out = len(lines) - 2 * _EXCERPT_LINES
        lines = [*lines[:_EXCERPT_LINES], f"… ({left_out} lines left out)", *lines[-_EXCERPT_LINES:]]
    return "\n".join(line[: _EXCERPT_CHARACTERS // len(lines)] for line in lines)


def user_content(job: Mapping[str, Any]) -> str:
    """What the job wants to show, as HTML: its table, then its own HTML, which is sanitised already."""
    parts = []
    table, html = job.get("table"), job.get("html")
    if isinstance(table, dict):
        parts.append(_table(table))
    if isinstance(html, dict) and isinstance(html.get("content"), str):
        parts.append(_framed(html, html["content"]))
    return "\n".join(parts)


def number(value: Any) -> float:
    """A finite number; 0 for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return 0.0
    try:
        found = float(value)
    except OverflowError:
        return 0.0
    return found if abs(found) < 1e15 else 0.0


def _usage(usage: Any, text: Any) -> str:
    if not isinstance(usage, dict) or not number(usage.get("count")):
        return "(Unknown)"
    average = number(usage.get("total")) / number(usage.get("count"))
    return f"{text(average)} (Peak: {text(number(usage.get('max')))})"


def _table(table: Mapping[str, Any]) -> str:
    header, rows = table.get("header") or table.get("cols"), table.get("rows")
    lines = [_row("th", header)] if isinstance(header, list) else []
    lines += [_row("td", row) for row in (rows if isinstance(rows, list) else ()) if isinstance(row, list)]
    return _framed(table, "<table>" + "".join(lines) + "</table>")


def _row(cell: str, values: Sequence[Any]) -> str:
    cells = "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
    return f"<tr>{cells}</tr>"


def _framed(content: Mapping[str, Any], inner: str) -> str:
    title, caption = content.get("title"), content.get("caption")
    head = f"<h3>{escape(str(title))}</h3>\n" if title else ""
    foot = f"\n<p>{escape(str(caption))}</p>" if caption else ""
    return f"{head}{inner}{foot}"
