"""When actions run, how long they may, and what becomes of them when their conductor ends."""

import asyncio
from typing import Any

import msgspec
import pytest

from conductor.definitions.writer import House
from conductor.errors import Refusal
from conductor.signals import SYSTEM, Activity, Actor, JobConditionMet
from tests.integration.actions.conftest import Stage
from tests.integration.actions.test_end import action, run
from tests.integration.jobs.house import Term, until

ANN = Actor(kind="user", id="ann", ips=("10.0.0.1",), useragent="a browser")


def running(term: Term, job_id: str, number: int = 0) -> bool:
    job = term.book.get(job_id)
    return job is not None and bool(job.job["actions"][number].get("active"))


async def test_better_4_a_hung_action_holds_up_its_own_job_alone_and_not_for_long(stage: Stage) -> None:
    """The original's whole phase waits for the slowest, whatever it is."""
    stage.house.settings.action_timeout = 1.5
    stage.edges.mailer.hangs.clear()
    async with stage.house.term() as term:
        event = await stage.house.event()
        limits = [{"type": "job", "enabled": True, "amount": 1}]
        actions = [action("email", email="a@example.com"), action("tag", tags=["flag"])]
        hung = await term.launch(event, actions=actions, limits=limits)
        term.result(await term.launched(hung))
        await until(lambda: running(term, hung), "the mail hangs")
        other = await term.launch(event, limits=limits)
        term.result(await term.launched(other))
        assert (await term.ended(other))["code"] == 0
        assert hung in term.book
        record = await term.ended(hung)
    mail, tag = record["actions"]
    assert (mail["code"], "not ended within" in mail["description"]) == ("email", True)
    assert tag["code"] == 0
    assert record["code"] == 0


async def test_all_actions_of_a_phase_have_one_time_together(stage: Stage) -> None:
    stage.house.settings.action_phase_timeout = 0.2
    stage.edges.mailer.hangs.clear()
    stage.edges.web_hooks.hangs.clear()
    record = await run(stage, [action("email", email="a@example.com"), action("web_hook", web_hook="hook")])
    assert [one["code"] for one in record["actions"]] == ["email", "webhook"]


async def test_better_3_what_was_begun_runs_again_after_a_takeover_and_what_was_done_does_not(
    stage: Stage,
) -> None:
    actions = [
        action("email", email="a@example.com"),
        action("web_hook", web_hook="hook"),
        action("tag", tags=["flag"]),
    ]
    stage.edges.mailer.hangs.clear()
    async with stage.house.term() as term:
        event = await stage.house.event()
        job_id = await term.launch(event, actions=actions)
        launched = await term.launched(job_id)
        term.log(launched, b"one line\n")
        term.result(launched, log_size=9, code=3)
        await until(lambda: "code" in term.job(job_id).job["actions"][1], "the hook has fired")
        await until(lambda: running(term, job_id), "the mail hangs")
    stage.edges.mailer.hangs.set()
    async with stage.house.term() as term:
        record = await term.ended(job_id)
    mail, hook, tag = record["actions"]
    assert (mail["code"], mail["repeated"]) == (0, 1)
    assert "has been run again" in mail["details"]
    assert any("again, after a take-over" in row["msg"] for row in record["activity"])
    assert "repeated" not in hook
    assert tag["code"] == 0
    assert len(stage.edges.web_hooks.fired) == 1
    assert [letter.message_id for letter in stage.edges.mailer.sent] == [f"<{job_id}-0@here>"] * 2
    assert record["output"] == "one line\n", "the log is kept before actions run"
    assert record["code"] == 3


async def test_better_3_what_is_made_has_the_same_name_when_it_is_made_again(stage: Stage) -> None:
    """A ticket, a snapshot and a plugin that were under way when their conductor ended."""
    seen = stage.house.folder / "seen"
    plugin = {
        "id": "p",
        "title": "P",
        "type": "action",
        "enabled": True,
        "command": f"cat >> {seen}; sleep 60",
    }
    await stage.house.definitions.create("plugins", plugin, actor=SYSTEM, by=House("admin"))
    actions = [action("ticket"), action("snapshot"), action("plugin", plugin_id="p")]
    stage.edges.tickets.hangs.clear()
    stage.edges.snapshots.hangs.clear()
    async with stage.house.term() as term:
        job_id = await term.launch(await stage.house.event(), actions=actions)
        term.result(await term.launched(job_id))
        await until(lambda: stage.edges.tickets.asked and stage.edges.snapshots.asked, "both are asked")
        await until(lambda: seen.exists() and seen.read_bytes().endswith(b"\n"), "the plugin runs")
    stage.edges.tickets.hangs.set()
    stage.edges.snapshots.hangs.set()
    await stage.house.definitions.update(
        "plugins", "p", {"command": f"cat >> {seen}"}, actor=SYSTEM, by=House("admin")
    )
    async with stage.house.term() as term:
        record = await term.ended(job_id)
    first, again = stage.edges.tickets.asked
    assert first == again
    assert len(first) == 16
    assert stage.edges.snapshots.asked == [(f"{job_id}-1", False), (f"{job_id}-1", True)]
    told = [msgspec.json.decode(line) for line in seen.read_text().splitlines()]
    assert [(one["idempotency_key"], one["repeated"]) for one in told] == [
        (f"{job_id}-2", False), (f"{job_id}-2", True),
    ]  # fmt: skip
    assert [one["repeated"] for one in record["actions"]] == [1, 1, 1]
    assert all(one["began"] < one["date"] for one in record["actions"])


