"""The satellites' credentials: who may join and sign, rotation and revocation.

Only what differs from the rule is stored: servers whose key was rotated or revoked. All of that is in memory
during a term, so that a thousand satellites that come back at once ask no database.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from conductor.announcer import Signals
from conductor.errors import NotFound, Refusal, Unavailable
from conductor.fleet.credential import Credential, key_of, keys_of
from conductor.fleet.roster import Roster
from conductor.records.documents import Documents
from conductor.settings import Settings
from conductor.signals import Activity, Actor, EventRow
from shared import clock
from shared.protocol import proofs, tokens

_NEVER_ROTATED = Credential()

log = structlog.get_logger(__name__)


class Credentials:
    """Loaded at the start of each term, written through at each change."""

    def __init__(self, stored: Documents, roster: Roster, settings: Settings, signals: Signals) -> None:
        self._stored = stored
        self._roster = roster
        self._settings = settings
        self._signals = signals
        self._known: dict[str, Credential] = {}

    async def load(self) -> None:
        self._known = {
            str(doc["id"]): msgspec.convert(doc, Credential)
            for doc in await self._stored.all()
            if "id" in doc
        }

    def forget(self) -> None:
        self._known.clear()

    def of(self, server_id: str) -> Credential:
        return self._known.get(server_id, _NEVER_ROTATED)

    def token(self, server_id: str) -> str:
        """The key that the satellite ought to have: its `auth_token`."""
        return key_of(server_id, self.of(server_id).generation, self._settings.secret_key)

    # Checks

    def by_token(self, server_id: str, token: str, nonce: str) -> str | None:
        """The satellite's key if `token` lets it join without a proof (contract satellite_protocol.md §2.3)."""
        settings = self._settings
        if settings.join_by_token:
            for key in self._keys(server_id):
                if tokens.matches(token, key):
                    return key
        if settings.join_by_secret_key and not self.of(server_id).revoked:
            for secret in settings.secret_keys():
                if tokens.matches(token, tokens.nonce_token(nonce, secret)):
                    return self.token(server_id)
        return None

    def by_proof(self, server_id: str, proof: str, nonce: str, challenge: str) -> str | None:
        """The key that the satellite has proved to hold."""
        for key in self._keys(server_id):
            if tokens.matches(proof, proofs.of_satellite(key, server_id, nonce, challenge)):
                return key
        return None

    def signed(self, server_id: str, auth: str, job_id: str) -> bool:
        """Whether `auth` is the satellite's signature under a call about a job, or its runner's."""
        return any(
            tokens.matches(auth, key) or tokens.matches(auth, tokens.runner_token(job_id, key))
            for key in self._keys(server_id)
        )

    def opens(self, server_id: str, token: str) -> bool:
        """Whether a satellite may fetch its own files with this token."""
        return any(tokens.matches(token, key) for key in self._keys(server_id))

    # Changes

    async def rotate(self, server_id: str, actor: Actor) -> Credential:
        """Give the satellite its next key: at once if it is online, else when it comes back.

        Until it has used the new one, the present one stays good, for `satellite_key_grace_seconds` at most.
        Raises Refusal `satellite` for a revoked one.
        """
        present = self.of(server_id)
        if present.revoked:
            raise Refusal("satellite", f"The credentials of {server_id} are revoked; enrol it anew.")
        changed = present.rotate(clock.now(), self._settings.satellite_key_grace_seconds)
        await self._store(server_id, changed, actor, "rotate")
        self.tell(server_id)
        return changed

    async def revoke(self, server_id: str, actor: Actor) -> Credential:
        """Nothing of this satellite's opens anything from now on; its socket is closed at once."""
        present = self.of(server_id)
        if present.revoked:
            return present
        changed = present.revoke(clock.now())
        await self._store(server_id, changed, actor, "revoke")
        connection = self._roster.connection(server_id)
        if connection is not None:
            connection.terminate()
        return changed

    async def reissue(self, server_id: str, actor: Actor) -> str:
        """The `auth_token` for a satellite that is enrolled anew under its old ID; no older one is good."""
        changed = self.of(server_id).reissue(clock.now())
        await self._store(server_id, changed, actor, "reissue")
        connection = self._roster.connection(server_id)
        if connection is not None:
            connection.terminate()
        return self.token(server_id)

    async def joined(self, server_id: str, key: str) -> None:
        """A satellite has come in by `key`: the newest one is confirmed, an older one replaced."""
        if not tokens.matches(key, self.token(server_id)):
            self.tell(server_id)
            return
        present = self.of(server_id)
        if present.previous_until:
            try:
                await self._put(server_id, present.confirm())
            except Unavailable as error:  # it ends by itself
                log.warning("a new key was not confirmed", server=server_id, error=str(error))

    def tell(self, server_id: str) -> None:
        """Send an online satellite its key."""
        self._roster.tell(server_id, "updateConfig", {"auth_token": self.token(server_id)})

    def tell_all(self) -> int:
        """After a change of the secret key: send every online satellite its key under the new one; how many."""
        online = list(self._roster.online)
        for server_id in online:
            self.tell(server_id)
        return len(online)

    def _keys(self, server_id: str) -> list[str]:
        settings = self._settings
        return list(
            keys_of(
                server_id, self.of(server_id), clock.now(), settings.secret_key, settings.previous_secret_keys
            )
        )

    async def _store(self, server_id: str, credential: Credential, actor: Actor, verb: str) -> None:
        record: Mapping[str, Any] = self._roster.record(server_id) or {}
        hostname = str(record.get("hostname") or server_id)
        told = Activity(
            actor=actor,
            action=f"satellite_{verb}",
            description=hostname,
            payload={"server": server_id, "hostname": hostname, "generation": credential.generation},
            resource=("server", server_id),
        )
        await self._put(server_id, credential, self._signals.events(told))
        self._signals.publish_logged(told)

    async def _put(self, server_id: str, credential: Credential, events: Sequence[EventRow] = ()) -> None:
        doc = {"id": server_id, **msgspec.structs.asdict(credential)}
        await self._stored.put(server_id, doc, events=events)
        self._known[server_id] = credential


def require_known(record: Mapping[str, Any] | None, server_id: str) -> Mapping[str, Any]:
    """Raise NotFound for a server that nobody has heard of: its key would be derived all the same."""
    if record is None:
        raise NotFound(f"Server not found: {server_id}")
    return record
