"""Export, wipe, import: everything is as it was. And files that mean harm."""

import gzip
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conductor.administration.backup.importing import Import, data_lines, lines_of
from conductor.administration.backup.selection import selected
from conductor.definitions.defaults import contents
from conductor.errors import Refusal
from tests.integration.administration.conftest import House

EVERYTHING = {"lists": "all", "indexes": "all", "extras": "all"}


async def exported(house: House, asked: dict[str, Any] = EVERYTHING) -> list[bytes]:
    return b"".join([part async for part in house.services.export.stream(selected(asked))]).splitlines()


async def imported(house: House, lines: list[bytes], *, dry_run: bool = False) -> Import:
    importing = house.services.importing(dry_run=dry_run)
    for number, line in enumerate(lines, 1):
        await importing.line(number, line)
    await importing.finish()
    await house.services.reload()
    return importing


async def wiped(house: House) -> None:
    for name in house.services.definitions.kinds:
        await house.services.delete_list(name)
    for index in house.services.collections.names:
        await house.services.sweeps.delete(index, "*")
    for prefix in ("users/", "hosts/", "global/state", "files/", "logs/jobs/"):
        section = house.services.sections.get(prefix)
        assert section is not None
        await section.clear(but="admin")
    await house.services.statistics.replace_history([])
    await house.services.reload()


@pytest.fixture
async def filled(house: House) -> House:
    services = house.services
    await services.definitions.restore(contents(1_700_000_000))
    await services.definitions.restore({"tags": [{"id": f"t{n:03d}", "title": f"T{n}"} for n in range(250)]})
    for n in range(120):
        job = {
            "id": f"j{n:03d}",
            "event": "e1",
            "code": 0,
            "completed": 5.0 + n,
            "data": {"n": n},
            "elapsed": 1,
        }
        if n == 7:
            job["files"] = [{"id": "f1", "path": "files/jobs/j007/x/out.txt", "size": 5}]
        await house.archive.add(job)
    await house.files.put("files/jobs/j007/x/out.txt", b"\x00\xffbin")
    await house.files.put("logs/jobs/j007/log.txt.gz", b"log")
    for name in ("alerts", "snapshots", "servers", "activity"):
        await services.collections.put(name, "r1", {"id": "r1", "groups": ["main"], "date": 5})
    for n in range(3):
        await services.collections.put("tickets", f"t{n}", {"id": f"t{n}", "num": n + 1, "subject": "Größe"})
    await services.users.save({"username": "ann", "password": "h", "salt": "", "privileges": {}, "roles": []})
    await house.files.put("users/ann/avatar/64.png", b"png")
    await services.definitions.state.merge("events/e1", {"total_count": 120})
    section = services.sections.get("hosts/")
    assert section is not None
    await section.put("hosts/s1/data", {"server": "s1", "date": 5, "data": {"x": 1}})
    await services.statistics.replace_history([(5, {"currentDay": {"timeStart": 5, "requests": 3}})])
    await services.reload()
    return house


async def test_export_wipe_import_and_everything_is_as_it_was(filled: House) -> None:
    before = await exported(filled)
    assert len(before) > 150
    await wiped(filled)
    assert (await filled.archive.search("*")).total == 0
    assert not filled.services.definitions.all("tags")
    importing = await imported(filled, before)
    assert importing.report.errors == []
    after = await exported(filled)
    assert after[4:] == before[4:]  # the third line of its head is when it was made
    assert (await filled.archive.search("event:e1", limit=500)).total == 120
    assert [tag["id"] for tag in filled.services.definitions.all("tags")][:3] == ["important", "flag", "t000"]
    assert await filled.files.get("files/jobs/j007/x/out.txt") == b"\x00\xffbin"
    assert await filled.files.get("users/ann/avatar/64.png") == b"png"
    assert (filled.services.users.get("ann") or {})["password"] == "h"
    assert filled.services.definitions.state.get("events/e1") == {"total_count": 120}