async def test_start_actions_run_before_the_job_does(stage: Stage) -> None:
    stage.edges.web_hooks.hangs.clear()
    async with stage.house.term() as term:
        event = await stage.house.event()
        job_id = await term.launch(event, actions=[action("web_hook", "start", web_hook="hook")])
        await term.state(job_id, "starting")
        await until(lambda: stage.edges.web_hooks.fired, "the hook is fired")
        assert term.job(job_id).server == "s1"
        assert not stage.house.satellites.launched
        stage.edges.web_hooks.hangs.set()
        launched = await term.launched(job_id)
        assert "Job started on One" in stage.edges.web_hooks.fired[0].data["text"]
        term.result(launched)
        record = await term.ended(job_id)
        assert record["actions"][0]["code"] == 0
    assert len(stage.house.satellites.launched) == 1
    assert [one.condition for one in stage.signals if isinstance(one, JobConditionMet)] == [
        "start", "complete", "success",
    ]  # fmt: skip


async def test_a_takeover_during_start_actions_runs_the_job_once(stage: Stage) -> None:
    stage.edges.web_hooks.hangs.clear()
    async with stage.house.term() as term:
        event = await stage.house.event()
        actions = [action("web_hook", "start", web_hook="hook"), action("tag", "start", tags=["flag"])]
        job_id = await term.launch(event, actions=actions)
        await until(lambda: running(term, job_id) and stage.edges.web_hooks.fired, "the hook hangs")
    stage.edges.web_hooks.hangs.set()
    async with stage.house.term() as term:
        term.result(await term.launched(job_id))
        record = await term.ended(job_id)
    assert record["actions"][0]["repeated"] == 1
    assert [one.key for one in stage.edges.web_hooks.fired] == [f"{job_id}-0"] * 2
    assert len(stage.house.satellites.launches_of(job_id)) == 1


async def test_a_job_that_is_aborted_during_its_start_actions_never_runs(stage: Stage) -> None:
    stage.edges.web_hooks.hangs.clear()
    async with stage.house.term() as term:
        event = await stage.house.event()
        job_id = await term.launch(event, actions=[action("web_hook", "start", web_hook="hook")])
        await until(lambda: running(term, job_id), "the hook hangs")
        term.engine.abort(job_id, "Enough.", ANN)
        stage.edges.web_hooks.hangs.set()
        record = await term.ended(job_id)
    assert (record["code"], record["description"]) == ("abort", "Enough.")
    assert record["actions"][0]["code"] == 0
    assert not stage.house.satellites.launched


async def test_pushed_actions_run_at_once_and_the_end_waits_for_them(stage: Stage) -> None:
    from shared.protocol.messages import JobUpdate

    stage.edges.web_hooks.hangs.clear()
    async with stage.house.term() as term:
        event = await stage.house.event()
        job_id = await term.launch(event)
        launched = await term.launched(job_id)
        pushed = [
            {"type": "web_hook", "web_hook": "hook", "enabled": True, "condition": "instant"},
            {"type": "tag", "tags": ["flag"], "enabled": True, "condition": "success"},
        ]
        update = JobUpdate(id=job_id, attempt=1, update={"push": {"actions": pushed, "tags": ["important"]}})
        term.engine.reports.update("s1", update)
        await until(lambda: stage.edges.web_hooks.fired, "the pushed hook fires")
        assert "Job runs on One" in stage.edges.web_hooks.fired[0].data["text"]
        term.result(launched)
        await until(lambda: "code" in term.job(job_id).job["actions"][1], "the end's own action has run")
        await asyncio.sleep(0)
        assert job_id in term.book, "its end waits for what it pushed"
        stage.edges.web_hooks.hangs.set()
        record = await term.ended(job_id)
    assert [(one["source"], one["code"]) for one in record["actions"]] == [("job", 0), ("job", 0)]
    assert {"flag", "important"} <= set(record["tags"])


