"""Many events: a burst is launched whole, and those that are idle cost nothing (where to be better, 1 and 4)."""

import time
from typing import Any

from shared import clock
from tests.integration.jobs.house import House
from tests.integration.schedule.clockwork import EVERY_MINUTE, NOON, Clock, clockwork


async def many(house: House, count: int, **changes: Any) -> None:
    event = await house.event(**changes)
    docs = [{**event, "id": f"many{number:05}"} for number in range(count)]
    await house.definitions.restore({"events": docs})


async def test_a_thousand_events_due_in_one_second_are_all_launched(house: House) -> None:
    house.tick = 60.0
    await many(house, 1000, triggers=[EVERY_MINUTE], enabled=True)
    async with clockwork(house) as work:
        started = time.perf_counter()
        await work.at(NOON + 60)
        elapsed = time.perf_counter() - started
        assert len(work.jobs()) == 1001
        assert {job["now"] for job in work.jobs()} == {NOON + 60}
        assert elapsed < 10  # the benchmarks measure it; here other tests run beside it


async def test_thousands_of_triggers_that_match_one_minute_are_launched_and_starve_nobody(
    house: House,
) -> None:
    """Bad input: three thousand triggers of one event name the same minute, beside an event with one."""
    house.tick = 60.0
    triggers = [{**EVERY_MINUTE, "id": f"n{number}"} for number in range(3000)]
    crowd = await house.event(triggers=triggers)
    other = await house.event(triggers=[EVERY_MINUTE])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        assert len(work.jobs(crowd["id"])) == 3000
        assert len(work.jobs(other["id"])) == 1
        assert {job["now"] for job in work.jobs()} == {NOON + 60}


async def test_idle_events_cost_a_look_nothing(house: House) -> None:
    never = {"type": "schedule", "enabled": True, "years": [2030], "months": [1], "days": [1]}
    await many(house, 3000, triggers=[never])
    async with clockwork(house) as work:
        assert len(work.scheduler.index) == 3001
        asked: list[str] = []
        why_not = work.scheduler.why_not
        work.scheduler.why_not = lambda event: asked.append(event["id"]) or why_not(event)
        await work.minutes(NOON + 60, 3)
        assert asked == []


async def test_a_stagger_spreads_what_is_due_together(house: House) -> None:
    house.settings.scheduler_stagger_ms = 50
    await many(house, 20, triggers=[EVERY_MINUTE])
    now = clock.now()
    async with clockwork(house, Clock(now)) as work:
        await work.at(now + 60)
        untils = sorted(job.get("until", 0) for job in work.jobs())
        assert len(untils) == 21
        assert untils[-1] - untils[1] >= 0.9
