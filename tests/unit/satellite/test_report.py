"""What plugins may say, and how messages merge (contract satellite_agent.md §5.7)."""

from typing import Any

import pytest

from satellite.jobs.report import PluginReport


def said(*messages: dict[str, Any]) -> dict[str, Any]:
    report = PluginReport()
    for message in messages:
        report.accept(message)
    return {key: value for key, value in report.fields.items() if key != "redraw"}


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        ([{"status": "a"}, {"status": "b"}], {"status": "b"}),
        ([{"data": {"a": [1], "b": 1}}, {"data": {"a": [2], "b": 2}}], {"data": {"a": [1, 2], "b": 2}}),
        ([{"push": {"tags": ["x"]}}, {"push": {"tags": ["y"]}}], {"push": {"tags": ["x", "y"]}}),
        ([{"code": False}], {"code": 0, "complete": True}),
        ([{"complete": True}], {"code": 0, "complete": True}),
        ([{"code": 5}, {"status": "late"}], {"code": 5, "complete": True}),
        ([{"progress": 7}], {"progress": 1.0}),
        ([{"progress": "half"}], {}),
        ([{"type": "event", "code": 0}, {"state": "active", "label": "x"}], {}),
        ([{"id": "j2", "cwd": "/", "pid": 1, "log_file": "/etc/passwd", "limits": [], "uid": 0}], {}),
        ([{"files": ["a"]}], {}),
    ],
)
def test_messages_merge(messages: list[dict[str, Any]], fields: dict[str, Any]) -> None:
    assert said(*messages) == fields


@pytest.mark.parametrize(
    ("message", "warning"),
    [
        ({"data": 5}, "Not an object: data"),
        ({"push": 5}, "Not an object."),
        ({"push": {"id": []}}, "Invalid key"),
        ({"push": {"tags": "x"}}, "not an array: tags"),
        ({"files": "x"}, "Not an array: files"),
    ],
)
def test_wrong_syntax_is_warned_of(message: dict[str, Any], warning: str) -> None:
    (text,) = PluginReport().accept(message)
    assert warning in text


def test_changes_are_told_once_and_results_are_not_among_them() -> None:
    report = PluginReport()
    report.accept({"status": "s", "data": {"a": 1}, "code": 0})
    assert report.take_changes().keys() == {"status", "redraw"}
    assert report.take_changes() == {}
