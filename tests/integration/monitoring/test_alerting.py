"""Alerts on SQLite and PostgreSQL: fired, cleared, silent, and taken up by the next term. Contract alerts.md."""

import time
from collections.abc import AsyncIterator

import pytest

from conductor.definitions.writer import House
from conductor.monitoring.alerts import alerting as alerting_module
from conductor.records.store import Records
from conductor.signals import SYSTEM, Activity, AlertCleared, AlertFired, JobStarted
from shared import clock
from tests.integration.monitoring.alert_room import Deeds, Fleet, JobList, Room, term
from tests.processes import eventually


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def jobs() -> JobList:
    return JobList()


@pytest.fixture
async def deeds() -> Deeds:
    return Deeds()


@pytest.fixture
async def room(both_records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds) -> AsyncIterator[Room]:
    async with term(both_records, fleet, jobs, deeds) as one:
        yield one


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The monotonic clock of alerts goes on by so much."""
    before = clock.monotonic
    monkeypatch.setattr(alerting_module.clock, "monotonic", lambda: before() + seconds)


async def test_an_alert_fires_in_the_order_of_the_contract(room: Room, fleet: Fleet, jobs: JobList) -> None:
    server = fleet.add("s1", "main")
    jobs.jobs = [
        {"id": "j1", "server": "s1", "remote": True, "tickets": ["t1"], "workflow": {"job": "jw"}},
        {"id": "jw", "server": "", "tickets": ["t2"]},
        {"id": "j2", "server": "s1"},
        {"id": "j3", "server": "s2", "remote": True},
    ]
    await room.define(limit_jobs=True, abort_jobs=True, samples=2)
    room.sample(server, True)
    assert room.active.limiting("s1") == [], "what only warms up affects no job"
    first = room.minute
    sample = room.sample(server, True)
    assert sample["new_alerts"] == {"hot": True}
    (invocation,) = await room.fired()
    assert room.active.limiting("s1") == ["Alert hot"]
    assert jobs.aborted == [("j1", "Alert Fired: Alert hot")]
    stored = await room.stored(invocation["id"])
    assert (stored["active"], stored["date"], stored["modified"]) == (True, first, first + 60)
    assert (stored["message"], stored["count"], stored["groups"]) == ("90 degrees", 2, ["main"])
    assert (stored["jobs"], stored["tickets"][:2]) == (["j1", "jw"], ["t1", "t2"])
    assert {"text": "hot", "value": True} in stored["why"]
    await room.until(lambda: invocation.get("actions"), "its actions run")
    stored = await room.stored(invocation["id"])
    assert stored["tickets"] == ["t1", "t2", "t7"]
    assert [one["condition"] for one in stored["actions"]] == ["alert_new"]
    assert (await room.invocations.search("active:true alert:hot server:s1 tickets:t7")).total == 1
    assert await room.store.owed() == []


async def test_it_clears_and_keeps_the_message_of_its_firing(room: Room, fleet: Fleet) -> None:
    server = fleet.add("s1")
    await room.define()
    room.sample(server, True)
    (invocation,) = await room.fired()
    room.sample(server, True, degrees=95)
    assert room.active.of_server("s1")[0]["message"] == "95 degrees"
    room.sample(server, False)
    await room.until(lambda: room.told(AlertCleared), "it clears")
    await room.until(lambda: "alert_cleared" in str(room.deeds.asked), "its actions run")
    await room.until(lambda: not room.active.of_server("s1"), "it is not active any more")
    stored = await room.stored(invocation["id"])
    assert (stored["active"], stored["modified"]) == (False, room.minute)
    assert (stored["message"], stored["last_message"]) == ("90 degrees", "95 degrees")
    assert room.deeds.asked == [(invocation["id"], "alert_new"), (invocation["id"], "alert_cleared")]


async def test_an_unclean_end_makes_no_second_invocation(
    both_records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds
) -> None:
    """Hole 1 of alerts.md §9."""
    server = fleet.add("s1")
    async with term(both_records, fleet, jobs, deeds, clean=False) as room:
        await room.define(samples=2)
        room.sample(server, True)
        room.sample(server, True)
        (before,) = await room.fired()
        await room.until(lambda: deeds.asked, "its actions run")
    async with term(both_records, fleet, jobs, deeds) as room:
        room.minute += 600
        assert [one["id"] for one in room.active] == [before["id"]]
        room.sample(server, True)
        room.sample(server, False)
        assert len(room.active) == 1
        room.sample(server, False)
        await room.until(lambda: room.told(AlertCleared) == [before["id"]], "the same one clears")
        assert room.told(AlertFired) == []
        assert (await room.invocations.search("alert:hot")).total == 1


async def test_warming_up_outlives_a_restart(
    both_records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds
) -> None:
    server = fleet.add("s1")
    async with term(both_records, fleet, jobs, deeds) as room:
        await room.define(samples=3)
        room.sample(server, True)
        room.sample(server, True)
    async with term(both_records, fleet, jobs, deeds) as room:
        room.minute += 600
        room.sample(server, True)
        (invocation,) = await room.fired()
        assert invocation["date"] == room.minute - 600, "its first true sample was in the term before"


async def test_actions_that_were_owed_at_a_death_run_in_the_next_term_and_say_so(
    both_records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds
) -> None:
    server = fleet.add("s1")
    deeds.hold.clear()
    async with term(both_records, fleet, jobs, deeds, clean=False) as room:
        await room.define()
        room.sample(server, True)
        await room.until(lambda: deeds.asked, "they have begun")
        (before,) = await room.fired()
    deeds.hold.set()
    async with term(both_records, fleet, jobs, deeds) as room:
        (invocation,) = await room.fired()
        await room.until(lambda: invocation["actions"], "they run again")
        assert invocation["actions"][0]["again"] is True
        assert deeds.asked == [(before["id"], "alert_new")] * 2
    async with term(both_records, fleet, jobs, deeds) as room:
        assert await room.store.owed() == [], "and once they are stored not any more"


async def test_a_silent_server_makes_an_alert_stale_not_cleared(
    room: Room, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hole 2 of alerts.md §9: lost contact is told from cleared, and the same invocation goes on."""
    server = fleet.add("s1")
    await room.define()
    await room.define("warm", samples=5)
    room.sample(server, True)
    (invocation,) = await room.fired()
    later(monkeypatch, 100)
    room.alerting.sweep()
    await room.until(lambda: not len(room.active), "it is not active")
    stored = await room.stored(invocation["id"])
    assert (stored["active"], stored["stale"]) == (False, True)
    assert room.told(AlertCleared) == []
    assert room.alerting.state_of("s1", "warm") is None, "what was warming up is forgotten"
    room.sample(server, True)
    (again,) = await room.fired()
    assert (again["id"], again["active"], "stale" in again) == (invocation["id"], True, False)
    assert room.told(AlertFired) == [invocation["id"]], "nobody is told twice"
    noted = [one.action for one in room.seen if isinstance(one, Activity)]
    assert noted == ["alert_stale", "alert_resume"], "but the activity log says it"
    later(monkeypatch, 100)
    room.alerting.sweep()
    await room.until(lambda: not len(room.active), "it is stale again")
    room.sample(server, False)
    await room.until(lambda: room.told(AlertCleared) == [invocation["id"]], "back and well: cleared")


