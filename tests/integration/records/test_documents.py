import pytest

from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.store import Records


async def test_put_get_all_delete(records: Records) -> None:
    snapshots = Documents(records, tables.snapshots)
    await snapshots.put("s2", {"id": "s2"}, date=2)
    await snapshots.put("s1", {"id": "s1", "n": [1]}, date=9)
    assert await snapshots.get("s1") == {"id": "s1", "n": [1]}
    assert await snapshots.get("s3") is None
    assert [doc["id"] for doc in await snapshots.all()] == ["s1", "s2"]
    assert [doc["id"] for doc in await snapshots.all("date")] == ["s2", "s1"]
    await snapshots.put("s1", {"id": "s1"}, date=1)
    assert [doc["id"] for doc in await snapshots.all("date")] == ["s1", "s2"]
    assert await snapshots.delete("s1") is True
    assert await snapshots.delete("s1") is False


async def test_add_keeps_what_is_there(records: Records) -> None:
    state = Documents(records, tables.state)
    assert await state.add("scheduler", {"a": 1}) is True
    assert await state.add("scheduler", {"a": 2}) is False
    assert await state.get("scheduler") == {"a": 1}


async def test_parts_of_a_table_do_not_see_each_other(records: Records) -> None:
    events = Documents(records, tables.definitions, kind="events")
    groups = Documents(records, tables.definitions, kind="groups")
    await events.put("main", {"kind": "event"}, position=1)
    await groups.put("main", {"kind": "group"}, position=1)
    assert await events.all("position") == [{"kind": "event"}]
    assert await groups.delete("main") is True
    assert await events.get("main") == {"kind": "event"}


async def test_writes_join_another_transaction(records: Records) -> None:
    users, state = Documents(records, tables.users), Documents(records, tables.state)
    new = users.add_write("ann", {"name": "Ann"})
    assert await records.write_if(new, state.put_write("users/ann", {"n": 1})) is True
    assert await records.write_if(new, state.delete_write("users/ann")) is False
    assert await state.get("users/ann") == {"n": 1}


async def test_a_table_with_two_keys_needs_one_fixed(records: Records) -> None:
    with pytest.raises(ValueError, match="definitions"):
        Documents(records, tables.definitions)
