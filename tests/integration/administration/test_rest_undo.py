"""An import that fails half-way leaves nothing behind (admin.yaml, compat.md: no rollback)."""

import base64
from typing import Any

import msgspec
import pytest

from conductor.administration.backup.importing import Import
from tests.integration.administration.conftest import House
from tests.integration.administration.test_backup import exported, filled

__all__ = ["filled"]

CHANGES: list[dict[str, Any]] = [
    {"cmd": "listDelete", "args": ["global/tags", False]},
    {"key": "global/tags", "value": {"type": "list", "first_page": 0, "last_page": 0, "length": 1}},
    {"key": "global/tags/0", "value": {"type": "list_page", "items": [{"id": "other", "title": "O"}]}},
    {"cmd": "listPush", "args": ["global/roles", {"id": "minted", "privileges": {"admin": True}}]},
    {"key": "users/ann", "value": {"username": "ann", "password": "stolen", "salt": ""}},
    {"key": "users/new", "value": {"username": "new", "password": "x", "salt": ""}},
    {"key": "users/ann/avatar/64.png", "value": base64.b64encode(b"other").decode()},
    {"key": "hosts/s1/data", "value": {"server": "s1", "date": 9}},
    {"key": "hosts/s2/data", "value": {"server": "s2", "date": 9}},
    {"key": "global/state", "value": {"events": {"e1": {"total_count": 7}, "e9": {"a": 1}}}},
    {"key": "files/jobs/j007/x/out.txt", "value": base64.b64encode(b"other").decode()},
    {"key": "files/jobs/new.txt", "value": base64.b64encode(b"new").decode()},
    {"cmd": "delete", "args": ["logs/jobs/j007/log.txt.gz"]},
    *({"index": "jobs", "id": f"j{n:03d}", "record": {"code": "changed"}} for n in range(100, 150)),
    {"index": "jobs", "id": "j100", "record": {"code": "changed twice"}},
    {"index": "tickets", "id": "t1", "record": {"num": 77, "subject": "changed"}},
    {"index": "activity", "id": "new", "record": {"action": "x", "epoch": 5}},
    {"cmd": "listDelete", "args": ["global/stats", False]},
    {"key": "global/stats", "value": {"type": "list", "first_page": 0, "last_page": 0, "length": 0}},
]


async def begun(house: House) -> Import:
    """Everything of the file is stored, and its end was never reached."""
    importing = house.services.importing(dry_run=False)
    for number, line in enumerate(CHANGES, 1):
        await importing.line(number, msgspec.json.encode(line))
    await importing.finish()
    await house.services.reload()
    assert importing.report.errors == ["the file ends early: its last line is missing"]
    return importing


async def test_rest_admin_yaml_an_import_that_fails_is_taken_back(filled: House) -> None:
    before = await exported(filled)
    await begun(filled)
    assert [tag["id"] for tag in filled.services.definitions.all("tags")] == ["other"]
    assert (await filled.archive.search("*")).total == 150
    assert await filled.services.journal.any()
    assert await filled.services.take_back() > 20
    assert (await exported(filled))[4:] == before[4:]
    assert filled.services.users.get("new") is None
    assert (filled.services.users.get("ann") or {})["password"] == "h"
    assert filled.services.definitions.get("roles", "minted") is None
    assert await filled.files.get("files/jobs/j007/x/out.txt") == b"\x00\xffbin"
    assert await filled.files.get("files/jobs/new.txt") is None
    assert await filled.files.get("logs/jobs/j007/log.txt.gz") == b"log"
    assert filled.services.definitions.state.get("events/e1") == {"total_count": 120}
    assert filled.services.definitions.state.get("events/e9") == {}
    assert (await filled.archive.search("code:changed")).total == 0
    assert not await filled.services.journal.any()
    assert await filled.services.take_back() == 0


async def test_rest_admin_yaml_the_next_term_takes_back_what_a_dead_one_began(filled: House) -> None:
    """Also on another host: what is to be put back is in the database."""
    before = await exported(filled)
    await begun(filled)
    await filled.services.settle()
    [job] = filled.services.jobs.all()
    ended = await filled.ended(job.id)
    assert "taken back" in ended["details"]
    assert (await exported(filled))[4:] == before[4:]
    await filled.services.settle()
    assert filled.services.jobs.all() == []


async def test_rest_admin_yaml_taking_back_may_be_broken_off_and_begun_again(
    filled: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await exported(filled)
    await begun(filled)
    collections, put = filled.services.collections, filled.services.collections.put
    left = [3]

    async def dying(name: str, id: str, record: dict[str, Any]) -> None:
        left[0] -= 1
        if not left[0]:
            raise RuntimeError("dead")
        await put(name, id, record)

    monkeypatch.setattr(collections, "put", dying)
    with pytest.raises(RuntimeError):
        await filled.services.take_back()
    monkeypatch.undo()
    await filled.services.take_back()
    assert (await exported(filled))[4:] == before[4:]


async def test_records_that_cannot_be_stored_keep_no_others_from_it(house: House) -> None:
    """Records are stored a hundred at a time; each is blamed by its own line."""
    lines = [
        b'{"index":"jobs","id":"j1","record":{"code":0}}',
        b'{"index":"jobs","id":"j2","record":{"code":0,"tags":' + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"index":"jobs","id":"j1","record":{"code":1}}',
        b'{"index":"tickets","id":"t1","record":{"num":1}}',
        b'{"index":"tickets","id":"t2","record":{"num":1}}',
        b"# End of file",
    ]
    importing = house.services.importing(dry_run=False)
    for number, line in enumerate(lines, 1):
        await importing.line(number, line)
    await importing.finish()
    assert ((await house.archive.get("j1")) or {})["code"] == 1
    assert [error.partition(":")[0] for error in importing.report.errors] == ["line 5"]
    assert await house.archive.get("j2") is not None
