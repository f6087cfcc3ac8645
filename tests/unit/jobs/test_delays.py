"""Jobs that start later are told when they are due, without looking at all of them."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs.delays import Delays
from shared import clock


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.booleans()), max_size=30), st.integers(0, 20)
)
def test_exactly_those_whose_time_has_come_are_due_once(changes: list, now: int) -> None:
    delays, expected = Delays(), {}
    for number, until, leaves in changes:
        if leaves:
            delays.forget(f"j{number}")
            expected.pop(f"j{number}", None)
        else:
            delays.put(f"j{number}", float(until))
            expected[f"j{number}"] = until
    due = delays.due(float(now))
    assert sorted(due) == sorted(job for job, until in expected.items() if until <= now)
    assert delays.due(float(now)) == []
    assert len(delays) == len(expected) - len(due)


async def test_a_delay_that_is_shorter_than_the_one_waited_for_is_not_slept_over() -> None:
    delays, told = Delays(), asyncio.Queue[str]()
    delays.put("late", clock.now() + 3600)
    running = asyncio.create_task(delays.run(told.put_nowait))
    await asyncio.sleep(0)
    delays.put("soon", clock.now() + 0.02)
    async with asyncio.timeout(2):
        assert await told.get() == "soon"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
