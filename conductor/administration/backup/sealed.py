"""`secrets/ID`: the values of secrets in an export, encrypted as they are stored anywhere."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from conductor.administration.backup.lines import BadLine

Json = dict[str, Any]

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


class Vault(Protocol):
    async def ids(self) -> Sequence[str]: ...

    async def exported(self, secret_id: str, /) -> Json: ...

    async def take_in(self, secret_id: str, envelope: Json, /) -> list[str]: ...

    async def drop(self, secret_ids: Sequence[str], /) -> None: ...


class SecretSection:
    """Nothing is ever exported in clear; an import needs the secret key that the export was made under."""

    prefix = "secrets/"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def all(self) -> AsyncIterator[tuple[str, Any]]:
        """Raises Refusal `secret` for values that cannot be opened: an export without them would be none."""
        for id in await self._vault.ids():
            yield f"{self.prefix}{id}", await self._vault.exported(id)

    async def put(self, key: str, value: Any) -> None:
        """Raises BadLine; Refusal `secret` when the values are under another key."""
        id = key.removeprefix(self.prefix)
        if not _ID.fullmatch(id) or not isinstance(value, dict):
            raise BadLine("a secret's values need its ID and an encrypted envelope")
        await self._vault.take_in(id, value)

    async def value(self, key: str) -> Any:
        id = key.removeprefix(self.prefix)
        return await self._vault.exported(id) if id in await self._vault.ids() else None

    async def forget(self, key: str) -> None:
        await self._vault.drop([key.removeprefix(self.prefix)])

    async def clear(self, but: str = "") -> int:
        ids = await self._vault.ids()
        await self._vault.drop(ids)
        return len(ids)
