"""What fires when: the contract's examples and its holes, on a real book (contract scheduler.md §5-§10, §17)."""

from typing import Any

import pytest

from conductor.definitions import writer
from conductor.jobs.compose import Order
from conductor.signals import SYSTEM, EventFired, Notice
from shared import clock
from tests.integration.jobs.house import House, until
from tests.integration.schedule.clockwork import CATCH_UP, EVERY_MINUTE, NOON, Clock, Clockwork, clockwork

BY = writer.House("admin")


async def changed(work: Clockwork, event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return await work.house.definitions.update("events", event["id"], changes, actor=SYSTEM, by=BY)


@pytest.mark.parametrize(
    ("triggers", "expected"),
    [
        ([EVERY_MINUTE], [(60, None)]),
        ([{**EVERY_MINUTE, "hours": [8], "minutes": [1], "timezone": "America/New_York"}], [(60, None)]),
        ([{**EVERY_MINUTE, "hours": [7]}], []),
        ([{"type": "interval", "enabled": True, "start": NOON - 30, "duration": 90}], [(60, 60)]),
        ([{"type": "interval", "enabled": True, "start": NOON + 60, "duration": 30}], [(60, 60), (90, 90)]),
        ([{"type": "interval", "enabled": True, "start": NOON + 75, "duration": 300}], [(75, 75)]),
        ([{"type": "single", "enabled": True, "epoch": NOON + 60}], [(60, None)]),
        ([EVERY_MINUTE, {"type": "precision", "enabled": True, "seconds": [0, 15, 30, 45]}],
         [(60, 60), (75, 75), (90, 90), (105, 105)]),
        ([{**EVERY_MINUTE, "seconds": [10, 40]}], [(70, 70), (100, 100)]),
        ([EVERY_MINUTE, {"type": "delay", "enabled": True, "duration": 30}], [(60, 90)]),
        ([EVERY_MINUTE, EVERY_MINUTE], [(60, None), (60, None)]),
        ([EVERY_MINUTE, {"type": "range", "enabled": True, "start": NOON, "end": NOON + 120}], [(60, None)]),
        ([EVERY_MINUTE, {"type": "blackout", "enabled": True, "start": NOON, "end": NOON + 120}], []),
        ([{**EVERY_MINUTE, "enabled": False}, {"type": "manual", "enabled": True}], []),
        # An interval's seconds are its own (where to be better, 8).
        ([EVERY_MINUTE, {"type": "interval", "enabled": True, "start": NOON + 70, "duration": 20}],
         [(60, None), (70, 70), (90, 90), (110, 110)]),
    ],
    ids=str,
)  # fmt: skip
async def test_a_minute_launches_what_the_contract_says(
    house: House, triggers: list[dict[str, Any]], expected: list[tuple[int, int | None]]
) -> None:
    event = await house.event(triggers=triggers)
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        found = [
            (job["now"] - NOON, job.get("until") and job["until"] - NOON) for job in work.jobs(event["id"])
        ]
        # The clock of the jobs is the real one, which is past or long before the test's.
        assert [now for now, _ in found] == [now for now, _ in expected]
        for (_, until_), (_, wanted) in zip(found, expected, strict=True):
            assert until_ in (None, wanted)


async def test_a_launch_carries_what_its_trigger_gives(house: House) -> None:
    await house.definitions.restore(
        {"tags": [{"id": "nightly", "title": "Nightly"}, {"id": "own", "title": "Own"}]}
    )
    trigger = {
        "type": "interval", "enabled": True, "start": NOON + 60, "duration": 3600, "params": {"who": "trigger"},
        "tags": ["nightly"], "data": ["a", "b"],
    }  # fmt: skip
    quiet = {"type": "quiet", "enabled": True, "invisible": True, "ephemeral": True}
    fields = [{"id": "who", "type": "text", "title": "Who", "value": "nobody"}]
    event = await house.event(
        triggers=[trigger, quiet], tags=["own"], fields=fields, params={"script": "true", "more": 1}
    )
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        [job] = work.jobs(event["id"])
        assert (job["source"], job["stype"], job["now"]) == ("scheduler", "interval", NOON + 60)
        assert job["params"] == {"script": "true", "more": 1, "who": "trigger"}
        assert job["tags"] == ["own", "nightly"]
        assert (job["invisible"], job["ephemeral"]) == (True, True)
        assert job["username"] == event["username"]
        assert work.term.job(job["id"]).details["input"] == {"data": {"items": ["a", "b"]}}


async def test_each_firing_has_a_story_of_its_own_that_its_job_inherits(house: House) -> None:
    event = await house.event(triggers=[EVERY_MINUTE, {"type": "delay", "enabled": True, "duration": 3}])
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 2)
        fired = lambda: [one for one in work.told if isinstance(one, EventFired)]  # noqa: E731
        await until(lambda: len(fired()) == 2, "both firings are told")
        assert [one.minute - NOON for one in fired()] == [60, 120]
        assert {one.event_id for one in fired()} == {event["id"]}
        assert fired()[0].trigger["type"] == "schedule"
        stories = [one.correlation_id for one in fired()]
        assert len(set(stories)) == 2
        assert [job["correlation_id"] for job in work.jobs()] == stories


async def test_the_order_is_that_of_events_then_triggers_then_seconds(house: House) -> None:
    precise = {"type": "precision", "enabled": True, "seconds": [30, 0]}
    first = await house.event(triggers=[EVERY_MINUTE])
    second = await house.event(triggers=[{**EVERY_MINUTE, "params": {"n": 1}}, EVERY_MINUTE, precise])
    third = await house.event(triggers=[EVERY_MINUTE])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        order = [(job["event"], job["now"] - NOON, job["params"].get("n")) for job in work.jobs()]
        a, b, c = first["id"], second["id"], third["id"]
        assert order[0] == (a, 60, None)
        assert sorted(order[1:], key=str) == sorted(
            [(c, 60, None), (b, 60, 1), (b, 90, 1), (b, 60, None), (b, 90, None)], key=str
        )
        own = [one[1:] for one in order if one[0] == b]
        assert own == [(60, 1), (90, 1), (60, None), (90, None)]


