"""Secrets: the calls of the kind, decryption, versions and uses. Contract api/secrets.yaml.

Values leave by `decrypt_secret` alone.
"""

from typing import Any, Protocol

from conductor.announcer import Signals
from conductor.api.call import Call, Json
from conductor.api.definitions import ById, DefinitionCalls, Delete, Particulars
from conductor.api.endpoint import Auth, Endpoint, Takes
from conductor.definitions.kinds import KINDS
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.signals import Activity


class Opening(Protocol):
    """The vault, as far as these calls need it."""

    async def fields(self, secret_id: str) -> list[Json]:
        """Raises Refusal `secret` when there are no values or they cannot be opened."""

    async def earlier(self, secret_id: str) -> list[Json]:
        """Earlier values by when they were replaced, without the values."""

    async def fields_before(self, secret_id: str, replaced: int) -> list[Json]:
        """Raises Refusal `secret`."""


class Uses(Protocol):
    """Who was handed what."""

    async def of(self, id: str) -> list[Json]: ...

    async def drop(self, id: str) -> None: ...


class Version(ById, kw_only=True):
    replaced: int
    """As `get_secret_versions` tells it."""


class SecretCalls:
    """What is done with one secret beside changing it."""

    def __init__(self, definitions: Definitions, vault: Opening, uses: Uses, signals: Signals) -> None:
        self._definitions = definitions
        self._vault = vault
        self._uses = uses
        self._signals = signals

    async def decrypt(self, call: Call, params: ById) -> Json:
        """Each success is an activity."""
        secret = self._found(params.id)
        fields = await self._vault.fields(params.id)
        self._signals.publish(
            Activity(
                action="secret_access",
                description=str(secret.get("title", "")),
                payload={"secret": secret},
                resource=("secret", params.id),
                actor=call.actor,
                correlation_id=call.correlation_id,
            )
        )
        call.headers["Cache-Control"] = "no-store"
        return {"fields": fields}

    async def versions(self, call: Call, params: ById) -> Json:
        """Names of variables and when they were replaced; no values."""
        self._found(params.id)
        rows = await self._vault.earlier(params.id)
        return {"rows": rows, "list": {"length": len(rows)}}

    async def restore(self, call: Call, params: Version) -> Json:
        """An ordinary update: what it replaces is a version in its turn."""
        self._found(params.id)
        fields = await self._vault.fields_before(params.id, params.replaced)
        doc = await self._definitions.update(
            "secrets",
            params.id,
            {"fields": fields},
            actor=call.actor,
            by=call.account,
            correlation_id=call.correlation_id,
        )
        return {"revision": doc["revision"], "modified": doc["modified"], "names": doc["names"]}

    async def usage(self, call: Call, params: ById) -> Json:
        self._found(params.id)
        rows = await self._uses.of(params.id)
        return {"rows": rows, "list": {"length": len(rows)}}

    async def deleted(self, call: Call, params: Delete) -> None:
        await self._uses.drop(params.id)

    def _found(self, id: str) -> Json:
        secret = self._definitions.get("secrets", id)
        if secret is None:
            raise Refusal("secret", f"Secret not found: {id}")
        return secret

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "decrypt_secret",
                self.decrypt,
                ById,
                "The values of one secret",
                auth=Auth.ADMIN,
                mutates=True,  # it is logged; and a link must not show a secret to whoever is logged in
            ),
            Endpoint(
                "get_secret_versions",
                self.versions,
                ById,
                "Earlier values of a secret, without the values",
                auth=Auth.ADMIN,
            ),
            Endpoint(
                "restore_secret_version",
                self.restore,
                Version,
                "Go back to earlier values of a secret",
                methods=("POST",),
                auth=Auth.ADMIN,
                takes=Takes.BODY,
                mutates=True,
            ),
            Endpoint(
                "get_secret_usage",
                self.usage,
                ById,
                "Who was handed a secret, how often, and when last",
                auth=Auth.ADMIN,
            ),
        )


def endpoints(
    definitions: Definitions, vault: Opening, uses: Uses, signals: Signals
) -> tuple[Endpoint[Any], ...]:
    calls = SecretCalls(definitions, vault, uses, signals)
    crud = DefinitionCalls(KINDS["secrets"], definitions, Particulars(deleted=calls.deleted))
    return (*crud.endpoints(), *calls.endpoints())
