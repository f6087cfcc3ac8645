"""run_event in all its forms, over HTTP (contract api/events.yaml, jobs.md §3.1, §5; seed 003)."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from shared import clock
from tests.integration.jobs.house import House, until
from tests.integration.schedule.desk import Desk, opened

MANUAL = {"type": "manual", "enabled": True}


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with opened(house) as one:
        yield one


async def event(house: House, **changes: Any) -> dict[str, Any]:
    return await house.event(**{"triggers": [MANUAL], **changes})


async def ran(desk: Desk, answer: tuple[int, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(job, details) of the job that a call has made."""
    status, body = answer
    assert (status, body["code"]) == (200, 0), body
    job = desk.work.term.job(body["id"])
    return job.job, job.details


async def test_json_query_and_flat_keys_say_the_same(desk: Desk) -> None:
    doc = await event(desk.house, params={"script": "true", "kept": 1})
    by_json = await ran(desk, await desk.call("run_event", {"id": doc["id"], "params": {"foo": "bar"}}))
    by_query = await ran(desk, await desk.call("run_event", id=doc["id"], **{"params/foo": "bar"}))
    by_title = await ran(desk, await desk.call("run_event", {"title": "An event", "params/foo": "bar"}))
    for job, _ in (by_json, by_query, by_title):
        assert job["params"] == {"script": "true", "kept": 1, "foo": "bar"}
        assert job["source"] == "key"
        assert job["correlation_id"]


async def test_the_users_own_multipart_example(desk: Desk) -> None:
    """Seed 003: a `json` part with the whole payload, and files that join input.files."""
    doc = await event(desk.house)
    form = aiohttp.FormData()
    payload = {"id": doc["id"], "params": {"foo": "bar"}, "input": {"data": {"greeting": "hello"}}}
    form.add_field("json", json.dumps(payload))
    form.add_field("file1", b"id,value\n1,alpha\n", filename="input.csv", content_type="text/csv")
    form.add_field("file2", b"hello world", filename="notes.txt", content_type="text/plain")
    job, details = await ran(desk, await desk.call("run_event", data=form))
    assert job["params"]["foo"] == "bar"
    assert details["input"]["data"] == {"greeting": "hello"}
    assert [one["filename"] for one in details["input"]["files"]] == ["input.csv", "notes.txt"]
    stored = await desk.house.files.get(details["input"]["files"][0]["path"])
    assert stored == b"id,value\n1,alpha\n"


async def test_files_without_a_place_for_them_are_refused_and_nothing_runs(house: House) -> None:
    async with opened(house, files=False) as desk:
        doc = await event(house)
        form = aiohttp.FormData()
        form.add_field("json", json.dumps({"id": doc["id"]}))
        form.add_field("file1", b"x", filename="x.txt")
        status, answer = await desk.call("run_event", data=form)
        assert (status, answer["code"]) == (400, "file")
        assert desk.work.jobs() == []


@pytest.mark.parametrize(
    "file",
    [
        "x", {}, {"path": "logs/jobs/j1/log.txt.gz"}, {"path": "files/../secret_key"}, {"path": "files/a/./b"},
        {"path": "/etc/passwd"}, {"path": "files"}, {"path": 5},
    ],
    ids=str,
)  # fmt: skip
async def test_a_stored_file_can_only_be_one_below_files(desk: Desk, file: Any) -> None:
    doc = await event(desk.house)
    status, answer = await desk.call("run_event", {"id": doc["id"], "input": {"files": [file]}})
    assert (status, answer["code"]) == (400, "api")
    assert desk.work.jobs() == []


async def test_a_name_that_leads_elsewhere_is_made_a_name(desk: Desk) -> None:
    doc = await event(desk.house)
    file = {"path": "files/a/b", "filename": "../b"}
    _, details = await ran(desk, await desk.call("run_event", {"id": doc["id"], "input": {"files": [file]}}))
    assert [(one["path"], one["filename"]) for one in details["input"]["files"]] == [("files/a/b", "b")]


