"""Tickets over HTTP (contract api/tickets.yaml). Searching them is with the other searches."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from conductor.access.account import Account
from conductor.api.call import Call
from conductor.api.endpoint import DefinitionId, Endpoint, Takes, WordId
from conductor.definitions.json_values import Json, truthy
from conductor.errors import AccessDenied, BadParameter, NotFound, Refusal
from conductor.outbound.templates import Templates
from conductor.settings import Settings
from conductor.tickets import bodies
from conductor.tickets.fields import TICKET
from conductor.tickets.ports import Happenings
from conductor.tickets.tickets import May, Tickets

_MOST_IDS = 1_000
_HEAVY = ("body", "changes")
_PREFIX = "You do not have the required account privileges to access"

Flag = bool | int | str


class GetTicket(msgspec.Struct, kw_only=True):
    """By `id` or by `num`."""

    id: str = ""
    num: int = 0


class GetTickets(msgspec.Struct, kw_only=True):
    ids: Any = None
    """A list, or comma-separated."""
    verbose: Flag = False
    ttl: int | None = None


class CreateTicket(msgspec.Struct, kw_only=True):
    """Any properties of a ticket; those not named here are checked as such."""

    subject: str = ""
    """Required, unless it comes from a `template`."""
    id: str | None = None
    template: str = ""
    """`job` or `alert`: its text becomes the body."""
    job: str = ""
    alert: str = ""


class TicketId(msgspec.Struct, kw_only=True):
    id: DefinitionId


class AddChange(TicketId, kw_only=True):
    change: Any = None


class UpdateChange(TicketId, kw_only=True):
    change_id: WordId
    change: Any = None
    delete: Flag = False


class UploadFiles(msgspec.Struct, kw_only=True):
    ticket: WordId
    save: Flag = False


class DeleteFile(TicketId, kw_only=True):
    path: Annotated[str, msgspec.Meta(pattern=r"^\S+$(?!\n)")]


class TicketAnswer(msgspec.Struct, kw_only=True):
    ticket: dict[str, Any]


class FilesAnswer(msgspec.Struct, kw_only=True):
    files: list[dict[str, Any]]


def sees(account: Account, ticket: Mapping[str, Any]) -> bool:
    """Callers with category limits see tickets of these categories; one without a category is out of reach."""
    return not account.categories or ticket.get("category") in account.categories


def may(account: Account) -> May:
    """Raises AccessDenied for a ticket out of the caller's reach."""

    def check(ticket: Mapping[str, Any]) -> None:
        if not sees(account, ticket):
            raise AccessDenied(f"{_PREFIX} category ID {ticket.get('category') or '(none)'}.")

    return check


