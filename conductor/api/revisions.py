"""Versions of definitions: what changed when, and back to an earlier one."""

from typing import Annotated, Any

import msgspec

from conductor.access.account import Account
from conductor.api import visibility
from conductor.api.call import Call, Json
from conductor.api.endpoint import DefinitionId, Endpoint
from conductor.definitions import versions
from conductor.definitions.kind import Kind
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, NotFound, Refusal
from conductor.records.store import Records

_OWN = frozenset(("id", "username", "created", "modified", "revision"))
"""What a return to an earlier version leaves as it is."""


class Which(msgspec.Struct, kw_only=True):
    type: str
    """Kind of the definition, singular or plural: `event`, `web_hooks`."""
    id: DefinitionId


class Page(Which, kw_only=True):
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=versions.KEPT)] = 50


class Restore(Which, kw_only=True):
    revision: Annotated[int, msgspec.Meta(ge=0)]
    """The one to go back to."""
    expected_revision: int | None = None
    """Refuse unless the stored revision is this one."""


class Revisions:
    """`get_revisions` and `restore_revision`, for every kind that keeps versions."""

    def __init__(self, definitions: Definitions, records: Records) -> None:
        self._definitions = definitions
        self._records = records
        self._kinds = {
            name: kind for kind in definitions.kinds.values() for name in (kind.plural, kind.singular)
        }

    async def list(self, call: Call, params: Page) -> Json:
        """Newest first; `changed` names what differs from the version before."""
        kind = self._found(params, call.account)
        rows, total = await versions.of_definition(
            self._records, kind.plural, params.id, offset=params.offset, limit=params.limit + 1
        )
        docs = [row[kind.singular] for row in rows]
        shown = []
        for place, row in enumerate(rows[: params.limit]):
            before = docs[place + 1] if place + 1 < len(docs) else None
            doc = visibility.shown(self._definitions, kind.plural, docs[place], call.account)
            shown.append({**row, kind.singular: doc, "changed": versions.changed(before, docs[place])})
        return {"rows": shown, "list": {"length": total}}

    async def restore(self, call: Call, params: Restore) -> Json:
        """An update like any other: checked, counted, told, and refused where it no longer fits."""
        kind = self._found(params, call.account)
        if kind.privilege:
            call.account.require(f"edit_{kind.privilege}")
        else:
            call.account.require_admin()
        doc = await versions.at_revision(self._records, kind, params.id, params.revision)
        if doc is None:
            raise Refusal(kind.code, f"{params.id} has no revision {params.revision}")
        changes = {key: value for key, value in doc.items() if key not in _OWN}
        if params.expected_revision is not None:
            changes["expected_revision"] = params.expected_revision
        done = await self._definitions.update(
            kind.plural,
            params.id,
            changes,
            actor=call.actor,
            by=call.account,
            correlation_id=call.correlation_id,
        )
        return {kind.singular: done, "revision": done["revision"], "modified": done["modified"]}

    def _found(self, params: Which, account: Account) -> Kind:
        kind = self._kinds.get(params.type)
        if kind is None or kind.plural == "api_keys":
            raise BadParameter("Malformed parameter: type (must be a kind of definition that keeps versions)")
        doc = self._definitions.get(kind.plural, params.id)
        if doc is None:
            raise NotFound(f"{params.type} not found: {params.id}")
        visibility.of_kind(kind.plural).require(account, doc)
        return kind


def endpoints(definitions: Definitions, records: Records) -> tuple[Endpoint[Any], ...]:
    revisions = Revisions(definitions, records)
    return (
        Endpoint("get_revisions", revisions.list, Page, "The versions of a definition"),
        Endpoint(
            "restore_revision",
            revisions.restore,
            Restore,
            "Bring a definition back to an earlier version",
            methods=("POST",),
            mutates=True,
        ),
    )
