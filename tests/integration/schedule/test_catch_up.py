"""Missed minutes: what is made up for, what is gone, and that nothing is lost or doubled by a death.

Contract scheduler.md §1.1, §8; durability.md, a job's steps, 1.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from conductor.definitions import writer
from conductor.live.firings import EVERYTHING
from conductor.schedule.launches import Launches, ScheduledLaunch
from conductor.scheduled_jobs import ScheduledJobs
from conductor.signals import SYSTEM
from tests.integration.jobs.house import House, until
from tests.integration.schedule.clockwork import CATCH_UP, EVERY_MINUTE, NOON, Clock, clockwork

BY = writer.House("admin")


async def set_state(house: House, event: dict[str, Any], **state: Any) -> None:
    await house.definitions.update("events", event["id"], {"update_state": state}, actor=SYSTEM, by=BY)


async def test_a_cursor_set_back_replays_and_leaves_the_scheduled_times(house: House) -> None:
    event = await house.event(triggers=[{**EVERY_MINUTE, "minutes": [57, 58, 59, 0, 1]}, CATCH_UP])
    await set_state(house, event, cursor=NOON - 30 * 60 + 7)
    async with clockwork(house) as work:
        await work.at(NOON + 6)
        assert work.times(event["id"]) == [-180, -120, -60, 0]
        await work.at(NOON + 60)
        assert work.times(event["id"]) == [-180, -120, -60, 0, 60]
        assert house.definitions.state.get(f"events/{event['id']}")["cursor"] == NOON + 60
        # Set back once more: the same minutes run again, since somebody wants them to.
        await set_state(house, event, cursor=NOON - 60)
        await work.at(NOON + 61)
        assert work.times(event["id"]) == [-180, -120, -60, 0, 60, 0, 60]


async def test_a_single_run_that_was_missed_is_made_up_for(house: House) -> None:
    event = await house.event(triggers=[{"type": "single", "enabled": True, "epoch": NOON - 120}, CATCH_UP])
    await set_state(house, event, cursor=NOON - 180)
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        assert work.times(event["id"]) == [-120]


async def test_a_cursor_in_the_future_waits_for_its_time(house: House) -> None:
    event = await house.event(triggers=[EVERY_MINUTE, CATCH_UP])
    await set_state(house, event, cursor=NOON + 180)
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 4)
        assert work.times(event["id"]) == [240]


async def test_once_makes_up_with_one_run_for_all_that_was_missed(house: House) -> None:
    """Where to be better of trigger.yaml: no 'run once for all missed'."""
    event = await house.event(triggers=[EVERY_MINUTE, {**CATCH_UP, "once": True}])
    await set_state(house, event, cursor=NOON - 86_400)
    async with clockwork(house) as work:
        await work.at(NOON + 6)
        assert work.times(event["id"]) == [0]
        await work.minutes(NOON + 60, 2)
        assert work.times(event["id"]) == [0, 60, 120]


async def test_a_long_catch_up_is_no_flood_that_drops_and_starves_nobody(house: House) -> None:
    """Where to be better, 1: a burst exceeded the brake and was dropped though the cursor had moved."""
    house.settings.max_jobs_per_min = 50
    event = await house.event(triggers=[EVERY_MINUTE, CATCH_UP])
    other = await house.event(triggers=[EVERY_MINUTE])
    await set_state(house, event, cursor=NOON - 600 * 60)
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        assert work.times(event["id"]) == [minute * 60 for minute in range(-599, 2)]
        assert work.times(other["id"]) == [60]
        waiting = [job for job in work.jobs() if job["state"] == "start_delay"]
        assert len(waiting) == 602 - 50
        assert all("until" in job for job in waiting)


async def test_what_a_disabled_event_missed_is_replayed_when_it_returns(house: House) -> None:
    event = await house.event(triggers=[EVERY_MINUTE, CATCH_UP])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        for kind, id in (("events", event["id"]), ("categories", "general")):
            start = work.times(event["id"])[-1]
            await house.definitions.update(kind, id, {"enabled": False}, actor=SYSTEM, by=BY)
            await work.minutes(NOON + start + 60, 3)
            assert work.times(event["id"])[-1] == start
            await house.definitions.update(kind, id, {"enabled": True}, actor=SYSTEM, by=BY)
            await work.at(NOON + start + 240)
            assert work.times(event["id"])[-4:] == [start + after for after in (60, 120, 180, 240)]


async def test_triggers_that_change_say_nothing_about_the_past(house: House) -> None:
    """The cursor of an event that catches up moves with every minute, also with those in which nothing is due."""
    event = await house.event(triggers=[{**EVERY_MINUTE, "minutes": [1]}, CATCH_UP])
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 5)
        changes = {"triggers": [EVERY_MINUTE, CATCH_UP]}
        await house.definitions.update("events", event["id"], changes, actor=SYSTEM, by=BY)
        await work.at(NOON + 360)
        assert work.times(event["id"]) == [60, 360]
    async with clockwork(house, Clock(NOON + 365)) as later:
        await later.at(NOON + 420)
        assert later.times(event["id"]) == [60, 360, 420]


# Stalls, jumps and fail-over


async def test_a_stall_and_a_fail_over_lose_no_minute(house: House) -> None:
    """Where to be better, 5: minutes of a stall were lost for events without catch-up."""
    event = await house.event(triggers=[EVERY_MINUTE])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        await work.at(NOON + 240)  # stalled
        assert work.times(event["id"]) == [60, 120, 180, 240]
    async with clockwork(house, Clock(NOON + 420)) as later:
        await later.at(NOON + 425)
        assert later.times(event["id"]) == [60, 120, 180, 240, 300, 360, 420]


async def test_what_is_older_than_the_grace_is_not_made_up_for(house: House) -> None:
    house.settings.scheduler_grace_sec = 120
    event = await house.event(triggers=[EVERY_MINUTE])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        await work.at(NOON + 3600)
        assert work.times(event["id"]) == [60, 3540, 3600]


async def test_a_clock_put_back_repeats_no_minute_and_a_wrong_jump_costs_none(house: House) -> None:
    """Where to be better, 5: a minute was evaluated again after a backward step."""
    house.settings.scheduler_grace_sec = 60
    event = await house.event(triggers=[EVERY_MINUTE])
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 3)
        await work.at(NOON + 70)
        await work.minutes(NOON + 60, 3)
        assert work.times(event["id"]) == [60, 120, 180]
        await work.at(NOON + 86_400)  # the clock was set wrong for a moment
        await work.minutes(NOON + 240, 2)
        assert work.times(event["id"]) == [60, 120, 180, 86_400, 240, 300]


# Deaths


class DiesAt:
    """The launches of a process that is gone with launch number `limit`: before it is made, or after."""

    def __init__(self, jobs: ScheduledJobs, limit: int, *, after: bool) -> None:
        self._jobs = jobs
        self._limit = limit
        self._after = after
        self.asked = 0

    @property
    def dead(self) -> bool:
        return self.asked >= self._limit

    async def launch(self, launch: ScheduledLaunch) -> str:
        self.asked += 1
        dies = self.dead
        if not dies or self._after:
            job_id = await self._jobs.launch(launch)
        if dies:
            await asyncio.Event().wait()
        return job_id

    def active(self) -> Sequence[Mapping[str, Any]]:
        return self._jobs.active()


@pytest.mark.parametrize("after", [False, True], ids=["before the job", "after the job"])
async def test_a_death_between_the_launches_of_a_minute_loses_and_doubles_nothing(
    house: House, after: bool
) -> None:
    """Where to be better, 2: crash between tick and launch. A new term goes on where the dead one was."""
    plain = [await house.event(triggers=[EVERY_MINUTE, EVERY_MINUTE]) for _ in range(5)]
    caught = await house.event(triggers=[EVERY_MINUTE, EVERY_MINUTE, CATCH_UP])
    await set_state(house, caught, cursor=NOON - 180)
    every_second = await house.event(triggers=[EVERY_MINUTE, {"type": "nth", "enabled": True, "every": 2}])
    async with clockwork(house, Clock(NOON)) as work:
        await work.at(NOON + 2)
        assert work.times() == [-120, -120, -60, -60, 0, 0]
    await set_state(house, caught, cursor=NOON - 180)
    for limit in (1, 3, 6, 9, 11, 14):
        dying: list[DiesAt] = []

        def made(jobs: ScheduledJobs, limit: int = limit, dying: list[DiesAt] = dying) -> Launches:
            dying.append(DiesAt(jobs, limit, after=after))
            return dying[0]

        async with clockwork(house, Clock(NOON + 60), launches=made) as work:
            work.scheduler.wake()
            await until(lambda one=dying[0], work=work: one.dead or work.scheduler.looks, "it dies")
    async with clockwork(house, Clock(NOON + 61)) as work:
        await work.at(NOON + 62)
        for event in plain:
            assert work.times(event["id"]) == [60, 60]
        replayed = [-120, -120, -60, -60, 0, 0, 60, 60]
        assert sorted(work.times(caught["id"])) == sorted([*replayed, *replayed[:6]])
        assert work.times(every_second["id"]) == [60]
        await work.minutes(NOON + 120, 2)
        assert work.times(plain[0]["id"]) == [60, 60, 120, 120, 180, 180]
        assert work.times(every_second["id"]) == [60, 180]
        assert work.term.book.firings.cursor(EVERYTHING) == str(NOON + 180)
        assert work.term.book.firings.marks == {}
    assert await house.redis.hgetall(house.names.fired) == {}


async def test_a_deleted_event_leaves_no_cursor(house: House) -> None:
    event = await house.event(triggers=[{"type": "single", "enabled": True, "epoch": NOON + 60}, CATCH_UP])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        [job] = work.jobs(event["id"])
        work.term.result(await work.term.launched(job["id"]))
        await work.term.ended(job["id"])
        assert await house.redis.hexists(house.names.cursors, event["id"])
        await house.definitions.delete("events", event["id"], actor=SYSTEM, by=BY)
        await work.at(NOON + 120)
        assert not await house.redis.hexists(house.names.cursors, event["id"])
        assert f"events/{event['id']}" not in house.definitions.state.under("events")


async def test_a_startup_trigger_fires_once_in_the_life_of_a_process(house: House) -> None:
    startup = {"type": "startup", "enabled": True, "params": {"boot": 1}, "data": {"a": 1}, "tags": []}
    event = await house.event(triggers=[startup])
    off = await house.event(triggers=[{**startup, "enabled": False}])
    async with clockwork(house) as work:
        job = await until(lambda: work.jobs(event["id"]), "it has fired")
        assert (job[0]["source"], job[0]["params"]["boot"]) == ("startup", 1)
        assert "stype" not in job[0]
        await work.minutes(NOON + 60, 3)
        keeper = work.keeper
    async with clockwork(house, Clock(NOON + 200), keeper=keeper) as later:
        await later.minutes(NOON + 240, 2)
        await until(lambda: later.scheduler.startup.over, "startup triggers have been looked at")
        assert len(later.jobs(event["id"])) == 1
    async with clockwork(house, Clock(NOON + 400)) as another:
        await until(lambda: len(another.jobs(event["id"])) == 2, "another process has its own start")
        assert another.jobs(off["id"]) == []


async def test_a_conductor_that_has_long_been_there_has_no_startup(house: House) -> None:
    house.settings.min_startup_trigger_uptime = 0.0
    await house.event(triggers=[{"type": "startup", "enabled": True}])
    async with clockwork(house) as work:
        await until(lambda: work.scheduler.startup.over, "startup triggers have been looked at")
        assert work.jobs() == []
