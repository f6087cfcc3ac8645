"""Identifiers and secrets. Shapes follow the contract, api/README.md §10.8 and access.md §1."""

import hashlib
import random
import secrets
import string
import threading
import time

_BASE36 = string.digits + string.ascii_lowercase
_ALPHANUMERIC = string.ascii_letters + string.digits
_SHORT_ID_LENGTH = 16
_COUNTER_LIMIT = 36 * 36

_62_BITS = (1 << 62) - 1

_distinct = random.Random()  # noqa: S311
"""Tells IDs apart, where nothing hangs on their being guessed: the system's source is a call that lets other
threads go first, several times for each request."""

_counter = secrets.randbelow(_COUNTER_LIMIT)
_moment = 0  # milliseconds of the newest ID
_counter_lock = threading.Lock()


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits or "0"


def short_id(prefix: str) -> str:
    """A new 16-character ID `[a-z0-9]` that sorts by time: prefix, milliseconds, counter, padding."""
    global _counter, _moment
    with _counter_lock:
        earlier, _moment = _moment, max(int(time.time() * 1000), _moment)
        _counter = (_counter + 1) % _COUNTER_LIMIT
        if _counter == 0 and _moment == earlier:
            _moment += 1  # or this one would sort before those of the same millisecond
        moment, count = _moment, _counter
    head = f"{prefix}{base36(moment)}{base36(count).rjust(2, '0')}"
    length = _SHORT_ID_LENGTH - len(head)
    return head + base36(_distinct.randrange(36**length)).rjust(length, "0")


def keyed_id(prefix: str, key: str, moment: float) -> str:
    """As `short_id`, the same for the same key and moment (Unix time): what is made again is known by it."""
    head = f"{prefix}{base36(int(moment * 1000))}"
    length = _SHORT_ID_LENGTH - len(head)
    number = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big") % 36**length
    return head + base36(number).rjust(length, "0")


def story_id() -> str:
    """A new UUID (version 7: it sorts by time) for what belongs together in the log. It opens nothing."""
    low = _distinct.getrandbits(74)
    text = f"{int(time.time() * 1000):012x}7{low >> 62:03x}{1 << 63 | low & _62_BITS:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def hex_id() -> str:
    """64 lower-case hex characters from the system's random source: sessions, nonces, CSRF tokens."""
    return secrets.token_hex(32)


def url_token() -> str:
    """43 URL-safe characters, 32 random bytes: the unguessable part of file paths."""
    return secrets.token_urlsafe(32)


def api_key() -> str:
    """24 random alphanumerics (seed 003)."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24))


def password() -> str:
    """A generated first password: 20 random alphanumerics."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(20))
