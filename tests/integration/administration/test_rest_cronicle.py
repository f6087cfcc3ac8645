"""Cronicle's exports (contract compat.md §1 and "Where to be better" 1 to 4)."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from conductor.access.keys import ApiKeys
from conductor.administration.backup.importing import lines_of
from conductor.definitions.defaults import contents
from conductor.definitions.writer import House as Writer
from conductor.signals import SYSTEM
from tests.integration.administration.conftest import House

TIMING = {"minutes": [15], "hours": [4], "weekdays": [1, 3]}
EVENT = {
    "enabled": 1,
    "category": "ops",
    "plugin": "shellplug",
    "target": "allgrp",
    "params": {"script": "ls"},
}
RECORDS: list[tuple[str, Any]] = [
    ("global/users", {"type": "list", "length": 1}),
    ("global/users/0", {"items": [{"username": "joe"}]}),
    (
        "users/joe",
        {
            "username": "Joe",
            "password": "hash",
            "salt": "salt",
            "active": 1,
            "privileges": {"run_events": 1, "cat_limit": 1, "cat_ops": 1, "grp_limit": 0, "job_read_only": 1},
        },
    ),
    ("users/root", {"username": "root", "password": "h", "privileges": {"admin": 1, "run_events": 1}}),
    (
        "global/plugins/0",
        {
            "items": [
                {"id": "shellplug", "title": "Old shell", "command": "bin/shell-plugin.js", "enabled": 1},
                {
                    "id": "mine",
                    "title": "Mine",
                    "command": "bin/mine.sh",
                    "enabled": 1,
                    "params": [
                        {"id": "color", "type": "select", "items": ["red", "blue"], "value": "blue"},
                        {"id": "loud", "type": "checkbox", "value": 1},
                    ],
                },
            ]
        },
    ),
    (
        "global/categories/0",
        {
            "items": [
                {
                    "id": "ops",
                    "title": "Ops",
                    "description": "Nightly things",
                    "max_children": 3,
                    "memory_limit": 1024,
                    "memory_sustain": 5,
                    "notify_fail": "ops@example.org",
                }
            ]
        },
    ),
    ("global/server_groups/0", {"items": [{"id": "allgrp", "title": "All", "regexp": ".+"}]}),
    (
        "global/schedule/0",
        {
            "items": [
                {
                    **EVENT,
                    "id": "e1",
                    "title": "Backup",
                    "timing": TIMING,
                    "timezone": "Europe/Berlin",
                    "timeout": 3600,
                    "catch_up": 1,
                    "retries": 2,
                    "retry_delay": 30,
                    "queue": 1,
                    "queue_max": 10,
                    "chain": "e2",
                    "chain_error": "e3",
                    "notify_success": "a@example.org, b@example.org",
                    "web_hook": "https://hooks.example/x [header: X-Token: t0k]",
                    "detached": 1,
                },
                {**EVENT, "id": "e2", "title": "By hand", "enabled": 0, "timing": False, "target": "web1"},
                {**EVENT, "id": "e3", "title": "Everywhere", "timing": TIMING, "multiplex": 1, "stagger": 5},
                {**EVENT, "id": "e4", "title": "Lost", "target": "gone.lan"},
            ]
        },
    ),
    (
        "global/api_keys/0",
        {"items": [{"id": "k1", "key": "0123456789abcdef" * 2, "title": "CI", "active": "1"}]},
    ),
    ("global/state", {"enabled": 1}),
    ("logs/completed/0", {"items": []}),
    ("logs/completed/1", {"items": []}),
]


@pytest.fixture
async def house_with_defaults(house: House) -> House:
    await house.services.definitions.restore(contents(1_700_000_000))
    await house.services.collections.put("servers", "s1", {"id": "s1", "hostname": "web1", "groups": []})
    await house.services.reload()
    return house


async def brought(house: House, folder: Path, *, merge: bool = False) -> list[str]:
    """Import the records; what was not migrated."""
    file, ours = folder / "cronicle.txt", folder / "ours.txt"
    lines = [f"{key} - {msgspec.json.encode(record).decode()}" for key, record in RECORDS]
    file.write_text("\n".join(["# Cronicle Data Export v1.0", *lines, "plain nonsense", ""]))
    remarks = await house.services.from_cronicle(file, ours, "admin")
    importing = house.services.importing(dry_run=False, merge=merge)
    for number, line in lines_of(ours):
        await importing.line(number, line)
    await importing.finish()
    await house.services.reload()
    assert importing.report.errors == []
    return remarks


async def test_rest_compat_cronicle_events_become_ours(house_with_defaults: House, tmp_path: Path) -> None:
    await brought(house_with_defaults, tmp_path)
    definitions = house_with_defaults.services.definitions
    backup = definitions.get("events", "e1") or {}
    assert backup["triggers"] == [
        {"type": "manual", "enabled": True},
        {"type": "schedule", "enabled": True, "timezone": "Europe/Berlin", **TIMING},
        {"type": "catchup", "enabled": True},
    ]
    assert {limit["type"]: limit for limit in backup["limits"]} == {
        "time": {"enabled": True, "type": "time", "duration": 3600},
        "retry": {"enabled": True, "type": "retry", "amount": 2, "duration": 30},
        "queue": {"enabled": True, "type": "queue", "amount": 10},
        "job": {"enabled": True, "type": "job", "amount": 1},
    }
    assert [(one["type"], one["condition"]) for one in backup["actions"]] == [
        ("email", "success"),
        ("run_event", "success"),
        ("run_event", "error"),
        ("web_hook", "complete"),
    ]
    hook = definitions.get("web_hooks", backup["actions"][-1]["web_hook"]) or {}
    assert (hook["url"], hook["headers"][-1]) == (
        "https://hooks.example/x",
        {"name": "X-Token", "value": "t0k"},
    )
    by_hand = definitions.get("events", "e2") or {}
    assert (by_hand["enabled"], by_hand["targets"]) == (True, ["s1"])
    assert by_hand["triggers"] == [{"type": "manual", "enabled": True}]
    everywhere = definitions.get("events", "e3") or {}
    kinds = {node["id"]: node["type"] for node in everywhere["workflow"]["nodes"]}
    assert list(kinds.values()) == ["trigger", "trigger", "controller", "job"]
    for event in list(definitions.all("events")):  # what was brought is what our own door lets in
        checked = {key: event[key] for key in ("triggers", "limits", "actions", "workflow") if key in event}
        await definitions.update("events", event["id"], checked, actor=SYSTEM, by=Writer("admin"))
    for category in list(definitions.all("categories")):
        rules = {key: category[key] for key in ("limits", "actions")}
        await definitions.update("categories", category["id"], rules, actor=SYSTEM, by=Writer("admin"))


async def test_rest_compat_1_cronicle_api_keys_work_and_are_not_stored(
    house_with_defaults: House, tmp_path: Path
) -> None:
    await brought(house_with_defaults, tmp_path)
    definitions = house_with_defaults.services.definitions
    stored = definitions.get("api_keys", "k1") or {}
    assert "0123456789abcdef" not in str(stored)
    assert ApiKeys(definitions).account("0123456789abcdef" * 2).name == "k1"


async def test_rest_compat_2_what_was_not_migrated_is_said(
    house_with_defaults: House, tmp_path: Path
) -> None:
    remarks = "\n".join(await brought(house_with_defaults, tmp_path))
    for expected in (
        "2 records of logs/completed",
        "1 records of global/state",
        "detached",
        "job_read_only",
        "target gone.lan is no group",
    ):
        assert expected in remarks


async def test_rest_compat_users_groups_and_plugins(house_with_defaults: House, tmp_path: Path) -> None:
    await brought(house_with_defaults, tmp_path)
    services = house_with_defaults.services
    joe, root = services.users.get("joe") or {}, services.users.get("root") or {}
    assert (joe["privileges"], joe["categories"], joe["groups"]) == ({"run_jobs": True}, ["ops"], [])
    assert root["privileges"] == {"admin": True}
    assert (services.definitions.get("groups", "allgrp") or {})["hostname_match"] == ".+"
    assert services.definitions.get("groups", "main") is None, "lists are replaced"
    shell = services.definitions.get("plugins", "shellplug") or {}
    assert shell["title"] == "Shell Script", "what is here wins"
    mine = services.definitions.get("plugins", "mine") or {}
    assert [param["value"] for param in mine["params"]] == ["blue, red", True]


async def test_rest_compat_3_an_import_may_merge(house_with_defaults: House, tmp_path: Path) -> None:
    await brought(house_with_defaults, tmp_path, merge=True)
    definitions = house_with_defaults.services.definitions
    assert definitions.get("groups", "main") is not None
    assert definitions.get("groups", "allgrp") is not None
