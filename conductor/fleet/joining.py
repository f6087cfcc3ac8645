"""Joining: from a satellite's hello to its place in the roster (contract satellite_protocol.md §2)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from conductor.announcer import Signals
from conductor.definitions.plugin_commands import command_of
from conductor.definitions.repository import Definitions
from conductor.errors import Unavailable
from conductor.fleet import servers
from conductor.fleet.connection import Connection
from conductor.fleet.credentials import Credentials
from conductor.fleet.refusals import Refusals
from conductor.fleet.roster import Record, Roster, takes_scripts
from conductor.records.searchable import SearchableDocuments
from conductor.settings import Settings
from conductor.signals import Actor, EventRow, Notice, ServerAdded, ServerRemoved
from shared import clock, ids
from shared.protocol import proofs
from shared.protocol.messages import LATE_SAMPLES

_BAD_TOKEN = "Invalid authentication token."  # noqa: S105 - a text for people
_REVOKED = "The credentials of this satellite are revoked."

_LEAST_CHALLENGE = 32
"""Characters of a satellite's random word: a shorter one could come again."""

SecretsOfPlugin = Callable[[str], Mapping[str, str]]
"""The variables that a monitor plugin is given."""
_PROBE_SECONDS = 2.0
"""For the present satellite to show that it is alive when another one comes with its ID."""

log = structlog.get_logger(__name__)


class Visitor:
    """What is known of a socket between hello and join."""

    def __init__(self, hello: Mapping[str, Any], server_id: str) -> None:
        self.hello = hello
        self.server_id = server_id
        self.challenge = ""
        """The satellite's random word, where it proved its key; so do we then."""
        self.nonce = ids.hex_id()


def _no_secrets(plugin_id: str) -> Mapping[str, str]:
    return {}


