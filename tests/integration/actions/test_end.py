"""What follows a job's end: every type, its record, and who hears of it (contract actions.md)."""

import time
from typing import Any

import pytest

from conductor.definitions import writer
from conductor.signals import SYSTEM, ActionRun, JobConditionMet
from tests.integration.actions.conftest import Stage
from tests.integration.actions.edges import Delivered
from tests.integration.jobs.house import until


def action(type_: str, condition: str = "complete", **more: Any) -> dict[str, Any]:
    return {"enabled": True, "condition": condition, "type": type_, **more}


async def run(
    stage: Stage, actions: list[Any], result: dict[str, Any] | None = None, **job: Any
) -> dict[str, Any]:
    """The record of a job with these actions."""
    async with stage.house.term() as term:
        event = await stage.house.event()
        job_id = await term.launch(event, actions=actions, **job)
        for number, file in enumerate((result or {}).get("files", ())):
            # A job may list its own files only, each once.
            file["path"] = f"files/jobs/{job_id}/{number}.csv"
        term.result(await term.launched(job_id), **(result or {}))
        return await term.ended(job_id)


async def test_the_record_of_a_job_has_what_its_actions_came_to(stage: Stage) -> None:
    record = await run(
        stage,
        [
            action("email", "error", users=["ann", "gone"], email="ops@example.com"),
            action("web_hook", "error", web_hook="hook", text="see {{job.id}}"),
            action("snapshot", "success"),
            action("nope", "error"),
        ],
        {"code": 5, "description": "disk full"},
    )
    mail, hook, never, unknown = record["actions"]
    assert (mail["code"], mail["description"]) == (0, "Sent")
    assert mail["elapsed_ms"] >= 0
    assert mail["date"] >= record["completed"] - 1
    assert "active" not in mail
    assert (hook["code"], hook["description"]) == (0, "Success (HTTP 200 OK)")
    assert "code" not in never
    assert unknown["code"] == "type"
    assert record["code"] == 5

    [letter] = stage.edges.mailer.sent
    assert letter.template == "job_fail"
    assert letter.to == ("ann@example.com", "ops@example.com")
    assert letter.data["job"]["description"] == "disk full"
    assert letter.data["log_excerpt"] == "disk full"
    [fired] = stage.edges.web_hooks.fired
    assert fired.key == f"{record['id']}-1"
    assert fired.data["text"].endswith(f"see {record['id']}")
    assert "Job failed on One (one.lan.example): An event: Error (5): disk full" in fired.data["text"]
    assert [row["msg"] for row in record["activity"] if "action" in row["msg"]]


async def test_the_conditions_of_an_end_are_announced_with_their_hook_data(stage: Stage) -> None:
    record = await run(stage, [], {"code": "warning"}, tags=["important"])
    met = [one for one in stage.of_type(JobConditionMet) if isinstance(one, JobConditionMet)]
    assert [one.condition for one in met] == ["start", "complete", "error", "warning", "tag:important"]
    assert {one.job_id for one in met} == {record["id"]}
    assert (met[1].server_id, met[1].plugin_id, met[1].groups) == ("s1", "shellplug", ("main",))
    data = met[2].hook_data()
    assert data["job"]["code"] == "warning"
    assert data["nice_hostname"] == "one"
    assert data["links"]["job_details"].endswith(f"/#Job?id={record['id']}")


async def test_better_2_hook_data_has_no_environment_no_passwords_and_macros_are_expanded_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOP_SECRET", "hidden")
    fields = [{"id": "pass", "title": "P", "type": "text", "variant": "password", "value": ""}]
    record = await run(
        stage,
        [
            action(
                "web_hook", web_hook="hook", text="{{env.TOP_SECRET}}|{{job.description}}|{{job.params.pass}}"
            )
        ],
        {"description": "{{secrets.KEY}}{{1+1}}"},
        fields=fields,
        params={"script": "true", "pass": "hunter2"},
    )
    stage.edges.secrets.values = {"KEY": "s3cret"}
    [fired] = stage.edges.web_hooks.fired
    assert "env" not in fired.data
    assert fired.data["text"].endswith("n/a|{{secrets.KEY}}{{1+1}}|(Hidden)")
    assert record["params"]["pass"] == "hunter2"


