"""Who may join, and how one satellite's key is changed or taken (docs/security.md)."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from shared import ids
from shared.protocol import proofs, tokens
from tests.acceptance.agent import ACKNOWLEDGED, BASE, SECRET, Agent, Station, ended, server_of, station
from tests.processes import ApiError, Client, eventually


async def refused(agent: Agent, shown: dict[str, Any]) -> str:
    """What the conductor says to this `join`, which it must not accept."""
    await agent.send("join", shown)
    refusal = await agent.expect("auth_failure")
    assert not agent.unread("joined")
    return str(refusal["description"])


async def by_proof(agent: Agent, key: str) -> dict[str, Any]:
    """Join by proof; returns `joined`."""
    nonce = (await agent.hello())["nonce"]
    challenge = ids.hex_id()
    proof = proofs.of_satellite(key, agent.id, nonce, challenge)
    await agent.send("join", {"proof": proof, "challenge": challenge})
    joined = dict(await agent.expect("joined"))
    assert joined["proof"] == proofs.of_conductor(key, agent.id, nonce, challenge)
    return joined


async def row_of(client: Client, agent: Agent) -> dict[str, Any]:
    rows = (await client.call("get_satellites"))["rows"]
    return next(row for row in rows if row["id"] == agent.id)


async def test_a_key_can_be_proved_and_the_conductor_proves_it_too(alone: Station, admin: Client) -> None:
    async with alone.agent(ACKNOWLEDGED) as agent:
        await by_proof(agent, agent.token)
        row = await row_of(admin, agent)
        assert (row["online"], row["proven"], row["protocol"], row["generation"]) == (
            True,
            True,
            ACKNOWLEDGED,
            0,
        )
        assert agent.token not in str(row)


async def test_the_base_protocol_is_offered_no_proof(alone: Station) -> None:
    async with alone.agent(BASE) as agent:
        assert set(await agent.hello()) == {"nonce", "id"}


@pytest.mark.parametrize("wrong", ["key", "nonce", "challenge", "direction", "short challenge"])
async def test_a_wrong_proof_opens_nothing(alone: Station, admin: Client, wrong: str) -> None:
    async with alone.agent(ACKNOWLEDGED) as agent:
        nonce, challenge = (await agent.hello())["nonce"], ids.hex_id()
        made = [agent.token, agent.id, nonce, challenge]
        if wrong == "key":
            made[0] = tokens.server_token("sother", SECRET)
        elif wrong == "nonce":
            made[2] = ids.hex_id()
        proof = proofs.of_satellite(*made)
        if wrong == "direction":
            proof = proofs.of_conductor(*made)
        if wrong == "challenge":
            challenge = ids.hex_id()
        if wrong == "short challenge":
            challenge = "x"
            proof = proofs.of_satellite(agent.token, agent.id, nonce, challenge)
        assert (
            await refused(agent, {"proof": proof, "challenge": challenge}) == "Invalid authentication token."
        )
        assert await server_of(admin, agent) is None


async def test_a_recorded_proof_is_good_for_nothing(alone: Station) -> None:
    async with alone.agent(ACKNOWLEDGED) as agent:
        nonce, challenge = (await agent.hello())["nonce"], ids.hex_id()
        recorded = {
            "proof": proofs.of_satellite(agent.token, agent.id, nonce, challenge), "challenge": challenge
        }  # fmt: skip
        await agent.send("join", recorded)
        await agent.expect("joined")
        await agent.leave()
        await agent.open()
        await agent.hello()
        await refused(agent, recorded)


async def test_a_rotated_key_replaces_the_old_one_once_it_was_used(
    agent: Agent, alone: Station, admin: Client
) -> None:
    old = agent.token
    row = (await admin.call("rotate_satellite_key", id=agent.id))["satellite"]
    assert row["generation"] == 1
    new = (await agent.expect("updateConfig"))["auth_token"]
    assert new != old
    assert len(new) == 64
    await agent.leave()
    await agent.open()
    # It was killed before it had saved the new one: it comes back with the old one, and is told again.
    await agent.join()
    assert (await agent.expect("updateConfig"))["auth_token"] == new
    await agent.leave()
    await agent.open()
    await agent.hello()
    await agent.send("join", {"token": new})
    await agent.expect("joined")
    await agent.settled()
    await agent.leave()
    await agent.open()
    await agent.hello()
    await refused(agent, {"token": old})


async def test_a_result_is_signed_with_the_present_key(alone: Station, admin: Client) -> None:
    async with alone.agent(BASE) as agent:
        await agent.join()
        job_id = await started(admin, agent)
        await admin.call("rotate_satellite_key", id=agent.id)
        new = (await agent.expect("updateConfig"))["auth_token"]
        body = {"id": job_id, "server": agent.id, "auth": "0" * 64, "job": ended(job_id)}
        assert (await agent.finish_job(body))[1]["code"] == "auth"
        assert await agent.finish_job({**body, "auth": new}) == (200, {"code": 0})


async def test_a_revoked_satellite_is_cut_off_at_once_and_for_good(
    agent: Agent, alone: Station, admin: Client
) -> None:
    await admin.call("revoke_satellite", id=agent.id)
    await agent.closed(timeout=3)
    await agent.leave()
    await agent.open()
    nonce = (await agent.hello())["nonce"]
    assert "revoked" in await refused(agent, {"token": agent.token})
    await refused(agent, {"token": tokens.nonce_token(nonce, SECRET)})
    assert (await row_of(admin, agent))["revoked"]
    with pytest.raises(ApiError, match="revoked"):
        await admin.call("rotate_satellite_key", id=agent.id)
    body = {"id": "jx", "server": agent.id, "auth": agent.token, "job": ended("jx")}
    assert (await agent.finish_job(body))[1]["code"] == "auth"
    for name, query in (("core", {"os": "linux", "arch": "x64"}), ("upgrade", {}), ("config", {})):
        with pytest.raises(ApiError) as gone:
            await admin.fetch(f"/api/app/satellite/{name}", s=agent.id, t=agent.token, **query)
        assert gone.value.status == 403


async def test_a_revoked_satellite_is_enrolled_anew_under_its_id(agent: Agent, admin: Client) -> None:
    await admin.call("revoke_satellite", id=agent.id)
    await agent.closed(timeout=3)
    token = (await admin.call("get_satellite_token", server_id=agent.id))["token"]
    config = msgspec.json.decode(await admin.fetch("/api/app/satellite/config", t=token))
    assert config["server_id"] == agent.id
    with pytest.raises(ApiError) as again:
        await admin.fetch("/api/app/satellite/config", t=token)
    assert again.value.status == 403
    await agent.leave()
    await agent.open()
    await agent.hello()
    await refused(agent, {"token": agent.token})
    await agent.leave()
    await agent.open()
    await agent.hello()
    await agent.send("join", {"token": config["auth_token"]})
    await agent.expect("joined")


async def test_credentials_outlive_a_restart_of_the_conductor(alone: Station, admin: Client) -> None:
    """Also when it was killed right after its answer."""
    async with alone.agent(BASE) as one, alone.agent(BASE) as two:
        await one.join()
        await two.join()
        await admin.call("revoke_satellite", id=one.id)
        await admin.call("rotate_satellite_key", id=two.id)
        key = (await two.expect("updateConfig"))["auth_token"]
        await alone.conductor.kill()
        alone.conductor.start()
        await alone.conductor.ready()
        await two.leave()
        await two.open()
        await two.hello()
        await two.send("join", {"token": key})
        await two.expect("joined")
        await one.leave()
        await one.open()
        await one.hello()
        assert "revoked" in await refused(one, {"token": one.token})


async def test_the_satellites_own_token_mints_no_other_identity(agent: Agent, admin: Client) -> None:
    path = "/api/app/satellite/config"
    config = msgspec.json.decode(await admin.fetch(path, s=agent.id, t=agent.token, title="Other"))
    assert (config["server_id"], config["auth_token"]) == (agent.id, agent.token)
    assert "initial" not in config


async def test_an_enrolment_token_can_be_counted(admin: Client) -> None:
    token = (await admin.call("get_satellite_token", uses=2))["token"]
    path = "/api/app/satellite/config"
    made = {msgspec.json.decode(await admin.fetch(path, t=token))["server_id"] for _ in range(2)}
    assert len(made) == 2
    with pytest.raises(ApiError) as over:
        await admin.fetch(path, t=token)
    assert over.value.status == 403


async def test_only_administrators_change_credentials(alone: Station, admin: Client) -> None:
    key = await admin.call("create_api_key", title="Adds", active=1, privileges={"add_servers": True})
    async with Client(alone.conductor.url, key["plain_key"]) as helper:
        for call in ("rotate_satellite_key", "revoke_satellite"):
            with pytest.raises(ApiError) as denied:
                await helper.call(call, id="sx")
            assert denied.value.status == 403
        with pytest.raises(ApiError) as reissued:
            await helper.call("get_satellite_token", server_id="sx")
        assert reissued.value.status == 403
    with pytest.raises(ApiError) as unknown:
        await admin.call("revoke_satellite", id="snobody")
    assert unknown.value.status == 404


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Station]:
    """A conductor that takes proofs alone, and no more than a few wrong ones."""
    folder: Path = tmp_path_factory.mktemp("s")
    async with station(
        folder,
        OPSORBIT_JOIN_BY_TOKEN="false",
        OPSORBIT_JOIN_BY_SECRET_KEY="false",
        OPSORBIT_MAX_FAILED_JOINS_PER_ADDRESS="8",
    ) as running:
        yield running


async def test_bearer_tokens_and_the_shared_secret_can_be_switched_off(strict: Station) -> None:
    async with strict.agent(ACKNOWLEDGED) as agent:
        nonce = (await agent.hello())["nonce"]
        await refused(agent, {"token": agent.token})
        await refused(agent, {"token": tokens.nonce_token(nonce, SECRET)})
        await agent.leave()
        await agent.open()
        await by_proof(agent, agent.token)


async def test_a_flood_of_wrong_joins_is_refused_and_told_once(strict: Station) -> None:
    """Better 9: hello spam fills the activity log."""
    async with strict.agent(ACKNOWLEDGED, hostname="flood.lan") as agent:
        await agent.hello()
        for _ in range(30):
            await agent.send("join", {"token": "0" * 64})
        await agent.settled()
    async with strict.client() as client:

        async def told() -> bool:
            return bool(strict.log_lines("satellite refused", "flood.lan"))

        await eventually(told, "the refusal is told")
        async with client.session.get(
            strict.conductor.url, headers={"Upgrade": "websocket", "Connection": "Upgrade"}
        ) as response:
            assert response.status == 429
    assert len(strict.log_lines("satellite refused", "flood.lan")) == 1


async def started(client: Client, agent: Agent) -> str:
    event = await client.call(
        "create_event", title="Any", enabled=True, category="general", plugin="shellplug",
        targets=[agent.id], triggers=[{"type": "manual", "enabled": True}],
        params={"script": "#!/bin/sh\n"},
    )  # fmt: skip
    job_id = str((await client.call("run_event", id=event["event"]["id"]))["id"])
    await agent.launched(job_id)
    return job_id


async def test_the_command_line_lists_rotates_and_revokes(alone: Station) -> None:
    async def opsorbit(*arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from conductor.cli import main; main()", "satellite", *arguments,
            env={**os.environ, "OPSORBIT_URL": alone.conductor.url, "OPSORBIT_API_KEY": alone.api_key},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async with alone.agent(ACKNOWLEDGED) as agent:
        await by_proof(agent, agent.token)
        assert (await opsorbit("rotate", agent.id))[0] == 0
        assert await agent.expect("updateConfig")
        status, said = await opsorbit("list")
        (line,) = (line for line in said.splitlines() if line.startswith(agent.id))
        assert (status, "proof" in line, "not used yet" in line) == (0, True, True)
        assert (await opsorbit("revoke", agent.id))[0] == 0
        await agent.closed(timeout=5)
        status, said = await opsorbit("revoke", "snobody")
        assert (status, said.strip()) == (1, "opsorbit: notfound: Server not found: snobody (HTTP 404)")
