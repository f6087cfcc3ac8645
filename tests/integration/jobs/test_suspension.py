"""Start actions, suspension and resumption, aborts on the way (contract jobs.md §6, §13, §14)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from conductor.errors import BadParameter, Refusal
from conductor.jobs.actions import NoActions
from conductor.jobs.ports import Ports
from conductor.live.job import ActiveJob
from conductor.signals import SYSTEM, Activity, Actor, JobResumed
from tests.integration.jobs.house import House, Term, until

SUSPEND = {"type": "suspend", "enabled": True, "condition": "start", "users": []}
ANN = Actor(kind="user", id="ann", ips=("10.0.0.1",), useragent="curl")


class Suspending(NoActions):
    """Actions that do one thing: suspend the job until it is resumed."""

    async def run_for_job(self, job: ActiveJob, conditions: Sequence[str]) -> None:
        for action in job.job["actions"]:
            wanted = action["type"] == "suspend" and action["condition"] in conditions
            if wanted and "code" not in action:
                job.set(suspended=True)
                while job.job.get("suspended"):
                    await asyncio.sleep(0.01)
                action["code"] = 0
                job.set(actions=job.job["actions"])


class Waiting:
    """Who lets them go on."""

    def __init__(self) -> None:
        self.resumed: list[tuple[str, str, dict[str, Any]]] = []

    def check(self, job_id: str, by: Actor) -> None: ...

    def resume(self, job_id: str, by: Actor, params: Mapping[str, Any]) -> None:
        self.resumed.append((job_id, by.id, dict(params)))


@pytest.fixture
def suspending(house: House) -> Waiting:
    waiting = Waiting()
    house.job_ports = Ports(actions=Suspending(), suspension=waiting)
    house.satellites.join("s1")
    return waiting


async def suspended(house: House, term: Term, **changes: Any) -> str:
    job_id = await term.launch(await house.event(actions=[dict(SUSPEND)], **changes))
    await until(lambda: term.job(job_id).job.get("suspended"), "it is suspended")
    return job_id


async def test_a_suspended_job_holds_its_slot_and_goes_on_with_what_it_is_given(
    house: House, suspending: Waiting
) -> None:
    async with house.term() as term:
        limits = [
            {"type": "job", "enabled": True, "amount": 1},
            {"type": "queue", "enabled": True, "amount": 1},
        ]
        event = await house.event(actions=[dict(SUSPEND)], limits=limits, params={"script": "true", "a": 1})
        job_id = await term.launch(event)
        await until(lambda: term.job(job_id).job.get("suspended"), "it is suspended")
        assert term.job(job_id).state == "starting"
        waiting = await term.launch(event)
        await term.state(waiting, "queued")
        assert house.satellites.launched == []
        params = {"a": 2, "_xy_override_label": "approved"}
        await term.engine.resuming.resume(job_id, ANN, params=params)
        launched = await term.launched(job_id)
        assert (launched.job["params"]["a"], launched.job["label"], launched.attempt) == (2, "approved", 1)
        assert {"suspended", "resumed"}.isdisjoint(launched.job)
        assert suspending.resumed == [(job_id, "ann", params)]
        told = [row["msg"] for row in term.job(job_id).details["activity"]]
        assert "Job is resumed by user: ann" in told
        assert [one.actor for one in house.told if isinstance(one, JobResumed)] == [ANN]
        rows = [one for one in house.told if isinstance(one, Activity) and one.action == "job_resume"]
        assert rows[0].payload["params"] == params


async def test_a_resume_may_move_the_job_to_another_server(house: House, suspending: Waiting) -> None:
    async with house.term() as term:
        job_id = await suspended(house, term)
        house.satellites.join("s2")
        del house.satellites.online["s1"]
        await term.engine.resuming.resume(job_id, ANN)
        assert (await term.launched(job_id)).server == "s2"


async def test_what_cannot_be_resumed_is_refused_and_stays_as_it_is(
    house: House, suspending: Waiting
) -> None:
    async with house.term() as term:
        with pytest.raises(Refusal, match="No active job"):
            await term.engine.resuming.resume("jnone", ANN)
        running = await term.launched(await term.launch(await house.event()))
        with pytest.raises(Refusal, match="not suspended"):
            await term.engine.resuming.resume(running.id, ANN)
        job_id = await suspended(house, term)
        with pytest.raises(BadParameter, match="_xy_override_expression"):
            await term.engine.resuming.resume(job_id, ANN, params={"_xy_override_expression": "((", "a": 5})
        assert "a" not in term.job(job_id).job["params"]
        assert term.job(job_id).job["suspended"] is True


async def test_a_suspended_job_knows_no_time(house: House, suspending: Waiting) -> None:
    """No dead-job timeout and no runtime limit while it waits for a person (§13)."""
    house.settings.dead_job_timeout = 0.1
    async with house.term() as term:
        limits = [{"type": "time", "enabled": True, "duration": 0.05, "abort": True}]
        job_id = await suspended(house, term, limits=limits)
        await asyncio.sleep(0.4)  # several ticks and timeouts
        assert term.job(job_id).job["suspended"] is True
        assert "abort_reason" not in term.job(job_id).job


async def test_an_abort_of_a_suspended_job_ends_it_and_it_never_starts(
    house: House, suspending: Waiting
) -> None:
    async with house.term() as term:
        job_id = await suspended(house, term)
        term.engine.abort(job_id, "No more.", SYSTEM)
        record = await term.ended(job_id)
        assert (record["code"], record["description"]) == ("abort", "No more.")
        assert house.satellites.launches_of(job_id) == []
        assert "suspended" not in record


async def test_the_next_primary_suspends_it_again_and_runs_no_action_twice(
    house: House, suspending: Waiting
) -> None:
    async with house.term() as term:
        actions = [{**SUSPEND, "type": "email", "code": 0}, dict(SUSPEND)]
        job_id = await term.launch(await house.event(actions=[dict(SUSPEND)]))
        await until(lambda: term.job(job_id).job.get("suspended"), "it is suspended")
        term.job(job_id).set(actions=actions)
        await term.book.save(term.job(job_id))
    async with house.term() as term:
        await until(lambda: term.job(job_id).job.get("suspended"), "it is suspended again")
        await term.engine.resuming.resume(job_id, ANN)
        assert (await term.launched(job_id)).job["actions"][0]["code"] == 0


async def test_an_abort_that_was_asked_for_before_a_death_is_kept(house: House, suspending: Waiting) -> None:
    async with house.term() as term:
        job_id = await suspended(house, term)
        term.job(job_id).set(abort_reason="No more.")
        await term.book.save(term.job(job_id))
    async with house.term() as term:
        assert (await term.ended(job_id))["description"] == "No more."
