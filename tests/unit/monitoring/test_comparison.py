"""Snapshots side by side, and what they must not keep (snapshots.md, "Where to be better" 7 and 9)."""

from typing import Any

from conductor.monitoring.comparison import compared
from conductor.monitoring.redaction import MASK, Redaction

Json = dict[str, Any]

WEB = {"pid": 7, "command": "web --port 80", "started": 100, "memRss": 1000, "cpu": 1.5, "user": "root"}
CRON = {"pid": 8, "command": "cron", "started": 50, "memRss": 10}
BEFORE: Json = {
    "date": 1000,
    "data": {
        "monitors": {"load": 1, "same": 5, "gone": 2},
        "memory": {"free": 100},
        "mounts": {"root": {"used": 10, "use": 1.5, "size": 700}, "old": {"used": 1}},
        "processes": {"list": [WEB, CRON]},
        "conns": [{"state": "LISTEN"}, {"state": "ESTABLISHED"}],
        "os": {"release": "22.04"},
    },
}
AFTER: Json = {
    "date": 1060,
    "data": {
        "monitors": {"load": 4.5, "same": 5, "new": 1},
        "memory": {"free": 40},
        "mounts": {"root": {"used": 90, "use": 9.5, "size": 700}, "fresh": {"used": 1}},
        "processes": {
            "list": [WEB | {"memRss": 5000, "started": 101}, CRON | {"command": "backup", "started": 990}]
        },
        "conns": [{"state": "LISTEN"}, {"state": "TIME-WAIT"}, {"state": "TIME-WAIT"}],
        "os": {"release": "24.04"},
    },
}


def test_what_is_different_in_the_second_snapshot() -> None:
    """Better 7: before and after, compared."""
    found = compared(BEFORE, AFTER)
    assert found["seconds"] == 60
    assert found["monitors"] == {
        "gone": {"before": 2, "after": 0, "change": -2},
        "load": {"before": 1, "after": 4.5, "change": 3.5},
        "new": {"before": 0, "after": 1, "change": 1},
    }
    assert found["memory"]["free"]["change"] == -60
    assert found["mounts"]["changed"] == {
        "root": {
            "use": {"before": 1.5, "after": 9.5, "change": 8},
            "used": {"before": 10, "after": 90, "change": 80},
        }
    }
    assert (found["mounts"]["gone"], found["mounts"]["new"]) == (["old"], ["fresh"])
    processes = found["processes"]
    assert [one["command"] for one in processes["ended"]] == ["cron"]
    assert [one["command"] for one in processes["started"]] == ["backup"], (
        "its ID alone does not make it the same"
    )
    assert [(one["pid"], one["change"]) for one in processes["memory"]] == [(7, 4000)]
    assert found["connections"]["TIME-WAIT"] == {"before": 0, "after": 2, "change": 2}
    assert "LISTEN" not in found["connections"]
    assert found["facts"] == {"os.release": {"before": "22.04", "after": "24.04"}}


def test_snapshots_of_anything_can_be_compared() -> None:
    odd = {
        "date": "x",
        "data": {"monitors": [1], "processes": {"list": [5, {"pid": None}]}, "mounts": {"a": 5}},
    }
    assert compared({}, {})["monitors"] == {}
    assert compared(odd, BEFORE)["monitors"]["load"]["change"] == 1


def test_secrets_in_command_lines_and_outputs_are_not_kept() -> None:
    """Better 9: patterns of what a snapshot must not hold."""
    data = {
        "processes": {"all": 1, "list": [{"pid": 7, "command": "db --password=hunter2 --port 5"}]},
        "commands": {"env": {"token": "password=abc"}, "n": 5},
        "os": {"hostname": "password=stays"},
    }
    sample = {"date": 5, "data": data}
    kept = Redaction([r"(?<=password=)\S+", "("]).of(sample)
    assert kept["data"]["processes"] == {
        "all": 1,
        "list": [{"pid": 7, "command": f"db --password={MASK} --port 5"}],
    }
    assert kept["data"]["commands"] == {"env": {"token": f"password={MASK}"}, "n": 5}
    assert kept["data"]["os"] == data["os"]
    assert "hunter2" in str(sample), "the sample itself is as it was"
    assert Redaction([]).of(sample) is sample
    assert Redaction(["x"]).of({"data": None}) == {"data": None}
