"""API keys: administrators only, and the plain key is shown exactly once. Contract api/api_keys.yaml."""

from typing import Annotated, Any

import msgspec

from conductor.access.accounts import Accounts
from conductor.access.keys import ApiKeys
from conductor.api.call import Call, Json
from conductor.api.definitions import ById, DefinitionCalls, Delete, Particulars
from conductor.api.endpoint import Auth, Endpoint, Takes
from conductor.definitions.api_keys import rotated
from conductor.definitions.kind import Kind
from conductor.definitions.kinds import KINDS
from conductor.definitions.repository import Definitions
from shared.clock import now
from shared.ids import api_key


class RotateKey(ById, kw_only=True):
    overlap: Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)] = 86_400
    """Seconds for which the present key stays good."""


class ApiKeyCalls(DefinitionCalls):
    """The calls of the kind `api_keys`."""

    def __init__(self, kind: Kind, definitions: Definitions, keys: ApiKeys) -> None:
        super().__init__(kind, definitions, Particulars(reads=Auth.ADMIN))
        self._keys = keys

    async def delete(self, call: Call, params: Delete) -> Json:
        result = await super().delete(call, params)
        self._keys.forget(params.id)
        return result

    async def rotate(self, call: Call, params: RotateKey) -> Json:
        """Answers the new plain key, once. ID, rights and limits stay, so that nothing else has to change."""
        plain_key, moment = api_key(), int(now())
        until = moment + int(params.overlap)
        doc = await self._definitions.revise(
            "api_keys",
            params.id,
            lambda stored: rotated(stored, plain_key, until, moment),
            actor=call.actor,
            correlation_id=call.correlation_id,
        )
        return {"api_key": doc, "plain_key": plain_key}


def endpoints(definitions: Definitions, accounts: Accounts) -> tuple[Endpoint[Any], ...]:
    calls = ApiKeyCalls(KINDS["api_keys"], definitions, accounts.keys)
    return (
        *calls.endpoints(),
        Endpoint(
            "rotate_api_key",
            calls.rotate,
            RotateKey,
            "Replace the plain key of an API key; the present one stays good for a while",
            methods=("POST",),
            auth=Auth.ADMIN,
            takes=Takes.BODY,
            mutates=True,
        ),
    )
