"""Sessions: their end is an end, also for whoever was just looking."""

import asyncio

import pytest

from conductor.access import sessions as module
from conductor.access.sessions import Sessions, key_of
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.settings_sections import UserSettings
from conductor.signals import SessionsEnded
from tests.integration.access.conftest import House


async def test_a_read_under_way_does_not_bring_an_ended_session_back(any_records: Records) -> None:
    """Hole: a read that began before the end stored what it found in the cache after it."""
    for _ in range(10):
        sessions = Sessions(any_records, Settings())
        session_id, _ = await sessions.open("ann", "", "")
        sessions.forget()
        looking = [asyncio.create_task(sessions.get(session_id)) for _ in range(3)]
        await asyncio.sleep(0)  # they are on their way to the database
        await sessions.end(session_id)
        assert await asyncio.gather(*looking) == [None, None, None]
        assert await sessions.get(session_id) is None
        assert not sessions._cache


async def test_the_end_of_all_reaches_reads_under_way(any_records: Records) -> None:
    sessions = Sessions(any_records, Settings())
    kept, *others = [(await sessions.open("ann", "", ""))[0] for _ in range(3)]
    bobs, _ = await sessions.open("bob", "", "")
    sessions.forget()
    looking = [asyncio.create_task(sessions.get(one)) for one in (kept, *others, bobs)]
    await asyncio.sleep(0)
    ended = await sessions.end_all("ann", but=kept)
    found = await asyncio.gather(*looking)
    assert [one is not None for one in found] == [True, False, False, True]
    assert len(ended) == 2


async def test_an_idle_session_ends(any_records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hole: no idle time-out."""
    sessions = Sessions(any_records, Settings(User=UserSettings(session_idle_days=7)))
    session_id, session = await sessions.open("ann", "", "")
    later = [session.created + 6 * 86_400.0]
    monkeypatch.setattr(module, "now", lambda: later[0])
    used = await sessions.get(session_id)
    assert used is not None
    assert used.modified == int(later[0])
    later[0] += 6 * 86_400
    sessions.forget()
    assert await sessions.get(session_id) is not None  # it was used meanwhile
    later[0] += 8 * 86_400
    assert await sessions.get(session_id) is None


async def test_use_does_not_bring_an_ended_session_back(
    any_records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions(any_records, Settings())
    session_id, session = await sessions.open("ann", "", "")
    monkeypatch.setattr(module, "now", lambda: session.created + 7_200.0)
    _, _ = await asyncio.gather(sessions.get(session_id), sessions.end(session_id))
    sessions.forget()
    assert await sessions.get(session_id) is None


async def test_ends_are_announced_without_the_ids(house: House) -> None:
    session_id, _ = await house.sessions.open("ann", "", "")
    await house.sessions.end(session_id)
    await house.sessions.end_all("ann")
    first, second = await house.heard(SessionsEnded)
    assert first.keys == (key_of(session_id),)
    assert (second.username, second.keys, second.but) == ("ann", (), "")
    assert session_id not in str(house.seen)
