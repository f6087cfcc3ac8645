"""Limits that fire, and what follows (contract jobs.md §8, §12)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from conductor.errors import Refusal
from conductor.jobs import telling
from conductor.jobs.limits.notices import Notified
from conductor.jobs.ports import Ports
from conductor.live.job import ActiveJob
from conductor.signals import Activity
from shared import clock
from shared.protocol.messages import JobUpdate
from tests.integration.jobs.house import House, Launched, Term, held, until


class Notices:
    """The edge of the conductor: who would be told, and how long that takes."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.delivered = asyncio.Event()

    async def limit_fired(self, job: ActiveJob, limit: Mapping[str, Any], message: str) -> Notified:
        self.told.append((job.id, str(limit["type"])))
        await self.delivered.wait()
        return Notified("email", "No such mailbox.", "- details")


RETRY = {"type": "retry", "enabled": True, "amount": 1}


def limit(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "enabled": True, **more}


async def started(house: House, term: Term, *limits: dict[str, Any], **changes: Any) -> Launched:
    return await term.launched(await term.launch(await house.event(limits=list(limits), **changes)))


def used(term: Term, launched: Launched, **update: Any) -> None:
    message = JobUpdate(id=launched.id, attempt=launched.attempt, update=update)
    term.engine.reports.update(launched.server, message)


async def test_better_the_abort_of_a_limit_does_not_wait_for_its_notices(house: House) -> None:
    """jobs.md, "Where to be better" 7."""
    notices = Notices()
    house.job_ports = Ports(notices=notices)
    house.satellites.join("s1")
    async with house.term() as term:
        fires = limit("mem", amount=100, duration=0, abort=True, email="ops@example.com")
        launched = await started(house, term, fires, limit("time", duration=900))
        used(term, launched, mem={"current": 101})
        await until(lambda: house.satellites.aborted, "the abort is sent")
        assert not notices.delivered.is_set()
        await until(lambda: notices.told == [(launched.id, "mem")], "it is being told")
        notices.delivered.set()
        await until(lambda: "elapsed_ms" in term.job(launched.id).job["limits"][0], "the outcome is kept")
        told = term.job(launched.id).job["limits"][0]
        assert (told["code"], told["description"], told["details"]) == (
            "email",
            "No such mailbox.",
            "- details",
        )
        assert told["msg"] == "Job has exceeded 100 bytes of memory."


async def test_a_soft_limit_tags_and_tells_once_and_leaves_the_result_alone(house: House) -> None:
    notices = Notices()
    notices.delivered.set()
    house.job_ports = Ports(notices=notices)
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await started(house, term, limit("cpu", amount=50, tags=["t1"], web_hook="w1"))
        used(term, launched, cpu={"current": 80})
        await until(lambda: notices.told, "it is told")
        await until(lambda: "t1" in term.job(launched.id).job["tags"], "it is tagged")
        for _ in range(3):
            used(term, launched, cpu={"current": 80})
            await ticked(term)
        assert len(notices.told) == 1
        rows = [row for row in term.job(launched.id).details["activity"] if "limit" in row]
        assert [row["limit"]["type"] for row in rows] == ["cpu"]
        assert [one.action for one in house.told if isinstance(one, Activity)] == ["job_limit"]
        term.result(launched)
        assert (await term.ended(launched.id))["code"] == 0


async def ticked(term: Term) -> None:
    """The engine has looked at all jobs once more."""
    probe = next(iter(term.book))
    before = probe.job["updated"]
    probe.job["suspended"] = True  # it is given a new sign of life by each look
    await until(lambda: probe.job["updated"] > before, "a tick")
    del probe.job["suspended"]