async def test_pushed_actions_of_a_dead_conductor_are_taken_up(stage: Stage) -> None:
    from shared.protocol.messages import JobUpdate

    stage.edges.web_hooks.hangs.clear()
    async with stage.house.term() as term:
        job_id = await term.launch(await stage.house.event())
        await term.launched(job_id)
        pushed = [{"type": "web_hook", "web_hook": "hook", "enabled": True, "condition": "instant"}]
        term.engine.reports.update(
            "s1", JobUpdate(id=job_id, attempt=1, update={"push": {"actions": pushed}})
        )
        await until(lambda: stage.edges.web_hooks.fired, "the pushed hook fires")
    stage.edges.web_hooks.hangs.set()
    async with stage.house.term() as term:
        done = await until(lambda: "code" in term.job(job_id).job["actions"][0], "it is fired again")
        assert done
        assert term.job(job_id).state == "active"


# Suspension


async def suspended(term: Term, job_id: str) -> None:
    await until(
        lambda: bool((job := term.book.get(job_id)) and job.job.get("suspended")) and waits(term, job_id),
        "it waits",
    )


def waits(term: Term, job_id: str) -> bool:
    return bool(term.engine.actions._means.suspensions.waits(job_id))  # type: ignore[attr-defined]


async def test_a_job_waits_to_start_until_somebody_resumes_it(stage: Stage) -> None:
    async with stage.house.term() as term:
        event = await stage.house.event()
        actions = [action("suspend", "start", email="a@example.com", web_hook="hook", text="please")]
        job_id = await term.launch(event, actions=actions)
        await suspended(term, job_id)
        await until(lambda: stage.edges.web_hooks.fired, "people are told")
        assert term.job(job_id).state == "starting"
        assert stage.edges.mailer.sent[0].template == "job_suspended"
        assert "&resume=1 please" in stage.edges.web_hooks.fired[0].data["text"]
        params = {"answer": "{{1+1}}", "_xy_override_label": "Approved", "_xy_override_uid": "root"}
        await until(lambda: waits(term, job_id), "it waits")
        await term.engine.actions.resume(job_id, ANN, params)
        launched = await term.launched(job_id)
        assert launched.job["params"]["answer"] == "2"
        assert launched.job["label"] == "Approved"
        assert "root" not in str(launched.job.get("uid"))
        term.result(launched)
        record = await term.ended(job_id)
    [done] = record["actions"]
    assert (done["code"], done["description"]) == (0, "Job was resumed by ann.")
    assert "10.0.0.1" in done["details"]
    assert "a browser" in done["details"]
    assert "suspended" not in record
    told = [one for one in stage.signals if isinstance(one, Activity) and one.action == "job_resume"]
    assert [one.actor.id for one in told] == ["ann"]


async def test_a_suspended_end_keeps_its_server_and_survives_a_takeover(stage: Stage) -> None:
    async with stage.house.term() as term:
        event = await stage.house.event()
        job_id = await term.launch(event, actions=[action("suspend", email="a@example.com")])
        term.result(await term.launched(job_id))
        await suspended(term, job_id)
        await until(lambda: term.job(job_id).job["actions"][0].get("notified"), "people are told")
    async with stage.house.term() as term:
        await suspended(term, job_id)
        await term.engine.actions.resume(job_id, ANN)
        record = await term.ended(job_id)
    assert record["server"] == "s1"
    assert record["actions"][0]["repeated"] == 1
    assert len(stage.edges.mailer.sent) == 1, "people are told once"


async def test_an_abort_ends_a_suspension(stage: Stage) -> None:
    async with stage.house.term() as term:
        event = await stage.house.event()
        at_start = await term.launch(event, actions=[action("suspend", "start")])
        at_end = await term.launch(event, actions=[action("suspend")])
        term.result(await term.launched(at_end))
        for job_id in (at_start, at_end):
            await suspended(term, job_id)
            term.engine.abort(job_id, "Nobody wants it.", ANN)
            record = await term.ended(job_id)
            assert (record["code"], record["description"]) == ("abort", "Nobody wants it.")
            assert record["actions"][0]["code"] == 0


