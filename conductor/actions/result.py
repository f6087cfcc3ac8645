"""What came of one action, and how it is written into the action itself (contract actions.md §5). Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

Action = dict[str, Any]

_LONGEST_DESCRIPTION = 1_000
_LONGEST_DETAILS = 64 * 1024
"""Characters of a result's texts: they are kept in the job's record, and what they quote may be endless."""

FAILURE_CODES: Mapping[str, str] = {
    "email": "email", "web_hook": "webhook", "run_event": "event", "channel": "channel", "snapshot": "snapshot",
    "ticket": "ticket", "plugin": "plugin", "store": "bucket", "fetch": "bucket", "suspend": "suspend",
    "disable": "event", "delete": "event", "tag": "tag", "label": "label",
}  # fmt: skip
"""The code of an action of each type that failed."""

TITLES: Mapping[str, str] = {
    "email": "Send Email", "web_hook": "Web Hook", "run_event": "Run Event", "channel": "Notify Channel",
    "snapshot": "Take Snapshot", "ticket": "Create Ticket", "plugin": "Plugin", "suspend": "Suspend Job",
    "disable": "Disable Event", "delete": "Delete Event", "tag": "Apply Tags", "label": "Apply Label",
    "store": "Store Bucket", "fetch": "Fetch Bucket",
}  # fmt: skip


RECORD = ("date", "elapsed_ms", "code", "description", "details", "loc", "active", "repeated", "began")
"""What a run writes into its action."""


class Result(msgspec.Struct, frozen=True):
    """`code` is 0 or a short word; `details` is Markdown; `loc` a link into the browser app."""

    code: int | float | str = 0
    description: str = ""
    details: str = ""
    loc: str = ""


def failed(type_: str, description: str, details: str = "") -> Result:
    return Result(FAILURE_CODES.get(type_, type_), description, details)


def type_of(action: Mapping[str, Any]) -> str:
    type_ = action.get("type")
    return type_ if isinstance(type_, str) else ""


def title_of(action: Mapping[str, Any]) -> str:
    return TITLES.get(type_of(action), type_of(action) or "unknown")


def begun(action: Action, now: float) -> None:
    """The action runs from now on. One that had begun already, in an earlier term, is marked as repeated."""
    if action.get("active"):
        action["repeated"] = int(action.get("repeated") or 0) + 1
        action.setdefault("began", action.get("date"))
    action["active"] = True
    action["date"] = now


def done(action: Action, result: Result, elapsed_ms: int) -> None:
    """The action has run. That it has a `code` is what tells clients so."""
    action.pop("active", None)
    action["code"] = result.code
    action["description"] = _short(" ".join(result.description.split()), _LONGEST_DESCRIPTION)
    action["elapsed_ms"] = elapsed_ms
    details = result.details
    if action.get("repeated"):
        details = f"{_REPEATED}\n\n{details}".rstrip()
    if details:
        action["details"] = _short(details, _LONGEST_DETAILS)
    if result.loc:
        action["loc"] = result.loc


_REPEATED = "*This action was under way when its conductor ended, and has been run again.*"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