class TicketCalls:
    def __init__(
        self, tickets: Tickets, happenings: Happenings, templates: Templates, settings: Settings
    ) -> None:
        self._tickets = tickets
        self._happenings = happenings
        self._templates = templates
        self._settings = settings

    async def get_ticket(self, call: Call, params: GetTicket) -> Json:
        if params.id:
            ticket = await self._tickets.shelf.get(params.id)
        elif params.num:
            ticket = await self._tickets.shelf.by_num(params.num) if 0 < params.num < 2**63 else None
        else:
            raise Refusal(TICKET, "Missing parameter: id or num")
        if ticket is None:
            raise NotFound(f"Ticket not found: {params.id or params.num}")
        may(call.account)(ticket)
        return {"ticket": ticket}

    async def get_tickets(self, call: Call, params: GetTickets) -> Json:
        wanted = _ids(params.ids)
        found = await self._tickets.shelf.get_many(wanted)
        rows: list[Json] = []
        for id in wanted:
            ticket = found.get(id)
            if ticket is None or not sees(call.account, ticket):
                rows.append({"err": f"Ticket not found: {id}"})
            elif _flag(params.verbose):
                rows.append(ticket)
            else:
                rows.append({key: value for key, value in ticket.items() if key not in _HEAVY})
        ttl = self._settings.ttl if params.ttl is None else max(params.ttl, 0)
        call.headers["Cache-Control"] = f"private, max-age={ttl}, must-revalidate"
        return {"tickets": rows}

    async def create_ticket(self, call: Call, params: CreateTicket) -> Json:
        doc = dict(call.params)
        if params.template:
            draft = await self._draft(call.account, params)
            doc["body"] = draft.body
            if not params.subject.strip():
                doc["subject"] = draft.subject
        elif "subject" not in doc:
            raise BadParameter("Missing parameter: subject")
        ticket = await self._tickets.create(
            doc,
            actor=call.actor,
            username=call.account.name,
            may=may(call.account),
            uploads=call.files,
            job_id=params.job if params.template == "job" else "",
            alert_id=params.alert if params.template == "alert" else "",
            correlation_id=call.correlation_id,
        )
        return {"ticket": ticket}

    async def update_ticket(self, call: Call, params: TicketId) -> Json:
        ticket = await self._tickets.update(
            params.id, call.params, actor=call.actor, username=call.account.name, may=may(call.account)
        )
        return {"ticket": ticket}

    async def add_ticket_change(self, call: Call, params: AddChange) -> Json:
        ticket = await self._tickets.add_change(
            params.id, params.change, actor=call.actor, username=call.account.name, may=may(call.account)
        )
        return {"ticket": ticket}

    async def update_ticket_change(self, call: Call, params: UpdateChange) -> Json:
        ticket = await self._tickets.update_change(
            params.id,
            params.change_id,
            params.change,
            delete=_flag(params.delete),
            actor=call.actor,
            username=call.account.name,
            admin=call.account.admin,
            may=may(call.account),
        )
        return {"ticket": ticket}

    async def upload_user_ticket_files(self, call: Call, params: UploadFiles) -> Json:
        if not call.files:
            raise Refusal("file", "No files were uploaded")
        if not _flag(params.save):
            return {
                "files": await self._tickets.attachments.store(call.files, params.ticket, call.account.name)
            }
        files = await self._tickets.add_files(
            params.ticket, call.files, actor=call.actor, username=call.account.name, may=may(call.account)
        )
        return {"files": files}

    async def delete_ticket_file(self, call: Call, params: DeleteFile) -> Json:
        files = await self._tickets.delete_file(
            params.id, params.path, actor=call.actor, may=may(call.account)
        )
        return {"files": files}

    async def delete_ticket(self, call: Call, params: TicketId) -> Json:
        await self._tickets.delete(
            params.id, actor=call.actor, may=may(call.account), params={"id": params.id}
        )
        return {}

    async def _draft(self, account: Account, params: CreateTicket) -> bodies.Draft:
        if params.template == "job":
            data = await self._happenings.job(params.job) if params.job else None
            if data is None or not account.sees_job(data["job"]):
                raise Refusal(TICKET, f"Job not found: {params.job[:80]}")
            return bodies.of_job(self._templates, data)
        if params.template == "alert":
            data = await self._happenings.alert(params.alert) if params.alert else None
            if data is None or not account.sees_groups(data["alert"].get("groups") or ()):
                raise Refusal(TICKET, f"Alert not found: {params.alert[:80]}")
            return bodies.of_alert(self._templates, data)
        raise Refusal(TICKET, f"Unsupported ticket template: {params.template[:80]}")

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "get_ticket", self.get_ticket, GetTicket, "One ticket, by ID or number", result=TicketAnswer
            ),
            Endpoint("get_tickets", self.get_tickets, GetTickets, "Several tickets in the order asked for"),
            _writing("create_ticket", self.create_ticket, CreateTicket, "Create a ticket", "create"),
            _writing("update_ticket", self.update_ticket, TicketId, "Change properties of a ticket", "edit"),
            _writing("add_ticket_change", self.add_ticket_change, AddChange, "Comment on a ticket", "edit"),
            _writing(
                "update_ticket_change",
                self.update_ticket_change,
                UpdateChange,
                "Edit or delete a comment",
                "edit",
            ),
            _writing(
                "upload_user_ticket_files",
                self.upload_user_ticket_files,
                UploadFiles,
                "Upload files for a ticket",
                "edit",
                FilesAnswer,
            ),
            _writing(
                "delete_ticket_file",
                self.delete_ticket_file,
                DeleteFile,
                "Delete a file",
                "edit",
                FilesAnswer,
            ),
            _writing("delete_ticket", self.delete_ticket, TicketId, "Delete a ticket", "delete", None),
        )


def endpoints(
    tickets: Tickets, happenings: Happenings, templates: Templates, settings: Settings
) -> tuple[Endpoint[Any], ...]:
    return TicketCalls(tickets, happenings, templates, settings).endpoints()


def _writing(
    name: str,
    handler: Any,
    params: type[Any],
    summary: str,
    verb: str,
    result: type | None = TicketAnswer,
) -> Endpoint[Any]:
    return Endpoint(
        name,
        handler,
        params,
        summary,
        methods=("POST",),
        privilege=f"{verb}_tickets",
        takes=Takes.BODY,
        result=result,
        mutates=True,
    )


def _ids(value: Any) -> Sequence[str]:
    if value is None:
        raise BadParameter("Missing parameter: ids")
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Refusal(TICKET, "Malformed parameter: ids")
    found = [word.strip() for word in words if word.strip()]
    if not found:
        raise Refusal(TICKET, "Missing parameter: ids")
    if len(found) > _MOST_IDS:
        raise Refusal(TICKET, f"Too many ids (most is {_MOST_IDS})")
    return found


def _flag(value: Flag) -> bool:
    return truthy(value) and value not in ("0", "false")
