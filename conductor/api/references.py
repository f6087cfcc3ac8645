"""Who names a definition: asked for by itself, and told by every deletion."""

from typing import Any

import msgspec

from conductor.access.account import Account
from conductor.api import visibility
from conductor.api.call import Call, Json
from conductor.api.endpoint import DefinitionId, Endpoint
from conductor.definitions.kind import Kind
from conductor.definitions.references import referrers
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, NotFound, Refusal

_MOST_NAMED = 5


class Query(msgspec.Struct, kw_only=True):
    type: str
    """Kind of the definition, singular or plural: `plugin`, `web_hooks`."""
    id: DefinitionId


def told(definitions: Definitions, kind: str, id: str, account: Account) -> list[Json]:
    """Who names an item, as far as the caller may see them: `{type, id, title, where}` each."""
    found = []
    for one in referrers(definitions, kind, id):
        doc = definitions.get(one.kind, one.id)
        if (
            doc is not None
            and visibility.of_kind(one.kind).sees(account, doc)
            and visibility.sees_whole(one.kind, account)
        ):
            type_ = definitions.kinds[one.kind].singular
            found.append({"type": type_, "id": one.id, "title": one.title, "where": list(one.where)})
    return found


def refuse_used(definitions: Definitions, kind: Kind, id: str) -> None:
    """Raise a Refusal that counts and names those who name the item."""
    users = referrers(definitions, kind.plural, id)
    if users:
        names = ", ".join(f"{definitions.kinds[one.kind].singular} {one.id}" for one in users[:_MOST_NAMED])
        raise Refusal(kind.code, f"{id} is still used by {len(users)} definitions: {names}")


def endpoints(definitions: Definitions) -> tuple[Endpoint[Any], ...]:
    by_name = {name: plural for plural, kind in definitions.kinds.items() for name in (plural, kind.singular)}

    async def get_references(call: Call, params: Query) -> Json:
        plural = by_name.get(params.type)
        if plural is None:
            raise BadParameter("Malformed parameter: type (must be a kind of definition)")
        doc = definitions.get(plural, params.id)
        if doc is None:
            raise NotFound(f"{params.type} not found: {params.id}")
        visibility.of_kind(plural).require(call.account, doc)
        rows = told(definitions, plural, params.id, call.account)
        return {"rows": rows, "list": {"length": len(rows)}}

    return (Endpoint("get_references", get_references, Query, "The definitions that name one"),)
