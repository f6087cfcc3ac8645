"""Better 10: failed actions are seen without opening each job."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conductor.actions.failures import FailedActions
from conductor.api import actions as calls
from conductor.definitions.repository import Definitions
from conductor.definitions.writer import House
from conductor.records.store import Records
from conductor.signals import SYSTEM, ActionRun, JobAccepted
from tests.databases import database_url, postgres, records
from tests.integration.api.conftest import Served, serving

__all__ = ["database_url", "postgres", "records"]


def run(number: int = 1, code: Any = "email", **more: Any) -> ActionRun:
    return ActionRun(
        type="email", condition="error", code=code, description=f"refused {number}", elapsed_ms=5,
        job_id=f"j{number}", action={"date": 5.0, "details": "a dialogue", "email": "x", "source": "category"},
        subject={"event": "e1", "category": "general", "targets": ["main"]}, **more,
    )  # fmt: skip


async def test_the_newest_failures_are_kept_and_no_more(records: Records) -> None:
    failures = FailedActions(records, 20)
    for number in range(120):
        await failures.observe(run(number))
    await failures.observe(run(999, code=0))
    await failures.observe(JobAccepted(job_id="j", event_id="e"))
    found = await failures.newest(lambda failure: True)
    assert [one["job"] for one in found] == [f"j{number}" for number in range(119, 99, -1)]
    assert found[0]["description"] == "refused 119"
    assert (found[0]["details"], found[0]["source"], found[0]["date"]) == ("a dialogue", "category", 5.0)
    stored = await records.read(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM action_failures").scalar()
    )
    assert stored <= 20 + 50


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, make=_calls) as one:
        yield one


def _calls(records: Records, definitions: Definitions) -> Any:
    return calls.endpoints(FailedActions(records, 100), definitions)


async def test_failures_are_shown_to_those_who_may_see_the_job_or_the_server(served: Served) -> None:
    failures = FailedActions(served.records, 100)
    await failures.observe(run(1))
    alert = ActionRun(
        type="snapshot", condition="alert_new", code="snapshot", description="offline", elapsed_ms=1, alert_id="a1",
        subject={"groups": ["other"]},
    )  # fmt: skip
    await failures.observe(alert)
    _, answer = await served.call("get_failed_actions")
    assert [row.get("job") or row.get("alert") for row in answer["rows"]] == ["a1", "j1"]
    assert answer["list"] == {"length": 2}
    _, answer = await served.call("get_failed_actions", type="email", limit="1")
    assert [row["job"] for row in answer["rows"]] == ["j1"]
    limited = await served.key(categories=["elsewhere"], groups=["other"])
    _, answer = await served.call("get_failed_actions", key=limited)
    assert [row.get("alert") for row in answer["rows"]] == ["a1"]
    status, answer = await served.call("get_failed_actions", key="")
    assert (status, answer["code"]) == (401, "session")


async def test_better_5_references_to_nothing_are_listed(served: Served) -> None:
    action = {"enabled": True, "condition": "error", "type": "run_event", "event_id": "later"}
    for doc in (
        {"id": "later", "title": "Later", "enabled": True, "category": "general", "plugin": "p", "targets": ["g"]},
        {"id": "first", "title": "First", "enabled": True, "category": "general", "plugin": "p", "targets": ["g"],
         "actions": [{**action, "event_id": "later"}, {**action, "event_id": 5}]},
    ):  # fmt: skip
        await served.definitions.restore({"events": [doc]})
    _, answer = await served.call("get_dangling_actions")
    assert [(row["id"], row["action"], row["missing"], row["missing_id"]) for row in answer["rows"]] == [
        ("first", 2, "events", 5)
    ]
    await served.definitions.delete("events", "later", actor=SYSTEM, by=House("admin"))
    _, answer = await served.call("get_dangling_actions")
    assert answer["rows"][0] == {
        "kind": "events", "id": "first", "title": "First", "action": 1, "type": "run_event", "missing": "events",
        "missing_id": "later",
    }  # fmt: skip
    limited = await served.key(categories=["elsewhere"])
    assert (await served.call("get_dangling_actions", key=limited))[1]["rows"] == []