async def test_files_uploaded_before_are_passed_on_with_a_files_properties_alone(desk: Desk) -> None:
    doc = await event(desk.house)
    file = {"id": "f1", "path": "files/ann/x_-9/input.csv", "filename": "In put.csv", "size": 3, "evil": "x"}
    _, details = await ran(desk, await desk.call("run_event", {"id": doc["id"], "input": {"files": [file]}}))
    assert details["input"]["files"] == [{key: file[key] for key in ("id", "path", "filename", "size")}]


async def test_post_data_keeps_the_body_whole(desk: Desk) -> None:
    doc = await event(desk.house)
    body = {"id": "something else", "label": "not mine", "nested": {"a": [1]}}
    job, _ = await ran(desk, await desk.call("run_event", body, id=doc["id"], post_data="1", label="mine"))
    assert job["post_data"] == body
    assert job["label"] == "mine"


async def test_a_run_may_be_put_off(desk: Desk) -> None:
    doc = await event(desk.house)
    before = clock.now()
    job, _ = await ran(desk, await desk.call("run_event", id=doc["id"], start_delay="3600"))
    assert job["state"] == "start_delay"
    assert before + 3600 <= job["until"] <= clock.now() + 3600
    job, _ = await ran(desk, await desk.call("run_event", {"id": doc["id"], "start_delay": 0.2}))
    launched = await desk.work.term.launched(job["id"])
    assert "until" not in launched.job
    untils = []
    for _ in range(5):
        job, _ = await ran(
            desk, await desk.call("run_event", {"id": doc["id"], "start_delay": 60, "splay": 600})
        )
        untils.append(job["until"])
    assert len(set(untils)) == 5
    assert all(one - clock.now() + 5 >= 60 and one - before < 700 for one in untils)
    for wrong in ("soon", -1, 1e12, [5]):
        status, answer = await desk.call("run_event", {"id": doc["id"], "start_delay": wrong})
        assert (status, answer["code"]) == (400, "api")


async def test_test_runs_pass_by_what_keeps_others_from_running(desk: Desk) -> None:
    limit, action = {"type": "job", "enabled": True, "amount": 1}, {"type": "snapshot", "enabled": True}
    action["condition"] = "error"
    await desk.house.definitions.restore(
        {
            "categories": [
                {"id": "off", "title": "Off", "enabled": False, "limits": [limit], "actions": [action]}
            ]
        }
    )
    doc = await event(desk.house, triggers=[], enabled=False, category="off")
    status, answer = await desk.call("run_event", id=doc["id"])
    assert (status, answer["code"]) == (400, "event")
    job, _ = await ran(desk, await desk.call("run_event", id=doc["id"], test="1"))
    assert (job["limits"], job["actions"], job["test"]) == ([], [], True)
    body = {
        "id": doc["id"],
        "test": True,
        "test_limits": True,
        "test_actions": 1,
        "test_conditions": ["error"],
    }
    job, _ = await ran(desk, await desk.call("run_event", body))
    own = [one for one in (*job["limits"], *job["actions"]) if one["source"] != "universal"]
    assert [(one["type"], one["source"]) for one in own] == [("job", "category"), ("snapshot", "category")]
    assert job["test_conditions"] == ["error"]


async def test_waiting_answers_the_record_also_of_an_ephemeral_job(desk: Desk) -> None:
    """Where to be better of events.yaml: /wait on a job that is never stored crashed the conductor."""
    doc = await event(desk.house)
    for ephemeral in (False, True):
        before = len(desk.house.satellites.launched)
        body = {"id": doc["id"], "ephemeral": ephemeral}
        waiting = asyncio.create_task(desk.call("run_event/v1/wait", body))
        await until(lambda n=before: len(desk.house.satellites.launched) > n, "it is launched")
        desk.work.term.result(desk.house.satellites.launched[-1], description="done")
        status, answer = await waiting
        assert (status, answer["job"]["code"], answer["job"]["description"]) == (200, 0, "done")
        stored = await desk.house.archive.get(answer["job"]["id"])
        assert (stored is None) == ephemeral


