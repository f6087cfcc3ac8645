"""Mails about tickets that wait, as the global state has them. Pure.

Each change leaves a document of its own, stored with the change; those of one ticket are one mail. Once a mail has
been begun its documents carry its word: who takes over sends the same mail again, under the same Message-ID,
whatever has come meanwhile.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from conductor.definitions.json_values import Json, is_number
from conductor.tickets.changes import collapsed

FRESH = "ticket_mail_new"
CHANGED = "ticket_mail"
"""Paths of the global state: `ticket_mail_new/TICKET`, `ticket_mail/TICKET/CHANGE`."""
_TEMPLATES = {FRESH: "ticket_new", CHANGED: "ticket_updated"}
_MOST_ENTRIES = 200


class Mail(NamedTuple):
    ticket_id: str
    template: str
    paths: tuple[str, ...]
    """The documents that leave the state with it."""
    due: float
    entries: Sequence[Json]
    authors: frozenset[str]
    tries: int
    word: str
    """The same for the same mail: makes its Message-ID."""
    begun: bool
    """It was on its way when its conductor ended: it may have been taken."""


def mails(fresh: Mapping[str, Json], changed: Mapping[str, Json]) -> list[Mail]:
    """What waits, by the paths below `FRESH` and `CHANGED`: new tickets first."""
    groups: dict[tuple[str, str, str], list[tuple[str, Json]]] = {}
    for prefix, documents in ((FRESH, fresh), (CHANGED, changed)):
        for rest, doc in documents.items():
            key = (prefix, rest.partition("/")[0], str(doc.get("mail") or ""))
            groups.setdefault(key, []).append((f"{prefix}/{rest}", doc))
    return [_mail(prefix, ticket_id, word, parts) for (prefix, ticket_id, word), parts in groups.items()]


def due_of(doc: Mapping[str, Any]) -> float:
    due = doc.get("due")
    return float(due) if is_number(due) else 0.0


def _mail(prefix: str, ticket_id: str, word: str, parts: Sequence[tuple[str, Json]]) -> Mail:
    parts = sorted(parts, key=lambda part: part[0])  # the names of changes sort by time
    documents = [doc for _, doc in parts]
    due = due_of(documents[-1])
    template = _TEMPLATES[prefix]
    entries = [dict(entry) for doc in documents for entry in doc.get("entries") or ()]
    entries.sort(key=_date)
    return Mail(
        ticket_id,
        template,
        tuple(path for path, _ in parts),
        due,
        collapsed(entries)[-_MOST_ENTRIES:],
        frozenset(_authors(documents, entries)),
        max(int(doc.get("tries") or 0) for doc in documents),
        word or f"{ticket_id}.{template}.{int(due * 1000)}",
        any(doc.get("begun") for doc in documents),
    )


def _authors(documents: Iterable[Json], entries: Sequence[Json]) -> Iterable[str]:
    if entries:
        return (str(entry.get("username")) for entry in entries)
    return (str(doc.get("by")) for doc in documents)


def _date(entry: Mapping[str, Any]) -> float:
    date = entry.get("date")
    return float(date) if is_number(date) else 0.0
