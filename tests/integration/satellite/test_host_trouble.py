"""Hosts in trouble: full disks, quotas, restarts under limits, each with a satellite of its own."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.satellite.conductor_peer import Peer
from tests.integration.satellite.conftest import Satellite
from tests.integration.satellite.test_trouble import fine, limit

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a small file system")


async def test_every_job_has_a_most_of_output(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port, max_output_bytes=100_000)
    await satellite.start()
    await peer.joined()
    job = await peer.result(await peer.launch("#!/bin/sh\nhead -c 200000 /dev/zero\nexec sleep 60\n"))
    assert job["description"] == "Job output has exceeded the 100000 bytes that this satellite takes."


async def test_a_time_limit_counts_from_the_start_of_the_process(peer: Peer, satellite: Satellite) -> None:
    """A satellite that is restarted again and again does not give a job more time each time."""
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    limits = [limit("time", duration=6)]
    job_id = await peer.launch("#!/bin/sh\necho up\nexec sleep 60\n", limits=limits)
    await peer.until(lambda: peer.logs.get(job_id))
    await asyncio.sleep(5)  # the time that must count
    await satellite.kill()
    await satellite.start()
    await peer.joined(2)
    began = time.monotonic()
    job = await peer.result(job_id)
    assert time.monotonic() - began < 5.5, "the whole limit and its grace again"
    assert job["description"] == "Job has exceeded its time limit of 6 seconds."


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@needs_root
async def test_a_full_disk_is_told_and_passes(peer: Peer, small_disk: Path, tmp_path: Path) -> None:
    satellite = Satellite(small_disk / "satellite")
    satellite.configure(peer.port)
    await satellite.start()
    try:
        await peer.joined()
        ballast = small_disk / "ballast"
        peer.ack_results = False  # its directory must not make room when it ends
        filling = await peer.launch(f"#!/bin/sh\necho up\ncat /dev/zero >{ballast}\necho down\nexit 7\n")
        job = await peer.result(filling)
        assert job["code"] == 7, "the end of a job is known although its witness could not be written"
        refused = await peer.result(await peer.launch("#!/bin/sh\necho never\n"))
        assert refused["code"] == 1
        assert "No space left on device" in refused["description"]
        peer.ack_results = True
        ballast.unlink()
        await fine(peer)
        assert peer.joins == 1
    finally:
        await satellite.stop()
        satellite.kill_leftovers()
