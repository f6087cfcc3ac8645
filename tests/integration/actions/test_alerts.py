"""What an alert's conditions run (contract alerts.md §6)."""

from typing import Any

from conductor.definitions import writer
from conductor.signals import SYSTEM, ActionRun
from tests.integration.actions.conftest import Stage
from tests.integration.actions.test_chains import MANUAL
from tests.integration.actions.test_end import action

DEFINITION = {"id": "full", "title": "Disk full", "enabled": True}
SERVER = {
    "id": "s1", "hostname": "one.lan.example", "title": "One", "ip": "::ffff:10.0.0.1", "groups": ["main", "gone"],
    "data": {
        "load": [1.5, 1, 0.25], "uptime_sec": 7260, "memory": {"total": 4 * 1024**3, "available": 1024**3},
        "cpu": {"brand": "Fast"}, "os": {"distro": "Debian", "release": "12", "arch": "x64"},
    },
}  # fmt: skip


def invocation(**more: Any) -> dict[str, Any]:
    return {
        "id": "a1", "alert": "full", "server": "s1", "groups": ["main"], "date": 1000, "modified": 1300,
        "message": "99%", "active": True, "jobs": [], **more,
    }  # fmt: skip


async def test_an_alert_runs_its_own_its_groups_and_the_configured_actions(stage: Stage) -> None:
    house = stage.house
    house.settings.alert_universal_actions = [action("snapshot", "alert_new", hidden=True)]
    await house.definitions.update(
        "groups", "main", {"alert_actions": [action("web_hook", "alert_new", web_hook="hook")]},
        actor=SYSTEM, by=writer.House("admin"),
    )  # fmt: skip
    own = [
        action("email", "alert_new", users=["ann"]),
        action("tag", "alert_new", tags=["flag"]),
        action("email", "alert_cleared", email="x"),
    ]
    alert, definition = invocation(), {**DEFINITION, "actions": own}
    async with house.term() as term:
        done = await term.engine.actions.run_for_alert(alert, definition, SERVER, "alert_new")  # type: ignore[attr-defined]
    assert [(one["type"], one.get("source"), one["code"]) for one in done] == [
        ("email", None, 0), ("web_hook", "group", 0), ("snapshot", "universal", 0),
    ]  # fmt: skip
    assert "code" not in own[0], "the definition's actions are copied"
    assert stage.edges.mailer.sent[0].template == "alert_new"
    assert stage.edges.snapshots.taken == [("s1", "alert", "", "a1")]
    data = stage.edges.web_hooks.fired[0].data
    assert data["text"] == (
        "OpsOrbit Alert: One (one.lan.example): Disk full: 99%: http://localhost:5522/#Alerts?id=a1"
    )
    assert data["text"] == data["content"] == data["message"]
    assert (data["nice_hostname"], data["nice_ip"], data["nice_groups"]) == (
        "one",
        "10.0.0.1",
        "Main Group, (gone)",
    )
    assert (data["nice_load_avg"], data["nice_uptime"]) == ("1.50, 1.00, 0.25", "2 hours, 1 minute")
    assert (data["nice_mem_total"], data["nice_mem_avail"]) == ("4 GB", "1 GB")
    assert (data["nice_cpu"], data["nice_os"], data["nice_virt"]) == ("Fast (x64)", "Debian 12", "(None)")
    assert data["nice_active_jobs"] == data["nice_notes"] == "(None)"
    told = [one for one in stage.signals if isinstance(one, ActionRun)]
    assert {(one.alert_id, tuple(one.subject["groups"])) for one in told} == {("a1", ("main", "gone"))}


async def test_a_partial_sample_breaks_no_notification(stage: Stage) -> None:
    definition = {"actions": [action("web_hook", "alert_cleared", web_hook="hook")]}
    async with stage.house.term() as term:
        run_for_alert = term.engine.actions.run_for_alert  # type: ignore[attr-defined]
        for server in ({}, {"id": "s9", "data": {"load": "high", "memory": None, "cpu": []}, "info": 5}):
            [done] = await run_for_alert(invocation(jobs=None), definition, server, "alert_cleared")
            assert done["code"] == 0
    data = stage.edges.web_hooks.fired[0].data
    assert data["nice_load_avg"] == data["nice_os"] == "(None)"
    assert (data["elapsed"], data["nice_elapsed"]) == (300, "5 minutes")


