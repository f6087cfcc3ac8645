"""Enrolment: short-lived tokens with which a new satellite fetches its configuration.

Contract api/satellite.yaml.
Tokens are kept in Redis, so that they outlive a restart and a fail-over, and expire by themselves.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from redis.asyncio import Redis

from conductor.errors import BadParameter, Unavailable
from conductor.live.connection import AWAY
from conductor.live.keys import Keys
from conductor.settings import Settings
from shared import ids
from shared.protocol import tokens

DEFAULT_SECONDS = 86_400
MAX_SECONDS = 30 * 86_400

_TOKEN = re.compile(r"[0-9a-f]{64}")

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


class Enrolment:
    def __init__(self, redis: Redis, keys: Keys, settings: Settings) -> None:
        self._redis = redis
        self._keys = keys
        self._settings = settings

    async def token(self, initial: Mapping[str, Any], seconds: int) -> str:
        """A new token (64 hex) that carries the first properties of the servers made with it."""
        if not 0 < seconds <= MAX_SECONDS:
            raise BadParameter(f"Malformed parameter: expires (1 to {MAX_SECONDS} seconds)")
        token = ids.hex_id()
        try:
            await self._redis.set(self._keys.token + token, msgspec.json.encode(initial), ex=seconds)
        except AWAY:
            raise Unavailable("The token could not be stored.") from None
        return token

    async def initial(self, token: str) -> dict[str, Any] | None:
        """What the token carries; None when it is unknown or has expired."""
        if not _TOKEN.fullmatch(token):
            return None
        try:
            stored = await self._redis.get(self._keys.token + token)
        except AWAY:
            raise Unavailable("The token could not be read.") from None
        return None if stored is None else dict(msgspec.json.decode(stored))

    def config(self, host: str, port: int, *, secure: bool, initial: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration of one new satellite: a new identity and where to find us."""
        server_id = ids.short_id("s")
        config = {
            **_STOCK_CONFIG,
            "port": port,
            "secure": secure,
            **self._settings.satellite.get("config", {}),
            "airgap": self._settings.airgap,
            "hosts": [host],
            "server_id": server_id,
            "auth_token": tokens.server_token(server_id, self._settings.secret_key),
        }
        if initial:
            config["initial"] = dict(initial)
        return config
