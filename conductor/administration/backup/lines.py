"""The lines of an export: three kinds of records in NDJSON, and comments (contract api/admin.yaml). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

Json = dict[str, Any]

FOOTER = "# End of file"
LONGEST = 64 * 1024**2
"""Bytes of one line; longer ones are not read."""

_encode = msgspec.json.Encoder().encode


class BadLine(Exception):
    """A line that is none of ours; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Put:
    """A value under a key. A key that ends in `.ext` holds bytes, as base64."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a searchable collection."""

    index: str
    id: str
    record: Json


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    args: tuple[Any, ...]


Line = Put | Record | Command


def header(hostname: str, date: str) -> bytes:
    return f"# xyOps Data Export v1.0\n# Hostname: {hostname}\n# Date/Time: {date}\n# Format: NDJSON\n\n".encode()


def comment(text: str) -> bytes:
    return f"\n# {' '.join(text.split())}\n".encode()


def encoded(line: Line) -> bytes:
    match line:
        case Put(key, value):
            return _encode({"key": key, "value": value}) + b"\n"
        case Record(index, id, record):
            return _encode({"index": index, "id": id, "record": record}) + b"\n"
        case Command(name, args):
            return _encode({"cmd": name, "args": args}) + b"\n"


def is_data(line: bytes) -> bool:
    """Whether it is no comment."""
    return line.lstrip().startswith(b"{")


def parse(line: bytes) -> Line | None:
    """What a line says; None for a comment. Raises BadLine."""
    if not is_data(line):
        return None
    try:
        made = msgspec.json.decode(line)
    except RecursionError:
        raise BadLine("it is nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise BadLine(f"it is no JSON: {error}") from None
    if not isinstance(made, Mapping):
        raise BadLine("it is no object")
    if isinstance(key := made.get("key"), str) and "value" in made:
        return Put(key, made["value"])
    if isinstance(index := made.get("index"), str):
        id, record = made.get("id"), made.get("record")
        if not isinstance(id, str) or not isinstance(record, dict):
            raise BadLine("a record needs an id and an object")
        return Record(index, id, record)
    if isinstance(name := made.get("cmd"), str):
        args = made.get("args")
        if not isinstance(args, list):
            raise BadLine("a command needs arguments")
        return Command(name, tuple(args))
    raise BadLine("it is neither key, record nor command")
