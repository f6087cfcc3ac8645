"""Where the secrets of second factors are: sealed beside the values of secrets, so that they share their fate.

A change of the secret key puts both under the new one in one transaction. They are in no export, and nothing
keeps them in memory.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from conductor.access.second_factor import MfaRefusal, SecondFactor
from conductor.access.users import factor_place
from conductor.errors import Refusal, Unavailable
from conductor.records.store import Write
from conductor.records.tables import secret_values

Json = dict[str, Any]

_REMOVE = sa.delete(secret_values).where(secret_values.c.id == sa.bindparam("place"))

log = structlog.get_logger(__name__)


class Safe(Protocol):
    """The store of sealed values (definitions/vault.py)."""

    @property
    def lock(self) -> asyncio.Lock:
        """To be held from `sealed` until its writes are committed."""
        ...

    async def sealed(self, id: str, fields: list[Json]) -> Sequence[Write]: ...

    async def fields(self, secret_id: str) -> list[Json]: ...


class FactorSecrets:
    def __init__(self, safe: Safe) -> None:
        self._safe = safe

    @property
    def lock(self) -> asyncio.Lock:
        """To be held from `storing` until its writes are committed."""
        return self._safe.lock

    async def storing(self, username: str, factor: SecondFactor, secret: str) -> Sequence[Write]:
        """Writes that store it, in place of an earlier one. Raises Refusal `secret` while the key is another."""
        return await self._safe.sealed(factor_place(username), [{"name": factor.id, "value": secret}])

    @staticmethod
    def removal(username: str) -> Write:
        """The end of an account's secret, for somebody else's transaction."""
        return Write(_REMOVE, {"place": factor_place(username)})

    async def of(self, user: Mapping[str, Any], factor: SecondFactor) -> str:
        """Raises MfaRefusal when it cannot be had: who cannot be asked for a code does not get in without."""
        try:
            fields = await self._safe.fields(factor_place(user["username"]))
        except Unavailable:
            raise
        except Refusal as refusal:
            log.error("a second factor cannot be checked", user=user["username"], reason=refusal.description)
            raise MfaRefusal(
                "Your second factor cannot be checked. An administrator can turn it off."
            ) from None
        for field in fields:
            if field.get("name") == factor.id:
                return str(field["value"])
        raise MfaRefusal("Your second factor was set up anew just now. Please try again.")
