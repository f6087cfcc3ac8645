"""What plugins show on a job's page: table, html, markdown, text, perf (contract jobs.md §17). Pure.

Here it gets the shape that readers rely on, and a bound; `content` makes it safe to show.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

MOST_BYTES = 16 * 1024**2
"""Of one property of an update, encoded: more than this is left out and said so."""
_BOUNDED = (
    "table", "html", "markdown", "text", "perf", "data", "files", "workflowData", "serverData", "push",
    "update_event", "procs", "conns", "redraw", "log_file", "cwd",
)  # fmt: skip
_MOST_TEXT = 64 * 1024
"""Characters of a description, status or label."""
_TEXTS = ("description", "status", "label")
_SHOWN = ("html", "markdown", "text")

Json = dict[str, Any]


def bounded(update: Mapping[str, Any]) -> tuple[Json, list[str]]:
    """The update with what is shaped and small enough, and what to tell people of the rest."""
    kept = dict(update)
    faults: list[str] = []
    for key in _TEXTS:
        if isinstance(kept.get(key), str) and len(kept[key]) > _MOST_TEXT:
            kept[key] = kept[key][:_MOST_TEXT] + "…"
            faults.append(f"The plugin's {key} was cut to {_MOST_TEXT} characters.")
    for key in _BOUNDED:
        if key in kept and _too_large(kept[key]):
            del kept[key]
            faults.append(f"The plugin's {key} is larger than {MOST_BYTES // 1024**2} MB and was left out.")
    if "table" in kept and not _is_table(kept["table"]):
        del kept["table"]
        faults.append("The plugin's table has no rows and was left out.")
    for key in _SHOWN:
        if key in kept and not (isinstance(kept[key], dict) and isinstance(kept[key].get("content"), str)):
            del kept[key]
            faults.append(f"The plugin's {key} has no content and was left out.")
    return kept, faults


def _is_table(value: Any) -> bool:
    """`{title?, header?, rows[[…]], caption?}`."""
    if not isinstance(value, dict) or not isinstance(value.get("rows"), list):
        return False
    header = value.get("header")
    return all(isinstance(row, list) for row in value["rows"]) and (
        header is None or isinstance(header, list)
    )


def _too_large(value: Any) -> bool:
    if not value or isinstance(value, int | float | bool):
        return False
    if isinstance(value, str):
        return len(value) > MOST_BYTES
    return len(msgspec.json.encode(value)) > MOST_BYTES
