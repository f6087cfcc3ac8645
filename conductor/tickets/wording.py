"""What mails say of a ticket: data for the templates ticket_new, ticket_updated and ticket_overdue. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conductor.outbound.daily import local_time
from conductor.outbound.dates import formatted
from conductor.settings import Settings

Title = Callable[[str, str], str]
"""The title of (kind, ID), the ID itself where there is none."""

_NAMES = {
    "subject": "Subject",
    "body": "Body",
    "type": "Type",
    "category": "Category",
    "server": "Server",
    "status": "Status",
    "assignees": "Assignees",
    "due": "Due date",
    "cc": "Cc",
    "notify": "Notified",
    "tags": "Tags",
}
_KINDS = {"category": "categories", "tags": "tags", "server": "servers"}


def mail_data(
    ticket: Mapping[str, Any], settings: Settings, title: Title, entries: Sequence[Mapping[str, Any]] = ()
) -> Mapping[str, Any]:
    """`ticket`, `links.ticket`, `attributes`, `changes` and `display.due`."""
    due = ticket.get("due") or 0
    return {
        "ticket": ticket,
        "links": {"ticket": f"{settings.base_app_url}/#{ticket.get('num', '')}"},
        "attributes": attributes(ticket, settings, title),
        "changes": "\n\n".join(_change(entry, settings, title) for entry in entries),
        "display": {"due": _day(due, settings) if due else ""},
    }


def attributes(ticket: Mapping[str, Any], settings: Settings, title: Title) -> str:
    """A Markdown list of what is set."""
    keys = ("type", "status", "category", "server", "assignees", "cc", "due", "tags")
    lines = [f"- **Author:** {ticket.get('username', '')}"]
    lines += [
        f"- **{_NAMES[key]}:** {_shown(key, ticket[key], settings, title)}" for key in keys if ticket.get(key)
    ]
    created = ticket.get("created")
    if isinstance(created, int | float):
        when = formatted(settings.tickets.date_time_format, local_time(created, settings.tz))
        lines.append(f"- **Created:** {when}")
    return "\n".join(lines)


def _change(entry: Mapping[str, Any], settings: Settings, title: Title) -> str:
    who = f"**{entry.get('username', '')}**"
    if entry.get("type") != "change" or "key" not in entry:
        quoted = "\n".join(f"> {line}" for line in str(entry.get("body", "")).splitlines())
        return f"{who} wrote:\n\n{quoted}"
    key = str(entry["key"])
    if key == "delete":
        return f"{who} deleted a comment."
    if key == "body":
        return f"{who} changed the body."
    name = _NAMES.get(key, key)
    value = entry.get("value")
    if not value:
        return f"{who} cleared: {name}."
    return f"{who} set **{name}** to: {_shown(key, value, settings, title)}"


def _shown(key: str, value: Any, settings: Settings, title: Title) -> str:
    if key == "due":
        return _day(value, settings)
    kind = _KINDS.get(key)
    values = value if isinstance(value, list) else [value]
    return ", ".join(title(kind, str(one)) if kind else str(one) for one in values)


def _day(moment: Any, settings: Settings) -> str:
    if not isinstance(moment, int | float):
        return ""
    return formatted(settings.tickets.due_date_format, local_time(moment, settings.tz))
