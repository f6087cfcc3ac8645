"""Actions that run events, alone and through channels: what goes on to the new job, and where it ends."""

import asyncio
from typing import Any

from conductor.definitions import writer
from conductor.signals import SYSTEM
from tests.integration.actions.conftest import Stage
from tests.integration.actions.edges import Delivered
from tests.integration.actions.test_end import action, run
from tests.integration.jobs.house import Launched, Term, until

MANUAL = [{"type": "manual", "enabled": True}]


async def answer_all(stage: Stage, term: Term, **result: Any) -> None:
    """Every job that is launched ends at once."""
    stage.house.satellites.on_launch = lambda launched: asyncio.get_running_loop().call_soon(
        _end, term, launched, result
    )


def _end(term: Term, launched: Launched, result: dict[str, Any]) -> None:
    term.result(launched, **result)


async def test_data_files_and_tickets_go_on_to_the_new_job(stage: Stage) -> None:
    fields = [
        {"id": "who", "title": "Who", "type": "text", "value": "nobody"},
        {"id": "n", "title": "N", "type": "text", "value": "1"},
    ]
    target = await stage.house.event(title="Next", triggers=MANUAL, fields=fields)
    file = {"id": "f1", "filename": "a.csv", "path": "", "size": 1}
    follow = action(
        "run_event", "error", event_id=target["id"], params={"who": "ann", "script": "evil", "extra": 1}
    )
    async with stage.house.term() as term:
        event = await stage.house.event()
        first = await term.launch(event, actions=[follow], tickets=["t1"])
        file["path"] = f"files/jobs/{first}/a.csv"
        term.result(await term.launched(first), code=9, description="bad", data={"rows": [1]}, files=[file])
        record = await term.ended(first)
        [link] = record["jobs"]
        assert link["reason"] == "action"
        assert record["actions"][0]["loc"] == f"#Job?id={link['id']}"
        assert link["id"] in record["actions"][0]["description"]
        launched = await term.launched(link["id"])
        job, details = launched.job, launched.details
        assert job["source"] == "action"
        assert job["event"] == target["id"]
        assert job["params"] == {"script": "true", "who": "ann", "n": "1"}, (
            "only fields of the event are taken"
        )
        assert job["parent"] == {
            "job": first, "event": event["id"], "code": 9, "description": "bad", "chain": [event["id"]],
        }  # fmt: skip
        assert job["tickets"] == ["t1"]
        assert job["username"] == "admin"
        assert details["input"] == {"data": {"rows": [1]}, "files": [{**file, "job": first}]}
        term.result(launched)
        await term.ended(link["id"])


async def test_an_event_without_a_manual_trigger_or_disabled_is_not_run(stage: Stage) -> None:
    quiet = await stage.house.event(title="Quiet", triggers=[{"type": "manual", "enabled": False}])
    off = await stage.house.event(title="Off", triggers=MANUAL, enabled=False)
    record = await run(
        stage, [action("run_event", event_id=quiet["id"]), action("run_event", event_id=off["id"])]
    )
    assert [one["code"] for one in record["actions"]] == ["event", "event"]
    assert "manual trigger" in record["actions"][0]["description"]
    assert "disabled" in record["actions"][1]["description"]


async def test_a_chain_that_returns_to_itself_ends_at_its_bound_and_says_so(stage: Stage) -> None:
    stage.house.settings.max_action_chain = 4
    event = await stage.house.event(triggers=MANUAL)
    await stage.house.definitions.update(
        "events",
        event["id"],
        {"actions": [action("run_event", event_id=event["id"])]},
        actor=SYSTEM,
        by=writer.House("a"),
    )
    event = stage.house.definitions.get("events", event["id"]) or {}
    async with stage.house.term() as term:
        await answer_all(stage, term)
        job_id = await term.launch(event)
        records = []
        while job_id:
            records.append(await term.ended(job_id))
            job_id = (records[-1].get("jobs") or [{"id": ""}])[0]["id"]
    assert len(records) == 4
    last = records[-1]
    assert last["actions"][0]["code"] == "event"
    assert "bound of 4 jobs" in last["actions"][0]["description"]
    assert any("returns to" in row["msg"] for row in last["activity"])