@pytest.mark.parametrize("kind", ["category", "plugin", "event"])
async def test_what_is_disabled_does_not_launch(house: House, kind: str) -> None:
    event = await house.event(triggers=[EVERY_MINUTE])
    id = event["id"] if kind == "event" else event[kind]
    plural = {"category": "categories"}.get(kind, f"{kind}s")
    async with clockwork(house) as work:
        await house.definitions.update(plural, id, {"enabled": False}, actor=SYSTEM, by=BY)
        await work.minutes(NOON + 60, 3)
        assert work.times() == []
        await house.definitions.update(plural, id, {"enabled": True}, actor=SYSTEM, by=BY)
        await work.at(NOON + 240)
        assert work.times() == [240]  # what was missed is missed


async def test_definitions_that_come_change_and_go_are_followed(house: House) -> None:
    async with clockwork(house) as work:
        event = await house.event(triggers=[EVERY_MINUTE])
        await work.at(NOON + 60)
        await changed(work, event, triggers=[{**EVERY_MINUTE, "minutes": [3]}])
        await work.minutes(NOON + 120, 3)
        assert work.times() == [60, 180]
        for job in list(work.term.book):
            work.term.result(await work.term.launched(job.id))
            await work.term.ended(job.id)
        await house.definitions.delete("events", event["id"], actor=SYSTEM, by=BY)
        await work.minutes(NOON + 3720, 2)
        assert work.times() == []
        assert len(work.scheduler.index) == 0


async def test_definitions_that_nobody_told_of_are_found(house: House) -> None:
    """An import announces nothing, and a signal may be lost."""
    async with clockwork(house) as work:
        doc = {**await house.event(), "id": "imported", "triggers": [EVERY_MINUTE]}
        await house.definitions.restore({"events": [doc]})
        await work.at(NOON + 60)
        assert work.times("imported") == [60]


async def test_one_broken_event_stops_no_other(house: House) -> None:
    """Where to be better, 9: a missing category, a trigger that cannot be read, tags that are none."""
    good = await house.event(triggers=[EVERY_MINUTE])
    broken = [
        {**good, "id": "nocategory", "category": "gone"},
        {
            **good,
            "id": "badtrigger",
            "triggers": [{"type": "interval", "enabled": True, "start": 60, "duration": -5}],
        },
        {**good, "id": "badtags", "tags": 5, "triggers": [{**EVERY_MINUTE, "tags": [1]}]},
        {**good, "id": "badlist", "triggers": {"type": "schedule"}},
    ]
    await house.definitions.restore({"events": broken})
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 2)
        assert work.times(good["id"]) == [60, 120]
        assert {job["event"] for job in work.jobs()} == {good["id"]}
        assert "cannot be read" in (work.scheduler.refusals.of("badtrigger") or {})["description"]


async def test_a_refused_launch_is_told_once_and_stands_in_the_events_state(house: House) -> None:
    """Where to be better, 10: a refusal was visible in debug logs alone."""
    queue = {"type": "queue", "enabled": True, "amount": 5}
    good = await house.event(triggers=[EVERY_MINUTE])
    await house.definitions.restore({"events": [{**good, "id": "noslots", "limits": [queue]}]})
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 3)
        await until(lambda: [one for one in work.told if isinstance(one, Notice)], "it is told")
        notices = [one for one in work.told if isinstance(one, Notice)]
        assert len(notices) == 1
        assert "concurrency limit" in notices[0].description
        refused = house.definitions.state.get("events/noslots")["refused"]
        assert refused["minute"] == NOON + 60
        assert (work.scheduler.refusals.of("noslots") or {})["count"] == 3
        assert work.times(good["id"]) == [60, 120, 180]


async def test_nth_runs_the_first_and_then_each_third_across_terms(house: House) -> None:
    event = await house.event(triggers=[EVERY_MINUTE, {"type": "nth", "enabled": True, "every": 3}])
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 2)
    async with clockwork(house, Clock(NOON + 125)) as work:
        await work.minutes(NOON + 180, 6)
        assert work.times(event["id"]) == [60, 240, 420]
        assert house.definitions.state.get(f"events/{event['id']}")["nth"] == 2


async def test_the_master_switch(house: House) -> None:
    plain = await house.event(triggers=[EVERY_MINUTE])
    caught = await house.event(triggers=[EVERY_MINUTE, CATCH_UP])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        await house.definitions.state.merge("scheduler", {"enabled": False})
        await work.minutes(NOON + 120, 3)
        assert work.times(plain["id"]) == work.times(caught["id"]) == [60]
        await house.definitions.state.merge("scheduler", {"enabled": True})
        await work.at(NOON + 300)
        assert work.times(plain["id"]) == [60, 300]
        assert work.times(caught["id"]) == [60, 120, 180, 240, 300]


async def test_start_delays_end_to_the_moment_and_not_to_the_second(house: House) -> None:
    house.satellites.join("s1")
    house.tick = 30.0
    event = await house.event()
    async with house.term() as term:
        until_ = clock.now() + 0.3
        job_id = await term.engine.launch(Order(event=event, source="scheduler", until=until_), SYSTEM)
        assert term.job(job_id).state == "start_delay"
        launched = await term.launched(job_id)
        assert until_ <= launched.job["started"] < until_ + 0.5
