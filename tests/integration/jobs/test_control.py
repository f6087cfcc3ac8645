"""The calls that change jobs, over HTTP (contract api/jobs.yaml): what they do, and what they refuse."""

from typing import Any

import pytest

from conductor.jobs import multiplex
from conductor.signals import Activity
from tests.integration.jobs.house import until
from tests.integration.jobs.test_calls import Desk, api_key, desk, runnable

__all__ = ["desk"]

ONE = {"type": "job", "enabled": True, "amount": 1}
QUEUE = {"type": "queue", "enabled": True, "amount": 50}


async def ended(desk: Desk, **changes: Any) -> str:
    event = await desk.house.event(**changes)
    launched = await desk.term.launched(await desk.term.launch(event))
    desk.term.result(launched)
    await desk.term.ended(launched.id)
    return launched.id


async def running(desk: Desk, **changes: Any) -> str:
    return (await desk.term.launched(await desk.term.launch(await desk.house.event(**changes)))).id


def activities(desk: Desk, action: str) -> list[Activity]:
    return [one for one in desk.house.told if isinstance(one, Activity) and one.action == action]


async def test_the_summaries_count_by_event_and_by_node(desk: Desk) -> None:
    event = await desk.house.event(limits=[ONE, QUEUE])
    for _ in range(3):
        job_id = await desk.term.launch(event)
    await desk.term.state(job_id, "queued")
    summary = (await desk.call("get_active_job_summary", event=event["id"]))[1]["events"]
    assert summary == {
        event["id"]: {
            "id": event["id"], "states": {"active": 1, "queued": 2}, "sources": {"user": 3}, "targets": {"main": 3},
        }
    }  # fmt: skip
    desk.house.satellites.join("s2")
    parent = await desk.term.launch(await desk.house.event(algo="multiplex"))
    await until(
        lambda: sum("workflow" in one.job for one in desk.house.satellites.launched) == 2, "sub-jobs run"
    )
    nodes = (await desk.call("get_workflow_job_summary", **{"workflow.job": parent}))[1]["nodes"]
    assert nodes == {multiplex.NODE: 2}
    queued = await desk.call("get_workflow_job_summary", **{"workflow/job": parent, "state": "queued"})
    assert queued[1]["nodes"] == {}
    rows = (await desk.call("get_active_jobs", **{"workflow.job": parent}))[1]
    assert rows["list"]["length"] == 2


async def test_summaries_show_nothing_of_what_the_caller_may_not_see(desk: Desk) -> None:
    await running(desk)
    key = await api_key(desk.house, groups=["elsewhere"])
    for call in ("get_active_job_summary", "get_workflow_job_summary", "get_active_jobs"):
        answer = (await desk.call(call, key=key))[1]
        assert answer["code"] == 0
        assert not any(answer.get(key) for key in ("events", "nodes", "rows"))


@pytest.mark.parametrize("name", ["tags", "tickets"])
async def test_tags_and_tickets_of_an_ended_job_are_replaced_and_the_job_says_who(
    desk: Desk, name: str
) -> None:
    job_id = await ended(desk)
    call = f"manage_job_{name}"
    assert (await desk.call(call, id=job_id, **{name: ["_success", "x1", "x1"]}))[1] == {"code": 0}
    record = await desk.house.archive.get(job_id)
    assert record is not None
    assert record[name] == ["_success", "x1"]
    row = record["activity"][-1]
    assert (row["msg"], row["server"], row["username"]) == (
        f"Job {name} are changed to: x1",
        "m:here",
        row["username"],
    )
    payload = activities(desk, f"job_update_{name}")[0].payload
    assert payload == {"job": job_id, name: ["_success", "x1"]}, "the log of the job is not copied"
    found = await desk.house.archive.search(f"{name}:x1")
    assert found.total == 1


