"""The second factor as an account's record keeps it, and what a code makes of it. Pure.

Docs: access.md, "A second factor". The secret of the codes is not in it (`access/factor_secrets.py`), and
recovery codes are by their SHA-256 alone: with 80 random bits each, nobody finds them from that.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.access.totp import matched_step
from conductor.errors import Refusal

Json = dict[str, Any]

KEY: str = "mfa"
"""The property of an account's record."""
RECOVERY_CODES = 10
PENDING_SECONDS = 3_600
"""How long a set-up waits for its confirmation."""

_RECOVERY_BYTES = 10
_SEPARATOR = re.compile(r"[\s\-]")
_TIMED = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[a-z2-7]{16}")


class MfaRefusal(Refusal):
    """A code is missing or not good: code `mfa`, which a client answers by asking for one."""

    def __init__(self, description: str) -> None:
        super().__init__("mfa", description)


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """Of this set-up: another one has another secret."""
    begun: int
    """Unix time of the set-up."""
    since: int = 0
    """Unix time of its confirmation; 0: it is asked for by nobody yet."""
    step: int = 0
    """Of the last code that was taken (`totp.matched_step`)."""
    recovery: tuple[str, ...] = ()
    """Hashes of the recovery codes that are left."""

    @property
    def on(self) -> bool:
        return self.since > 0


def factor_of(user: Mapping[str, Any]) -> SecondFactor | None:
    """What the record holds, whether it is on or waits for its confirmation."""
    kept = user.get(KEY)
    return msgspec.convert(kept, SecondFactor) if kept else None


def active(user: Mapping[str, Any]) -> SecondFactor | None:
    """The factor that a login asks for; None for an account without one."""
    factor = factor_of(user)
    return factor if factor is not None and factor.on else None


def with_factor(user: Mapping[str, Any], factor: SecondFactor | None) -> Json:
    """The record with this factor, or without any."""
    rest = {key: value for key, value in user.items() if key != KEY}
    return {**rest, KEY: msgspec.to_builtins(factor)} if factor is not None else rest


def shown(user: Mapping[str, Any]) -> Json:
    """What may be shown of it, as a property of the account; empty for an account without one."""
    factor = active(user)
    return {KEY: {"since": factor.since, "recovery_codes": len(factor.recovery)}} if factor else {}


def begun(moment: float) -> SecondFactor:
    return SecondFactor(id=secrets.token_hex(8), begun=int(moment))


def pending(user: Mapping[str, Any], moment: float) -> SecondFactor:
    """The set-up that can be confirmed now. Raises MfaRefusal."""
    factor = factor_of(user)
    if factor is None or factor.on or moment - factor.begun > PENDING_SECONDS:
        raise MfaRefusal("No second factor waits for its confirmation: call setup_mfa first.")
    return factor


def confirmed(
    factor: SecondFactor, secret: str, code: str, moment: float, recovery_codes: list[str]
) -> SecondFactor | None:
    """The factor turned on by its first code, which is spent by that; None for a wrong one."""
    step = _step(factor, secret, _plain(code), moment)
    if step is None:
        return None
    hashes = tuple(_hash(_plain(one)) for one in recovery_codes)
    return msgspec.structs.replace(factor, since=int(moment), step=step, recovery=hashes)


def spent(factor: SecondFactor, secret: str, code: str, moment: float) -> SecondFactor | None:
    """The factor after `code` was used, of the app or for recovery; None when it is not good, or no more."""
    plain = _plain(code)
    if _RECOVERY.fullmatch(plain):
        used = _hash(plain)
        if used not in factor.recovery:
            return None
        left = tuple(one for one in factor.recovery if one != used)
        return msgspec.structs.replace(factor, recovery=left)
    step = _step(factor, secret, plain, moment)
    return None if step is None else msgspec.structs.replace(factor, step=step)


def fresh_recovery_codes() -> list[str]:
    """As `abcd-efgh-2345-6723`, to be shown once."""
    return [_grouped(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]


def _step(factor: SecondFactor, secret: str, plain: str, moment: float) -> int | None:
    return matched_step(secret, plain, moment, factor.step) if _TIMED.fullmatch(plain) else None


def _plain(code: str) -> str:
    """As it is compared: people type spaces, hyphens and capitals."""
    return _SEPARATOR.sub("", code[:64]).lower()


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def _grouped(random: bytes) -> str:
    letters = base64.b32encode(random).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))