async def test_better_4_a_suspension_may_expire_and_name_who_may_end_it(stage: Stage) -> None:
    async with stage.house.term() as term:
        event = await stage.house.event()
        job_id = await term.launch(event, actions=[action("suspend", approvers=["bob"])])
        term.result(await term.launched(job_id))
        await suspended(term, job_id)
        with pytest.raises(Refusal, match="Only bob") as refused:
            await term.engine.actions.resume(job_id, ANN)
        assert refused.value.code == "access"
        await term.engine.actions.resume(job_id, Actor(kind="user", id="bob"))
        assert (await term.ended(job_id))["code"] == 0

        expiring = action("suspend", "start", timeout=0.05)
        record = await term.ended(await term.launch(event, actions=[expiring]))
        assert (record["code"], "in time" in record["description"]) == ("abort", True)
        job_id = await term.launch(event, actions=[action("suspend", timeout=0.05)])
        term.result(await term.launched(job_id))
        record = await term.ended(job_id)
        assert (record["code"], "goes on" in record["actions"][0]["description"]) == (0, True)


async def test_a_suspension_for_other_sources_is_skipped(stage: Stage) -> None:
    record = await run(stage, [action("suspend", sources=["scheduler"])])
    assert (record["actions"][0]["code"], "skipped" in record["actions"][0]["description"]) == (0, True)


@pytest.mark.parametrize("which", ["unknown", "not suspended"])
async def test_only_what_waits_can_be_resumed(stage: Stage, which: str) -> None:
    async with stage.house.term() as term:
        job_id = await term.launch(await stage.house.event())
        await term.launched(job_id)
        with pytest.raises(Refusal) as refused:
            await term.engine.actions.resume(job_id if which == "not suspended" else "j0", ANN)
        assert refused.value.code == "job"


async def test_limits_tell_whom_they_name(stage: Stage) -> None:
    async with stage.house.term() as term:
        job_id = await term.launch(await stage.house.event())
        await term.launched(job_id)
        limit: dict[str, Any] = {
            "type": "time", "date": 5.0, "msg": "Too long.", "users": ["ann"], "web_hook": "hook", "snapshot": True,
        }  # fmt: skip
        outcome = await term.engine.actions.run_for_limit(term.job(job_id), limit)
    assert (outcome["code"], outcome["description"]) == (0, "Too long.")
    assert "### Web Hook" in outcome["details"]
    assert stage.edges.mailer.sent[0].template == "job_limited"
    assert "Too long.: http" in stage.edges.web_hooks.fired[0].data["text"]
    assert len(stage.edges.snapshots.taken) == 1


async def test_a_jobs_room_that_resumes_by_itself_releases_the_waiting_action(stage: Stage) -> None:
    """Its port `Suspension`: who may, who did, and an abort by the system."""
    async with stage.house.term() as term:
        suspension = term.engine.actions.suspension  # type: ignore[attr-defined]
        event = await stage.house.event()
        job_id = await term.launch(event, actions=[action("suspend", approvers=["ann"])])
        term.result(await term.launched(job_id))
        await suspended(term, job_id)
        with pytest.raises(Refusal, match="Only ann"):
            suspension.check(job_id, Actor(kind="user", id="bob"))
        suspension.check(job_id, ANN)
        suspension.resume(job_id, ANN, {"a": 1})
        done = (await term.ended(job_id))["actions"][0]
        assert done["description"] == "Job was resumed by ann."
        assert '"a": 1' in done["details"]
        suspension.check("j0", ANN)
        suspension.resume("j0", ANN, {})


async def test_limits_have_the_form_of_their_port(stage: Stage) -> None:
    async with stage.house.term() as term:
        job_id = await term.launch(await stage.house.event())
        await term.launched(job_id)
        fired = term.engine.actions.limit_fired  # type: ignore[attr-defined]
        told = await fired(term.job(job_id), {"email": "a@example.com"}, "Too long.")
        assert told._asdict()["code"] == 0
        assert stage.edges.mailer.sent[0].data["action"]["msg"] == "Too long."


async def test_an_action_node_runs_once_for_each_turn_and_never_at_the_end(stage: Stage) -> None:
    async with stage.house.term() as term:
        job_id = await term.launch(await stage.house.event())
        launched = await term.launched(job_id)
        flow = term.engine.actions.run_in_flow  # type: ignore[attr-defined]
        node = {"type": "web_hook", "web_hook": "hook", "users": "admin"}
        for _ in range(2):
            fields = await flow(term.job(job_id), node, condition="complete", output={"input": {}}, key="k-1")
            assert (fields["code"], fields["description"]) == (0, "Success (HTTP 200 OK)")
        odd = await flow(term.job(job_id), {"type": None}, condition="success", output={}, key="k-2")
        assert odd["code"] == "type"
        term.result(launched)
        record = await term.ended(job_id)
    assert [one.key for one in stage.edges.web_hooks.fired] == ["k-1"]
    assert [(one["source"], "overrides" in one) for one in record["actions"]] == [("workflow", False)] * 2
