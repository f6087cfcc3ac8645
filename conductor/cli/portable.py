"""Portable object files (contract plugins.md §7.1, XYPDF): read from disk, applied through the API.

`items` are applied last first, since a definition stands before what it needs; each is created, or updated
where its ID is known. Nothing is sent before the whole file is understood.
"""

import hashlib
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from conductor.cli.client import ApiError, Client, Json

TYPES = frozenset(
    {
        "alert", "api_key", "bucket", "category", "channel", "event", "group", "monitor", "plugin", "role",
        "tag", "web_hook",
    }
)  # fmt: skip
_TYPE, _VERSION = "xypdf", "1.0"
_NOT_IMPORTED = ("created", "modified", "revision", "sort_order", "username")
_MOST_BYTES = 64 * 1024 * 1024


class PortableError(Exception):
    """The file cannot be applied; the text says why."""


class Item(NamedTuple):
    type: str
    data: Json


def read_portable(path: Path, sha256: str = "") -> list[Item]:
    """The items in the order they are applied; with `sha256`, of that very file alone.

    Raises PortableError or OSError."""
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 and sha256.strip().lower() != found:
        raise PortableError(f"It is not the file that is wanted: its SHA-256 is {found}")
    return parse_portable(content)


def parse_portable(content: bytes) -> list[Item]:
    """The same of a file's content, gzip or not. Pure. Raises PortableError."""
    if content[:2] == b"\x1f\x8b":
        content = _unpacked(content)
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PortableError(f"It is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("type") != _TYPE:
        raise PortableError("It is no portable object file (type xypdf)")
    if str(document.get("version")) != _VERSION:
        raise PortableError(f"Its format has version {document.get('version')}, known is {_VERSION}")
    items = document.get("items")
    if not isinstance(items, list) or not items:
        raise PortableError("It holds no items")
    return [_item(number, item) for number, item in reversed(list(enumerate(items, 1)))]


async def apply(client: Client, items: list[Item], tell: Callable[[str], None]) -> None:
    """Create or update each item; `tell` hears of each. Raises ApiError at the first that is refused."""
    for type_, data in items:
        known = bool(data.get("id")) and await _exists(client, type_, str(data["id"]))
        answer = await client.call(f"{'update' if known else 'create'}_{type_}", **data)
        stored = answer.get(type_)
        identifier = stored.get("id") if isinstance(stored, dict) else data.get("id")
        tell(f"{'updated' if known else 'created'} {type_} {identifier}")


async def _exists(client: Client, type_: str, identifier: str) -> bool:
    try:
        await client.call(f"get_{type_}", id=identifier)
    except ApiError as error:
        if error.code in ("access", "session"):
            raise
        return False
    return True


def _item(number: int, item: Any) -> Item:
    if not isinstance(item, dict) or not isinstance(item.get("data"), dict):
        raise PortableError(f"Item {number} is malformed")
    if item.get("type") not in TYPES:
        raise PortableError(f"Item {number} is of an unknown type: {str(item.get('type'))[:40]}")
    identifier = item["data"].get("id")
    if identifier is not None and not re.fullmatch(r"[a-z0-9_]+", str(identifier)):
        raise PortableError(f"Item {number} has an invalid ID: {str(identifier)[:40]}")
    data = {key: value for key, value in item["data"].items() if key not in _NOT_IMPORTED}
    return Item(item["type"], data)


def _unpacked(content: bytes) -> bytes:
    try:
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        unpacked = unpacker.decompress(content, _MOST_BYTES)
    except zlib.error as error:
        raise PortableError(f"It cannot be unpacked: {error}") from None
    if unpacker.unconsumed_tail:
        raise PortableError(f"Unpacked it has more than {_MOST_BYTES} bytes")
    return unpacked
