"""explain_event and get_upcoming_jobs: the schedule's own rules, asked ahead of time."""

from collections.abc import Sequence
from typing import Any

import pytest

from conductor.definitions import writer
from conductor.jobs.ports import Ports as JobPorts
from conductor.monitoring.loads import Loads
from conductor.signals import SYSTEM
from shared import clock
from tests.integration.jobs.house import House
from tests.integration.schedule.clockwork import EVERY_MINUTE, NOON, Clock
from tests.integration.schedule.desk import Desk, opened

BY = writer.House("admin")


async def explained(desk: Desk, event: dict[str, Any], **asked: str) -> dict[str, Any]:
    status, answer = await desk.call("explain_event", id=event["id"], **asked)
    assert (status, answer["code"]) == (200, 0), answer
    return answer


async def test_it_says_which_trigger_gives_each_run_and_what_suppresses_others(house: House) -> None:
    triggers = [
        {**EVERY_MINUTE, "hours": [12], "minutes": [5, 10, 15, 20], "timezone": "UTC"},
        {"type": "single", "enabled": True, "epoch": NOON + 900},
        {"type": "blackout", "enabled": True, "start": NOON + 600, "end": NOON + 660},
        {"type": "schedule", "enabled": False},
        {"type": "delay", "enabled": True, "duration": 30},
    ]
    event = await house.event(triggers=triggers)
    async with opened(house) as desk:
        answer = await explained(desk, event, at=str(NOON), count="3")
        runs = [(run["minute"] - NOON, [job["trigger"] for job in run["jobs"]]) for run in answer["runs"]]
        assert runs == [(300, [0]), (900, [0, 1]), (1200, [0])]
        assert answer["runs"][0]["local"] == "2026-10-25T12:05:00+00:00"
        assert answer["runs"][0]["jobs"][0]["until"] == NOON + 330
        [suppressed] = answer["suppressed"]
        assert (suppressed["minute"] - NOON, suppressed["by"], suppressed["modifier"]) == (600, "blackout", 2)
        assert answer["blocked"] == ""
        at = await explained(desk, event, at=str(NOON + 600))
        assert at["refused_at_moment"]["by"] == "blackout"
        at = await explained(desk, event, at=str(NOON + 420))
        assert at["triggers"][0]["at_moment"] == "minutes does not contain 7"
        assert at["triggers"][0]["next"] == NOON + 600
        assert "at_moment" not in at["triggers"][3]


async def test_nth_and_ranges_are_named_too(house: House) -> None:
    triggers = [
        EVERY_MINUTE, {"type": "nth", "enabled": True, "every": 3},
        {"type": "range", "enabled": True, "start": NOON + 600},
    ]  # fmt: skip
    event = await house.event(triggers=triggers)
    async with opened(house) as desk:
        answer = await explained(desk, event, at=str(NOON), count="2")
        assert [run["minute"] - NOON for run in answer["runs"]] == [600, 780]
        assert [(one["minute"] - NOON, one["by"]) for one in answer["suppressed"]] == [
            (0, "range"), (660, "nth"), (720, "nth"),
        ]  # fmt: skip


async def test_it_says_why_nothing_runs_at_all(house: House) -> None:
    event = await house.event(triggers=[EVERY_MINUTE])
    manual = await house.event(triggers=[{"type": "manual", "enabled": True}])
    async with opened(house) as desk:
        assert (await explained(desk, manual))["blocked"] == "No enabled trigger launches it by itself."
        await house.definitions.update("categories", "general", {"enabled": False}, actor=SYSTEM, by=BY)
        answer = await explained(desk, event)
        assert "category is disabled" in answer["blocked"]
        assert answer["launch"]["outcome"] == "refuse"
        await house.definitions.state.merge("scheduler", {"enabled": False})
        assert (await explained(desk, event))["blocked"] == "The scheduler is switched off."


async def test_it_says_which_server_a_run_would_get_and_why_not_the_others(house: House) -> None:
    limits = [{"type": "job", "enabled": True, "amount": 1}, {"type": "queue", "enabled": True, "amount": 2}]
    event = await house.event(
        triggers=[EVERY_MINUTE],
        targets=["main"],
        expression="hostname != 's3'",
        limits=limits,
        algo="prefer_last",
    )
    house.satellites.join("s2", enabled=False)
    house.satellites.join("s3")
    house.satellites.join("s4", title="Fourth")
    house.satellites.join("s5", groups=["other"])
    async with opened(house) as desk:
        launch = (await explained(desk, event))["launch"]
        assert (launch["outcome"], launch["server"]["id"]) == ("start", "s1")
        assert [one["id"] for one in launch["candidates"]] == ["s4", "s1"]
        assert {one["id"]: one["reason"] for one in launch["refused"]} == {
            "s2": "The server is disabled.", "s3": "The target expression does not match.",
        }  # fmt: skip
        job_id = await desk.work.term.launch(event)
        await desk.work.term.launched(job_id)
        launch = (await explained(desk, event))["launch"]
        assert (launch["outcome"], launch["running"]) == ("queue", 1)
        limited = await desk.api_key(groups=["other"])
        status, answer = await desk.call("explain_event", id=event["id"], key=limited)
        assert (status, answer["code"]) == (403, "access")


class _Alerts:
    def limiting(self, server_id: str) -> Sequence[str]:
        return ["High load"] if server_id == "s2" else ()


