"""Secrets: the calls of the kind, and decryption. Contract api/secrets.yaml. Values leave by `decrypt_secret` alone."""

from typing import Any, Protocol

from conductor.api.call import Call, Json
from conductor.api.definitions import ById, DefinitionCalls, Particulars
from conductor.api.endpoint import Auth, Endpoint
from conductor.definitions.kinds import KINDS
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.signals import Activity, Signals


class Opening(Protocol):
    """The vault, as far as this call needs it."""

    async def fields(self, secret_id: str) -> list[Json]:
        """Raises Refusal `secret` when there are no values or they cannot be opened."""


class Decryption:
    """`decrypt_secret`: each success is an activity."""

    def __init__(self, definitions: Definitions, vault: Opening, signals: Signals) -> None:
        self._definitions = definitions
        self._vault = vault
        self._signals = signals

    async def decrypt(self, call: Call, params: ById) -> Json:
        secret = self._definitions.get("secrets", params.id)
        if secret is None:
            raise Refusal("secret", f"Secret not found: {params.id}")
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


def endpoints(definitions: Definitions, vault: Opening, signals: Signals) -> tuple[Endpoint[Any], ...]:
    decryption = Decryption(definitions, vault, signals)
    calls = DefinitionCalls(KINDS["secrets"], definitions, Particulars())
    return (
        *calls.endpoints(),
        Endpoint(
            "decrypt_secret",
            decryption.decrypt,
            ById,
            "The values of one secret",
            auth=Auth.ADMIN,
            mutates=True,  # it is logged; and a link must not show a secret to whoever is logged in
        ),
    )
