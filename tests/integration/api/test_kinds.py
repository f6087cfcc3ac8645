"""Calls of the kinds of definitions over HTTP: life, rights, locking, references, correlation."""

from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from conductor.audit.history import of_item
from conductor.records.store import Write
from conductor.records.tables import activity
from conductor.signals import DefinitionChanged, Signal
from tests.integration.api.conftest import Served

EVENT = {
    "title": "Nightly",
    "enabled": True,
    "category": "general",
    "plugin": "shellplug",
    "targets": ["main"],
    "params": {"script": "true"},
}
KINDS: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("alert", "alerts", "a", {"title": "A", "expression": "a > 1", "message": "m"}, {"samples": 2}),
    ("channel", "channels", "ch", {"title": "C", "notes": "n", "users": ["admin"], "sound": "x.mp3"}, {"users": []}),
    ("monitor", "monitors", "m", {"title": "M", "source": "a.b", "data_type": "float"}, {"suffix": "%"}),
    ("role", "roles", "r", {"title": "R", "privileges": {"run_jobs": 1}}, {"enabled": False}),
    ("web_hook", "web_hooks", "w", {"title": "W", "url": "https://x", "method": "PUT"}, {"retries": 3}),
    ("bucket", "buckets", "b", {"title": "B"}, {"notes": "n"}),
    ("tag", "tags", "t", {"title": "T"}, {"icon": "flag"}),
    ("group", "groups", "g", {"title": "G", "hostname_match": "x"}, {"max_jobs_per_server": 2}),
    ("plugin", "plugins", "p", {"title": "P", "type": "event", "command": "x"}, {"kill": "all"}),
    ("category", "categories", "ca", {"title": "K"}, {"color": "red"}),
]  # fmt: skip


async def furnished(served: Served) -> Served:
    await served.furnish()
    return served


async def good(
    served: Served, name: str, body: Any = None, key: str | None = None, **query: str
) -> dict[str, Any]:
    status, answer = await served.call(name, body, key=key, **query)
    assert (status, answer["code"]) == (200, 0), answer
    return answer


async def refused(served: Served, name: str, body: Any, key: str | None = None) -> tuple[int, str]:
    status, answer = await served.call(name, body, key=key)
    assert answer["code"] != 0, answer
    return status, answer["code"]


@pytest.mark.parametrize(("one", "many", "prefix", "doc", "changes"), KINDS, ids=[kind[0] for kind in KINDS])
async def test_the_life_of_a_definition(
    served: Served, one: str, many: str, prefix: str, doc: dict[str, Any], changes: dict[str, Any]
) -> None:
    await furnished(served)
    made = (await good(served, f"create_{one}", doc | {"extra": {"kept": 1}}))[one]
    assert (made["id"][: len(prefix)], made["extra"], made["revision"]) == (prefix, {"kept": 1}, 1)
    assert await refused(served, f"create_{one}", {**doc, "id": made["id"]}) == (400, one)
    done = await good(served, f"update_{one}", {"id": made["id"], **changes})
    assert (done["revision"], done["modified"] >= made["modified"]) == (2, True)
    now = (await good(served, f"get_{one}", id=made["id"]))[one]
    assert now == {**made, **changes, "revision": 2, "modified": done["modified"]}
    rows = (await good(served, f"get_{many}"))["rows"]
    assert rows[-1] == now
    stale = {"id": made["id"], "title": "Late", "expected_revision": 1}
    assert await refused(served, f"update_{one}", stale) == (400, one)
    await good(served, f"delete_{one}", {"id": made["id"]})
    assert await refused(served, f"delete_{one}", {"id": made["id"]}) == (400, one)
    status, answer = await served.call(f"get_{one}", id=made["id"])
    assert (status, answer["code"]) == (404, "notfound")


@pytest.mark.parametrize(("one", "many", "prefix", "doc", "changes"), KINDS, ids=[kind[0] for kind in KINDS])
async def test_each_change_needs_its_privilege(
    served: Served, one: str, many: str, prefix: str, doc: dict[str, Any], changes: dict[str, Any]
) -> None:
    await furnished(served)
    verbs = {"create": doc | {"id": "mine"}, "update": {"id": "mine", **changes}, "delete": {"id": "mine"}}
    nobody = await served.key()
    for verb, body in verbs.items():
        assert await refused(served, f"{verb}_{one}", body, nobody) == (403, "access")
        needed = f"{'edit' if verb == 'update' else verb}_{many}"
        held = await served.key(privileges={needed: True, "run_jobs": True})
        await good(served, f"{verb}_{one}", body, held)