async def test_it_knows_what_placement_knows_alerts_readings_and_monitors(house: House) -> None:
    loads = Loads()
    for server, load in (("s1", 3.0), ("s2", 1.0), ("s3", 2.0)):
        house.satellites.join(server)
        loads.sampled({"id": server}, {"data": {"monitors": {"load_avg": load}, "deltas": {}}}, NOON)
    house.job_ports = JobPorts(load=loads, alerts=_Alerts())
    event = await house.event(triggers=[EVERY_MINUTE], algo="monitor:load_avg")
    async with opened(house) as desk:
        launch = (await explained(desk, event))["launch"]
        assert (launch["outcome"], launch["server"]["id"]) == ("start", "s3")
        assert [(one["id"], one["value"], one["sampled"]) for one in launch["candidates"]] == [
            ("s1", 3.0, NOON), ("s3", 2.0, NOON),
        ]  # fmt: skip
        assert [(one["id"], one["reason"]) for one in launch["refused"]] == [
            ("s2", "The server has an active alert that keeps jobs away: High load."),
        ]  # fmt: skip
        job_id = await desk.work.term.launch(event)
        assert (await desk.work.term.launched(job_id)).server == "s3", "explained is what happens"


async def test_it_says_which_limit_would_refuse_or_delay_a_run(house: House) -> None:
    day = {"type": "day", "enabled": True, "condition": "start", "amount": 1}
    event = await house.event(triggers=[EVERY_MINUTE], limits=[day])
    house.settings.max_jobs_per_min = 1
    async with opened(house) as desk:
        assert (await explained(desk, event))["launch"]["delay"] == 0
        await desk.work.term.launched(await desk.work.term.launch(event))
        launch = (await explained(desk, event))["launch"]
        assert launch["outcome"] == "refuse"
        assert "start" in launch["reason"], launch["reason"]
        assert launch["server"]["id"] == "s1", "it says all the same where it would have run"
        free = await house.event(triggers=[EVERY_MINUTE])
        assert 0 < (await explained(desk, free))["launch"]["delay"] <= 60


async def test_a_workflow_needs_no_server_and_a_multiplex_event_has_one_on_each(house: House) -> None:
    house.satellites.join("s2", maxJobs=1)
    everywhere = await house.event(triggers=[EVERY_MINUTE], algo="multiplex")
    single = await house.event()
    node = {"id": "n1", "type": "event", "data": {"event": single["id"]}, "x": 0, "y": 0}
    start = {"id": "t1", "type": "trigger", "x": 0, "y": 0}
    graph = {"nodes": [start, node], "connections": [{"id": "c1", "source": "t1", "dest": "n1"}]}
    trigger = {**EVERY_MINUTE, "id": "t1"}
    flow = await house.event(type="workflow", plugin="", targets=[], triggers=[trigger], workflow=graph)
    async with opened(house) as desk:
        launch = (await explained(desk, flow))["launch"]
        assert (launch["outcome"], launch["reason"], launch["server"]) == ("start", "", None)
        launch = (await explained(desk, everywhere))["launch"]
        assert (launch["outcome"], launch["server"]) == ("start", None)
        assert {one["id"] for one in launch["candidates"]} == {"s1", "s2"}


@pytest.mark.parametrize(
    "asked", [{"at": "-5"}, {"at": "x"}, {"count": "0"}, {"count": "5000"}, {"at": "1e30"}]
)
async def test_what_cannot_be_asked(house: House, asked: dict[str, str]) -> None:
    event = await house.event(triggers=[EVERY_MINUTE])
    async with opened(house) as desk:
        status, answer = await desk.call("explain_event", id=event["id"], **asked)
        assert (status, answer["code"]) == (400, "api")
        assert (await desk.call("explain_event", id="nosuch"))[0] == 404


async def test_upcoming_jobs_are_in_order_and_those_of_the_caller(house: House) -> None:
    now = int(clock.now()) // 60 * 60
    precise = {"type": "precision", "enabled": True, "seconds": [0, 30]}
    quiet = {"type": "quiet", "enabled": True, "invisible": True}
    start = {"type": "interval", "enabled": True, "start": now + 600, "duration": 1200}
    first = await house.event(triggers=[start])
    second = await house.event(triggers=[{"type": "single", "enabled": True, "epoch": now + 1200}, precise])
    hidden = await house.event(triggers=[{"type": "single", "enabled": True, "epoch": now + 60}, quiet])
    other = await house.event(triggers=[start], targets=["other"])
    async with opened(house, Clock(now + 1)) as desk:
        status, answer = await desk.call("get_upcoming_jobs", hours="1")
        assert status == 200
        rows = [(row["event"], row["epoch"] - now, row["type"]) for row in answer["rows"]]
        ids = {event["id"]: name for name, event in zip("fsho", (first, second, hidden, other), strict=True)}
        assert [(ids[id], at) for id, at, _ in rows] == [
            ("h", 60), ("f", 600), ("o", 600), ("s", 1200), ("f", 1800), ("o", 1800), ("f", 3000), ("o", 3000),
        ]  # fmt: skip
        assert answer["list"] == {"length": 8}
        by_event = {ids[row["event"]]: row for row in answer["rows"]}
        assert by_event["s"]["seconds"] == [0, 30]
        assert by_event["h"]["invisible"] is True
        limited = await desk.api_key(groups=["main"])
        answer = (await desk.call("get_upcoming_jobs", key=limited, hours="1", limit="3"))[1]
        assert [ids[row["event"]] for row in answer["rows"]] == ["f", "s", "f"]