@pytest.mark.parametrize(
    ("call", "params", "code"),
    [
        ("manage_job_tags", {"tags": ["a"], "code": 0}, "job"),
        ("manage_job_tags", {"tags": "a,b"}, "api"),
        ("manage_job_tags", {"tags": [5]}, "api"),
        ("manage_job_tags", {}, "api"),
        ("manage_job_tickets", {}, "api"),
        ("update_job", {}, "api"),
        ("job_skip_delay", {}, "job"),
        ("resume_job", {"params": 5}, "api"),
        ("resume_job", {}, "job"),
        ("abort_job", {}, "job"),
        ("flush_event_queue", {}, "event"),
    ],
)
async def test_calls_about_an_ended_job_that_make_no_sense(
    desk: Desk, call: str, params: dict[str, Any], code: str
) -> None:
    job_id = await ended(desk)
    before = await desk.house.archive.get(job_id)
    status, answer = await desk.call(call, id=job_id, **params)
    assert (status, answer["code"]) == (400, code)
    assert await desk.house.archive.get(job_id) == before


@pytest.mark.parametrize("call", ["manage_job_tags", "manage_job_tickets", "delete_job"])
async def test_what_is_for_ended_jobs_is_refused_on_active_ones(desk: Desk, call: str) -> None:
    job_id = await running(desk)
    more = {"tags": []} if "tags" in call else {"tickets": []} if "tickets" in call else {}
    assert (await desk.call(call, id=job_id, **more))[1]["code"] == "job"


@pytest.mark.parametrize(
    ("call", "privilege", "params"),
    [
        ("abort_job", "abort_jobs", {}), ("resume_job", "run_jobs", {}), ("job_skip_delay", "run_jobs", {}),
        ("manage_job_tags", "tag_jobs", {"tags": []}), ("manage_job_tickets", "edit_tickets", {"tickets": []}),
        ("delete_job", "delete_jobs", {}), ("update_job", "admin", {"label": "x"}),
    ],
)  # fmt: skip
async def test_each_call_asks_for_its_privilege_and_for_access(
    desk: Desk, call: str, privilege: str, params: dict[str, Any]
) -> None:
    job_id = await running(desk)
    nobody = await api_key(desk.house)
    assert (await desk.call(call, key=nobody, id=job_id, **params))[0] == 403
    if privilege != "admin":
        elsewhere = await api_key(desk.house, groups=["elsewhere"], **{privilege: True})
        assert (await desk.call(call, key=elsewhere, id=job_id, **params))[0] == 403


async def test_a_correction_of_an_ended_job_is_searchable(desk: Desk) -> None:
    job_id = await ended(desk)
    assert (await desk.call("update_job", id=job_id, code=5, label="fixed", final=False))[1] == {"code": 0}
    record = await desk.house.archive.get(job_id)
    assert record is not None
    assert (record["code"], record["label"], record["final"]) == (5, "fixed", True)
    assert activities(desk, "job_update")[0].payload["params"]["label"] == "fixed"
    assert (await desk.call("update_job", id="jnone", label="x"))[1]["code"] == "job"


async def test_better_a_correction_of_a_running_job_is_kept_and_logged_and_cannot_break_it(
    desk: Desk,
) -> None:
    """api/jobs.yaml, where_to_be_better: it was unlogged, unvalidated and lost with the conductor."""
    job_id = await running(desk)
    for broken in ({"state": "ready"}, {"server": "s9"}, {"complete": True}, {"label": "x", "activity": []}):
        assert (await desk.call("update_job", id=job_id, **broken))[1]["code"] == "job"
    assert (await desk.call("update_job", id=job_id, label="fixed", data={"n": 1}))[1] == {"code": 0}
    job = desk.term.job(job_id)
    assert (job.job["label"], job.details["data"]) == ("fixed", {"n": 1})
    stored = await desk.house.redis.hget(desk.house.names.job + job_id, "live")
    assert b"fixed" in stored
    assert len(activities(desk, "job_update")) == 1


async def test_a_notice_is_toggled_by_those_who_have_an_address(desk: Desk) -> None:
    job_id = await running(desk)
    answer = (await desk.call("job_toggle_notify_me", id=job_id))[1]
    assert (answer["code"], answer["description"]) == ("job", "Your account has no e-mail address."), (
        "a key has none"
    )
    upkeep, job = desk.term.engine.upkeep, desk.term.job(job_id)
    from conductor.signals import Actor

    ann = Actor(kind="user", id="ann")
    assert await upkeep.toggle_notice(job, "ann@example.com", ann) is True
    notice = {"condition": "complete", "type": "email", "email": "ann@example.com", "users": []}
    assert job.job["actions"][-1] == {**notice, "enabled": True, "hidden": True}
    assert await upkeep.toggle_notice(job, "bob@example.com", ann) is True
    assert await upkeep.toggle_notice(job, "ann@example.com", ann) is False
    mails = [action["email"] for action in job.job["actions"] if action["type"] == "email"]
    assert mails == ["bob@example.com"]


