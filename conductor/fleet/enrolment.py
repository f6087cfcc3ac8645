"""Enrolment: short-lived tokens with which a new satellite fetches its configuration.

Contract api/satellite.yaml.
Tokens are kept in Redis, so that they outlive a restart and a fail-over, and expire by themselves.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis

from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.fleet.credentials import Credentials
from conductor.live.connection import AWAY
from conductor.live.keys import Keys
from conductor.settings import Settings
from shared import ids

DEFAULT_SECONDS = 86_400
MAX_SECONDS = 30 * 86_400
MAX_USES = 100_000

log = structlog.get_logger(__name__)

_TOKEN = re.compile(r"[0-9a-f]{64}")

IMAGE = "opsorbit-satellite"
"""The container image that deploy/container makes; `satellite.image` names another."""
_NOBODYS_URL = Settings().base_app_url
"""Good on the conductor's own host only."""
_STOCK_CONFIG: dict[str, Any] = {
    "port": 5522,
    "secure": False,
    "socket_opts": {"rejectUnauthorized": False},
    "pid_file": "pid.txt",
    "log_dir": "logs",
    "log_filename": "[component].log",
    "log_crashes": True,
    "log_archive_path": "logs/archives/[filename]-[yyyy]-[mm]-[dd].log.gz",
    "log_archive_keep": "7 days",
    "temp_dir": "temp",
    "debug_level": 5,
    "child_kill_timeout": 10,
    "monitoring_enabled": True,
    "quickmon_enabled": True,
    "graphics_enabled": False,
    "docker_enabled": True,
}


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is good for."""

    initial: dict[str, Any] = {}
    """First properties of the servers made with it."""
    uses: int = 0
    """Satellites that may be made with it; 0: any number."""
    server_id: str = ""
    """The one server that is enrolled anew with it."""


class Enrolment:
    def __init__(self, redis: Redis, keys: Keys, settings: Settings, credentials: Credentials) -> None:
        self._credentials = credentials
        self._redis = redis
        self._keys = keys
        self._settings = settings

    async def token(self, offer: Offer, seconds: int) -> str:
        """A new token (64 hex) that is good for what `offer` says."""
        if not 0 < seconds <= MAX_SECONDS:
            raise BadParameter(f"Malformed parameter: expires (1 to {MAX_SECONDS} seconds)")
        if not 0 <= offer.uses <= MAX_USES:
            raise BadParameter(f"Malformed parameter: uses (0 to {MAX_USES})")
        token = ids.hex_id()
        try:
            if offer.uses:
                await self._redis.set(self._uses(token), offer.uses, ex=seconds)
            await self._redis.set(self._keys.token + token, msgspec.json.encode(offer), ex=seconds)
        except AWAY:
            raise Unavailable("The token could not be stored.") from None
        return token

    async def offer(self, token: str) -> Offer | None:
        """What the token is good for; None when it is unknown or has expired."""
        if not _TOKEN.fullmatch(token):
            return None
        try:
            stored = await self._redis.get(self._keys.token + token)
        except AWAY:
            raise Unavailable("The token could not be read.") from None
        return None if stored is None else msgspec.json.decode(stored, type=Offer)

    async def take(self, token: str, offer: Offer) -> None:
        """Use the token once. Raises Refusal `satellite` when it has been used as often as it may."""
        if not offer.uses:
            return
        try:
            left = await self._redis.decr(self._uses(token))
            if left < 0:
                # Also where it expired between two steps: then the counter was made anew, for good.
                await self._redis.delete(self._uses(token), self._keys.token + token)
        except AWAY:
            raise Unavailable("The token could not be used.") from None
        if left < 0:
            raise Refusal("satellite", "Access denied.")

    def config(
        self, host: str, port: int, *, secure: bool, initial: Mapping[str, Any], server_id: str = ""
    ) -> dict[str, Any]:
        """The configuration of a satellite: its identity, a new one if none is given, and where to find us."""
        server_id = server_id or ids.short_id("s")
        masters = [name.strip() for name in self._settings.masters.split(",") if name.strip()]
        config = {
            **_STOCK_CONFIG,
            "port": port,
            "secure": secure,
            **self._settings.satellite.get("config", {}),
            "airgap": self._settings.airgap,
            # The host that it knows to answer comes first; the others, lest a fail-over strands it.
            "hosts": list(dict.fromkeys([host, *masters])),
            "server_id": server_id,
            "auth_token": self._credentials.token(server_id),
        }
        if secure and (authority := self.authority()):
            config["ca"] = authority
        if initial:
            config["initial"] = dict(initial)
        return config

    def base_url(self) -> str:
        """Where hosts on the network find us, for the one line that installs a satellite (api/satellite.yaml)."""
        settings = self._settings
        config = settings.satellite.get("config", {})
        if not config.get("host") and settings.base_app_url != _NOBODYS_URL:
            return settings.base_app_url.rstrip("/")
        secure = bool(config.get("secure"))
        port = config.get("port") or (settings.WebServer.https_port if secure else settings.WebServer.port)
        where = "" if port == (443 if secure else 80) else f":{port}"
        return f"{'https' if secure else 'http'}://{config.get('host') or settings.host_id()}{where}"

    def authority(self) -> str:
        """PEM of the authority that satellites pin; empty where none is configured or it cannot be read."""
        file = self._settings.WebServer.https_ca_file
        if not file:
            return ""
        try:
            return Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            log.error("https_ca_file cannot be read", error=str(error))
            return ""

    def _uses(self, token: str) -> str:
        return f"{self._keys.token}{token}:uses"
