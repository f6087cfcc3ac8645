"""Our satellite at a conductor of the original: the base protocol and nothing else (satellite_protocol.md §2-§5)."""

from pathlib import Path
from typing import Any

from tests.integration.satellite.conductor_peer import TOKEN, Peer
from tests.integration.satellite.conftest import Satellite

COMMANDS = {"hello", "join", "echoback", "jobs", "job_log", "job_meta", "monitor", "quickmon", "finish_job"}


async def test_a_job_from_the_join_to_the_result(
    base_peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    satellite.configure(base_peer.port, monitoring_enabled=True, quickmon_enabled=True)
    await satellite.start()
    await base_peer.joined()
    assert base_peer.protocols == [None]
    # The first sample comes while no job runs; the one after it up to a minute later.
    await base_peer.until(lambda: base_peer.of("monitor"))
    job_id = await base_peer.launch(
        '#!/bin/sh\necho \'{"xy":1,"progress":0.5,"push":{"tags":["t"]},"data":{"a":1}}\'\necho text\n'
        f'while [ ! -e "{gate}" ]; do sleep 0.05; done\n',
        now=1761051600,
    )
    await base_peer.until(lambda: any(_memory(data.get(job_id)) for data in base_peer.of("jobs")))
    gate.touch()
    job = await base_peer.result(job_id)
    (body,) = base_peer.results[job_id]
    assert (body["server"], body["auth"]) == ("s1", TOKEN)
    assert job["state"] == "complete"
    assert (job["code"], job["data"], job["plugin"]) == (0, {"a": 1}, "shellplug")
    assert "procs" not in job
    copies: list[dict[str, Any]] = [data[job_id] for data in base_peer.of("jobs") if job_id in data]
    active = [copy for copy in copies if copy["state"] == "active"]
    assert active[0]["params"]["script"].startswith("#!/bin/sh"), "the whole job, each second"
    assert job["push"] == {"tags": ["t"]}
    assert not any("push" in copy for copy in copies), (
        "what adds up at the conductor goes once, in the result"
    )
    assert copies[-1]["state"] == "finishing"
    texts = [data["text"] for data in base_peer.of("job_meta")]
    assert texts[0].startswith("Spawned child process: PID ")
    assert texts[-1] == "Job is finishing"
    assert base_peer.logs[job_id] == b"text\n"
    await base_peer.until(lambda: base_peer.of("monitor") and base_peer.of("quickmon"))
    assert {cmd for cmd, _ in base_peer.frames} <= COMMANDS


def _memory(copy: dict[str, Any] | None) -> int:
    """Of the job's own process, as a copy of the job tells it."""
    processes = (copy or {}).get("procs") or {}
    return int(processes.get(str((copy or {}).get("pid")), {}).get("memRss", 0))


async def test_a_result_waits_for_a_conductor_that_is_away(base_peer: Peer, satellite: Satellite) -> None:
    """Contract §5.3: anything but a 2xx is tried again, for as long as it takes."""
    satellite.configure(base_peer.port)
    await satellite.start()
    await base_peer.joined()
    base_peer.finish_statuses = [503, 500]
    job_id = await base_peer.launch("#!/bin/sh\necho up\nread x\nexit 4\n")
    assert (await base_peer.result(job_id))["code"] == 4
    assert len(base_peer.results[job_id]) == 1
    assert base_peer.finish_statuses == []


async def test_a_job_outlives_its_satellite_here_too(
    base_peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    satellite.configure(base_peer.port)
    await satellite.start()
    await base_peer.joined()
    job_id = await base_peer.launch(
        f'#!/bin/sh\necho one\nwhile [ ! -e "{gate}" ]; do sleep 0.05; done\necho two\n'
    )
    await base_peer.until(lambda: base_peer.logs.get(job_id) == b"one\n")
    await satellite.kill()
    await satellite.start()
    await base_peer.joined(2)
    gate.touch()
    assert (await base_peer.result(job_id))["code"] == 0
    assert base_peer.logs[job_id] == b"one\ntwo\n"
    assert any(data["text"].startswith("Reconnected to conductor") for data in base_peer.of("job_meta"))
