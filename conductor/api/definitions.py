"""The CRUD endpoints of every kind of definition, generated from the table of kinds.

Contract api/README.md §10. What the caller may see is decided by `visibility`; what a document must be, and whether
the caller may write it, is decided by the definitions.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from conductor.access.account import Account
from conductor.api import envelope, references, visibility
from conductor.api.call import Call, Encoded, Json
from conductor.api.criteria import matches_criteria
from conductor.api.endpoint import Auth, DefinitionId, Endpoint, Takes
from conductor.definitions.kind import Kind
from conductor.definitions.kinds import KINDS
from conductor.definitions.plugin_commands import advice
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, NotFound
from conductor.signals import Actor


class ById(msgspec.Struct, kw_only=True):
    id: DefinitionId


class Delete(ById, kw_only=True):
    if_unused: bool = False
    """Refuse when other definitions name the item."""


class DeleteEvent(Delete, kw_only=True):
    delete_jobs: bool = False
    """Delete the event's finished jobs too, in the background."""


class New(msgspec.Struct, kw_only=True):
    """A new definition: any properties; those not named here are checked by its kind."""

    id: str | None = None


class Page(msgspec.Struct, kw_only=True):
    """Of ours; without a limit all are listed."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class Items(msgspec.Struct, kw_only=True):
    """New positions: `{id, sort_order}` each."""

    items: list[dict[str, Any]]


class Listed(msgspec.Struct, kw_only=True):
    length: int


class Rows(msgspec.Struct, kw_only=True):
    code: int
    rows: list[dict[str, Any]]
    list: Listed


visible = visibility.visible
_ELSEWHERE = ("api_keys", "buckets", "categories", "secrets")
_RETURN_UPDATED = ("events", "plugins")


def _nothing(doc: Json) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Particulars:
    """What one kind does beside the rule."""

    reads: Auth = Auth.ACCOUNT
    by_criteria: bool = False
    """The list call takes criteria."""
    reorders: bool = False
    """It has a multi_update call."""
    delete_params: type[Delete] = Delete
    deleted: Callable[[Call, Any], Awaitable[None]] | None = None
    """What follows a deletion, given its parameters."""
    beside: Callable[[Call, Json], Mapping[str, Any]] | None = None
    """What the single get returns beside the document."""
    warns: Callable[[Json], list[str]] = _nothing
    """What the answer to a create or update says in `warnings` of the stored document."""


class DefinitionCalls:
    """The calls of one kind."""

    def __init__(self, kind: Kind, definitions: Definitions, particulars: Particulars) -> None:
        self._kind = kind
        self._definitions = definitions
        self._particulars = particulars
        self._visibility = visibility.of_kind(kind.plural)
        self._encoded: tuple[int, Encoded] | None = None

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        kind, particulars = self._kind, self._particulars
        one, many = kind.singular, kind.plural
        words = one.replace("_", " ")
        reads = particulars.reads
        made: list[Endpoint[Any]] = [
            Endpoint(
                f"get_{many}",
                self.get_all,
                Page,
                f"Every {words} that the caller may see, in storage order",
                auth=reads,
                result=Rows,
            ),
            Endpoint(f"get_{one}", self.get, ById, f"One {words}", auth=reads),
            self._writing(f"create_{one}", self.create, New, f"Create: {words}", "create"),
            self._writing(
                f"update_{one}", self.update, ById, f"Change top-level properties: {words}", "edit"
            ),
            self._writing(
                f"delete_{one}", self.delete, particulars.delete_params, f"Delete: {words}", "delete"
            ),
        ]
        if particulars.reorders:
            made.append(
                self._writing(
                    f"multi_update_{one}", self.multi_update, Items, f"Reorder several: {words}", "edit"
                )
            )
        return tuple(made)

    def _writing(self, name: str, handler: Any, params: type[Any], summary: str, verb: str) -> Endpoint[Any]:
        noun = self._kind.privilege
        return Endpoint(
            name,
            handler,
            params,
            summary,
            methods=("POST",),
            auth=Auth.ACCOUNT if noun else Auth.ADMIN,
            privilege=f"{verb}_{noun}" if noun else None,
            takes=Takes.BODY,
            mutates=True,
        )

    async def get_all(self, call: Call, params: Page) -> Encoded:
        """For an unlimited caller without criteria the encoded answer is kept until the kind changes.

        Every answer has a tag, so that a client that polls gets the list when it has changed.
        """
        paged = bool(params.offset or params.limit)
        wanted = self._criteria(call.params)
        whole = visibility.sees_whole(self._kind.plural, call.account)
        everything = not call.account.limited or self._visibility is visibility.OPEN
        if whole and everything and not wanted and not paged:
            return self._whole_list()
        rows = visibility.visible(self._definitions, self._kind.plural, call.account)
        if wanted:
            rows = [doc for doc in rows if matches_criteria(doc, wanted)]
        end = params.offset + params.limit if params.limit else None
        return _list(rows[params.offset : end] if paged else rows, len(rows), repeated=False)

    def _warnings(self, doc: Json) -> Json:
        warnings = self._particulars.warns(doc)
        return {"warnings": warnings} if warnings else {}

    def _criteria(self, params: Json) -> Json:
        if not self._particulars.by_criteria or not params:
            return {}
        return {key: value for key, value in params.items() if key not in Page.__struct_fields__}

    async def get(self, call: Call, params: ById) -> Json:
        doc = self._found(params.id)
        self._visibility.require(call.account, doc)
        beside = self._particulars.beside
        doc = visibility.shown(self._definitions, self._kind.plural, doc, call.account)
        return {self._kind.singular: doc, **(beside(call, doc) if beside else {})}

    async def create(self, call: Call, params: New) -> Json:
        """Answers the stored document, and what is shown only now (an API key's `plain_key`)."""
        draft = await self._definitions.create_showing(
            self._kind.plural,
            call.params,
            actor=call.actor,
            by=call.account,
            correlation_id=call.correlation_id,
        )
        return {self._kind.singular: draft.doc, **draft.shown_once, **self._warnings(draft.doc)}

    async def update(self, call: Call, params: ById) -> Json:
        """Answers the new revision, for a caller that goes on editing (`expected_revision`)."""
        changes = {key: value for key, value in call.params.items() if key != "id"}
        doc = await self._definitions.update(
            self._kind.plural,
            params.id,
            changes,
            actor=call.actor,
            by=call.account,
            correlation_id=call.correlation_id,
        )
        answer: Json = {"revision": doc["revision"], "modified": doc["modified"]}
        answer |= self._warnings(doc)
        return {self._kind.singular: doc, **answer} if self._kind.plural in _RETURN_UPDATED else answer

    async def delete(self, call: Call, params: Delete) -> Json:
        """Answers who still named the item, where anybody did."""
        named_by = references.told(self._definitions, self._kind.plural, params.id, call.account)
        self.refuse_if_used(params)
        await self._definitions.delete(
            self._kind.plural,
            params.id,
            actor=call.actor,
            by=call.account,
            correlation_id=call.correlation_id,
        )
        if self._particulars.deleted:
            await self._particulars.deleted(call, params)
        return {"references": named_by} if named_by else {}

    def refuse_if_used(self, params: Delete) -> None:
        if params.if_unused:
            references.refuse_used(self._definitions, self._kind, params.id)

    async def multi_update(self, call: Call, params: Items) -> Json:
        if not params.items:
            raise BadParameter("Missing parameter: items")
        await self._definitions.multi_update(
            self._kind.plural,
            params.items,
            actor=call.actor,
            by=call.account,
            correlation_id=call.correlation_id,
        )
        return {}

    def _found(self, id: str) -> Json:
        doc = self._definitions.get(self._kind.plural, id)
        if doc is None:
            raise NotFound(f"{self._kind.singular.replace('_', ' ').capitalize()} not found: {id}")
        return doc

    def _whole_list(self) -> Encoded:
        version = self._definitions.version(self._kind.plural)
        if self._encoded is None or self._encoded[0] != version:
            rows = self._definitions.all(self._kind.plural)
            self._encoded = (version, _list(rows, len(rows), repeated=True))
        return self._encoded[1]


def _list(rows: Sequence[Json], length: int, *, repeated: bool) -> Encoded:
    body = envelope.succeeded({"rows": rows, "list": {"length": length}})
    return Encoded(body, hashlib.blake2b(body, digest_size=12).hexdigest(), repeated)


EventJobs = Callable[[str, Account], tuple[list[Json], int]]
"""The active jobs of an event that the caller may see, without details, and how many more are queued."""


DeleteJobs = Callable[[str, Actor], Awaitable[None]]
"""Starts the deletion of an event's finished jobs, and returns at once."""


def endpoints(
    definitions: Definitions, event_jobs: EventJobs, delete_jobs: DeleteJobs | None = None
) -> tuple[Endpoint[Any], ...]:
    """The calls of every kind but those that have a module of their own."""

    async def event_deleted(call: Call, params: DeleteEvent) -> None:
        if params.delete_jobs and delete_jobs:
            await delete_jobs(params.id, call.actor)

    def beside_event(call: Call, doc: Json) -> Mapping[str, Any]:
        jobs, queued = event_jobs(doc["id"], call.account)
        return {"jobs": jobs, "queued": queued}

    def same_title(tag: Json) -> list[str]:
        """Jobs push tags by title: the first of that title is meant, so the second ought to be told."""
        title = tag.get("title")
        others = [one["id"] for one in definitions.all("tags") if one.get("title") == title]
        return [f"Several tags have this title: {', '.join(others)}"] if len(others) > 1 else []

    particulars = {
        "tags": Particulars(warns=same_title),
        "plugins": Particulars(warns=advice),
        "events": Particulars(
            by_criteria=True, beside=beside_event, delete_params=DeleteEvent, deleted=event_deleted
        ),
        "groups": Particulars(reorders=True),
        "monitors": Particulars(reorders=True),
    }
    made: list[Endpoint[Any]] = []
    for plural, kind in KINDS.items():
        if plural not in _ELSEWHERE:
            made += DefinitionCalls(kind, definitions, particulars.get(plural, Particulars())).endpoints()
    return tuple(made)
