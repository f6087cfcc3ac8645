"""Scheduler plugins as real processes (contract scheduler.md §11, plugins.md §6, api/plugins.yaml)."""

import json
from pathlib import Path
from typing import Any

import pytest

from conductor.live.firings import EVERYTHING
from conductor.schedule.plugin_files import GivenFiles
from conductor.signals import Notice
from tests.integration.jobs.house import House, until
from tests.integration.schedule.clockwork import CATCH_UP, EVERY_MINUTE, NOON, Clock, clockwork
from tests.integration.schedule.desk import KeptFiles, opened

ASKED = {"type": "plugin", "enabled": True, "plugin_id": "gate", "params": {"level": 3}}
TIMEOUT = 20.0


async def gate(house: House, script: str, **changes: Any) -> None:
    doc = {
        "id": "gate", "title": "Gate", "type": "scheduler", "enabled": True, "command": "/bin/sh",
        "script": script, "params": [], **changes,
    }  # fmt: skip
    await house.definitions.restore({"plugins": [doc]})


def answering(*items: Any) -> str:
    return f"cat >/dev/null; echo noise; echo '{json.dumps({'xy': 1, 'items': items})}'"


async def test_a_plugin_is_told_all_and_decides_about_each_launch(house: House, tmp_path: Path) -> None:
    asked = tmp_path / "asked.json"
    items = [
        True,
        False,
        {"launch": True, "delay": 3600, "data": {"found": 1}, "invisible": 1},
        {"launch": 0},
    ]
    await gate(house, f"cat > {asked}\n{answering(*items)}", timeout=10)
    zoned = {**EVERY_MINUTE, "timezone": "Europe/Berlin", "data": {"given": 1}}
    events = [await house.event(triggers=[zoned, ASKED]) for _ in range(4)]
    plain = await house.event(triggers=[EVERY_MINUTE])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        assert work.times(plain["id"]) == [60]  # nobody waits for a plugin
        await until(lambda: len(work.jobs()) == 3, "the plugin has decided", TIMEOUT)
        first, third = work.jobs(events[0]["id"])[0], work.jobs(events[2]["id"])[0]
        assert (first["source"], first["splugin"], first["now"]) == ("plugin", "gate", NOON + 60)
        assert third["invisible"] is True
        assert work.term.job(third["id"]).details["input"]["data"] == {"given": 1, "found": 1}
        assert work.jobs(events[1]["id"]) == work.jobs(events[3]["id"]) == []
        request = json.loads(asked.read_text())
        assert (request["xy"], request["type"], len(request["items"])) == (1, "trigger", 4)
        item = request["items"][0]
        assert (item["now"], item["timezone"], item["params"]) == (NOON + 60, "Europe/Berlin", {"level": 3})
        assert item["dargs"] == {
            "year": 2026, "month": 10, "day": 25, "weekday": 0, "hour": 13, "minute": 1, "rday": -7,
        }  # fmt: skip
        assert item["job"]["id"] == events[0]["id"]
        assert item["job"]["title"] == "An event"
        assert request["base_url"].startswith("http://localhost:")
        assert isinstance(request["active_jobs"], list)


async def test_better_8_a_plugin_triggers_own_time_zone_is_the_one_it_is_told(
    house: House, tmp_path: Path
) -> None:
    asked = tmp_path / "asked.json"
    await gate(house, f"cat > {asked}\n{answering(True, True)}", timeout=10)
    zoned = {**EVERY_MINUTE, "timezone": "Europe/Berlin"}
    await house.event(triggers=[zoned, {**ASKED, "timezone": "Asia/Kolkata"}])
    await house.event(triggers=[zoned, {**ASKED, "timezone": "Nowhere/Land"}])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        await until(lambda: len(work.jobs()) == 2, "the plugin has decided", TIMEOUT)
    items = json.loads(asked.read_text())["items"]
    assert [one["timezone"] for one in items] == ["Asia/Kolkata", "Europe/Berlin"]
    assert [(one["dargs"]["hour"], one["dargs"]["minute"]) for one in items] == [(17, 31), (13, 1)]


@pytest.mark.parametrize(
    "script",
    [
        "exit 3", "kill -9 $$", "echo not json", "echo '{\"xy\":1}'", "echo '{\"xy\":1,\"items\":[]}'", "true",
        "sleep 60", "yes | head -c 3000000",
    ],
)  # fmt: skip
async def test_a_plugin_that_fails_launches_nothing_and_is_told_of(house: House, script: str) -> None:
    await gate(house, script, timeout=1 if "sleep" in script else 10)
    await house.event(triggers=[EVERY_MINUTE, ASKED])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        await until(lambda: [one for one in work.told if isinstance(one, Notice)], "it is told", TIMEOUT)
        [notice] = [one for one in work.told if isinstance(one, Notice)]
        assert notice.description.startswith("Scheduler Plugin failed: Gate")
        assert work.jobs() == []
        await until(
            lambda: work.term.book.firings.cursor(EVERYTHING) == str(NOON + 60), "it goes on", TIMEOUT
        )


