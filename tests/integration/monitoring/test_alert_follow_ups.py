"""Maintenance windows, flapping, escalation and repetition on SQLite and PostgreSQL (alerts.md §9.6, §9.7)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from conductor.definitions.writer import House
from conductor.records.store import Records
from conductor.signals import SYSTEM, Activity
from shared import clock
from tests.integration.monitoring.alert_room import Deeds, Fleet, JobList, Room, term

EMAIL = {"type": "email", "enabled": True, "email": "boss@example.org"}


@pytest.fixture
async def room(both_records: Records, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    """Its clock is that of its samples."""
    async with term(both_records, Fleet(), JobList(), Deeds()) as one:
        monkeypatch.setattr(clock, "now", lambda: float(one.minute))
        yield one


async def window(room: Room, **properties: Any) -> None:
    given = {"id": "w1", "title": "Move", "start": room.minute, "end": room.minute + 600, **properties}
    await room.definitions.create("maintenance_windows", given, actor=SYSTEM, by=House("jo"))


async def settled(room: Room) -> None:
    """Everything that was due is carried out."""
    room.alerting.follow_up()
    await room.until(lambda: not room.alerting._due, "what was due is done")
    await room.until(lambda: room.alerting.owing._waiting.empty(), "actions are taken up")


async def test_in_a_maintenance_window_an_alert_is_recorded_and_tells_nobody(room: Room) -> None:
    """Better 7: maintenance windows."""
    server = room.fleet.add("s1", "main")
    await room.define()
    await window(room, groups=["main"])
    room.sample(server, True)
    (invocation,) = await room.fired()
    stored = await room.stored(invocation["id"])
    assert stored["silenced"] == {
        "reason": "maintenance", "until": room.minute + 540, "window": "w1", "title": "Move", "username": "jo",
    }  # fmt: skip
    assert stored["active"] is True
    await settled(room)
    room.sample(server, False)
    await room.until(lambda: not len(room.active), "it clears")
    stored = await room.stored(invocation["id"])
    assert (stored["active"], room.deeds.asked, "told" in stored) == (False, [], False)


async def test_of_an_alert_nobody_was_told_of_nobody_is_told_the_end(room: Room) -> None:
    """The window is over, and it clears with the first sample behind it."""
    server = room.fleet.add("s1")
    await room.define()
    await window(room, servers=["s1"])
    room.sample(server, True)
    (invocation,) = await room.fired()
    room.minute += 600
    room.sample(server, False)
    await room.until(lambda: not len(room.active), "it clears")
    assert await room.store.owed() == []
    assert room.deeds.asked == []
    assert (await room.stored(invocation["id"]))["silenced"]["reason"] == "maintenance"


async def test_an_alert_that_outlasts_its_maintenance_is_told_at_its_end(room: Room) -> None:
    """Better 7: what is still broken after the maintenance must not be forgotten, and ends with a word."""
    server = room.fleet.add("s1")
    await room.define()
    await window(room, servers=["s1"])
    room.sample(server, True)
    (invocation,) = await room.fired()
    room.minute += 500
    room.sample(server, True)
    await settled(room)
    assert room.deeds.asked == [(invocation["id"], "alert_new")]
    stored = await room.stored(invocation["id"])
    assert stored["told"] == room.minute
    await settled(room)
    room.sample(server, False)
    await room.until(lambda: len(room.deeds.asked) == 2, "its end is told as well")
    assert room.deeds.asked[1] == (invocation["id"], "alert_cleared")


async def test_a_window_that_is_deleted_early_lets_its_alerts_tell(room: Room) -> None:
    server = room.fleet.add("s1")
    await room.define()
    await window(room, everywhere=True)
    room.sample(server, True)
    await room.fired()
    await settled(room)
    assert room.deeds.asked == []
    await room.definitions.delete("maintenance_windows", "w1", actor=SYSTEM, by=House("jo"))
    await settled(room)
    await room.until(lambda: len(room.deeds.asked) == 1, "it is told now")


async def test_a_flapping_alert_tells_a_bounded_number_of_times_over_a_restart(
    both_records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better 7: flap damping."""
    fleet, jobs, deeds = Fleet(), JobList(), Deeds()
    server = fleet.add("s1")
    minute = 0
    for part in range(2):
        async with term(both_records, fleet, jobs, deeds) as room:
            room.minute = minute or room.minute
            monkeypatch.setattr(clock, "now", lambda: float(room.minute))
            if part == 0:
                await room.define(flap_limit=3, flap_minutes=30)
            for _ in range(4):
                room.sample(server, True)
                (invocation,) = await room.fired()
                room.sample(server, False)
                await room.until(lambda: not len(room.active), "it clears")
            await settled(room)
            minute = room.minute
    new = [id for id, condition in deeds.asked if condition == "alert_new"]
    assert len(new) == 3
    assert [id for id, condition in deeds.asked if condition == "alert_cleared"] == new
    async with term(both_records, fleet, jobs, deeds) as room:
        stored = await room.stored(invocation["id"])
        assert (stored["silenced"]["reason"], stored["silenced"]["firings"]) == ("flapping", 8)
        assert stored["active"] is False


