"""What plugins may say, and how messages merge (contract satellite_agent.md §5.7)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.jobs.report import MOST_BYTES, PluginReport, patched


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
    """Better (satellite_protocol 7): deltas, not the whole job each second."""
    report = PluginReport()
    report.accept({"status": "s", "data": {"a": 1}, "code": 0})
    assert report.take_changes().keys() == {"status", "redraw"}
    assert report.take_changes() == {}


def test_a_patch_merges_deeply_and_deletes() -> None:
    """plugins.md "Where to be better" 6: nested updates need not overwrite."""
    messages = [
        {"data": {"hosts": {"a": 1, "b": 2}, "rows": [1]}},
        {"data_patch": {"hosts": {"b": None, "c": {"up": True}}, "rows": [2]}},
    ]
    assert said(*messages) == {"data": {"hosts": {"a": 1, "c": {"up": True}}, "rows": [2]}}
    assert messages[0]["data"]["hosts"] == {"a": 1, "b": 2}, "what was reported is not touched"


@given(
    st.dictionaries(st.text(max_size=3), st.integers() | st.dictionaries(st.text(max_size=2), st.integers()))
)
def test_a_patch_laid_over_nothing_is_the_patch(patch: dict[str, Any]) -> None:
    assert patched({}, patch) == patch
    assert patched(patch, patch) == patch


def test_what_a_job_reports_is_bounded() -> None:
    report = PluginReport()
    half = {"data": {"x": "y" * (MOST_BYTES // 2)}}
    size = MOST_BYTES // 2 + 20
    assert report.accept(half, size) == []
    assert report.accept(half, size) == ["WARNING: The job reports too much, ignored: data"]
    assert report.accept({"status": "on", "code": 0}, 30) == []
    assert report.completed
    assert report.fields["status"] == "on"


def test_replaced_values_count_once() -> None:
    report = PluginReport()
    for _ in range(10):
        assert report.accept({"table": {"rows": ["y" * (MOST_BYTES // 2)]}}, MOST_BYTES // 2 + 20) == []


def test_ignored_keys_are_told_once() -> None:
    """plugins.md "Where to be better" 5."""
    report = PluginReport("j1")
    assert len(report.accept({"xy": 1, "cwd": "/", "uid": 0})) == 2
    assert report.accept({"xy": 1, "cwd": "/etc"}) == []
    assert report.accept({"xy": 1, "id": "j1", "type": "event"}) == [], "its own input, printed back"
    assert len(report.accept({"xy": 1, "state": "x"})) == 1
    assert not report.fields