@pytest.mark.parametrize("kind", ["category", "group", "monitor"])
async def test_reordering_changes_nothing_else(served: Served, kind: str) -> None:
    """Better: multi_update bypasses no validation, for it takes `sort_order` alone."""
    await furnished(served)
    plural = {"category": "categories"}.get(kind, f"{kind}s")
    first = (await good(served, f"get_{plural}"))["rows"][0]
    sent = {"id": first["id"], "sort_order": 9, "source": "((", "hostname_match": "(", "title": "<b>"}
    await good(served, f"multi_update_{kind}", {"items": [sent, {"id": "nosuch", "sort_order": 1}]})
    assert (await good(served, f"get_{plural}"))["rows"][0] == {**first, "sort_order": 9}
    for items in (None, [], "x"):
        assert await refused(served, f"multi_update_{kind}", {"items": items}) == (400, "api")


async def test_reordering_monitors_is_for_callers_without_group_limits(served: Served) -> None:
    await furnished(served)
    limited = await served.key(privileges={"edit_monitors": True, "edit_groups": True}, groups=["main"])
    items = {"items": [{"id": "load_avg", "sort_order": 3}]}
    assert await refused(served, "multi_update_monitor", items, limited) == (400, "alert")
    assert await refused(served, "multi_update_group", items, limited) == (403, "access")
    assert len((await good(served, "get_monitors", key=limited))["rows"]) == 15


async def test_an_unknown_id_is_named_before_a_bad_expression_counts(served: Served) -> None:
    """Better: nothing of an update is live before the ID is known and the save has worked."""
    await furnished(served)
    assert await refused(served, "update_alert", {"id": "nosuch", "expression": "(("}) == (400, "alert")
    assert await refused(served, "update_monitor", {"id": "nosuch", "source": "(("}) == (400, "monitor")
    before = served.definitions.get("alerts", "load_avg_high")
    assert await refused(served, "update_alert", {"id": "load_avg_high", "expression": "(("}) == (
        400,
        "alert",
    )
    assert served.definitions.get("alerts", "load_avg_high") == before


async def test_a_comparison_in_a_message_survives_the_door(served: Served) -> None:
    doc = {"title": "A", "expression": "a", "message": "<i>x</i> {{ a < b }}, {{ c > d }}"}
    assert (await good(served, "create_alert", doc))["alert"]["message"] == "x {{ a < b }}, {{ c > d }}"


class TestRoles:
    async def test_a_change_counts_with_the_next_call(self, served: Served) -> None:
        await furnished(served)
        await good(served, "create_role", {"id": "ops", "title": "Ops"})
        key = await served.key(roles=["ops"])
        assert await refused(served, "create_tag", {"title": "T"}, key) == (403, "access")
        await good(served, "update_role", {"id": "ops", "privileges": {"create_tags": True}})
        await good(served, "create_tag", {"title": "T"}, key)
        await good(served, "update_role", {"id": "ops", "enabled": False})
        assert await refused(served, "create_tag", {"title": "T"}, key) == (403, "access")

    async def test_nobody_makes_themselves_administrator(self, served: Served) -> None:
        """Better: who may edit roles cannot add `admin` to one of their own."""
        await good(served, "create_role", {"id": "own", "title": "O", "privileges": {"edit_roles": 1}})
        key = await served.key(roles=["own"])
        grant = {"id": "own", "privileges": {"edit_roles": True, "admin": True}}
        assert await refused(served, "update_role", grant, key) == (403, "access")
        await good(served, "update_role", {"id": "own", "title": "Still mine"}, key)

    async def test_a_recreated_role_does_not_resurrect_its_grants(self, served: Served) -> None:
        """Better: deleting a role takes it out of the API keys that had it."""
        doc = {"id": "ops", "title": "Ops", "privileges": {"create_tags": True}}
        await good(served, "create_role", doc)
        key = await served.key(roles=["ops", "other"])
        await good(served, "delete_role", {"id": "ops"})
        await good(served, "create_role", doc)
        assert await refused(served, "create_tag", {"title": "T"}, key) == (403, "access")
        listed = [row.get("roles") for row in (await good(served, "get_api_keys"))["rows"]]
        assert listed[0] == ["other"]

    async def test_what_roles_grant_is_for_those_who_manage_them(self, served: Served) -> None:
        """Better: get_roles does not tell every API key the whole permission model."""
        await furnished(served)
        nobody, editor = await served.key(), await served.key(privileges={"edit_roles": True})
        for key, privileges in ((nobody, 0), (editor, 4), (None, 4)):
            [row] = (await good(served, "get_roles", key=key))["rows"]
            assert (row["id"], row["title"], len(row["privileges"])) == ("all", "All Users", privileges)
            assert (await good(served, "get_role", key=key, id="all"))["role"] == row


