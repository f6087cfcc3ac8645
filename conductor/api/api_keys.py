"""API keys: administrators only, and the plain key is shown exactly once. Contract api/api_keys.yaml."""

from typing import Any

from conductor.access.accounts import Accounts
from conductor.access.keys import ApiKeys
from conductor.api.call import Call, Json
from conductor.api.definitions import DefinitionCalls, Delete, Particulars
from conductor.api.endpoint import Auth, Endpoint
from conductor.definitions.kind import Kind
from conductor.definitions.kinds import KINDS
from conductor.definitions.repository import Definitions


class ApiKeyCalls(DefinitionCalls):
    """The calls of the kind `api_keys`."""

    def __init__(self, kind: Kind, definitions: Definitions, keys: ApiKeys) -> None:
        super().__init__(kind, definitions, Particulars(reads=Auth.ADMIN))
        self._keys = keys

    async def delete(self, call: Call, params: Delete) -> Json:
        result = await super().delete(call, params)
        self._keys.forget(params.id)
        return result


def endpoints(definitions: Definitions, accounts: Accounts) -> tuple[Endpoint[Any], ...]:
    return ApiKeyCalls(KINDS["api_keys"], definitions, accounts.keys).endpoints()
