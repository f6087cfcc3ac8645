import asyncio

import pytest

from conductor.definitions.state import GlobalState
from conductor.errors import BadParameter
from conductor.records.store import Records


@pytest.fixture
async def state(records: Records) -> GlobalState:
    opened = GlobalState(records)
    await opened.load()
    return opened


async def stored(records: Records, key: str) -> object:
    other = GlobalState(records)
    await other.load()
    return other.get(key)


async def test_merge_and_delete(state: GlobalState, records: Records) -> None:
    assert state.get("events/e1") == {}
    await state.merge("events/e1", {"cursor": 1, "nth": 2})
    await state.merge("events/e1", {"cursor": 3})
    assert state.get("events/e1") == {"cursor": 3, "nth": 2} == await stored(records, "events/e1")
    assert state.under("events") == {"e1": {"cursor": 3, "nth": 2}}
    await state.delete("events/e1")
    assert state.get("events/e1") == {} == await stored(records, "events/e1")


async def test_merges_at_the_same_time_all_count(state: GlobalState, records: Records) -> None:
    await asyncio.gather(*(state.merge("k", {f"p{number}": number}) for number in range(30)))
    expected = {f"p{number}": number for number in range(30)}
    assert state.get("k") == expected == await stored(records, "k")


async def test_staged_changes_build_on_each_other(state: GlobalState, records: Records) -> None:
    async def count() -> None:
        changes = {"count": state.latest("k").get("count", 0) + 1}
        await records.write(state.staged("k", changes))
        state.apply("k", changes)

    await asyncio.gather(*(count() for _ in range(30)))
    assert state.get("k") == {"count": 30} == await stored(records, "k")
    assert state.latest("k") == {"count": 30}


async def test_a_withdrawn_change_leaves_nothing(state: GlobalState) -> None:
    state.staged("k", {"a": 1})
    assert state.latest("k") == {"a": 1}
    assert state.get("k") == {}
    state.withdraw("k")
    assert state.latest("k") == {}


async def test_what_cannot_be_stored_is_refused(state: GlobalState) -> None:
    for key, changes in (("k" * 161, {}), ("k", {"a": "\ud800"})):
        with pytest.raises(BadParameter):
            await state.merge(key, changes)
    assert state.latest("k") == {}