class TestReferences:
    async def test_a_deletion_tells_who_named_the_item(self, served: Served) -> None:
        """Better: deleting a channel, plugin or web hook in use reports the references."""
        await furnished(served)
        action = {"type": "channel", "enabled": True, "condition": "error", "channel_id": "sev1"}
        await good(served, "create_event", EVENT | {"id": "e1", "actions": [action]})
        told = [{"type": "event", "id": "e1", "title": "Nightly", "where": ["actions"]}]
        assert (await good(served, "get_references", type="channel", id="sev1"))["rows"] == told
        assert await refused(served, "delete_channel", {"id": "sev1", "if_unused": True}) == (400, "channel")
        assert (await good(served, "delete_channel", {"id": "sev1"}))["references"] == told
        assert (await good(served, "delete_web_hook", {"id": "example_hook"})).keys() == {"code"}
        assert await refused(served, "delete_plugin", {"id": "shellplug", "if_unused": True}) == (
            400,
            "plugin",
        )
        await good(served, "delete_plugin", {"id": "httpplug", "if_unused": True})

    async def test_limited_callers_hear_of_what_they_see(self, served: Served) -> None:
        await furnished(served)
        await good(served, "create_category", {"id": "mine", "title": "Mine"})
        for id, category in (("e1", "general"), ("e2", "mine")):
            await good(served, "create_event", EVENT | {"id": id, "category": category})
        limited = await served.key(categories=["mine"])
        rows = (await good(served, "get_references", key=limited, type="plugins", id="shellplug"))["rows"]
        assert [row["id"] for row in rows] == ["e2"]
        assert await refused(served, "get_references", {"type": "event", "id": "e1"}, limited) == (
            403,
            "access",
        )
        assert await refused(served, "get_references", {"type": "user", "id": "ann"}) == (400, "api")

    async def test_a_deleted_tag_leaves_its_events_usable(self, served: Served) -> None:
        """Better: deleting a tag breaks no later save of an event that had it."""
        await furnished(served)
        await good(served, "create_event", EVENT | {"id": "e1", "tags": ["flag", "important"]})
        await good(served, "delete_tag", {"id": "flag"})
        event = (await good(served, "update_event", {"id": "e1", "title": "Still good"}))["event"]
        assert (event["tags"], event["revision"]) == (["important"], 3)

    async def test_a_deleted_plugin_is_out_of_its_secrets(self, served: Served) -> None:
        """Better: assignments do not hold IDs of deleted objects for whoever takes the ID next."""
        await furnished(served)
        doc = {"id": "z1", "title": "Z", "plugins": ["shellplug"], "categories": ["general"]}
        await good(served, "create_secret", doc)
        await good(served, "delete_plugin", {"id": "shellplug"})
        await good(served, "delete_category", {"id": "general"})
        secret = (await good(served, "get_secret", id="z1"))["secret"]
        assert (secret["plugins"], secret["categories"], secret["revision"]) == ([], [], 3)


