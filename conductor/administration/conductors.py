"""The conductors of the cluster: who is there, and commands to them (contract api/multi.yaml).

Each conductor, primary or not, leaves a sign of life in Redis and fetches its commands there. Who is primary
is the lease's business alone.
"""

import asyncio
import os
import platform
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog
from redis.asyncio import Redis

from conductor.announcer import Signals
from conductor.errors import Refusal
from conductor.live.connection import AWAY, text
from conductor.live.keys import Keys
from conductor.settings import Settings
from conductor.signals import Activity, Notice
from shared import clock

Json = dict[str, Any]

COMMANDS = ("stop", "restart", "upgrade", "remove")

_BEAT = 1.0
_GONE = 15.0
"""Seconds without a sign of life after which a conductor counts as offline."""
_FORGOTTEN = 7 * 86_400.0
"""Seconds after which one that is offline is listed no more."""
_COMMAND_LIFE = 60
"""Seconds after which a command that nobody fetched is void."""
_UPGRADE_SECONDS = 600.0
_NOT_WORD = re.compile(r"[^A-Za-z0-9_.\-]")

log = structlog.get_logger(__name__)


class Seat(Protocol):
    @property
    def primary(self) -> bool: ...

    @property
    def primary_host(self) -> str: ...


class Conductors:
    """`run` for as long as the process lives."""

    def __init__(
        self, redis: Redis, keys: Keys, settings: Settings, seat: Seat, version: str, signals: Signals
    ) -> None:
        self.stop: Callable[[bool], None] = _nobody
        """Ends this process cleanly; starts it again if told so."""
        self._redis = redis
        self._keys = keys
        self._settings = settings
        self._seat = seat
        self._version = version
        self._signals = signals
        self._host = settings.host_id()
        self._started = clock.now()
        self._peers: dict[str, Json] = {}
        self._known: set[str] = set()
        self._ping = 0

    def all(self) -> Json:
        """Every conductor by host, as clients know it (structures/conductor.yaml)."""
        moment = clock.now()
        shown = {host: _shown(peer, moment, self._seat.primary_host) for host, peer in self._peers.items()}
        shown[self._host] = _shown(self._self(), moment, self._seat.primary_host) | {"ping": 0}
        return shown

    def online(self, host: str) -> bool:
        return bool(self.all().get(host, {}).get("online"))

    async def command(self, host: str, commands: Sequence[str]) -> None:
        """Send a command; return when it is on its way. Raises Refusal `master`."""
        word = commands[0]
        everybody = self.all()
        if host not in everybody:
            raise Refusal("master", f"Unknown conductor: {host}")
        if word == "remove" and host == self._seat.primary_host:
            raise Refusal("master", "The primary cannot be removed: make another conductor primary first.")
        if word == "upgrade":
            self.check_upgrade()
        if word != "remove" and not everybody[host]["online"]:
            raise Refusal("master", f"Conductor is offline: {host}")
        try:
            if everybody[host]["online"]:
                order = ["stop"] if word == "remove" else [_NOT_WORD.sub("", one).lower() for one in commands]
                key = f"{self._keys.commands}{host}"
                await self._redis.rpush(key, msgspec.json.encode(order))
                await self._redis.expire(key, _COMMAND_LIFE)
            if word == "remove":
                await self._redis.hdel(self._keys.conductors, host)
                self._peers.pop(host, None)
        except AWAY:
            raise Refusal("master", f"Conductor cannot be reached: {host}") from None

    def check_upgrade(self) -> None:
        """Raises Refusal `master` where this installation cannot upgrade itself."""
        airgap = self._settings.airgap
        if airgap.get("enabled"):
            raise Refusal("master", "Conductors cannot be upgraded behind an air gap.")
        if not self._settings.multi.get("upgrade_command"):
            raise Refusal(
                "master",
                "This conductor is upgraded by its package manager: set multi.upgrade_command to do it from here.",
            )

    async def run(self) -> None:
        """Show that we live, see who else does, and do what we are told, until cancelled; then say goodbye."""
        try:
            while True:
                try:
                    await self._beat()
                except AWAY:
                    log.debug("the other conductors are not known while Redis is away")
                await asyncio.sleep(_BEAT)
        finally:
            async with asyncio.timeout(1.0):
                await self._redis.hdel(self._keys.conductors, self._host)

    async def _beat(self) -> None:
        asked = clock.monotonic()
        await self._redis.hset(self._keys.conductors, self._host, msgspec.json.encode(self._self()))
        self._ping = round((clock.monotonic() - asked) * 1000)
        stored: Mapping[Any, Any] = await self._redis.hgetall(self._keys.conductors)
        self._peers = {}
        gone = clock.now() - _FORGOTTEN
        for host, document in stored.items():
            try:
                self._peers[text(host)] = msgspec.json.decode(document, type=Json)
            except msgspec.DecodeError:
                continue
            if float(self._peers[text(host)].get("seen") or 0) < gone:  # renamed, or not to come back
                del self._peers[text(host)]
                await self._redis.hdel(self._keys.conductors, text(host))
        self._tell_changes()
        key = f"{self._keys.commands}{self._host}"
        while (order := await self._redis.lpop(key)) is not None:
            if isinstance(order, bytes | str):
                await self._obey([str(word) for word in msgspec.json.decode(order)])

    def _tell_changes(self) -> None:
        moment = clock.now()
        online = {host for host, peer in self._peers.items() if moment - float(peer.get("seen", 0)) < _GONE}
        if self._seat.primary:
            for host in sorted(online - self._known - {self._host}):
                self._publish("peer_add", host)
            for host in sorted(self._known - online - {self._host}):
                self._publish("peer_disconnect", host)
        self._known = online

    def _publish(self, action: str, host: str) -> None:
        self._signals.publish(
            Activity(action=action, description=host, payload={"host": host}, keywords=(host,))
        )

    async def _obey(self, commands: list[str]) -> None:
        log.warning("told by an administrator", commands=commands)
        match commands[:1]:
            case ["stop"]:
                self.stop(False)
            case ["restart"]:
                self.stop(True)
            case ["upgrade"]:
                await self._upgrade(commands[1] if len(commands) > 1 else "latest")

    async def _upgrade(self, release: str) -> None:
        command = str(self._settings.multi.get("upgrade_command") or "")
        if not command:
            return
        environment = {**os.environ, "RELEASE": release}
        child = await asyncio.create_subprocess_shell(
            command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_UPGRADE_SECONDS):
                output, _ = await child.communicate()
        except TimeoutError:
            child.kill()
            output = b"it did not end in time"
        if child.returncode == 0:
            self._signals.publish(
                Notice(level="notice", description=f"Upgraded to {release}: starting again")
            )
            self.stop(True)
            return
        details = output.decode(errors="replace")[-8000:]
        self._signals.publish(
            Notice(level="critical", description=f"The upgrade to {release} has failed", details=details)
        )

    def _self(self) -> Json:
        uname = os.uname()
        return {
            "id": self._host,
            "date": int(self._started),
            "version": self._version,
            "seen": clock.now(),
            "ping": self._ping,
            "stats": {
                "started": self._started,
                "load": os.getloadavg()[0],
                "xyops": self._version,
                "node": platform.python_version(),
                "foreground": True,
                "os": {
                    "arch": uname.machine,
                    "platform": uname.sysname.lower(),
                    "type": uname.sysname,
                    "release": uname.release,
                    "kernel": uname.version,
                    "hostname": socket.gethostname(),
                    "loadavg": list(os.getloadavg()),
                    "cpus": os.cpu_count() or 0,
                },
            },
        }


def _shown(peer: Mapping[str, Any], moment: float, primary_host: str) -> Json:
    shown = {key: value for key, value in peer.items() if key != "seen"}
    shown["online"] = moment - float(peer.get("seen") or 0) < _GONE
    if peer.get("id") == primary_host:
        shown["master"] = True
    return shown


def _nobody(restart: bool) -> None:
    """Nobody can stop this process."""