ODD: list[tuple[dict[str, Any], Any, str]] = [
    ({"type": "email"}, 0, "No recipients"),
    ({"type": "email", "users": "ann, bob"}, 0, "Sent"),
    ({"type": "email", "users": {"a": 1}, "email": 7}, 0, "No recipients"),
    ({"type": "web_hook", "web_hook": "gone"}, "webhook", "not found: gone"),
    ({"type": "web_hook", "web_hook": ["x"]}, "webhook", "not found"),
    ({"type": "web_hook", "web_hook": "off"}, "webhook", "disabled"),
    ({"type": "store", "bucket_id": "shut", "bucket_sync": "data"}, "bucket", "disabled: Shut"),
    ({"type": "fetch", "bucket_id": "shut", "bucket_sync": "data"}, "bucket", "disabled: Shut"),
    ({"type": "channel", "channel_id": "gone"}, "channel", "not found: gone"),
    ({"type": "run_event", "event_id": None}, "event", "not found"),
    ({"type": "plugin", "plugin_id": "shellplug"}, "plugin", "not found: shellplug"),
    ({"type": "store", "bucket_id": "gone", "bucket_sync": "data"}, "bucket", "not found: gone"),
    ({"type": "fetch", "bucket_id": "pail", "bucket_sync": "all"}, "bucket", "sync type"),
    ({"type": "tag", "tags": None}, "tag", "No tags"),
    ({"type": "label", "label": 5}, "label", "No label"),
    ({"type": ["email"]}, "type", "Unknown action type"),
]


async def test_any_action_comes_to_a_result(stage: Stage) -> None:
    """Workflow nodes and configured actions are never validated: nothing in them may break a job's end."""
    record = await run(stage, [{"enabled": True, "condition": "complete", **more} for more, _, _ in ODD])
    for done, (more, code, text) in zip(record["actions"], ODD, strict=True):
        assert (done["code"], text in done["description"]) == (code, True), (more, done)
    assert record["code"] == 0


async def test_a_house_without_the_other_rooms_says_so(stage: Stage) -> None:
    for name in stage.edges.ports.__slots__:
        setattr(stage.edges.ports, name, None)
    record = await run(
        stage,
        [
            action("email", email="a@example.com"), action("web_hook", web_hook="hook"), action("snapshot"),
            action("ticket", ticket_type="issue"), action("store", bucket_id="pail", bucket_sync="data"),
        ],
    )  # fmt: skip
    assert [one["code"] for one in record["actions"]] == ["email", "webhook", "snapshot", "ticket", "bucket"]
    assert all("not available" in one["description"] for one in record["actions"])


async def test_tags_label_disable_and_delete(stage: Stage) -> None:
    record = await run(
        stage,
        [
            action("tag", tags=["flag"]), action("tag", "success", tags=["important", "unknown"]),
            action("label", label="Run {{job.code}} <b>of</b> {{event.title}} {{no.such}}"), action("disable"),
            action("snapshot", "tag:flag"),
        ],
    )  # fmt: skip
    assert {"flag", "important"} <= set(record["tags"])
    assert "unknown" not in record["tags"]
    assert record["label"] == "Run 0 of An event n/a"
    assert "code" not in record["actions"][4], "tags of the same phase fire nothing"
    assert "update_event" not in record
    event = stage.house.definitions.get("events", record["event"])
    assert event is not None
    assert event["enabled"] is False
    assert event["revision"] == 2

    record = await run(stage, [action("delete")])
    await until(
        lambda: stage.house.definitions.get("events", record["event"]) is None, "the event is deleted"
    )


async def test_an_event_with_other_active_jobs_is_disabled_instead_of_deleted(stage: Stage) -> None:
    async with stage.house.term() as term:
        event = await stage.house.event()
        stage.house.definitions._active_jobs = term.book.count_of_event
        first = await term.launch(event, actions=[action("delete")])
        await term.launched(await term.launch(event))
        term.result(await term.launched(first))
        await until(
            lambda: not (stage.house.definitions.get("events", event["id"]) or {}).get("enabled"),
            "it is disabled",
        )
        assert stage.house.definitions.get("events", event["id"]) is not None