async def test_a_dry_run_stores_nothing(filled: House) -> None:
    """compat.md, "Where to be better" 3; admin.yaml, "no dry-run"."""
    lines = await exported(filled)
    await wiped(filled)
    importing = await imported(filled, [*lines, b'{"index":"nonsense","id":"x","record":{}}'], dry_run=True)
    assert importing.report.records == 127
    assert [error for error in importing.report.errors if "nonsense" in error]
    assert (await filled.archive.search("*")).total == 0
    assert not filled.services.definitions.all("tags")


async def test_pages_of_the_original_in_any_order(house: House) -> None:
    lines = [
        {"cmd": "listDelete", "args": ["global/tags", False]},
        {"key": "global/tags", "value": {"type": "list", "first_page": -1, "last_page": 1, "length": 3}},
        {"key": "global/tags/0", "value": {"type": "list_page", "items": [{"id": "b"}]}},
        {"key": "global/tags/-1", "value": {"type": "list_page", "items": [{"id": "a"}]}},
        {"key": "global/tags/1", "value": {"type": "list_page", "items": [{"id": "c"}, {"id": "BAD ID"}]}},
        {"cmd": "listPush", "args": ["global/tags", {"id": "d"}]},
        {"index": "jobs", "id": "j1", "record": {"code": 0}},
    ]
    importing = await imported(house, [*map(msgspec.json.encode, lines), b"# End of file"])
    assert [tag["id"] for tag in house.services.definitions.all("tags")] == ["a", "b", "c", "d"]
    assert len(importing.report.errors) == 1
    assert "BAD ID" in importing.report.errors[0]
    assert await house.archive.get("j1") == {"code": 0, "id": "j1"}


HOSTILE = [
    b"{",
    b'{"key":"global/nonsense","value":{}}',
    b'{"key":"../../etc/passwd","value":"eA=="}',
    b'{"key":"files/../../x","value":"eA=="}',
    b'{"key":"files/a","value":"not base64!"}',
    b'{"key":"files/a","value":5}',
    b'{"key":"users/x","value":[]}',
    b'{"key":"users/x","value":{"username":"..."}}',
    b'{"key":"hosts/../data","value":{"date":1}}',
    b'{"key":"hosts/s1/data","value":{"date":"x"}}',
    b'{"key":"secrets/z1","value":{}}',
    b'{"index":"jobs","id":"../x","record":{}}',
    b'{"index":"users","id":"x","record":{}}',
    b'{"cmd":"hashDeleteAll","args":["global/users"]}',
    b'{"cmd":"listDelete","args":[5]}',
    b'{"cmd":"delete","args":["users/admin"]}',
    b'{"cmd":"put","args":["global/tags"]}',
    b'{"key":"global/tags/0","value":{"items":5}}',
    b'{"a":' * 20_000,
]


async def test_hostile_lines_are_reported_and_left_out(house: House) -> None:
    importing = await imported(
        house, [*HOSTILE, b'{"index":"jobs","id":"j1","record":{"code":0}}', b"# End of file"]
    )
    blamed = [error.partition(":")[0] for error in importing.report.errors]
    assert blamed == [f"line {number}" for number in range(1, len(HOSTILE) + 1)]
    assert await house.archive.get("j1") is not None
    assert house.services.users.get("admin") is not None


async def test_a_file_that_ends_early_is_said_to(house: House) -> None:
    """admin.yaml, "Where to be better": failures midway look like success in the original."""
    importing = await imported(house, [b'{"index":"jobs","id":"j1","record":{"code":0}}'])
    assert importing.report.errors == ["the file ends early: its last line is missing"]


def test_files_are_read_packed_or_not_and_broken_ones_refused(tmp_path: Path) -> None:
    text = b'# c\n{"key":"a","value":1}\n{"key":"b","value":1}'
    plain, packed, cut = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    noise = random.Random(5).randbytes(50_000).hex().encode()
    cut.write_bytes(gzip.compress(text + b"\n" + noise)[:-2000])
    assert data_lines(plain) == data_lines(packed) == 2
    assert [line for _, line in lines_of(packed)] == text.splitlines(keepends=True)
    for file in (cut, tmp_path / "none"):
        with pytest.raises(Refusal):
            data_lines(file)
    (tmp_path / "d").write_bytes(b"# nothing\n")
    with pytest.raises(Refusal, match="no data"):
        data_lines(tmp_path / "d")