async def test_usage_must_stay_above_without_a_break(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await started(house, term, limit("mem", amount=100, duration=3600, abort=True))
        used(term, launched, mem={"current": 200})
        await until(lambda: "when" in term.job(launched.id).job["limits"][0], "it counts")
        used(term, launched, mem={"current": 50})
        await until(lambda: "when" not in term.job(launched.id).job["limits"][0], "it counts no more")
        assert house.satellites.aborted == []


async def test_a_retry_after_a_limit_arms_all_limits_again_and_keeps_what_was_asked(house: House) -> None:
    """jobs.md, "Where to be better" 3: input, expression and priority were lost, limits stayed fired."""
    house.satellites.join("s1", info={"os": "x"})
    async with house.term() as term:
        fires = limit("log", amount=3, abort=True)
        first = await started(
            house, term, fires, {**RETRY, "duration": 0.05}, input={"data": {"n": 1}}, priority=True,
            expression="id == 's1'",
        )  # fmt: skip
        term.log(first, b"too much\n")
        await until(lambda: house.satellites.aborted, "the abort is sent")
        term.result(first, log_size=9, code="abort", description="limit")
        record = await term.ended(first.id)
        assert record["limits"][0]["date"]
        again = await term.launched(record["jobs"][0]["id"])
        assert [sorted(one) for one in again.job["limits"]] == [
            ["abort", "amount", "enabled", "type"], ["amount", "duration", "enabled", "type"],
        ]  # fmt: skip
        assert (again.details["input"], again.job["priority"], again.job["expression"]) == (
            {"data": {"n": 1}}, True, "id == 's1'",
        )  # fmt: skip
        assert again.job["retry_prev"] == first.id


async def test_a_file_limit_prunes_the_input_before_the_job_starts(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        files = [{"filename": "a.csv", "size": 1}, {"filename": "b.exe", "size": 1}]
        event = await house.event(limits=[limit("file", amount=5, accept="csv")])
        launched = await term.launched(await term.launch(event, input={"data": {"n": 1}, "files": files}))
        assert launched.details["input"] == {"data": {"n": 1}, "files": files[:1]}
        told = [row["msg"] for row in term.job(launched.id).details["activity"]]
        assert "Input file is left out: b.exe (not one of .csv)." in told


async def test_a_day_limit_counts_exactly_once_whatever_dies(house: House) -> None:
    """Counters stand in the transaction that archives the job, so the next primary has them."""
    house.satellites.join("s1")
    event = await house.event(limits=[limit("day", condition="error", amount=2)])
    for _ in range(2):
        async with house.term() as term:
            launched = await term.launched(await term.launch(event, source="scheduler"))
            term.result(launched, code=5)
            await term.ended(launched.id)
    async with house.term() as term:
        with pytest.raises(Refusal, match="daily limit of 2 for error jobs"):
            await term.launch(event, source="scheduler")
        await term.launched(await term.launch(event, source="key"))
    await house.definitions.state.load()
    counted = house.definitions.state.get(f"events/{event['id']}")["today"]
    assert (counted["error"], counted["user"], counted["complete"], counted["start"]) == (2, 2, 2, 2)


async def test_a_day_limit_on_starts_counts_what_runs(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[limit("day", condition="start", amount=2)])
        first = await term.launched(await term.launch(event, source="scheduler"))
        term.result(first)
        await term.ended(first.id)
        await term.launched(await term.launch(event, source="scheduler"))
        with pytest.raises(Refusal, match="daily limit"):
            await term.launch(event, source="plugin")


async def test_attempts_that_are_tried_again_count_as_starts_only(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[RETRY])
        first = await term.launched(await term.launch(event))
        term.result(first, code=1)
        again = await term.launched((await term.ended(first.id))["jobs"][0]["id"])
        term.result(again)
        await term.ended(again.id)
    counted = house.definitions.state.get(f"events/{event['id']}")["today"]
    assert {key: counted[key] for key in counted if key != "date"} == {
        "start": 2,
        "complete": 1,
        "success": 1,
    }


async def test_the_wait_for_a_server_is_recorded(house: House) -> None:
    """job.yaml, "Where to be better": `started` changes its meaning, and the wait was not recorded."""
    async with house.term() as term:
        limits = [limit("job", amount=1), limit("queue", amount=1)]
        job_id = await term.launch(await house.event(limits=limits))
        await term.state(job_id, "queued")
        began = clock.now()
        await until(lambda: clock.now() - began > 0.05, "some time has passed")
        house.satellites.join("s1")
        await term.resumed("s1")
        launched = await term.launched(job_id)
        assert launched.job["waited"] >= 0.05
        assert "queued" not in launched.job


async def test_better_what_a_limit_had_begun_to_tell_is_told_again_after_a_takeover(house: House) -> None:
    """Actions.md, "Where to be better" 3: at least once, and it says when it is twice."""
    notices = Notices()
    house.job_ports = Ports(notices=notices)
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await started(house, term, limit("time", duration=0.01, email="x@example.com"))
        await until(lambda: notices.told, "it fires")
    notices.delivered.set()
    async with house.term() as term:
        await term.resumed("s1", held(launched))
        await until(lambda: "elapsed_ms" in term.job(launched.id).job["limits"][0], "it is told again")
        await ticked(term)
        assert len(notices.told) == 2, "told again, and not fired again"
        term.result(launched)
        told = (await term.ended(launched.id))["limits"][0]
    assert (told["repeated"], told["code"]) == (1, "email")
    assert "told again" in told["details"]
    assert "active" not in told


async def test_no_job_leaves_before_its_limits_are_told_and_a_retry_waits_for_seconds_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_RETRY_SECONDS", 0.05)
    notices = Notices()
    house.job_ports = Ports(notices=notices)
    house.satellites.join("s1")
    async with house.term() as term:
        fires = limit("time", duration=0.01, email="x@example.com", abort=True)
        launched = await started(house, term, fires, RETRY)
        await until(lambda: house.satellites.aborted, "the abort is sent")
        term.result(launched, code="abort", retry_ok=True)
        first = await term.ended(launched.id)
        assert first["retried"] is True, "the first attempt has left, though nobody took the mail yet"
        second = await term.launched(first["jobs"][0]["id"])
        await until(lambda: len(notices.told) == 2, "it fires again")
        term.result(second, code="abort", retry_ok=True)
        await term.state(second.id, "complete")
        notices.delivered.set()
        assert (await term.ended(second.id))["limits"][0]["description"] == "No such mailbox."


async def test_better_a_finishing_job_whose_agent_fell_silent_does_not_stay_for_ever(house: House) -> None:
    """jobs.md, "Where to be better" 5; and an agent that forgot it is not asked to abort it again and again."""
    house.settings.dead_job_timeout = 0.3
    house.satellites.join("s1")
    house.satellites.base.add("s1")
    async with house.term() as term:
        launched = await started(house, term)
        used(term, launched, state="finishing")
        assert term.job(launched.id).state == "finishing"
        record = await term.ended(launched.id)
        assert (record["code"], house.satellites.aborted) == ("abort", [])
