"""What a ticket may hold and who sets it (contract platform.md §16, structures/ticket.yaml). Pure.

Clients set the properties of `CLIENT`, which are checked, and properties of their own, which are kept as they
are; those of `SERVER` are never taken from a client.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from conductor.definitions.json_values import Json, copied, text_of, truthy
from conductor.definitions.params import check_values
from conductor.definitions.text import ID, is_word, shown
from conductor.errors import BadParameter, Refusal
from conductor.outbound.addresses import is_address
from conductor.tickets import markup
from conductor.tickets.due import due_at
from shared.schema.reserved import RESERVED_WORDS

TICKET = "ticket"
"""The code of a ticket's refusals."""
TYPES = ("issue", "feature", "release", "change", "maintenance", "question", "other")
STATUSES = ("draft", "open", "closed")
CLIENT = (
    *("subject", "body", "type", "status", "category", "server", "due"),
    *("assignees", "cc", "notify", "tags", "events"),
)
SERVER = frozenset(
    {
        *("id", "num", "username", "created", "modified", "revision", "changes", "files", "jobs", "alerts"),
        *("template", "job", "alert", "json", "save", "ticket"),  # of the request, not of the ticket
        *("api_key", "session_id", "csrf_token", "cachebust", "pretty", "format", "callback"),
    }
)
_ARRAYS = ("assignees", "cc", "notify", "tags", "events")
_TEXTS = ("type", "status", "category", "server")
_MOST_LISTED = 1_000
_LONGEST_ID = 64
_LONGEST_SUBJECT = 1_000
MOST_BYTES = 8 * 1024**2


class Library(Protocol):
    """The definitions."""

    def get(self, kind: str, id: str, /) -> Json | None: ...


class Known(Protocol):
    """Who there is."""

    def user(self, username: str, /) -> bool: ...


def check_id(id: Any) -> str:
    """A ticket's ID as a client chooses it. Raises BadParameter."""
    if not isinstance(id, str):
        raise BadParameter("Parameter is not type string: id")
    if not ID.fullmatch(id) or len(id) > _LONGEST_ID or id in RESERVED_WORDS:
        raise BadParameter("Malformed parameter: id")
    return id


def chosen(sent: Mapping[str, Any]) -> Json:
    """What of a request is the ticket's: everything but what the server sets."""
    return {key: copied(value) for key, value in sent.items() if key not in SERVER}


def checked(
    sent: Json, stored: Mapping[str, Any], library: Library, known: Known, *, moment: float, tz: str
) -> Json:
    """`sent`, cleaned and normalised. Raises Refusal `ticket`, and BadParameter for a bad subject.

    Users that the ticket names already may have gone since; new ones must exist.
    """
    made = dict(sent)
    if "subject" in made:
        made["subject"] = _subject(made["subject"])
    if "body" in made:
        made["body"] = markup.body(_text(made, "body"))
    for key in _TEXTS:
        if key in made:
            made[key] = _text(made, key)
    for key in _ARRAYS:
        if key in made:
            made[key] = _array(made, key)
    if made.get("type") and made["type"] not in TYPES:
        raise Refusal(TICKET, f"Unknown ticket type: {shown(made['type'])}")
    if "status" in made:
        made["status"] = made["status"] or "open"
        if made["status"] not in STATUSES:
            raise Refusal(TICKET, f"Unknown ticket status: {shown(made['status'])}")
    if made.get("category") and library.get("categories", made["category"]) is None:
        raise Refusal(TICKET, f"Unknown category: {shown(made['category'])}")
    _check_tags(made, library)
    _check_people(made, stored, known)
    _check_events(made, library)
    if "due" in made:
        due = due_at(made["due"], moment, tz)
        if due is None:
            raise Refusal(TICKET, "Malformed ticket parameter: due")
        made["due"] = due
    return made