async def test_a_stale_alert_outlives_a_restart(
    both_records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fleet.add("s1")
    async with term(both_records, fleet, jobs, deeds) as room:
        await room.define()
        room.sample(server, True)
        (before,) = await room.fired()
        later(monkeypatch, 100)
        room.alerting.sweep()
        await room.until(lambda: not len(room.active), "it is stale")
    async with term(both_records, fleet, jobs, deeds) as room:
        assert len(room.active) == 0
        room.minute += 600
        room.sample(server, True)
        assert [one["id"] for one in await room.fired()] == [before["id"]]


async def test_a_host_that_is_down_fires_an_alert_that_reads_offline(
    room: Room, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holes 2 and 10 of alerts.md §9: an alert on the absence of data."""
    server = fleet.add("s1")
    await room.define("down", expression="offline >= 120", message="{{degrees}}, silent {{offline}} s")
    room.sample(server, True)
    assert len(room.active) == 0
    room.alerting._presence._heard["s1"] = (clock.monotonic(), time.time() - 155)
    later(monkeypatch, 200)
    await room.alerting.look_at_silent()
    assert len(room.active) == 0, "it is connected: its monitoring may be switched off"
    fleet.leave("s1")
    monkeypatch.setattr(room.alerting.history, "last", lambda server_id: 0)
    await room.alerting.look_at_silent()
    (invocation,) = await room.fired()
    assert invocation["message"].startswith("90, silent 15")
    room.alerting.sweep()
    assert room.alerting.state_of("s1", "down") is not None, "silence is what it is about"
    back = fleet.add("s1")
    room.sample(back, True)
    await room.until(lambda: room.told(AlertCleared) == [invocation["id"]], "the host is back")


async def test_a_server_that_leaves_the_groups_of_an_alert_clears_it(room: Room, fleet: Fleet) -> None:
    """Hole 4 of alerts.md §9."""
    server = fleet.add("s1", "web")
    await room.define(groups=["web"])
    room.sample(server, True)
    (invocation,) = await room.fired()
    server["groups"] = ["db"]
    room.sample(server, True)
    await room.until(lambda: room.told(AlertCleared) == [invocation["id"]], "it clears")


async def test_a_disabled_definition_clears_at_once_and_acts_on_nothing(room: Room, fleet: Fleet) -> None:
    server = fleet.add("s1")
    await room.define()
    await room.define("warm", samples=5)
    room.sample(server, True)
    (invocation,) = await room.fired()
    await room.until(lambda: invocation["actions"], "the first actions ran")
    fleet.leave("s1")
    for id in ("hot", "warm"):
        await room.redefine(id, enabled=False)
    await room.until(lambda: room.told(AlertCleared) == [invocation["id"]], "it clears, offline or not")
    assert [condition for _, condition in room.deeds.asked] == ["alert_new"]
    await room.until(lambda: room.alerting.state_of("s1", "warm") is None, "what warmed up is forgotten")


async def test_a_deleted_definition_is_gone_at_once_with_its_invocations(room: Room, fleet: Fleet) -> None:
    server = fleet.add("s1")
    await room.define()
    room.sample(server, True)
    await room.fired()
    await room.definitions.delete("alerts", "hot", actor=SYSTEM, by=House("test"))
    await room.until(lambda: not len(room.active), "it is not active")

    async def none_left() -> bool:
        return (await room.invocations.search("alert:hot")).total == 0

    await eventually(none_left, "its history is gone")
    await room.until(lambda: not room.definitions.state.under("removals"), "nothing is left to remove")
    assert room.told(AlertCleared) == []
    assert await room.store.states() == []


async def test_a_job_clears_its_alert_early_and_it_fires_anew(room: Room, fleet: Fleet) -> None:
    server = fleet.add("s1")
    await room.define()
    room.sample(server, True)
    (invocation,) = await room.fired()
    await room.definitions.state.merge("global", {"alert_snooze": time.time() + 600})
    await room.alerting.clear(invocation["id"], job_id="j1")
    assert len(room.active) == 0
    await room.until(lambda: len(room.deeds.asked) == 2, "its actions run although alerts are snoozed")
    room.sample(server, True)
    (second,) = await room.fired()
    assert second["id"] != invocation["id"]
    fleet.leave("s1")
    await room.alerting.clear(second["id"])
    assert len(room.active) == 1, "not while its server is offline"


async def test_snoozed_alerts_are_recorded_and_act_on_nothing(room: Room, fleet: Fleet) -> None:
    server = fleet.add("s1")
    await room.definitions.state.merge("global", {"alert_snooze": time.time() + 600})
    await room.define()
    room.sample(server, True)
    (invocation,) = await room.fired()
    room.sample(server, False)
    await room.until(lambda: room.told(AlertCleared) == [invocation["id"]], "it clears")
    assert room.deeds.asked == []


async def test_jobs_that_start_while_it_is_active_join_it(room: Room, fleet: Fleet) -> None:
    server = fleet.add("s1")
    await room.define()
    room.sample(server, True)
    (invocation,) = await room.fired()
    room.signals.publish(JobStarted(job_id="j9", event_id="e1", server_id="s1", attempt=1))
    room.signals.publish(JobStarted(job_id="j8", event_id="e1", server_id="s2", attempt=1))
    await room.until(lambda: invocation["jobs"] == ["j9"], "it is listed")
    assert (await room.stored(invocation["id"]))["jobs"] == ["j9"]


async def test_a_storm_of_changes_is_carried_out_in_order_for_each_alert(
    both_records: Records, fleet: Fleet, jobs: JobList, deeds: Deeds
) -> None:
    servers = [fleet.add(f"s{number}") for number in range(40)]
    async with term(both_records, fleet, jobs, deeds) as room:
        await room.define()
        for server in servers:
            room.sample(server, True)
            room.sample(server, False)
            room.sample(server, True)
        await room.until(lambda: len(room.told(AlertFired)) == 80, "all of them fire twice")
        await room.until(lambda: len(room.told(AlertCleared)) == 40, "and clear once")
        assert len(room.active) == 40
        assert (await room.invocations.search("active:true")).total == 40