async def test_of_events_with_one_title_the_one_that_may_be_run_is(desk: Desk) -> None:
    """Where to be better of events.yaml: a title picked an arbitrary event."""
    await event(desk.house, title="Twin", targets=["other"])
    second = await event(desk.house, title="Twin", targets=["main"])
    limited = await desk.api_key(privileges={"run_jobs": True}, groups=["main"])
    job, _ = await ran(desk, await desk.call("run_event", {"title": "Twin"}, key=limited))
    assert job["event"] == second["id"]


async def test_locked_and_hidden_values_are_the_events(desk: Desk) -> None:
    """Where to be better of events.yaml: locked and hidden fields were not enforced in runs."""
    fields = [
        {"id": "host", "type": "text", "title": "Host", "value": "a", "locked": True},
        {"id": "secret", "type": "hidden", "title": "Secret", "value": "s"},
        {"id": "free", "type": "text", "title": "Free", "value": "f", "required": True},
    ]
    doc = await event(desk.house, fields=fields)
    limited = await desk.api_key(privileges={"run_jobs": True})
    given = {"host": "b", "secret": "x", "free": "mine"}
    job, _ = await ran(desk, await desk.call("run_event", {"id": doc["id"], "params": given}, key=limited))
    assert {key: job["params"][key] for key in given} == {"host": "a", "secret": "s", "free": "mine"}
    status, answer = await desk.call("run_event", {"id": doc["id"], "params": {"free": ""}}, key=limited)
    assert (status, answer["description"]) == (400, "Event: Parameter 'free' is required.")


async def test_params_are_expanded_once_and_may_override_what_is_allowed(desk: Desk) -> None:
    """Contract jobs.md §5; reserved overrides are refused, also among the params of a run."""
    doc = await event(desk.house)
    params = {"a": "{{data.who}}", "b": "{{params.a}}", "_xy_override_label": "L {{data.n}}"}
    body = {"id": doc["id"], "params": params, "input": {"data": {"who": "{{1+1}}", "n": 5}}}
    job, _ = await ran(desk, await desk.call("run_event", body))
    assert job["params"]["a"] == "{{1+1}}"
    assert job["label"] == "L 5"
    status, answer = await desk.call("run_event", {"id": doc["id"], "params": {"_xy_override_command": "sh"}})
    assert (status, answer["code"]) == (400, "api")
    assert "reserved" in answer["description"]


async def test_a_whole_event_is_a_harmless_request(desk: Desk) -> None:
    """Browsers post the complete event; what a caller may not set is dropped without a word."""
    doc = await event(desk.house)
    extra = {"server": "s9", "state": "active", "retry_count": 7, "delete_event": True, "username": "root"}
    job, _ = await ran(desk, await desk.call("run_event", {**doc, **extra}))
    assert "retry_count" not in job
    assert "delete_event" not in job
    assert job["username"] != "root"
    assert (await desk.work.term.launched(job["id"])).server == "s1"


async def test_multiplex_is_no_longer_refused_when_a_job_is_composed(desk: Desk) -> None:
    doc = await event(desk.house, algo="multiplex")
    status, answer = await desk.call("run_event", id=doc["id"])
    assert (status, answer["code"]) == (200, 0)


async def test_universal_settings_join_each_job(house: House) -> None:
    limit = {"type": "time", "enabled": True, "duration": 60}
    house.settings.job_universal_limits = {"default": [limit], "workflow": []}
    house.settings.job_env = {"A": "1"}
    async with opened(house) as desk:
        doc = await event(house)
        job, _ = await ran(desk, await desk.call("run_event", id=doc["id"]))
        assert job["limits"] == [{**limit, "source": "universal"}]
        assert job["env"] == {"A": "1"}
        assert msgspec.json.encode(job)