async def test_algo_is_checked_on_save(served: Served) -> None:
    """Better: a bad algorithm does not surface as aborted jobs only."""
    await furnished(served)
    assert await refused(served, "create_event", EVENT | {"algo": "astrology"}) == (400, "api")
    assert await refused(served, "create_event", EVENT | {"algo": "monitor:nosuch"}) == (400, "api")
    await good(served, "create_event", EVENT | {"id": "e1", "algo": "monitor:load_avg"})
    await good(served, "create_event", EVENT | {"id": "e2", "algo": "load_avg"})
    await good(served, "delete_monitor", {"id": "load_avg"})
    await good(served, "update_event", {"id": "e1", "title": "May still be edited"})
    await good(served, "update_event", {"id": "e2", "title": "And so may this one"})


async def test_changes_carry_the_story_they_belong_to(served: Served) -> None:
    """One correlation ID for a request, in the signals and in the activity rows of all that it led to."""
    await furnished(served)
    heard: list[Signal] = []
    publish = served.signals.publish
    served.signals.publish = lambda signal: (heard.append(signal), publish(signal))[1]  # type: ignore[func-returns-value,method-assign]
    await good(served, "create_event", EVENT | {"id": "e1", "tags": ["flag"]})
    await good(served, "delete_tag", {"id": "flag"})
    await good(served, "multi_update_monitor", {"items": [{"id": "load_avg", "sort_order": 3}]})
    changes = [signal for signal in heard if isinstance(signal, DefinitionChanged)]
    assert [(signal.kind, signal.verb) for signal in changes] == [
        *(("events", "create"), ("tags", "delete"), ("events", "update"), ("monitors", "multi_update"))
    ]
    first, second, third, fourth = (signal.correlation_id for signal in changes)
    assert second == third
    assert len({first, second, fourth}) == 3
    assert all((first, second, fourth))
    rows = (await good(served, "get_event_history", id="e1", limit="5"))["rows"]
    assert [row["correlation"] for row in rows] == [third, first]
    await served.signals.settled(5)
    await served.activity.flush(5)
    logged, _ = await of_item(served.records, "e1", ("event_create", "event_update"), offset=0, limit=5)
    assert [row["correlation"] for row in logged] == [third, first]


class TestCategories:
    """Better: deleting a category in use can move what is in it, jobs inside workflows included."""

    WORKFLOW: ClassVar[dict[str, Any]] = {
        "title": "W", "enabled": True, "category": "other", "type": "workflow",
        "workflow": {
            "nodes": [
                {
                    "id": "n1", "type": "job", "x": 0, "y": 0,
                    "data": {"plugin": "shellplug", "category": "general", "targets": ["main"],
                             "params": {"script": "x"}},
                }
            ],
            "connections": [],
        },
    }  # fmt: skip

    async def test_its_events_move(self, served: Served) -> None:
        await served.furnish()
        await good(served, "create_category", {"id": "other", "title": "Other"})
        await good(served, "create_event", EVENT | {"id": "e1"})
        await good(served, "create_event", self.WORKFLOW | {"id": "w1"})
        assert await refused(served, "delete_category", {"id": "general"}) == (400, "category")
        for move_to, code in (("general", "api"), ("nosuch", "category"), ("A b", "api")):
            assert await refused(served, "delete_category", {"id": "general", "move_to": move_to}) == (
                400,
                code,
            )
        key = await served.key(privileges={"delete_categories": True})
        move = {"id": "general", "move_to": "other"}
        assert await refused(served, "delete_category", move, key) == (403, "access")
        await good(served, "delete_category", move)
        events = {row["id"]: row for row in (await good(served, "get_events"))["rows"]}
        assert events["e1"]["category"] == "other"
        assert events["w1"]["workflow"]["nodes"][0]["data"]["category"] == "other"
        assert (await served.call("get_category", id="general"))[1]["code"] == "notfound"

    async def test_a_job_in_a_workflow_keeps_its_category(self, served: Served) -> None:
        """Better: a category that only workflow nodes name cannot be deleted either."""
        await served.furnish()
        await good(served, "create_category", {"id": "other", "title": "Other"})
        await good(served, "create_event", self.WORKFLOW | {"id": "w1"})
        assert await refused(served, "delete_category", {"id": "general"}) == (400, "category")