def check_size(ticket: Mapping[str, Any]) -> None:
    """Raise Refusal for a ticket that is too large to be kept, or cannot be encoded."""
    try:
        size = len(msgspec.json.encode(ticket))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadParameter(f"Ticket cannot be stored: {error}") from None
    if size > MOST_BYTES:
        raise Refusal(TICKET, f"Ticket is larger than {MOST_BYTES} bytes")


def defaults() -> Json:
    """What an omitted property is stored as."""
    return {
        "body": "",
        "status": "open",
        "due": 0,
        "assignees": [],
        "cc": [],
        "notify": [],
        "tags": [],
    }


def _subject(value: Any) -> str:
    if not isinstance(value, str):
        raise BadParameter("Parameter is not type string: subject")
    subject = markup.subject(value)[:_LONGEST_SUBJECT]
    if not subject:
        raise BadParameter("Malformed parameter: subject")
    return subject


def _text(made: Json, key: str) -> str:
    value = made[key]
    if value is None or value is False:
        return ""
    if not isinstance(value, str):
        raise Refusal(TICKET, f"Malformed ticket parameter: {key}")
    return value


def _array(made: Json, key: str) -> list[Any]:
    value = made[key]
    if not truthy(value):
        return []
    if not isinstance(value, list) or len(value) > _MOST_LISTED:
        raise Refusal(TICKET, f"Malformed ticket parameter: {key}")
    if key == "events":
        return value
    if not all(isinstance(item, str) for item in value):
        raise Refusal(TICKET, f"Malformed ticket parameter: {key}")
    return list(dict.fromkeys(item.strip() for item in value if item.strip()))


def _check_tags(made: Json, library: Library) -> None:
    for tag in made.get("tags", ()):
        if library.get("tags", tag) is None:
            raise Refusal(TICKET, f"Unknown tag: {shown(tag)}")


def _check_people(made: Json, stored: Mapping[str, Any], known: Known) -> None:
    for key in ("assignees", "cc"):
        before = stored.get(key) or ()
        for username in made.get(key, ()):
            if username not in before and not known.user(username):
                raise Refusal(TICKET, f"Unknown user: {shown(username)}")
    for address in made.get("notify", ()):
        if not is_address(address):
            raise Refusal(TICKET, f"Malformed ticket parameter: notify ({shown(address)})")


def _check_events(made: Json, library: Library) -> None:
    for stub in made.get("events", ()):
        if not isinstance(stub, dict) or not is_word(stub.get("id")):
            raise Refusal(TICKET, "Malformed ticket parameter: events")
        event = library.get("events", stub["id"])
        if event is None:
            raise Refusal(TICKET, f"Unknown event: {shown(stub['id'])}")
        params = stub.get("params")
        if params is not None and not isinstance(params, dict):
            raise Refusal(TICKET, "Malformed ticket parameter: events")
        for key in ("targets", "tags"):
            if stub.get(key) is not None and not isinstance(stub[key], list):
                raise Refusal(TICKET, "Malformed ticket parameter: events")
        try:
            check_values(params or {}, event.get("fields"), "Ticket Event")
        except BadParameter as refusal:
            raise Refusal(TICKET, refusal.description) from None


def comment_of(change: Any, *, needs_type: bool) -> Json:
    """What of a client's change is taken: a comment's text. Raises Refusal `ticket`.

    `key` and `value` are never taken: they are the server's record of what happened.
    """
    if not isinstance(change, dict):
        raise Refusal(TICKET, "Malformed ticket parameter: change")
    kind = change.get("type")
    if needs_type or kind is not None:
        if not isinstance(kind, str) or not kind:
            raise Refusal(TICKET, "Missing ticket change type")
        if kind not in ("comment", "change"):
            raise Refusal(TICKET, f"Unknown ticket change type: {shown(kind)}")
    text = change.get("body")
    if text is not None and not isinstance(text, str):
        raise Refusal(TICKET, f"Malformed ticket parameter: body ({shown(text_of(text))})")
    made: Json = {} if kind is None else {"type": kind}
    if text is not None:
        made["body"] = markup.body(text)
    return made