async def test_a_delay_is_skipped(desk: Desk) -> None:
    retry = {"type": "retry", "enabled": True, "amount": 1, "duration": 600}
    launched = await desk.term.launched(await desk.term.launch(await desk.house.event(limits=[retry])))
    assert (await desk.call("job_skip_delay", id=launched.id))[1]["code"] == "job"
    desk.term.result(launched, code=1)
    again = (await desk.term.ended(launched.id))["jobs"][0]["id"]
    assert (await desk.call("job_skip_delay", id=again))[1] == {"code": 0}
    skipped = await desk.term.launched(again)
    assert "until" not in skipped.job
    assert any(
        "Delay is skipped by API Key" in row["msg"] for row in desk.term.job(again).details["activity"]
    )


async def test_emptying_a_queue_answers_how_many(desk: Desk) -> None:
    event = await desk.house.event(limits=[ONE, QUEUE])
    jobs = [await desk.term.launch(event) for _ in range(3)]
    await desk.term.state(jobs[-1], "queued")
    assert (await desk.call("flush_event_queue", id=event["id"]))[1] == {"code": 0, "count": 2}
    assert (await desk.call("flush_event_queue", id=event["id"]))[1] == {"code": 0, "count": 0}
    elsewhere = await api_key(desk.house, groups=["elsewhere"], abort_jobs=True)
    assert (await desk.call("flush_event_queue", key=elsewhere, id=event["id"]))[1]["code"] == "access"


async def test_deleting_a_workflow_job_takes_its_sub_jobs_and_a_sub_job_leaves_a_stub(desk: Desk) -> None:
    desk.house.satellites.join("s2")
    event = await runnable(desk.house, algo="multiplex")
    parent = (await desk.call("run_event", id=event))[1]["id"]
    await until(lambda: len(desk.house.satellites.launched) == 2, "sub-jobs run")
    first, second = desk.house.satellites.launched
    desk.term.result(first)
    await desk.term.ended(first.id)
    assert (await desk.call("delete_job", id=first.id))[1]["code"] == "job", "its workflow is active"
    desk.term.result(second)
    await desk.term.ended(parent)
    assert (await desk.call("delete_job", id=first.id))[1] == {"code": 0}
    record = await desk.house.archive.get(parent)
    assert record is not None
    stubs = {stub["id"]: stub.get("deleted") for stub in record["workflow"]["jobs"][multiplex.NODE]}
    assert stubs == {first.id: True, second.id: None}
    assert (await desk.call("delete_job", id=parent))[1] == {"code": 0}
    assert await desk.house.archive.get(second.id) is None


async def test_a_deleted_job_of_today_counts_no_more_today(desk: Desk) -> None:
    job_id = await ended(desk)
    record = await desk.house.archive.get(job_id)
    assert record is not None
    key = f"events/{record['event']}"
    assert desk.house.definitions.state.get(key)["today"]["success"] == 1
    await desk.call("delete_job", id=job_id)
    today = desk.house.definitions.state.get(key)["today"]
    assert (today["success"], today["complete"], today["start"]) == (0, 0, 1)


async def test_the_oldest_jobs_go_when_there_are_too_many(desk: Desk) -> None:
    from conductor.jobs.deletion import Deletion
    from conductor.signals import SYSTEM

    jobs = [await ended(desk) for _ in range(3)]
    deletion = Deletion(desk.house.archive, desk.house.files, desk.house.signals)
    assert await deletion.retain(2, SYSTEM) == 1
    assert await desk.house.archive.exists(jobs) == set(jobs[1:])
    assert await deletion.retain(2, SYSTEM) == 0


async def test_a_long_job_says_when_it_will_have_ended(desk: Desk) -> None:
    job_id = await running(desk)
    assert "eta" not in (await desk.call("get_job", id=job_id))[1]["job"]
    job = desk.term.job(job_id)
    job.set(started=job.job["started"] - 30, progress=0.5)
    assert 29 <= (await desk.call("get_job", id=job_id))[1]["job"]["eta"] <= 32
