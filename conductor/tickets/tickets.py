"""The tickets: created, changed, commented on, deleted. Contract platform.md §16, api/tickets.yaml.

Every change is decided from what is stored at that moment and stored only if that is still so: two editors
never lose each other's comments, and who sends the `revision` he has seen never overwrites a newer one.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from conductor.announcer import Signals
from conductor.definitions.json_values import Json, number_of
from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.settings import Settings
from conductor.signals import Actor, TicketChanged
from conductor.tickets import changes, fields
from conductor.tickets.attachments import Attachments, Upload
from conductor.tickets.fields import TICKET, Known, Library
from conductor.tickets.ports import Bonds, Notified
from conductor.tickets.shelf import Shelf
from shared import ids
from shared.clock import now

log = structlog.get_logger(__name__)

May = Callable[[Mapping[str, Any]], None]
"""Raises AccessDenied when the caller may not touch a ticket like this."""
Server = Callable[[str], Coroutine[Any, Any, bool]]
Spawn = Callable[[Coroutine[Any, Any, None]], None]


def anybody(ticket: Mapping[str, Any]) -> None:
    """The house itself may touch every ticket."""


class Tickets:
    """`may` of a call is asked of the ticket as it is and as it will be."""

    def __init__(
        self,
        shelf: Shelf,
        library: Library,
        known: Known,
        attachments: Attachments,
        notices: Notified,
        bonds: Bonds,
        signals: Signals,
        settings: Settings,
        *,
        server_exists: Server,
        spawn: Spawn,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        """`spawn` runs what may happen after the answer; `closed` is told of each ticket that was closed."""
        self.shelf = shelf
        self.attachments = attachments
        self._library = library
        self._known = known
        self._notices = notices
        self._bonds = bonds
        self._signals = signals
        self._settings = settings
        self._server_exists = server_exists
        self._spawn = spawn
        self._closed = closed

    async def create(
        self,
        doc: Mapping[str, Any],
        *,
        actor: Actor,
        username: str,
        may: May = anybody,
        uploads: Sequence[Upload] = (),
        job_id: str = "",
        alert_id: str = "",
        correlation_id: str = "",
        causation_id: str = "",
        caused_by: str = "",
        id: str = "",
    ) -> Json:
        """Store a new ticket by `username`, with its files; returns it with its number.

        Under an `id` that the house itself has chosen it is made once, whoever asks again: then the one that
        is there is the answer.

        Raises Refusal: `ticket`, `file`, or `api` for ID and subject; nothing is stored then.
        """
        if id and (made := await self.shelf.get(id)) is not None:
            await self._bind(id, job_id, alert_id)
            return made
        moment = int(now())
        ticket_id = id or (fields.check_id(doc["id"]) if doc.get("id") else ids.short_id("t"))
        sent = fields.chosen(doc)
        if "subject" not in sent:
            raise BadParameter("Missing parameter: subject")
        checked = fields.checked(sent, {}, self._library, self._known, moment=moment, tz=self._settings.tz)
        ticket: Json = {
            "id": ticket_id,
            **fields.defaults(),
            **checked,
            "username": username,
            "created": moment,
            "modified": moment,
            "revision": 1,
            "changes": [changes.created(username, moment)],
        }
        may(ticket)
        await self._check_server(ticket, {})
        fields.check_size(ticket)
        if await self.shelf.get(ticket_id) is not None:
            raise Refusal(TICKET, f"That Ticket ID already exists: {ticket_id}")
        ticket["files"] = await self.attachments.store(uploads, ticket_id, username) if uploads else []
        if job_id:
            ticket["jobs"] = [job_id]
        if alert_id:
            ticket["alerts"] = [alert_id]
        try:
            told = partial(
                _changed,
                "create",
                actor=actor,
                payload={"caused_by": caused_by} if caused_by else {},
                correlation_id=correlation_id,
                causation_id=causation_id,
            )
            ticket = await self.shelf.add(
                ticket,
                lambda new: self._notices.created(new, username),
                lambda new: self._signals.events(told(new)),
            )
        except BaseException:
            await self.attachments.discard(ticket["files"])
            raise
        self._notices.stir()
        self._signals.publish_logged(told(ticket))
        await self._bind(ticket_id, job_id, alert_id)
        return ticket

    async def update(
        self, ticket_id: str, doc: Mapping[str, Any], *, actor: Actor, username: str, may: May = anybody
    ) -> Json:
        """Shallow-merge `doc`; returns the whole ticket. With a `revision` in it: only if that is the stored one."""
        sent = fields.chosen(doc)
        revision = number_of(doc.get("revision")) if "revision" in doc else None
        entries: list[Json] = []
        closing = False

        stored = await self.shelf.get(ticket_id)
        if stored is not None:
            may(stored)
            await self._check_server(sent, stored)

        def changed(old: Json) -> Json:
            nonlocal closing
            may(old)
            if revision is not None and revision != _revision(old):
                raise Refusal(TICKET, f"Ticket has been changed meanwhile (revision {_revision(old)})")
            moment = int(now())
            checked = fields.checked(
                sent, old, self._library, self._known, moment=moment, tz=self._settings.tz
            )
            new: Json = {**old, **checked, "modified": moment, "revision": _revision(old) + 1}
            may(new)
            entries[:] = changes.detected(old, new, checked, username, moment)
            new["changes"] = changes.collapsed([*old.get("changes", ()), *entries])
            closing = new["status"] == changes.CLOSED and old.get("status") != changes.CLOSED
            fields.check_size(new)
            return new

        told = partial(_changed, "update", actor=actor, changes=entries)
        ticket = await self._store(ticket_id, changed, told, entries, username)
        if closing:
            self._closed()
        return ticket

    async def add_change(
        self, ticket_id: str, change: Any, *, actor: Actor, username: str, may: May = anybody
    ) -> Json:
        """Append a comment; returns the whole ticket."""
        made = fields.comment_of(change, needs_type=True)
        entry: Json = {
            "id": ids.short_id("c"),
            "body": "",
            **made,
            "username": username,
            "date": int(now()),
        }

        def changed(old: Json) -> Json:
            may(old)
            new = {**old, "modified": int(now()), "changes": [*old.get("changes", ()), entry]}
            fields.check_size(new)
            return new

        told = partial(_changed, "add_change", actor=actor, changes=[entry])
        return await self._store(ticket_id, changed, told, [entry], username)

    async def update_change(
        self,
        ticket_id: str,
        change_id: str,
        change: Any,
        *,
        delete: bool,
        actor: Actor,
        username: str,
        admin: bool,
        may: May = anybody,
    ) -> Json:
        """Edit or delete a comment: one's own, or as an administrator any; returns the whole ticket."""
        made = {} if delete else fields.comment_of(change, needs_type=False)
        made.pop("type", None)
        edited: Json = {}
        trace: list[Json] = []

        def changed(old: Json) -> Json:
            may(old)
            history = list(old.get("changes", ()))
            place = next((at for at, one in enumerate(history) if one.get("id") == change_id), None)
            if place is None:
                raise Refusal(TICKET, f"Ticket change not found: {change_id}")
            if not admin and history[place].get("username") != username:
                raise Refusal(TICKET, "Only its author or an administrator may change a comment")
            moment = int(now())
            edited.clear()
            trace.clear()
            if delete:
                edited.update({**history.pop(place), "delete": True})
                if old.get("status") != changes.DRAFT:
                    trace.append(changes.removed(username, moment))
            else:
                history[place] = {**history[place], **made, "edited": moment}
                edited.update(history[place])
            new = {**old, "modified": moment, "changes": [*history, *trace]}
            fields.check_size(new)
            return new

        told = partial(_changed, "update_change", actor=actor, changes=[edited])
        return await self._store(ticket_id, changed, told, trace, username)

    async def delete(
        self, ticket_id: str, *, actor: Actor, may: May = anybody, params: Mapping[str, Any] | None = None
    ) -> None:
        """Delete a ticket with its files; jobs and alerts forget it in the background."""
        ticket = await self.shelf.get(ticket_id)
        if ticket is None:
            raise Refusal(TICKET, f"Ticket not found: {ticket_id}")
        may(ticket)
        deleted = _changed("delete", ticket, actor=actor, payload={"params": dict(params or {})})
        if not await self.shelf.documents.delete(ticket_id, events=self._signals.events(deleted)):
            raise Refusal(TICKET, f"Ticket not found: {ticket_id}")
        self._signals.publish_logged(deleted)
        await self._notify(self._notices.deleted(ticket_id))
        self._spawn(self._clean(ticket))

    async def add_files(
        self, ticket_id: str, uploads: Sequence[Upload], *, actor: Actor, username: str, may: May = anybody
    ) -> list[Json]:
        """Attach uploads; returns all files of the ticket. Nothing is stored for a ticket that is not there."""
        ticket = await self.shelf.get(ticket_id)
        if ticket is None:
            raise Refusal("job", f"Ticket not found: {ticket_id}")
        may(ticket)
        self.attachments.check_room(ticket.get("files") or (), len(uploads))
        stored = await self.attachments.store(uploads, ticket_id, username)

        def changed(old: Json) -> Json:
            may(old)
            self.attachments.check_room(old.get("files") or (), len(stored))
            return {**old, "files": [*(old.get("files") or ()), *stored]}

        told = partial(_changed, "add_files", actor=actor, payload={"files": stored})
        try:
            ticket = await self._store(ticket_id, changed, told)
        except BaseException:
            await self.attachments.discard(stored)
            raise
        return list(ticket["files"])

    async def delete_file(self, ticket_id: str, path: str, *, actor: Actor, may: May = anybody) -> list[Json]:
        """Delete an attached file; returns what is left. When it cannot be deleted, it stays attached."""
        ticket = await self.shelf.get(ticket_id)
        if ticket is None:
            raise Refusal("job", f"Ticket not found: {ticket_id}")
        may(ticket)
        gone = [file for file in ticket.get("files") or () if file.get("path") == path]
        if not gone:
            raise Refusal(TICKET, f"File is not attached to this ticket: {path[:200]}")
        try:
            await self.attachments.delete(path)
        except (Unavailable, BadParameter) as refusal:
            raise Refusal(TICKET, f"File could not be deleted: {refusal.description}") from refusal

        def changed(old: Json) -> Json:
            may(old)
            return {**old, "files": [file for file in old.get("files") or () if file.get("path") != path]}

        told = partial(_changed, "delete_file", actor=actor, payload={"files": gone})
        ticket = await self._store(ticket_id, changed, told)
        return list(ticket["files"])

    async def attach(self, ticket_ids: Sequence[str], *, job_id: str = "", alert_id: str = "") -> None:
        """Have tickets know of a job or an alert; unknown tickets are passed over."""
        for ticket_id in dict.fromkeys(ticket_ids):
            additions = {"jobs": job_id, "alerts": alert_id}

            def changed(old: Json, additions: Mapping[str, str] = additions) -> Json | None:
                new = dict(old)
                for key, id in additions.items():
                    if id and id not in (old.get(key) or ()):
                        new[key] = [*(old.get(key) or ()), id]
                return new if new != old else None

            await self.shelf.documents.change(ticket_id, changed)

    async def _clean(self, ticket: Json) -> None:
        await self.attachments.discard(ticket.get("files") or ())
        await self._bonds.forget(ticket["id"])

    async def _bind(self, ticket_id: str, job_id: str, alert_id: str) -> None:
        if job_id or alert_id:
            await self._notify(self._bonds.bind(ticket_id, job_id=job_id, alert_id=alert_id))

    async def _check_server(self, sent: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        server = sent.get("server")
        if not isinstance(server, str) or not server or server == stored.get("server"):
            return
        if not await self._server_exists(server):
            raise Refusal(TICKET, f"Unknown server: {server[:80]}")

    async def _notify(self, telling: Coroutine[Any, Any, None]) -> None:
        """What follows a change that is stored: its failure does not undo the change, nor deny it."""
        try:
            await telling
        except Refusal as refusal:
            log.warning("a ticket's change was stored, but not told", reason=refusal.description)

    async def _store(
        self,
        ticket_id: str,
        change: Callable[[Json], Json],
        told: Callable[[Json], TicketChanged],
        entries: Sequence[Json] = (),
        username: str = "",
    ) -> Json:
        """Store what `change` makes of the ticket together with what is told of it, and announce that.

        `entries`, which `change` has made, are mailed to those whom `username`'s change concerns.
        """
        ticket = await self.shelf.change(
            ticket_id,
            change,
            lambda new: self._notices.changed(new, entries, username),
            lambda new: self._signals.events(told(new)),
        )
        if entries:
            self._notices.stir()
        self._signals.publish_logged(told(ticket))
        return ticket


def _changed(
    verb: str,
    ticket: Json,
    *,
    actor: Actor,
    changes: Sequence[Json] = (),
    payload: Mapping[str, Any] | None = None,
    correlation_id: str = "",
    causation_id: str = "",
) -> TicketChanged:
    return TicketChanged(
        verb=verb,
        ticket=ticket,
        changes=tuple(dict(one) for one in changes),
        payload=payload or {},
        actor=actor,
        correlation_id=correlation_id,
        causation_id=causation_id,
    )


def _revision(ticket: Mapping[str, Any]) -> int:
    found = ticket.get("revision")
    return found if isinstance(found, int) else 0
