"""Portable object files of plugins (contract plugins.md §7.1)."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.cli.portable import PortableError, parse_portable, read_portable

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
ITEM = {"type": "plugin", "data": {"id": "p1", "title": "P", "username": "x", "created": 1, "revision": 3}}


def packed(**changes: Any) -> bytes:
    return json.dumps({"type": "xypdf", "version": "1.0", "items": [ITEM], **changes}).encode()


def test_items_come_last_first_without_what_importers_drop() -> None:
    second = {"type": "event", "data": {"id": "e1"}}
    items = parse_portable(packed(items=[second, ITEM]))
    assert items == [("plugin", {"id": "p1", "title": "P"}), ("event", {"id": "e1"})]
    assert parse_portable(gzip.compress(packed(items=[second, ITEM]))) == items


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not JSON"),
        (b"[]", "no portable object file"),
        (packed(type="xybk"), "no portable object file"),
        (packed(version="2.0"), "version 2.0"),
        (packed(items=[]), "no items"),
        (packed(items=[5]), "Item 1 is malformed"),
        (packed(items=[ITEM, {"type": "user", "data": {}}]), "Item 2 is of an unknown type: user"),
        (packed(items=[{"type": "plugin", "data": {"id": "../x"}}]), "invalid ID"),
        (b"\x1f\x8bxx", "cannot be unpacked"),
        (gzip.compress(bytes(70_000_000)), "more than"),
    ],
)
def test_other_files_are_refused(content: bytes, text: str) -> None:
    with pytest.raises(PortableError, match=text):
        parse_portable(content)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    with pytest.raises(PortableError):
        parse_portable(content)


def test_the_example_holds_the_plugin_that_is_taught() -> None:
    items = parse_portable((EXAMPLES / "word-count-plugin.json").read_bytes())
    assert items[0].data["script"] == (EXAMPLES / "word_count.py").read_text()


def test_a_file_is_installed_only_with_the_digest_that_is_asked_for(tmp_path: Path) -> None:
    """Better (plugins 3): what was reviewed is what is installed."""
    file = tmp_path / "plugin.json"
    file.write_bytes(packed())
    digest = hashlib.sha256(packed()).hexdigest()
    assert read_portable(file, digest.upper()) == read_portable(file)
    file.write_bytes(packed() + b" ")
    with pytest.raises(PortableError, match="SHA-256 is"):
        read_portable(file, digest)