async def test_missing_and_surplus_answers_harm_nobody(house: House) -> None:
    """Where to be better, 9: an extra item in a plugin's output aborted the whole tick."""
    await gate(house, answering(True, True, True, True))
    first = await house.event(triggers=[EVERY_MINUTE, ASKED])
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        await until(lambda: work.times(first["id"]) == [60], "it is launched", TIMEOUT)
        await gate(house, answering(True))
        second = await house.event(triggers=[EVERY_MINUTE, ASKED])
        await work.at(NOON + 120)
        await until(lambda: work.times(first["id"]) == [60, 120], "the first one is launched", TIMEOUT)
        assert work.times(second["id"]) == []


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_plugin_that_is_not_there_or_disabled_is_asked_nothing(house: House, enabled: bool) -> None:
    await gate(house, answering(True), enabled=False, id="gate" if not enabled else "other")
    event = await house.event()
    await house.definitions.restore({"events": [{**event, "triggers": [EVERY_MINUTE, ASKED]}]})
    async with clockwork(house) as work:
        await work.at(NOON + 60)
        await until(lambda: work.term.book.firings.cursor(EVERYTHING) == str(NOON + 60), "it goes on")
        assert work.jobs() == []
        if enabled:
            assert "not found" in (work.scheduler.refusals.of(event["id"]) or {})["description"]


async def test_a_death_while_a_plugin_is_asked_loses_no_launch(house: House, tmp_path: Path) -> None:
    """Where to be better, 2: what was deferred to a plugin lived in memory alone."""
    await gate(house, f"test -e {tmp_path}/go || exec sleep 60\n{answering(True, True)}", timeout=60)
    event = await house.event(triggers=[EVERY_MINUTE, ASKED])
    caught = await house.event(triggers=[EVERY_MINUTE, ASKED, CATCH_UP])
    async with clockwork(house) as work:
        await work.minutes(NOON + 60, 2)
        assert work.jobs() == []
    (tmp_path / "go").touch()
    async with clockwork(house, Clock(NOON + 125)) as work:
        await work.at(NOON + 126)
        await until(lambda: len(work.jobs()) >= 2, "they are launched", TIMEOUT)
        assert work.times(event["id"])[:1] == [60]
        await until(lambda: house.definitions.state.get(f"events/{caught['id']}").get("cursor"), "saved")


async def test_files_of_a_plugin_reach_the_job_or_it_is_not_launched(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    (tmp_path / "b.csv").write_text("3,4\n")
    files = ["a.csv", {"path": str(tmp_path / "b.csv"), "filename": "B it.csv", "delete": True}]
    await gate(house, answering({"launch": True, "files": files}), cwd=str(tmp_path))
    event = await house.event(triggers=[EVERY_MINUTE, ASKED])
    async with clockwork(house, files=GivenFiles(KeptFiles(house.files))) as work:
        await work.at(NOON + 60)
        [job] = await until(lambda: work.jobs(event["id"]), "it is launched", TIMEOUT)
        stored = work.term.job(job["id"]).details["input"]["files"]
        assert [(one["filename"], one["plugin"]) for one in stored] == [
            ("a.csv", "gate"),
            ("B it.csv", "gate"),
        ]
        assert stored[0]["path"].startswith("files/plugins/gate/")
        assert await house.files.get(stored[1]["path"]) == b"3,4\n"
        assert (tmp_path / "a.csv").exists()
        await until(lambda: not (tmp_path / "b.csv").exists(), "the source is removed")
        await work.at(NOON + 120)
        await until(lambda: work.scheduler.refusals.of(event["id"]), "the second file is gone", TIMEOUT)
        assert "Cannot read" in (work.scheduler.refusals.of(event["id"]) or {})["description"]
        assert (tmp_path / "a.csv").exists()
    async with clockwork(house, Clock(NOON + 125)) as work:
        await work.at(NOON + 180)
        await until(lambda: work.scheduler.refusals.of(event["id"]), "there is no place for files", TIMEOUT)
        assert len(work.jobs(event["id"])) == 1


async def test_a_plugin_can_be_tried(house: House, tmp_path: Path) -> None:
    await gate(
        house, f"cat > {tmp_path}/asked; env > {tmp_path}/env; echo oops >&2; {answering({'launch': True})}"
    )
    async with opened(house) as desk:
        body = {"id": "gate", "params": {"a": 1}, "timezone": "Asia/Tokyo", "epoch": NOON + 61}
        status, answer = await desk.call("test_scheduler_plugin", body)
        assert (status, answer["code"], answer["data"]) == (200, 0, {"xy": 1, "items": [{"launch": True}]})
        assert "err" not in answer
        assert answer["stderr"] == "oops\n"
        assert answer["child_cmd"].startswith("/bin/sh ")
        [item] = json.loads((tmp_path / "asked").read_text())["items"]
        assert item["job"] == {"id": "1234567890", "label": "Test"}
        assert (item["now"], item["dargs"]["hour"], item["params"]) == (NOON + 60, 21, {"a": 1})
        environment = (tmp_path / "env").read_text()
        assert "XYOPS_BASE_URL=http://localhost" in environment
        assert "OPSORBIT_" not in environment
        assert desk.work.jobs() == []
        for body in (
            {"id": "shellplug"},
            {"id": "nosuch"},
            {},
            {"id": 5},
            {"id": "gate", "timezone": "Mars/X"},
        ):
            status, answer = await desk.call("test_scheduler_plugin", body)
            assert (status, answer["code"]) == (400, "api"), body
        nobody = await desk.api_key()
        assert (await desk.call("test_scheduler_plugin", {"id": "gate"}, key=nobody))[1]["code"] == "access"
        await gate(house, "exit 5", uid="no-such-user-here")
        status, answer = await desk.call("test_scheduler_plugin", {"id": "gate"})
        assert (status, answer["code"], answer["err"]) == (200, 0, True)
        assert "user information" in answer["description"]
