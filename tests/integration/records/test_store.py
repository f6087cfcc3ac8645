"""What Records promises, on every engine."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.errors import Unavailable
from conductor.records import tables
from conductor.records.store import Records, Write, insert_new, upsert

PUT = upsert(tables.users)
ADD = insert_new(tables.users)
REMOVE = sa.delete(tables.users).where(tables.users.c.id == sa.bindparam("wanted"))
ADD_STATE = insert_new(tables.state)


def user(id: str, doc: bytes = b"{}") -> dict[str, Any]:
    return {"id": id, "doc": doc}


async def users(records: Records) -> dict[str, bytes]:
    rows = await records.read(lambda connection: connection.execute(sa.select(tables.users)).all())
    return {row.id: bytes(row.doc) for row in rows}


async def test_a_written_row_is_there_when_write_returns(records: Records) -> None:
    assert await records.write(Write(PUT, user("ann", b"\x00\xff"))) == 1
    assert await users(records) == {"ann": b"\x00\xff"}


async def test_upsert_replaces_and_insert_new_does_not(records: Records) -> None:
    assert await records.write(Write(PUT, user("ann", b"1"))) == 1
    assert await records.write(Write(PUT, user("ann", b"2"))) == 1
    assert await records.write(Write(ADD, user("ann", b"3"))) == 0
    assert await records.write(Write(ADD, user("bob", b"4"))) == 1
    assert await users(records) == {"ann": b"2", "bob": b"4"}


async def test_many_rows_in_one_write(records: Records) -> None:
    rows = [user(f"u{number:04d}") for number in range(777)]
    assert await records.write(Write(ADD, rows)) == 777
    assert await records.write(Write(ADD, [*rows, user("new")])) == 1
    assert len(await users(records)) == 778


async def test_an_empty_list_of_rows_writes_nothing(records: Records) -> None:
    assert await records.write(Write(PUT, []), Write(PUT, user("ann")), Write(REMOVE, [])) == 0
    assert await records.write_if(Write(PUT, []), Write(PUT, user("bob"))) is False
    assert await users(records) == {"ann": b"{}"}


async def test_an_upsert_keeps_the_last_of_equal_keys(records: Records) -> None:
    await records.write(Write(PUT, [user("ann", b"1"), user("bob", b"2"), user("ann", b"3")]))
    assert await users(records) == {"ann": b"3", "bob": b"2"}


async def test_writes_of_one_call_are_all_or_nothing(records: Records) -> None:
    with pytest.raises(Unavailable):
        await records.write(Write(PUT, user("ann")), Write(sa.insert(tables.users), user("ann")))
    assert await users(records) == {}


async def test_write_if_follows_only_a_first_write_that_touched(records: Records) -> None:
    assert await records.write_if(Write(ADD, user("ann")), Write(ADD, user("follower"))) is True
    assert await records.write_if(Write(ADD, user("ann")), Write(ADD, user("never"))) is False
    assert await records.write_if(Write(REMOVE, {"wanted": "nobody"}), Write(ADD, user("never"))) is False
    assert set(await users(records)) == {"ann", "follower"}


async def test_of_concurrent_writes_with_one_key_exactly_one_is_new(records: Records) -> None:
    won = await asyncio.gather(
        *(records.write_if(Write(ADD, user("one")), Write(ADD, user(f"by{n}"))) for n in range(50))
    )
    assert sum(won) == 1
    assert set(await users(records)) == {"one", f"by{won.index(True)}"}


async def test_writes_to_one_table_keep_the_order_of_the_calls(records: Records) -> None:
    calls = []
    for number in range(40):
        calls.append(
            records.write(Write(PUT, user("ann", b"%d" % number)), Write(PUT, user("last", b"%d" % number)))
        )
        calls.append(records.write(Write(REMOVE, {"wanted": "ann"})))
        calls.append(records.write(Write(PUT, user("last", b"after %d" % number))))
    await asyncio.gather(*calls)
    assert await users(records) == {"last": b"after 39"}


async def test_a_bad_write_fails_only_its_own_caller(records: Records) -> None:
    bad = Write(sa.insert(tables.users), {"id": "x", "doc": None})
    outcomes = await asyncio.gather(
        *(records.write(bad if n % 3 == 0 else Write(PUT, user(f"u{n}"))) for n in range(30)),
        return_exceptions=True,
    )
    assert [isinstance(outcome, Unavailable) for outcome in outcomes] == [n % 3 == 0 for n in range(30)]
    assert set(await users(records)) == {f"u{n}" for n in range(30) if n % 3}


async def test_a_refusal_does_not_show_the_values(records: Records) -> None:
    with pytest.raises(Unavailable) as refusal:
        await records.write(Write(sa.insert(tables.users), {"id": "secret-value", "doc": None}))
    assert "secret-value" not in refusal.value.description


async def test_a_read_cannot_change_anything(records: Records) -> None:
    with pytest.raises(Unavailable):
        await records.read(lambda connection: connection.execute(PUT, user("ann")))
    assert await users(records) == {}


async def test_an_exception_of_a_query_comes_through(records: Records) -> None:
    def query(_: sa.Connection) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await records.read(query)


async def test_a_slow_read_ends_at_its_time_out_and_its_thread_goes_on(records: Records) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) SELECT count(*) FROM n"
        if records.dialect == "sqlite"
        else "SELECT pg_sleep(2)"
    )
    both = [
        records.read(lambda connection: connection.exec_driver_sql(endless), timeout=0.1) for _ in range(2)
    ]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert await users(records) == {}


async def test_a_closed_database_refuses(database_url: str) -> None:
    records = await Records.open(database_url)
    writes = [asyncio.ensure_future(records.write(Write(PUT, user(f"u{n}")))) for n in range(20)]
    await asyncio.sleep(0)
    await records.close()
    assert await asyncio.gather(*writes) == [1] * 20
    with pytest.raises(Unavailable):
        await records.write(Write(PUT, user("late")))
    with pytest.raises(Unavailable):
        await users(records)


WRITERS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["add", "put", "follow", "bad", "bad follow"])),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WRITERS)
async def test_a_group_does_what_one_by_one_would_do(
    records: Records, writers: list[tuple[str, str]]
) -> None:
    await records.write(Write(sa.delete(tables.users)), Write(sa.delete(tables.state)))
    stored: dict[str, bytes] = {}
    followed: set[str] = set()
    calls, expected = [], []
    for number, (id, kind) in enumerate(writers):
        row = user(id, b"%d" % number)
        key = f"s{number}"
        state = Write(ADD_STATE, {"key": key, "doc": b""})
        broken = Write(ADD_STATE, {"key": key, "doc": None})
        new = id not in stored
        if kind == "add":
            calls.append(records.write(Write(ADD, row)))
            expected.append(int(new))
        elif kind == "put":
            calls.append(records.write(Write(PUT, row), state))
            expected.append(1)
            followed.add(key)
        elif kind == "follow":
            calls.append(records.write_if(Write(ADD, row), state))
            expected.append(new)
            followed.update([key] if new else [])
        elif kind == "bad":
            calls.append(records.write(Write(PUT, row), broken))
            expected.append("refused")
        else:
            calls.append(records.write_if(Write(ADD, row), broken))
            expected.append("refused" if new else False)
        if kind == "put" or (kind in ("add", "follow") and new):
            stored[id] = row["doc"]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert ["refused" if isinstance(outcome, Unavailable) else outcome for outcome in outcomes] == expected
    assert await users(records) == stored
    keys = await records.read(
        lambda connection: connection.execute(sa.select(tables.state.c.key)).scalars().all()
    )
    assert set(keys) == followed