class Joining:
    def __init__(
        self,
        roster: Roster,
        stored: SearchableDocuments,
        definitions: Definitions,
        settings: Settings,
        signals: Signals,
        credentials: Credentials,
        refusals: Refusals,
        secrets_of_plugin: SecretsOfPlugin = _no_secrets,
    ) -> None:
        self._secrets_of_plugin = secrets_of_plugin
        self._roster = roster
        self._credentials = credentials
        self._refusals = refusals
        self._stored = stored
        self._definitions = definitions
        self._settings = settings
        self._signals = signals

    def hello(self, connection: Connection, data: Mapping[str, Any]) -> Visitor | None:
        """Answer a hello; None when the satellite is refused."""
        server_id = servers.clean_id(data.get("id")) or ids.short_id("s")
        hostname = servers.clean_hostname(data.get("hostname"))
        if self._refuse_duplicate(connection, server_id, hostname):
            return None
        visitor = Visitor(data, server_id)
        answer = {"nonce": visitor.nonce, "id": server_id}
        if connection.acknowledges:
            answer["proof"] = proofs.METHOD
        connection.send("hello", answer)
        return visitor

    async def join(self, connection: Connection, visitor: Visitor, data: Mapping[str, Any]) -> Record | None:
        """Check the token and let the server in; None when it is wrong."""
        hostname = servers.clean_hostname(visitor.hello.get("hostname"))
        key = self._key(visitor, data)
        if key is None:
            self._refuse_credentials(connection, visitor, hostname)
            return None
        if self._refuse_duplicate(connection, visitor.server_id, hostname):
            return None  # two clones of one machine said hello before either had joined
        if await self._refuse_second(connection, visitor, hostname):
            return None
        actor = Actor(kind="satellite", id=visitor.server_id)
        record, came, saved = await self._record(connection, visitor, actor)
        older = self._roster.enter(record, connection)
        if older is not None:
            older.terminate()
        joined = self.joined(connection, record)
        if visitor.challenge:
            connection.proven = True
            joined["proof"] = proofs.of_conductor(key, visitor.server_id, visitor.nonce, visitor.challenge)
        connection.send("joined", joined)
        await self._credentials.joined(visitor.server_id, key)
        if saved:
            self._signals.publish_logged(came)
        else:
            self._signals.publish(came)
        log.info("satellite joined", server=visitor.server_id, hostname=record["hostname"], ip=connection.ip)
        return record

    def joined(self, connection: Connection, record: Record) -> dict[str, Any]:
        """The `joined` payload: configuration, lists and features."""
        masters = [host.strip() for host in self._settings.masters.split(",") if host.strip()]
        return {
            "config": {"airgap": self._settings.airgap, **self._settings.satellite.get("config", {})},
            "masterData": {"masters": masters or [connection.host]},
            "groups": record["groups"],
            "numServers": len(self._roster.online),
            "features": {"api_finish_job": True} | ({LATE_SAMPLES: True} if connection.acknowledges else {}),
            **self.lists(record),
        }

    def lists(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Plugins as a satellite needs them: `plugins` of events, `commands` of monitors.

        Monitor plugins carry their secrets: a server gets those of its groups alone, and no disabled one. Scripts
        of event plugins go to agents of the original before any launch; ours get them with the launch.
        """
        member_of = set(record["groups"])
        in_advance = not takes_scripts(record)
        plugins = self._definitions.all("plugins")
        default = self._settings.default_plugin_credentials.get("monitor")
        return {
            "plugins": [plugin for plugin in plugins if in_advance and plugin.get("type") == "event"],
            "commands": [
                {
                    **plugin,
                    "command": command_of(plugin),
                    "groups": plugin.get("groups") or [],
                    "sec": dict(self._secrets_of_plugin(str(plugin["id"]))),
                    "uid": plugin.get("uid") or (default.uid if default else ""),
                    "gid": plugin.get("gid") or (default.gid if default else ""),
                }
                for plugin in plugins
                if plugin.get("type") == "monitor"
                and plugin.get("enabled")
                and not (plugin.get("groups") and member_of.isdisjoint(plugin["groups"]))
            ],
        }

    async def save(self, record: Record, events: Sequence[EventRow] = ()) -> bool:
        """Write a server's record and `events`; when SQL is away it is written at the next change, and false."""
        try:
            await self._stored.put(str(record["id"]), record, events=events)
        except Unavailable as error:
            log.warning("a server record was not saved", server=record["id"], error=str(error))
            return False
        return True

    async def save_left(self, left_us: ServerRemoved) -> None:
        """Write when a server left, unless it is back by then. All but the event log have been told."""
        record = left_us.server
        server_id = str(record["id"])

        def left(stored: Record) -> Record | None:
            return None if server_id in self._roster.online else {**stored, "modified": record["modified"]}

        events = self._signals.events(left_us)
        try:
            saved = await self._stored.change(server_id, left, events=lambda _: events)
        except Unavailable as error:
            log.warning("when a server left was not saved", server=server_id, error=str(error))
            saved = None
        if saved is None:  # it was lost all the same
            self._signals.log_late(left_us)

    def _key(self, visitor: Visitor, data: Mapping[str, Any]) -> str | None:
        """The key by which the satellite comes in; None when it has none that is good."""
        proof, challenge = data.get("proof"), data.get("challenge")
        if (
            isinstance(proof, str)
            and isinstance(challenge, str)
            and _LEAST_CHALLENGE <= len(challenge) <= 256
        ):
            visitor.challenge = challenge
            return self._credentials.by_proof(visitor.server_id, proof, visitor.nonce, challenge)
        return self._credentials.by_token(visitor.server_id, str(data.get("token") or ""), visitor.nonce)

    def _refuse_credentials(self, connection: Connection, visitor: Visitor, hostname: str) -> None:
        self._refusals.failed(connection.ip, clock.monotonic())
        what = f"{hostname} ({connection.ip})"
        if self._credentials.of(visitor.server_id).revoked:
            self._refuse(connection, _REVOKED, f"A satellite with revoked credentials was refused: {what}")
            return
        text = f"Server authentication failure (mismatched secret keys): {what}"
        self._refuse(connection, _BAD_TOKEN, text)

    async def _record(
        self, connection: Connection, visitor: Visitor, actor: Actor
    ) -> tuple[Record, ServerAdded, bool]:
        """Its record as it comes in, what is announced of that, and whether both are stored."""
        stored = self._roster.record(visitor.server_id) or await self._stored.get(visitor.server_id)
        record = servers.joined_record(visitor.hello, stored, server_id=visitor.server_id, now=clock.now())
        record.update(ip=connection.ip, socket_id=connection.id)
        if stored:
            self._tell_changes(stored, record)
        record["groups"] = servers.regroup(record, self._definitions.all("groups"))
        record["keywords"] = servers.keywords(record)
        came = ServerAdded(server=record, actor=actor)
        return record, came, await self.save(record, self._signals.events(came))

    def _tell_changes(self, before: Mapping[str, Any], after: Record) -> None:
        for key, what in (("hostname", "hostname"), ("ip", "IP address")):
            if before.get(key) and before[key] != after[key]:
                text = f"Server {what} has changed: {before[key]} to: {after[key]}"
                self._signals.publish(Notice(level="warning", description=text, server=after))

    def _refuse_duplicate(self, connection: Connection, server_id: str, hostname: str) -> bool:
        """Refuse a satellite whose ID another host holds that is online."""
        present = self._roster.online.get(server_id)
        if present is None or present["hostname"] == (hostname or server_id):
            return False
        text = f"Server with duplicate ID attempting to connect to the network: {server_id} ({hostname})"
        self._refuse(connection, text, text)
        return True

    async def _refuse_second(self, connection: Connection, visitor: Visitor, hostname: str) -> bool:
        """Refuse another process with the ID of one that is there and alive: they would take turns for ever.

        One that does not answer was cut off, and this is its successor.
        """
        present = self._roster.online.get(visitor.server_id)
        older = self._roster.connection(visitor.server_id)
        if present is None or older is None:
            return False
        info = visitor.hello.get("info")
        instance = info.get("instance") if isinstance(info, dict) else None
        known = (present.get("info") or {}).get("instance")
        if not instance or not known or instance == known or not await older.answers(_PROBE_SECONDS):
            return False
        text = f"A second satellite with the same ID was refused: {visitor.server_id} ({hostname})"
        self._refuse(connection, text, text)
        return True

    def _refuse(self, connection: Connection, told: str, noted: str) -> None:
        connection.send("auth_failure", {"description": told})
        text = self._refusals.note(noted, clock.monotonic())
        if text is not None:
            self._signals.publish(Notice(level="warning", description=text))
            log.warning("satellite refused", reason=text)