class TestRevisions:
    """Better: a real table of versions, with what changed and a way back."""

    async def test_versions_outlive_the_activity_log(self, served: Served) -> None:
        await served.furnish()
        await good(served, "create_event", EVENT | {"id": "e1", "notes": "first"})
        await good(served, "update_event", {"id": "e1", "title": "Daily", "notes": "second"})
        await served.signals.settled(5)
        await served.activity.flush(5)
        await served.records.write(Write(sa.delete(activity)))
        rows = (await good(served, "get_event_history", id="e1", limit="5"))["rows"]
        assert [(row["action"], row["event"]["notes"]) for row in rows] == [
            *(("event_update", "second"), ("event_create", "first"))
        ]
        assert all(row["username"].startswith("k") and "e1" in row["keywords"] for row in rows)
        oldest = await good(served, "get_event_history", id="e1", sort_dir="1")
        assert (oldest["rows"][0]["action"], oldest["list"]["length"]) == ("event_create", 2)

    async def test_what_changed_and_back_again(self, served: Served) -> None:
        await served.furnish()
        await good(served, "update_channel", {"id": "sev1", "title": "Everybody", "sound": ""})
        await good(served, "update_channel", {"id": "sev1", "users": []})
        rows = (await good(served, "get_revisions", type="channel", id="sev1"))["rows"]
        assert [(row["channel"]["revision"], row["changed"]) for row in rows[:2]] == [
            *((3, ["users"]), (2, ["sound", "title"]))
        ]
        back = {"type": "channels", "id": "sev1", "revision": 1}
        assert await refused(served, "restore_revision", back | {"expected_revision": 1}) == (400, "channel")
        done = await good(served, "restore_revision", back | {"expected_revision": 3})
        channel = (await good(served, "get_channel", id="sev1"))["channel"]
        assert channel == done["channel"]
        assert (channel["title"], channel["users"], channel["revision"]) == ("Severity 1", ["admin"], 4)

    async def test_rights_and_refusals(self, served: Served) -> None:
        await served.furnish()
        back = {"type": "channel", "id": "sev1", "revision": 1}
        nobody, editor = await served.key(), await served.key(privileges={"edit_channels": True})
        assert await refused(served, "restore_revision", back, nobody) == (403, "access")
        await good(served, "restore_revision", back, editor)
        assert await refused(served, "restore_revision", back | {"revision": 77}) == (400, "channel")
        assert await refused(served, "restore_revision", back | {"id": "nosuch"}) == (404, "notfound")
        assert await refused(served, "get_revisions", {"type": "api_key", "id": "k"}) == (400, "api")
        limited = await served.key(categories=["other"], privileges={"edit_categories": True})
        for name in ("get_revisions", "restore_revision"):
            asked = {"type": "category", "id": "general", "revision": 1}
            assert await refused(served, name, asked, limited) == (403, "access")

    async def test_a_version_that_no_longer_fits_is_refused(self, served: Served) -> None:
        await served.furnish()
        await good(served, "create_event", EVENT | {"id": "e1", "tags": ["flag"]})
        await good(served, "delete_tag", {"id": "flag"})
        back = {"type": "event", "id": "e1", "revision": 1}
        assert await refused(served, "restore_revision", back) == (400, "api")

    async def test_values_of_secrets_are_in_no_version(self, served: Served) -> None:
        await good(
            served, "create_secret", {"id": "z1", "title": "Z", "fields": [{"name": "A", "value": "hush"}]}
        )
        await good(served, "update_secret", {"id": "z1", "fields": [{"name": "B", "value": "hush"}]})
        await good(served, "restore_revision", {"type": "secret", "id": "z1", "revision": 1})
        rows = (await good(served, "get_revisions", type="secret", id="z1"))["rows"]
        assert "hush" not in repr(rows)
        assert (await good(served, "get_secret", id="z1"))["secret"]["names"] == ["B"]
        assert len((await good(served, "decrypt_secret", {"id": "z1"}))["fields"]) == 1


async def test_a_plugins_command_that_is_not_what_it_seems_is_told_at_save(served: Served) -> None:
    """Better (plugins 4): it is stored as it is, and the answer says what will come of it."""
    line = {"title": "P", "type": "event", "command": "cat a | wc -l"}
    answer = await good(served, "create_plugin", {"id": "p_seems", **line})
    assert "takes literally: |" in answer["warnings"][0]
    assert answer["plugin"]["command"] == line["command"]
    answer = await good(served, "update_plugin", {"id": "p_seems", "shell": True})
    assert "warnings" not in answer