async def test_what_a_plugin_wants_of_its_event_passes_the_rules_of_events(stage: Stage) -> None:
    record = await run(stage, [], {"update_event": {"notes": "<b>new</b>", "id": "other", "limits": 5}})
    event = stage.house.definitions.get("events", record["event"])
    assert event is not None
    assert event.get("notes", "") == "", "one malformed property refuses the whole"
    record = await run(stage, [], {"update_event": {"notes": "<b>new</b>", "id": "other", "targets": ["s9"]}})
    event = stage.house.definitions.get("events", record["event"])
    assert event is not None
    assert (event["notes"], event["targets"]) == ("new", ["main"]), "a job does not say where it runs"


async def test_inherited_actions_name_their_source_and_test_runs_have_none(stage: Stage) -> None:
    house = stage.house
    house.settings.job_universal_actions = {"default": [action("snapshot", "error")]}
    await house.definitions.update(
        "categories",
        "general",
        {"actions": [action("tag", tags=["flag"])]},
        actor=SYSTEM,
        by=writer.House("admin"),
    )
    record = await run(stage, [action("label", label="own")], {"code": 1})
    assert [(one["type"], one.get("source"), one["code"]) for one in record["actions"]] == [
        ("label", None, 0), ("tag", "category", 0), ("snapshot", "universal", 0),
    ]  # fmt: skip
    assert stage.edges.snapshots.taken == [("s1", "job", record["id"], "")]
    record = await run(stage, [action("label", label="own")], {"code": 1}, test=True)
    assert [one["type"] for one in record["actions"]] == ["label"]
    record = await run(
        stage,
        [action("label", "error", label="x")],
        {"code": 1},
        test=True,
        test_actions=True,
        test_conditions=["complete"],
    )
    assert [(one["type"], "code" in one) for one in record["actions"]] == [
        ("label", False), ("tag", True), ("snapshot", False),
    ]  # fmt: skip


async def test_a_retried_job_fires_nothing(stage: Stage) -> None:
    async with stage.house.term() as term:
        event = await stage.house.event()
        limits = [{"type": "retry", "enabled": True, "amount": 1, "duration": 0}]
        job_id = await term.launch(event, actions=[action("snapshot")], limits=limits)
        term.result(await term.launched(job_id), code=1)
        record = await term.ended(job_id)
        assert "code" not in record["actions"][0]
        again = record["jobs"][0]["id"]
        term.result(await term.launched(again), code=1)
        assert (await term.ended(again))["actions"][0]["code"] == 0
    ends = [one for one in stage.of_type(JobConditionMet) if getattr(one, "condition", "") == "complete"]
    assert len(ends) == 1


async def test_a_ticket_tells_what_happened_and_is_linked(stage: Stage) -> None:
    stage.house.settings.client = {"new_ticket_template": {"cc": ["bob"], "notify": ["x@example.com"]}}
    wanted = action(
        "ticket",
        "error",
        ticket_type="change",
        ticket_assignees=["ann"],
        ticket_tags=["flag"],
        ticket_due="3 days",
    )
    record = await run(stage, [wanted], {"code": 7, "description": "broken"}, tickets=["t0"])
    [ticket] = stage.edges.tickets.created
    assert ticket["subject"] == f"Job #{record['id']} failed: An event"
    assert "(7) broken" in ticket["body"]
    assert (ticket["status"], ticket["type"], ticket["category"], ticket["server"]) == (
        "open",
        "change",
        "general",
        "s1",
    )
    assert (ticket["assignees"], ticket["tags"], ticket["cc"]) == (["ann"], ["flag"], ["bob"])
    assert (ticket["due"], ticket["username"]) == ("3 days", "system")
    assert record["tickets"] == ["t0", "t1"]
    assert record["actions"][0]["loc"] == "#1"


async def test_better_1_two_tickets_of_one_phase_are_two(stage: Stage) -> None:
    actions = [action("ticket", ticket_type="issue"), action("ticket", ticket_type="change")]
    record = await run(stage, actions)
    assert len(stage.edges.tickets.created) == 2
    assert sorted(record["tickets"]) == ["t1", "t2"]


