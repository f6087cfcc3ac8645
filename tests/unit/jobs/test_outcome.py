"""How a job ends (contract jobs.md §12, §14, §15)."""

import pytest

from conductor.jobs.outcome import (
    Retry,
    conditions,
    final_tags,
    normal_code,
    record,
    retried_job,
    retry,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, 0), (False, 0), (None, 0), ("", 0), (2, 2), (1.5, 1.5), ("Abort", "abort"), ("Disk Full!", "disk_full_"),
        (True, "unknown"), ([1], "unknown"), ({"a": 1}, "unknown"),
    ],
)  # fmt: skip
def test_codes_are_normalised(code: object, expected: object) -> None:
    assert normal_code(code) == expected


def ended(code: object, *, amount: int = 2, **more: object) -> dict:
    limits = [{"type": "retry", "enabled": True, "amount": amount, "duration": 7, "date": 1.0}]
    return {"id": "j1", "code": code, "limits": limits, "event": "e1", "params": {"a": 1}, **more}


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (ended(1), Retry(1, 7.0)),
        (ended(1, retry_count=1), Retry(2, 7.0)),
        (ended(1, retry_count=2), None),
        (ended(0), None),
        (ended("abort"), None),
        (ended("abort", retry_ok=True), Retry(1, 7.0)),
        (ended(1, amount=0), None),
        ({"code": 1, "limits": []}, None),
    ],
)
def test_whether_a_job_is_tried_again(job: dict, expected: Retry | None) -> None:
    assert retry(job) == expected


def test_a_retry_starts_without_the_systems_tags() -> None:
    new, _ = retried_job(ended(1, tags=["x", "_error", "_retried"]), {}, Retry(1, 0), "j2", 100.0)
    assert new["tags"] == ["x"]


def test_a_retry_keeps_the_launch_and_arms_its_limits_again() -> None:
    job = ended(1, tags=["x"], expression="cpu.cores > 1", server="s1", pid=7, priority=True)
    details = {
        "input": {"data": {"n": 1}},
        "workflowData": {"w": 1},
        "activity": [{"id": "m1"}],
        "data": {"out": 1},
    }
    new, kept = retried_job(job, details, Retry(1, 7.0), "j2", 100.0)
    assert new["id"] == "j2"
    assert (new["state"], new["until"], new["retry_prev"], new["retry_count"]) == (
        "retry_delay",
        107.0,
        "j1",
        1,
    )
    assert new["expression"] == "cpu.cores > 1"
    assert new["priority"] is True
    assert "date" not in new["limits"][0]
    assert {"server", "pid", "code"}.isdisjoint(new)
    assert kept == {"input": {"data": {"n": 1}}, "workflowData": {"w": 1}}


def test_tags_are_limited_before_the_systems_are_added() -> None:
    job = {"code": 0, "test": True, "limits": [{"type": "tag", "enabled": True, "amount": 2}]}
    tags = final_tags(job, ["a", "b", "c"], retried=False, files=True)
    assert tags == ["a", "b", "_success", "_last", "_test", "_files"]
    assert final_tags({"code": 5}, [], retried=True, files=False) == ["_error", "_retried"]


@pytest.mark.parametrize("amount", [0, -1, "1e999", "many", None])
def test_a_tag_limit_of_no_use_leaves_the_systems_tags(amount: object) -> None:
    job = {"code": 0, "limits": [{"type": "tag", "enabled": True, "amount": amount}]}
    assert final_tags(job, ["a"], retried=False, files=False) == ["_success", "_last"]


def test_the_record_has_nothing_of_the_run() -> None:
    job = {
        "id": "j1",
        "state": "complete",
        "remote": True,
        "status": "half way",
        "procs": {"1": {}},
        "code": 0,
    }
    stored = record(job, {"output": "x"})
    assert stored == {
        "id": "j1", "state": "complete", "code": 0, "output": "x", "final": True, "complete": True, "progress": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, ["complete", "success"]),
        (False, ["complete", "success"]),
        (1, ["complete", "error", "user"]),
        ("disk_full", ["complete", "error", "user"]),
        ("warning", ["complete", "error", "warning"]),
        ("critical", ["complete", "error", "critical"]),
        ("abort", ["complete", "error", "abort"]),
    ],
)
def test_the_conditions_of_an_end(code: object, expected: list[str]) -> None:
    assert conditions({"code": code, "tags": ["b", "a"]}) == [*expected, "tag:b", "tag:a"]


def test_what_a_job_wants_of_its_event_is_not_recorded() -> None:
    job = {"id": "j1", "code": 0, "update_event": {"enabled": False}, "delete_event": True, "suspended": True}
    assert {"update_event", "delete_event", "suspended"}.isdisjoint(record(job, {}))


def test_a_retry_arms_its_actions_again() -> None:
    ran = {
        "type": "suspend",
        "code": 0,
        "date": 1.0,
        "active": True,
        "notified": True,
        "resumed": {},
        "loc": "#1",
    }
    new, _ = retried_job(ended(1, actions=[ran]), {}, Retry(1, 0), "j2", 100.0)
    assert new["actions"] == [{"type": "suspend"}]
