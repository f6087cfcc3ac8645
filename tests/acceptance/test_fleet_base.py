"""What the base protocol alone has: whole copies each second, and the end of a job by HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from shared import ids
from shared.protocol import tokens
from tests.acceptance.agent import BASE, SECRET, Agent, Station, ended, server_of
from tests.acceptance.jobs import finished, get_job, start
from tests.processes import Client, eventually

DELIVERED = (200, {"code": 0})
REFUSED = (200, {"code": "auth", "description": "Authentication failure"})


@pytest.fixture
def subprotocol() -> str:
    return BASE


@pytest_asyncio.fixture
async def job_id(agent: Agent, admin: Client) -> AsyncIterator[str]:
    launched = await start(admin, "exit 0", targets=[agent.id])
    await agent.launched(launched)
    yield launched
    await agent.finish_job(
        {"id": launched, "auth": tokens.job_token(launched, SECRET), "job": ended(launched)}
    )


def _auth(kind: str, agent: Agent, job_id: str, api_key: str) -> dict[str, str]:
    return {
        "server token": {"server": agent.id, "auth": agent.token},
        "runner token": {"server": agent.id, "auth": tokens.runner_token(job_id, agent.token)},
        "job token": {"auth": tokens.job_token(job_id, SECRET)},
        "API key": {"auth": api_key},
    }[kind]


AUTHS = ["server token", "runner token", "job token", "API key"]


@pytest.mark.parametrize("kind", AUTHS)
async def test_a_result_is_taken_with_each_kind_of_token(
    agent: Agent, alone: Station, admin: Client, job_id: str, kind: str
) -> None:
    auth = _auth(kind, agent, job_id, alone.api_key)
    body = {"id": job_id, **auth, "job": ended(job_id, code=4, description="told")}
    assert await agent.finish_job(body) == DELIVERED
    job = await get_job(admin, job_id)
    assert (job["final"], job["code"], job["description"]) == (True, 4, "told"), "archived before the answer"


@pytest.mark.parametrize("kind", AUTHS)
async def test_a_result_may_be_delivered_again(
    agent: Agent, alone: Station, admin: Client, job_id: str, kind: str
) -> None:
    body = {"id": job_id, **_auth(kind, agent, job_id, alone.api_key), "job": ended(job_id)}
    assert await agent.finish_job(body) == DELIVERED
    once = await get_job(admin, job_id)
    again = {**body, "job": ended(job_id, code=9, description="another")}
    assert [await agent.finish_job(again) for _ in range(3)] == [DELIVERED] * 3
    assert await get_job(admin, job_id) == once


async def test_a_result_of_an_unknown_job_is_taken_from_the_agents_hands(agent: Agent) -> None:
    """An agent repeats a refused result for ever."""
    unknown = ids.short_id("j")
    body = {"id": unknown, "server": agent.id, "auth": agent.token, "job": ended(unknown)}
    assert await agent.finish_job(body) == DELIVERED


async def _still_runs(admin: Client, job_id: str) -> None:
    job = await get_job(admin, job_id)
    assert job["state"] == "active"
    assert "code" not in job


@pytest.mark.parametrize(
    "auth",
    [
        {"auth": "0" * 64},
        {"auth": tokens.job_token("janother", SECRET)},
        {"server": "OWN", "auth": tokens.job_token("JOB", SECRET)},
        {"server": "OWN", "auth": tokens.runner_token("janother", "TOKEN")},
        {"auth": "TOKEN"},
        {"server": "snosuch", "auth": tokens.server_token("snosuch", SECRET)},
        {"server": "", "auth": "OWN"},
    ],
)
async def test_a_wrong_token_ends_nothing(
    agent: Agent, admin: Client, job_id: str, auth: dict[str, str]
) -> None:
    given = {key: {"OWN": agent.id, "TOKEN": agent.token}.get(value, value) for key, value in auth.items()}
    assert await agent.finish_job({"id": job_id, **given, "job": ended(job_id)}) == REFUSED
    await _still_runs(admin, job_id)


async def test_a_server_that_is_away_ends_nothing(agent: Agent, admin: Client, job_id: str) -> None:
    await agent.leave()

    async def gone() -> bool:
        return await server_of(admin, agent) is None

    await eventually(gone, "the server has left")
    await agent.open()
    body = {"id": job_id, "server": agent.id, "auth": agent.token, "job": ended(job_id)}
    assert await agent.finish_job(body) == REFUSED
    await _still_runs(admin, job_id)
    await agent.join()
    assert await agent.finish_job(body) == DELIVERED


async def test_the_token_of_one_job_ends_no_other(agent: Agent, admin: Client, job_id: str) -> None:
    other = await start(admin, "exit 0", targets=[agent.id])
    await agent.launched(other)
    for auth in (
        {"auth": tokens.job_token(other, SECRET)},
        {"server": agent.id, "auth": tokens.runner_token(other, agent.token)},
    ):
        assert await agent.finish_job({"id": other, **auth, "job": ended(job_id)}) == REFUSED
    await _still_runs(admin, job_id)
    await _still_runs(admin, other)
    await agent.finish(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None}, {"id": "no good id!"}, {"id": 7}, {"auth": None}, {"auth": 7}, {"job": None}, {"job": []},
        {"job": "x"}, {"server": 7},
    ],
)  # fmt: skip
async def test_malformed_calls_are_refused_with_200(
    agent: Agent, admin: Client, job_id: str, changes: dict[str, Any]
) -> None:
    body = {"id": job_id, "server": agent.id, "auth": agent.token, "job": ended(job_id), **changes}
    status, answer = await agent.finish_job({key: value for key, value in body.items() if value is not None})
    assert (status, answer["code"] in ("api", "auth")) == (200, True), answer
    await _still_runs(admin, job_id)


async def test_a_result_may_come_over_the_socket(agent: Agent, admin: Client, job_id: str) -> None:
    """As agents do where the conductor does not offer the call."""
    await agent.update(job_id, **ended(job_id, code=2, description="over the socket"))
    job = await finished(admin, job_id)
    assert (job["code"], job["description"]) == (2, "over the socket")


async def test_in_copies_the_inner_id_counts(agent: Agent, admin: Client, job_id: str) -> None:
    copy = {"id": job_id, "state": "active", "progress": 0.25}
    await agent.send("jobs", {"another": copy, "third": {"progress": 1}, job_id: {"progress": 0.75}})
    await agent.settled()
    assert (await get_job(admin, job_id))["progress"] == 0.25


async def test_numbers_beyond_64_bits_harm_nobody(agent: Agent, admin: Client, job_id: str) -> None:
    huge = 10**300
    await agent.update(
        job_id, progress=huge, cpu={"current": huge}, perf={"n": huge}, status="as told", code=huge
    )
    await agent.settled()
    job = await get_job(admin, job_id)
    assert job["status"] == "as told"
    assert job["perf"] == {"n": huge}
    await agent.finish(job_id, code=huge, cpu={"current": huge}, description="ended")
    assert (await finished(admin, job_id))["description"] == "ended"


async def test_a_job_whose_agent_does_not_mention_it_is_launched_once(
    agent: Agent, admin: Client, job_id: str
) -> None:
    await agent.rejoin()
    await agent.settled()
    assert not agent.unread("launch_job")
    await agent.finish(job_id)
    assert (await get_job(admin, job_id))["final"]


async def test_a_note_without_text_is_no_row(agent: Agent, admin: Client, job_id: str) -> None:
    for data in ({"id": job_id}, {"id": job_id, "text": None}, {"id": job_id, "text": {"a": 1}}):
        await agent.send("job_meta", data)
    await agent.settled()
    rows = (await get_job(admin, job_id))["activity"]
    assert not [row for row in rows if row["server"] == agent.id]