async def test_output_is_stored_in_a_bucket_and_fetched_from_it(stage: Stage) -> None:
    files = [
        {"id": "f1", "filename": "a.csv", "path": "files/jobs/x/a.csv", "size": 1},
        {"filename": "b.txt", "path": "p"},
    ]
    store = action("store", bucket_id="pail", bucket_sync="data_and_files", bucket_glob="*.csv")
    record = await run(stage, [store], {"data": {"n": 1}, "files": files})
    assert record["actions"][0]["code"] == 0
    assert stage.edges.buckets.stored == [("pail", {"n": 1}, [{**files[0], "job": record["id"]}])]
    stage.edges.buckets.held = {"data": {"n": 2}, "files": files[:1]}
    async with stage.house.term() as term:
        event = await stage.house.event()
        fetch = action("fetch", "start", bucket_id="pail", bucket_sync="data_and_files")
        given = {"data": {"m": 1}, "files": [{"path": files[0]["path"], "filename": "old"}]}
        job_id = await term.launch(event, actions=[fetch], input=given)
        launched = await term.launched(job_id)
        assert launched.details["input"] == {
            "data": {"m": 1, "n": 2},
            "files": [{**files[0], "bucket": "pail"}],
        }
        term.result(launched)
        await term.ended(job_id)
    refused = await run(
        stage,
        [action("store", bucket_id="pail", bucket_sync="files")],
        {"files": [dict(files[0]) for _ in range(3)]},
    )
    assert (refused["actions"][0]["code"], refused["actions"][0]["description"]) == (
        "bucket",
        "Too many files.",
    )


async def test_better_3_an_action_with_retries_is_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conductor.actions.attempt._PAUSES", (0.01,))
    stage.edges.mailer.answers = [Delivered("email", "greylisted"), Delivered("email", "greylisted")]
    record = await run(stage, [action("email", email="a@example.com", retries=2)])
    assert record["actions"][0]["code"] == 0
    assert len({letter.message_id for letter in stage.edges.mailer.sent}) == 1
    assert len(stage.edges.mailer.sent) == 3
    stage.edges.mailer.answers = [Delivered("email", "refused")]
    record = await run(stage, [action("email", email="a@example.com")])
    assert (record["actions"][0]["code"], record["actions"][0]["description"]) == ("email", "refused")


async def test_each_action_is_announced(stage: Stage) -> None:
    record = await run(stage, [action("snapshot"), action("web_hook", web_hook="gone")])
    told = [one for one in stage.of_type(ActionRun) if isinstance(one, ActionRun)]
    assert sorted((one.type, one.code) for one in told) == [("snapshot", 0), ("web_hook", "webhook")]
    assert {one.job_id for one in told} == {record["id"]}
    assert told[0].subject["category"] == "general"


async def test_a_job_clears_the_alert_it_was_launched_for(stage: Stage) -> None:
    record = await run(stage, [], clear_alert="a1")
    assert stage.edges.alerts.cleared == [("a1", record["id"])]


async def test_jobs_of_an_event_in_maintenance_tell_nobody_and_do_the_rest(stage: Stage) -> None:
    """alerts.md, "Where to be better" 7: maintenance windows, of events as well."""
    async with stage.house.term() as term:
        event = await stage.house.event()
        moment = int(time.time())
        window = {"title": "Move", "start": moment - 60, "end": moment + 600, "events": [event["id"]]}
        definitions = stage.house.definitions
        await definitions.create("maintenance_windows", window, actor=SYSTEM, by=writer.House("test"))
        actions = [
            action("email", "complete", users=["ann"]),
            action("web_hook", web_hook="hook"),
            action("label", label="x"),
        ]
        job_id = await term.launch(event, actions=actions)
        term.result(await term.launched(job_id))
        record = await term.ended(job_id)
    mail, hook, label = record["actions"]
    assert mail["description"] == hook["description"] == "Nobody was told: maintenance window Move."
    assert (mail["code"], hook["code"], label["code"]) == (0, 0, 0)
    assert (stage.edges.mailer.sent, stage.edges.web_hooks.fired) == ([], [])
    assert record["label"] == "x"
