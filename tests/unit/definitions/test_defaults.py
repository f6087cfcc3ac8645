"""The first contents pass our own rules and have the IDs that clients rely on."""

import pytest

from conductor.definitions import drafts
from conductor.definitions.defaults import contents
from conductor.definitions.kinds import KINDS
from tests.unit.definitions.samples import ADMIN, NOW, Books, context

CONTENTS = contents(NOW)


def test_ids() -> None:
    assert {kind: [doc["id"] for doc in docs] for kind, docs in CONTENTS.items()} == {
        "roles": ["all"],
        "channels": ["sev1"],
        "web_hooks": ["example_hook"],
        "monitors": [
            *("load_avg", "cpu_usage", "mem_used", "mem_free", "net_conns", "disk_usage_root"),
            *("disk_read_sec", "disk_write_sec", "disk_iops_sec", "io_wait", "open_files"),
            *("os_bytes_in_sec", "os_bytes_out_sec", "total_procs", "active_jobs"),
        ],
        "alerts": [
            "load_avg_high",
            "mem_free_low",
            "io_wait_high",
            "disk_usage_root_high",
            "active_jobs_high",
        ],
        "groups": ["main"],
        "plugins": ["testplug", "shellplug", "httpplug", "dockerplug", "hookplug", "open_files"],
        "categories": ["general"],
        "tags": ["important", "flag"],
    }


@pytest.mark.parametrize(
    ("kind", "doc"),
    [(kind, doc) for kind, docs in CONTENTS.items() for doc in docs],
    ids=lambda it: str(it)[:20],
)
def test_valid(kind: str, doc: dict[str, object]) -> None:
    """What the rules add are defaults that mean nothing."""
    stored = drafts.new(KINDS[kind], doc, context(Books(), ADMIN), NOW).doc
    assert {key: stored[key] for key in doc} == doc
    assert {key: stored[key] for key in stored.keys() - doc.keys() - {"revision"}} in (
        {},
        {"max_per_day": 0},
    )


def test_only_the_role_has_no_revision() -> None:
    assert [kind for kind, docs in CONTENTS.items() for doc in docs if "revision" not in doc] == ["roles"]
    assert all(
        doc["username"] == "admin" and doc["created"] == NOW for docs in CONTENTS.values() for doc in docs
    )


def test_monitors_and_alerts_are_those_that_clients_know() -> None:
    monitors = {doc["id"]: doc for doc in CONTENTS["monitors"]}
    assert [doc["sort_order"] for doc in CONTENTS["monitors"]] == list(range(15))
    assert monitors["open_files"]["data_match"] == r"(\d+)"
    assert monitors["disk_read_sec"] | {"created": 0, "modified": 0} == {
        "id": "disk_read_sec",
        "title": "Disk Read (Bytes)",
        "source": "stats.fs.rx",
        "delta": True,
        "delta_min_value": 0,
        "divide_by_delta": True,
        "data_type": "bytes",
        "suffix": "/sec",
        "groups": [],
        "display": True,
        "min_vert_scale": 1024,
        "sort_order": 6,
        "username": "admin",
        "created": 0,
        "modified": 0,
        "revision": 1,
    }
    alerts = {doc["id"]: doc for doc in CONTENTS["alerts"]}
    assert alerts["mem_free_low"]["expression"] == "memory.available < (memory.total * 0.05)"
    assert alerts["active_jobs_high"]["limit_jobs"] is True
    assert all(doc["enabled"] is True and doc["samples"] == 1 for doc in alerts.values())
    assert {doc["monitor_id"] for doc in alerts.values()} <= monitors.keys()


def test_the_script_of_the_shell_plugin_is_locked() -> None:
    shell = next(doc for doc in CONTENTS["plugins"] if doc["id"] == "shellplug")
    assert shell["params"][0]["id"] == "script"
    assert shell["params"][0]["locked"] is True
    assert shell["params"][0]["required"] is True
