"""Bucket contents and secret values in exports and imports, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from conductor.administration.backup.lines import BadLine
from conductor.administration.backup.sealed import SecretSection
from conductor.definitions.vault import Vault
from conductor.errors import Refusal
from conductor.filing.bucket_contents import BucketContents, Filed
from conductor.filing.section import BucketSection
from conductor.records.store import Records
from tests.databases import database_url, postgres, records

__all__ = ["database_url", "postgres", "records"]

FILE = {"id": "f1", "filename": "A b.TXT", "path": "files/bucket/b1/xx/a_b.txt", "size": 3}


async def everything(section: Any) -> list[tuple[str, Any]]:
    lines: AsyncIterator[tuple[str, Any]] = section.all()
    return [line async for line in lines]


async def test_what_is_in_buckets_comes_back(records: Records) -> None:
    contents = BucketContents(records)
    section = BucketSection(contents)
    await contents.write("b1", {"x": 1, "a": [None]})
    await contents.set_files("b1", {"a_b.txt": Filed(1, FILE)})
    await contents.write("b2", {"only": "data"})
    before = await everything(section)
    assert [key for key, _ in before] == [
        f"buckets/{id}/{part}" for id in ("b1", "b2") for part in ("data", "files")
    ]
    assert await section.clear() == 2
    assert await everything(section) == []
    for key, value in before:
        await section.put(key, value)
    assert await everything(section) == before
    assert list(await contents.files("b1")) == ["a_b.txt"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("buckets/b1/other", {}),
        ("buckets/../x/data", {}),
        ("buckets/b1/data", []),
        ("buckets/b1/files", {}),
        ("buckets/b1/files", [{**FILE, "path": "files/bucket/b2/xx/a.txt"}]),
        ("buckets/b1/files", [{**FILE, "path": "logs/jobs/j1/log.txt.gz"}]),
        ("buckets/b1/files", ["x"]),
    ],
)
async def test_nothing_else_gets_into_buckets(records: Records, key: str, value: Any) -> None:
    section = BucketSection(BucketContents(records))
    with pytest.raises(Refusal):
        await section.put(key, value)
    assert await everything(section) == []


async def test_values_of_secrets_come_back_and_never_in_clear(records: Records) -> None:
    vault = Vault(records, "a key")
    section = SecretSection(vault)
    fields = [{"name": "TOKEN", "value": "geheim"}]
    await vault.put("z1", fields)
    lines = await everything(section)
    assert [key for key, _ in lines] == ["secrets/z1"]
    assert "geheim" not in str(lines)
    assert await section.clear() == 1
    assert await everything(section) == []
    with pytest.raises(Refusal):
        await vault.fields("z1")
    for key, value in lines:
        await section.put(key, value)
    assert await vault.fields("z1") == fields
    for key, value in (("secrets/z/1", lines[0][1]), ("secrets/*", lines[0][1]), ("secrets/z2", "x")):
        with pytest.raises(BadLine):
            await section.put(key, value)
    with pytest.raises(Refusal, match="decrypted"):
        await SecretSection(Vault(records, "another key")).put(*lines[0])