async def test_an_alert_that_ends_flapping_by_staying_active_is_told(room: Room) -> None:
    server = room.fleet.add("s1")
    await room.define(flap_limit=1, flap_minutes=10)
    room.sample(server, True)
    await room.fired()
    room.sample(server, False)
    await room.until(lambda: len(room.deeds.asked) == 2, "the first one is told of, and its end")
    room.sample(server, True)
    (invocation,) = await room.fired()
    await settled(room)
    assert len(room.deeds.asked) == 2
    room.minute += 600
    room.sample(server, True)
    await settled(room)
    await room.until(lambda: len(room.deeds.asked) == 3, "the second is told as it lasts")
    assert room.deeds.asked[2] == (invocation["id"], "alert_new")


async def test_an_alert_that_nobody_acknowledges_is_escalated_step_by_step(room: Room) -> None:
    """Better 7: escalation, acknowledgement."""
    server = room.fleet.add("s1")
    steps = [{"after": 5, "actions": [EMAIL]}, {"after": 10, "actions": [EMAIL, {**EMAIL, "email": "b@c"}]}]
    await room.define(escalations=steps)
    room.sample(server, True)
    (invocation,) = await room.fired()
    for _ in range(3):
        room.sample(server, True)
        await settled(room)
    assert room.deeds.stages == []
    room.minute += 60
    room.sample(server, True)
    await settled(room)
    await settled(room)
    await room.until(lambda: room.deeds.stages, "the first step runs")
    assert room.deeds.stages == [("escalation-1", ["email"])]
    stored = await room.stored(invocation["id"])
    assert stored["escalated"] == 1
    await room.until(
        lambda: any(isinstance(one, Activity) and one.action == "alert_escalate" for one in room.seen),
        "it is told in the activity log",
    )
    await room.store.change(invocation["id"], lambda doc: {**doc, "acknowledged": {"username": "jo"}})
    room.active.of_server("s1")[0]["acknowledged"] = {"username": "jo"}
    room.minute += 3600
    room.sample(server, True)
    await settled(room)
    assert len(room.deeds.stages) == 1


async def test_an_escalation_is_not_run_twice_over_an_unclean_restart(
    both_records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its progress and the actions it owes are one transaction."""
    fleet, jobs, deeds = Fleet(), JobList(), Deeds()
    server = fleet.add("s1")
    minute = 0
    for part in range(2):
        async with term(both_records, fleet, jobs, deeds, clean=False) as room:
            room.minute = minute or room.minute
            monkeypatch.setattr(clock, "now", lambda: float(room.minute))
            if part == 0:
                await room.define(escalations=[{"after": 5, "actions": [EMAIL]}])
                room.sample(server, True)
            await room.fired()
            room.minute += 600
            room.sample(server, True)
            await settled(room)
            await room.until(lambda: deeds.stages, "the step runs")
            await room.until(
                lambda: "escalation-1" in str(room.active.of_server("s1")), "its result is stored"
            )
            minute = room.minute
    assert deeds.stages == [("escalation-1", ["email"])]


async def test_an_alert_is_told_again_as_often_as_its_definition_says(room: Room) -> None:
    """Better 7: repeat notifications."""
    server = room.fleet.add("s1")
    await room.define(repeat_minutes=2, actions=[{**EMAIL, "condition": "alert_new"}])
    room.sample(server, True)
    await room.fired()
    for _ in range(4):
        room.sample(server, True)
        await settled(room)
    await room.until(lambda: len(room.deeds.stages) == 2, "it is repeated")
    assert [stage for stage, _ in room.deeds.stages] == ["repeat-1", "repeat-2"]


async def test_an_invocation_keeps_what_its_monitor_has_been(room: Room) -> None:
    """Better 6: peak and last value, not only the message of the firing."""
    server = room.fleet.add("s1")
    await room.define(monitor_id="load")
    room.sample(server, True, monitors={"load": 5})
    (invocation,) = await room.fired()
    for load in (9.5, 7):
        room.sample(server, True, monitors={"load": load})
    assert invocation["monitor"] == {"id": "load", "first": 5, "last": 7, "min": 5, "max": 9.5}
    assert (await room.stored(invocation["id"]))["monitor"]["last"] == 5
    room.minute += 300
    room.sample(server, True, monitors={"load": 8}, degrees=99)
    await settled(room)
    stored = await room.stored(invocation["id"])
    assert (stored["monitor"]["last"], stored["last_message"]) == (8, "99 degrees"), (
        "now and then it is stored"
    )
    room.sample(server, False, monitors={"load": 1})
    await room.until(lambda: not len(room.active), "it clears")
    stored = await room.stored(invocation["id"])
    assert stored["monitor"] == {"id": "load", "first": 5, "last": 1, "min": 1, "max": 9.5}


async def test_an_alert_may_look_at_the_last_minutes_and_at_its_whole_group(room: Room) -> None:
    """Better 10: over time windows, across servers."""
    one, two = room.fleet.add("s1", "web"), room.fleet.add("s2", "web")
    await room.define(
        "steady", expression="last5.load.min > 3 && last5.load.count >= 3", message="{{last5.load.avg}}"
    )
    await room.define("many", expression="fleet.web.load.sum > 12", message="x")
    for load in (9, 1, 4, 5):
        room.sample(one, False, monitors={"load": load})
    assert len(room.active) == 0
    room.minute += 120
    room.sample(one, False, monitors={"load": 6})
    (invocation,) = await room.fired()
    assert (invocation["alert"], invocation["message"]) == ("steady", "5")
    sample = room.sample(two, False, monitors={"load": 7})
    assert sample["new_alerts"] == {"many": True}
    data = room.alerting.context("s1", "fleet.web.load.sum", {})
    assert data["fleet"]["web"]["load"]["sum"] == 13
