"""Going out of service, and one satellite on one data directory, on real processes."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from satellite.drain import DRAINED
from tests.integration.satellite.conductor_peer import PATIENCE, Peer
from tests.integration.satellite.conftest import ROOT, Satellite


async def command(satellite: Satellite, *words: str) -> tuple[int, str]:
    """The satellite's command line beside the running one: status and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "satellite.main", "--data-dir", str(satellite.data), *words,
        cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def gated(peer: Peer, gate: Path) -> str:
    """A job that ends when something is written into `gate`."""
    os.mkfifo(gate)
    job_id = await peer.launch(f"#!/bin/sh\necho up\nread x <{gate}\necho down\n")
    await peer.until(lambda: peer.logs.get(job_id) == b"up\n")
    return job_id


async def test_a_drained_satellite_finishes_its_jobs_and_ends(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await gated(peer, tmp_path / "gate")
    draining = asyncio.create_task(command(satellite, "drain"))
    await peer.until(lambda: peer.of("drain"))
    late = await peer.launch("#!/bin/sh\necho late\n")  # sent before the conductor knew
    assert (await peer.result(late))["code"] == 0
    await peer.send("draining", {})
    assert not draining.done()
    await asyncio.to_thread((tmp_path / "gate").write_text, "go\n")
    assert (await peer.result(job_id))["code"] == 0
    assert await satellite.ended() == DRAINED
    status, text = await draining
    assert status == 0
    assert text.endswith("drained\n")
    assert satellite.directories() == []


async def test_draining_goes_on_over_a_broken_connection(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await gated(peer, tmp_path / "gate")
    assert (await command(satellite, "drain", "--timeout", "0.1"))[0] == 4
    await peer.until(lambda: peer.of("drain"))
    await peer.drop()
    await peer.until(lambda: len(peer.of("drain")) == 2)
    await peer.send("draining", {})
    await asyncio.to_thread((tmp_path / "gate").write_text, "go\n")
    assert (await peer.result(job_id))["code"] == 0
    assert await satellite.ended() == DRAINED


async def test_an_original_conductor_gets_refusals_as_results(
    base_peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    """Contract satellite_agent.md §2: a launch during the shutdown fails with this text."""
    satellite.configure(base_peer.port)
    await satellite.start()
    await base_peer.joined()
    job_id = await gated(base_peer, tmp_path / "gate")
    draining = asyncio.create_task(command(satellite, "drain"))
    await base_peer.until(lambda: base_peer.of("notice"))
    refused = await base_peer.result(await base_peer.launch("#!/bin/sh\necho never\n"))
    assert refused["code"] == 1
    assert refused["description"] == "Setup Error: Server is shutting down. Job cannot launch."
    await asyncio.to_thread((tmp_path / "gate").write_text, "go\n")
    assert (await base_peer.result(job_id))["code"] == 0
    assert (await draining)[0] == 0


async def test_an_idle_satellite_drains_at_once_also_without_a_conductor(satellite: Satellite) -> None:
    satellite.configure(1)
    assert (await command(satellite, "drain"))[0] == 3
    await satellite.start()
    async with asyncio.timeout(PATIENCE):
        while (await command(satellite, "drain"))[0] != 0:
            await asyncio.sleep(0.05)
    assert await satellite.ended() == DRAINED


async def test_a_second_satellite_on_one_data_directory_does_not_start(
    peer: Peer, satellite: Satellite
) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    status, text = await command(satellite)
    assert status == 1
    assert "another satellite is running on" in text
    assert peer.joins == 1


async def test_a_refused_satellite_says_why(peer: Peer, satellite: Satellite) -> None:
    peer.answer_hello = ("auth_failure", {"description": "A second satellite with the same ID was refused"})
    satellite.configure(peer.port)
    await satellite.start()
    await peer.until(lambda: len(peer.of("hello")) == 2)
    assert "A second satellite with the same ID was refused" in (satellite.data / "satellite.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_is_bounded_and_leaves_jobs_running(
    peer: Peer, satellite: Satellite, tmp_path: Path, number: signal.Signals
) -> None:
    """satellite_agent.md "Where to be better" 6: the original waits without limit and ends all jobs."""
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await gated(peer, tmp_path / "gate")
    assert satellite._process is not None
    satellite._process.send_signal(number)
    assert await satellite.ended() == 0
    await asyncio.to_thread((tmp_path / "gate").write_text, "go\n")
    await satellite.start()
    assert (await peer.result(job_id))["code"] == 0
    assert peer.logs[job_id] == b"up\ndown\n"


async def test_built_in_plugins_run_by_hand(satellite: Satellite) -> None:
    """Contract satellite_agent.md §2: `plugin NAME` with standard streams."""
    satellite.data.mkdir()
    status, text = await command(satellite, "plugin", "http-plugin")
    assert status == 0
    assert '"xy": 1' in text
    assert (await command(satellite, "plugin", "nonsense"))[0] == 2
