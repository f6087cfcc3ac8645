"""Records as lines of CSV, TSV or NDJSON (contract search.md §7). Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

Json = dict[str, Any]

BOM = "\ufeff"

TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "ndjson": "application/x-ndjson; charset=utf-8",
}
"""Content types by format."""

_TITLES: Mapping[str, Mapping[str, str]] = {
    "jobs": {
        "id": "Job ID",
        "event": "Event ID",
        "category": "Category ID",
        "plugin": "Plugin ID",
        "server": "Server ID",
        "source": "Source",
        "code": "Code",
        "description": "Description",
        "started": "Started",
        "completed": "Completed",
        "elapsed": "Elapsed",
        "log_file_size": "Output Size",
        "tags": "Tags",
    },
    "tickets": {
        "id": "Ticket ID",
        "num": "Ticket Number",
        "type": "Type",
        "status": "Status",
        "subject": "Subject",
        "assignees": "Assignees",
        "category": "Category ID",
        "server": "Server ID",
        "created": "Created",
        "modified": "Modified",
        "due": "Due Date",
        "tags": "Tags",
    },
    "alerts": {
        "id": "Alert Invocation ID",
        "alert": "Alert Definition ID",
        "exp": "Expression",
        "message": "Message",
        "server": "Server ID",
        "groups": "Group IDs",
        "date": "Created",
        "modified": "Modified",
        "jobs": "Job IDs",
        "tickets": "Ticket IDs",
    },
    "snapshots": {
        "id": "Snapshot ID",
        "type": "Type",
        "server": "Server ID",
        "groups": "Group IDs",
        "source": "Source",
        "date": "Created",
        "jobs": "Job IDs",
        "alerts": "Alert IDs",
    },
}
_LINES = re.compile(r"[\r\n]+")
_FORMULA = ("=", "+", "-", "@")


def header(index: str, columns: Sequence[str], format: str) -> str:
    """The first line; none for NDJSON."""
    if format == "ndjson":
        return ""
    titles = _TITLES.get(index, {})
    return _line([titles.get(column, column) for column in columns], format)


def rows(columns: Sequence[str], format: str) -> Callable[[Mapping[str, Any]], str]:
    """A function from a record to its line."""
    if format == "ndjson":
        return lambda record: (
            msgspec.json.encode({column: record[column] for column in columns if column in record}).decode()
            + "\n"
        )
    return lambda record: _line([cell(record.get(column)) for column in columns], format)


def cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula."""
    if value is None or value is False:
        return ""
    text = ",".join(map(_plain, value)) if isinstance(value, list) else _plain(value)
    text = _LINES.sub(" ", text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _line(cells: Sequence[str], format: str) -> str:
    if format == "csv":
        return ",".join('"{}"'.format(text.replace('"', '""')) for text in cells) + "\n"
    return "\t".join(text.replace("\t", " ") for text in cells) + "\n"
