"""The causal event log's chain, on both databases: with its change or not at all, without gaps, verifiable."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from conductor.errors import Unavailable
from conductor.records.chain import CONTENT, START, Break, first_break, row_hash
from conductor.records.store import Records, Write, insert_new, upsert
from conductor.records.tables import events, state
from conductor.signals import EventRow

_PUT = upsert(state)
_NEW = insert_new(state)
_BAD = sa.text("INSERT INTO no_such_table VALUES (1)")


def row(id: str, **columns: Any) -> EventRow:
    """A row of the log; its ID is padded to a UUID's length."""
    made = EventRow(
        id=id.rjust(36, "0"), occurred=1_700_000_000_000_000, type="job.started", actor_type="user",
        actor="admin", resource_type="automation_run", resource="r".rjust(36, "0"),
        correlation="c".rjust(36, "0"), causation="", category="general", groups=",main,", payload=b'{"n":1}',
    )  # fmt: skip
    return made._replace(**columns)


def change(key: str) -> Write:
    return Write(_PUT, {"key": key, "doc": b"{}"})


async def stored(records: Records) -> list[Any]:
    return await records.read(lambda sql: list(sql.execute(sa.select(events).order_by(events.c.seq))))


async def test_events_are_numbered_without_gaps_and_chained(records: Records) -> None:
    await asyncio.gather(*(records.write(change(f"k{n}"), events=[row(f"{n}")]) for n in range(300)))

    rows = await stored(records)

    assert [one.seq for one in rows] == list(range(1, 301))
    before = START
    for one in rows:
        content = EventRow(**{name: getattr(one, name) for name in CONTENT})
        assert bytes(one.hash) == row_hash(before, one.seq, content)
        before = bytes(one.hash)
    assert await records.read(first_break) == (300, None)


async def test_an_event_is_there_if_and_only_if_its_change_is(records: Records) -> None:
    writes = [
        records.write(change("good"), events=[row("a")]),
        records.write(Write(_BAD), events=[row("b")]),
        records.write(change("also good"), events=[row("c")]),
        records.write(change("half"), Write(_BAD), events=[row("d")]),
        records.write(change("last"), events=[row("e")]),
    ]

    outcomes = await asyncio.gather(*writes, return_exceptions=True)

    assert [isinstance(outcome, Unavailable) for outcome in outcomes] == [False, True, False, True, False]
    assert [one.id[-1] for one in await stored(records)] == ["a", "c", "e"]
    assert await records.read(first_break) == (3, None)


async def test_a_conditional_change_that_is_not_made_leaves_no_event(records: Records) -> None:
    first = Write(_NEW, {"key": "k", "doc": b"{}"})

    made = await records.write_if(first, events=[row("a")])
    again = await records.write_if(first, events=[row("b")])

    assert (made, again) == (True, False)
    assert [one.id[-1] for one in await stored(records)] == ["a"]


async def test_an_event_told_twice_is_there_once(records: Records) -> None:
    await records.write(change("k"), events=[row("a"), row("a"), row("b")])
    await records.write(change("k"), events=[row("b"), row("c")])

    assert [one.id[-1] for one in await stored(records)] == ["a", "b", "c"]
    assert await records.read(first_break) == (3, None)


async def test_the_chain_goes_on_where_another_process_left_it(records: Records, database_url: str) -> None:
    await records.begin_term(1)
    await records.write(events=[row("a")])
    other = await Records.open(database_url)
    try:
        await other.begin_term(2)
        await other.write(events=[row("b")])
    finally:
        await other.close()

    await records.begin_term(3)
    await records.write(events=[row("c")])

    assert await records.read(first_break) == (3, None)


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        (
            "UPDATE events SET actor = 'somebody' WHERE seq = 3",
            Break(3, "its content is not what was written"),
        ),
        ("UPDATE events SET payload = hash WHERE seq = 5", Break(5, "its content is not what was written")),
        ("DELETE FROM events WHERE seq = 4", Break(5, "1 events before it are missing")),
        ("UPDATE events SET hash = payload WHERE seq = 2", Break(2, "its content is not what was written")),
    ],
)
async def test_the_first_break_is_named(
    records: Records, database_url: str, tampering: str, expected: Break
) -> None:
    await records.write(events=[row(str(n)) for n in range(6)])

    await records.write(Write(sa.text(tampering)))

    assert (await records.read(first_break))[1] == expected


async def test_an_event_that_is_exchanged_with_its_hash_breaks_the_chain_behind_it(records: Records) -> None:
    """Each hash covers the one before: nobody can write one event anew without all that follow."""
    await records.write(events=[row(str(n)) for n in range(6)])
    rows = await stored(records)
    forged = row("forged", actor="somebody")
    hash = row_hash(bytes(rows[1].hash), 3, forged)

    change = sa.text("UPDATE events SET id = :id, actor = :actor, hash = :hash WHERE seq = 3")
    await records.write(Write(change, {"id": forged.id, "actor": forged.actor, "hash": hash}))

    assert (await records.read(first_break))[1] == Break(4, "its content is not what was written")


async def test_a_log_whose_oldest_part_was_dropped_still_verifies(records: Records) -> None:
    await records.write(events=[row(str(n)) for n in range(6)])

    await records.write(Write(sa.text("DELETE FROM events WHERE seq <= 3")))

    assert await records.read(first_break) == (3, None)
