"""Cronicle's plugins (contract satellite_agent.md §5.2, §5.8, compat.md §1.6)."""

from typing import Any

import pytest

from satellite.jobs.environment import Account, Surroundings, job_environment
from satellite.jobs.legacy_messages import translated
from satellite.jobs.lines import OutputLines
from satellite.jobs.report import PluginReport


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"progress": 0.5}, {"progress": 0.5}),
        ({"complete": 1, "code": 0, "pid": 5}, {"complete": 1, "code": 0}),
        ({"tags": ["a"], "push": {"tags": ["b"]}}, {"push": {"tags": ["b", "a"]}}),
        ({"data": {"a": 1}, "chain_data": {"b": 2}}, {"data": {"a": 1, "b": 2}}),
        (
            {"chain": "e2", "chain_params": {"p": 1}, "chain_error": "e3"},
            {
                "push": {
                    "actions": [
                        {
                            "enabled": True,
                            "condition": "success",
                            "type": "run_event",
                            "event_id": "e2",
                            "params": {"p": 1},
                        },
                        {"enabled": True, "condition": "error", "type": "run_event", "event_id": "e3"},
                    ]
                }
            },
        ),
        (
            {"notify_fail": "a@b.test"},
            {
                "push": {
                    "actions": [
                        {
                            "enabled": True,
                            "condition": "error",
                            "type": "email",
                            "email": "a@b.test",
                            "users": [],
                        }
                    ]
                }
            },
        ),
    ],
)
def test_messages(message: dict[str, Any], expected: dict[str, Any]) -> None:
    assert translated(message) == {"xy": 1, **expected}


def test_other_objects_are_text() -> None:
    assert translated({"level": "info"}) is None


@pytest.mark.parametrize(
    ("legacy", "text", "code"), [(True, b"", 3), (False, b'{"complete":1,"code":3}\n', None)]
)
def test_lines_without_xy_count_only_in_that_mode(legacy: bool, text: bytes, code: int | None) -> None:
    report = PluginReport()
    lines = OutputLines(report, lambda key, warning: None, legacy=legacy)
    assert lines.translate(b'{"complete":1, "code":3}\n', 0) == text
    assert report.fields.get("code") == code


def test_the_environment() -> None:
    account = Account("u", 1, 1, "/home/u", "/bin/sh")
    here = Surroundings(version="9", base_url="", cwd="/w", log_file="", account=account, legacy=True)
    job = {"id": "j1", "event-id": "e", "on": True, "n": 1.5, "o": {}, "params": {"p": "$HOME/${JOB_ON}$NO"}}
    variables, _ = job_environment({}, job, {}, {}, here)
    assert variables["CRONICLE"] == "9"
    assert (variables["JOB_EVENT_ID"], variables["JOB_ON"], variables["JOB_N"]) == ("e", "1", "1.5")
    assert "JOB_O" not in variables
    assert variables["p"] == "/home/u/1"