async def test_an_alert_runs_an_event_on_its_server_and_a_ticket_is_linked(stage: Stage) -> None:
    target = await stage.house.event(title="Clean up", triggers=MANUAL)
    own = [
        action("run_event", "alert_new", event_id=target["id"], params={"extra": 1}, target_server=True,
               clear_alert=True),
        action("ticket", "alert_new", ticket_type="issue", ticket_due="1d"),
    ]  # fmt: skip
    alert = invocation()
    async with stage.house.term() as term:
        done = await term.engine.actions.run_for_alert(
            alert, {**DEFINITION, "actions": own}, SERVER, "alert_new"
        )  # type: ignore[attr-defined]
        assert [one["code"] for one in done] == [0, 0], done
        job_id = done[0]["loc"].removeprefix("#Job?id=")
        launched = await term.launched(job_id)
        assert launched.job["source"] == "alert"
        assert launched.job["targets"] == ["s1"]
        assert launched.job["params"] == {"script": "true", "extra": 1}
        told = launched.details["input"]["data"]
        assert (told["condition"], told["alert"]["id"], told["alert"]["title"]) == (
            "alert_new",
            "a1",
            "Disk full",
        )
        term.result(launched)
        await term.ended(job_id)
    assert stage.edges.alerts.cleared == [("a1", job_id)]
    assert alert["tickets"] == ["t1"]
    assert stage.edges.tickets.created[0]["subject"] == "Alert: Disk full on One (one.lan.example)"


async def test_an_alert_plugin_gets_the_alert(stage: Stage) -> None:
    doc = {
        "id": "act", "title": "Act", "type": "action", "enabled": True, "command": "grep -o '\"message\":\"99%\"'",
        "params": [],
    }  # fmt: skip
    await stage.house.definitions.create("plugins", doc, actor=SYSTEM, by=writer.House("admin"))
    definition = {**DEFINITION, "actions": [action("plugin", "alert_new", plugin_id="act")]}
    async with stage.house.term() as term:
        [done] = await term.engine.actions.run_for_alert(invocation(), definition, SERVER, "alert_new")  # type: ignore[attr-defined]
    assert done["code"] == 0
    assert "99%" in done["details"]


async def test_better_3_an_alerts_ticket_has_the_same_name_when_it_is_made_again(stage: Stage) -> None:
    alert = {"id": "a2", "alert": "hot", "server": "s1", "date": 1_795_340_000, "message": "hot"}
    definition = {
        "id": "hot",
        "title": "Hot",
        "actions": [action("ticket", "alert_new"), action("snapshot", "alert_new")],
    }
    async with stage.house.term() as term:
        run = term.engine.actions.run_for_alert  # type: ignore[attr-defined]
        for again in (False, True):
            await run(dict(alert), definition, SERVER, "alert_new", again=again)
    first, second = stage.edges.tickets.asked
    assert first == second
    assert stage.edges.snapshots.asked == [("a2-alert_new-1", False), ("a2-alert_new-1", True)]


async def test_better_8_actions_of_one_alert_share_no_text(stage: Stage) -> None:
    """They ran on one context: what was added for one web hook was in the next one, and in the e-mail."""
    other = {"id": "other", "title": "Other", "url": "https://y.example", "method": "POST"}
    await stage.house.definitions.create("web_hooks", other, actor=SYSTEM, by=writer.House("admin"))
    actions = [
        action("web_hook", "alert_new", web_hook="hook", text="for the hook alone"),
        action("email", "alert_new", email="ops@example.com"),
        action("web_hook", "alert_new", web_hook="other", text="another"),
    ]
    definition = {**DEFINITION, "actions": actions}
    async with stage.house.term() as term:
        await term.engine.actions.run_for_alert(invocation(), definition, SERVER, "alert_new")  # type: ignore[attr-defined]
    texts = sorted(str(one.data["text"]).splitlines()[-1] for one in stage.edges.web_hooks.fired)
    assert len(texts) == 2
    first, second = (next(text for text in texts if word in text) for word in ("another", "for the hook"))
    assert "for the hook" not in first
    assert "another" not in second
    letter = stage.edges.mailer.sent[0]
    assert [
        key for key, value in letter.data.items() if isinstance(value, str) and "for the hook" in value
    ] == []
