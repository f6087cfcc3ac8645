"""Who we are and where the conductor is (contract satellite_protocol.md §1.1, §2). Pure."""

import random
from collections.abc import Collection
from typing import Any

from satellite.settings import Settings
from shared.ids import hex_id
from shared.protocol import proofs, tokens


class RefusedError(Exception):
    """The conductor answered `auth_failure`; the text is its description."""


class ReconnectError(Exception):
    """The conductor wants us elsewhere: `host` is set for a redirect, empty for a plain retry."""

    def __init__(self, host: str = "") -> None:
        super().__init__(host)
        self.host = host


class NoCredentialsError(Exception):
    """Neither an `auth_token` nor a `secret_key` is configured."""


def choose_host(settings: Settings, redirect: str, failed: Collection[str] = (), admitted: str = "") -> str:
    """The fixed host; else, once, where we were sent; else any conductor that has not just failed us.

    `admitted`: the last host at which we joined. It is asked when every one of the list has failed: a list of
    names that nobody can resolve must not lose us for good.
    """
    hosts = settings.hosts or ["localhost"]
    left = [host for host in hosts if host not in failed]
    if not left and admitted and admitted not in failed:
        left = [admitted]
    return settings.host or redirect or random.choice(left or hosts)  # noqa: S311


def hello(settings: Settings, hostname: str, info: dict[str, Any]) -> dict[str, Any]:
    """The one-time `initial` properties cannot replace what identifies us."""
    return {
        **(settings.initial or {}),
        "id": settings.server_id,
        "hostname": settings.hostname or hostname,
        "info": info,
    }


def call_credentials(settings: Settings) -> dict[str, str]:
    """What our HTTP calls are signed with; the cluster's secret comes first (satellite_agent.md §1)."""
    token = settings.auth_token
    if settings.secret_key:
        token = tokens.server_token(settings.server_id, settings.secret_key)
    return {"server": settings.server_id, "auth": token}


def join_token(settings: Settings, nonce: str) -> str:
    """Raises NoCredentialsError."""
    if settings.auth_token:
        return settings.auth_token
    if settings.secret_key:
        return tokens.nonce_token(nonce, settings.secret_key)
    raise NoCredentialsError


class Introduction:
    """One join: what we show, and what the conductor has to show for it."""

    def __init__(self, settings: Settings, answer: dict[str, Any]) -> None:
        """`answer` is the conductor's `hello`. Raises NoCredentialsError, or RefusedError where we refuse it."""
        nonce = str(answer.get("nonce", ""))
        self.body: dict[str, Any] = {}
        self._expected = ""
        if settings.auth_token and answer.get("proof") == proofs.METHOD:
            challenge, key, name = hex_id(), settings.auth_token, settings.server_id
            self.body["challenge"] = challenge
            self.body["proof"] = proofs.of_satellite(key, name, nonce, challenge)
            self._expected = proofs.of_conductor(key, name, nonce, challenge)
        elif settings.require_proof:
            raise RefusedError("it wants the key itself, which require_proof forbids")
        else:
            self.body["token"] = join_token(settings, nonce)

    @property
    def proven(self) -> bool:
        """We proved our key instead of showing it."""
        return bool(self._expected)

    def check(self, joined: dict[str, Any]) -> None:
        """Raise RefusedError unless the conductor has proved that it knows our key, where it should."""
        if self._expected and not tokens.matches(str(joined.get("proof", "")), self._expected):
            raise RefusedError("it does not know our key: it is not our conductor")