async def test_a_job_that_was_launched_before_a_takeover_is_not_launched_twice(stage: Stage) -> None:
    """The conductor dies between the launch and the note that it has been done."""
    target = await stage.house.event(title="Next", triggers=MANUAL)
    stage.edges.mailer.hangs.clear()
    async with stage.house.term() as term:
        event = await stage.house.event()
        actions = [action("run_event", event_id=target["id"]), action("email", email="a@example.com")]
        job_id = await term.launch(event, actions=actions)
        term.result(await term.launched(job_id))
        await until(lambda: "code" in term.job(job_id).job["actions"][0], "the event has run")
        await until(lambda: stage.edges.mailer.sent, "the mail hangs")
        job = term.job(job_id)
        undone = {key: value for key, value in job.job["actions"][0].items() if key != "code"}
        job.set(actions=[{**undone, "active": True}, job.job["actions"][1]], jobs=[])
        await term.book.save(job)
    stage.edges.mailer.hangs.set()
    async with stage.house.term() as term:
        record = await term.ended(job_id)
        assert record["actions"][0]["repeated"] == 1
        assert record["actions"][0]["code"] == 0
        [link] = record["jobs"]
        await term.launched(link["id"])
    assert {one.id for one in stage.house.satellites.launched} == {job_id, link["id"]}


async def channel(stage: Stage, **properties: Any) -> None:
    doc = {"id": "pager", "title": "Severity 1", "enabled": True, "users": [], **properties}
    await stage.house.definitions.create("channels", doc, actor=SYSTEM, by=writer.House("admin"))


async def test_a_channel_reaches_all_its_parts_at_once(stage: Stage) -> None:
    target = await stage.house.event(title="Repair", triggers=MANUAL)
    await channel(
        stage,
        users=["ann"],
        email="x@example.com",
        web_hook="hook",
        run_event=target["id"],
        sound="siren.mp3",
    )
    record = await run(
        stage, [action("channel", "error", channel_id="pager")], {"code": 1, "description": "bad"}
    )
    [done] = record["actions"]
    assert done["code"] == 0
    for heading in ("### Email", "### Web Hook", "### Run Event"):
        assert heading in done["details"]
    assert stage.edges.mailer.sent[0].to == ("ann@example.com", "x@example.com")
    assert stage.edges.web_hooks.fired[0].key == f"{record['id']}-0-web_hook"
    [(users, told)] = stage.edges.browsers.told
    assert users == ["ann"]
    assert told == {
        "type": "channel", "channel": "pager", "sound": "siren.mp3", "loc": f"#Job?id={record['id']}",
        "message": "Job failed on One (one.lan.example): An event: Error (1): bad",
    }  # fmt: skip
    assert record["jobs"][0]["reason"] == "action"
    assert stage.edges.counts.day == {"channels": {"pager": {"invocations": 1}}}


async def test_a_part_that_fails_is_the_channels_failure_and_stops_no_other(stage: Stage) -> None:
    await channel(stage, users=["ann"], web_hook="hook")
    stage.edges.web_hooks.answer = Delivered("webhook", "HTTP 500")
    record = await run(stage, [action("channel", channel_id="pager")])
    assert (record["actions"][0]["code"], record["actions"][0]["description"]) == (
        "channel",
        "Web Hook: HTTP 500",
    )
    assert len(stage.edges.mailer.sent) == 1


async def test_a_channel_has_a_daily_cap_and_needs_no_users(stage: Stage) -> None:
    await channel(stage, users=None, web_hook="hook", max_per_day=1)
    assert (await run(stage, [action("channel", channel_id="pager")]))["actions"][0]["code"] == 0
    record = await run(stage, [action("channel", channel_id="pager")])
    assert record["actions"][0]["code"] == "channel"
    assert "(1/day)" in record["actions"][0]["description"]
    assert len(stage.edges.web_hooks.fired) == 1


async def test_rest_channels_yaml_a_channel_has_a_cap_for_each_minute(stage: Stage) -> None:
    """channels.yaml, "Where to be better": a daily cap only. What was held back is told with the next one."""
    await channel(stage, web_hook="hook", max_per_minute=1)
    async with stage.house.term() as term:
        event = await stage.house.event()
        records = []
        for _ in range(2):
            job_id = await term.launch(event, actions=[action("channel", channel_id="pager")])
            term.result(await term.launched(job_id))
            records.append(await term.ended(job_id))
    assert [record["actions"][0]["code"] for record in records] == [0, "channel"]
    assert "(1/minute)" in records[1]["actions"][0]["description"]
    assert len(stage.edges.web_hooks.fired) == 1
    assert stage.edges.counts.day == {"channels": {"pager": {"invocations": 1}}}
