"""Plugins and hosts at their worst: bounded, told on the job, and nothing else harmed (satellite_agent.md §7)."""

import asyncio
import getpass
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.satellite.conductor_peer import Peer
from tests.integration.satellite.conftest import Satellite

pytestmark = pytest.mark.asyncio(loop_scope="module")


def limit(kind: str, **values: Any) -> dict[str, Any]:
    return {"type": kind, "enabled": True, "abort": True, **values}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def fine(peer: Peer) -> None:
    """Another job runs as if nothing had happened."""
    job_id = await peer.launch("#!/bin/sh\necho fine\n")
    assert (await peer.result(job_id))["code"] == 0
    assert peer.logs[job_id] == b"fine\n"


async def test_a_flood_of_output_ends_at_its_limit(both: Peer) -> None:
    limits = [limit("log", amount=1_000_000)]
    job_id = await both.launch("#!/bin/sh\nexec yes\n", limits=limits)
    await fine(both)
    job = await both.result(job_id)
    assert (job["code"], job["retry_ok"]) == ("abort", True)
    assert job["description"] == "Job log file size has exceeded maximum size limit of 1000000 bytes."


async def test_sustained_use_ends_a_job_without_the_conductor(joined: Peer) -> None:
    """satellite_agent.md "Where to be better" 7: limits hold while nobody else looks."""
    hungry = "#!/usr/bin/env python3\nimport time\nx = bytearray(80_000_000)\ntime.sleep(60)\n"
    busy = "#!/bin/sh\nwhile :; do :; done\n"
    cases = [
        (busy, limit("cpu", amount=20, duration=0), "20% of a CPU core"),
        (hungry, limit("mem", amount=50_000_000, duration=0), "50000000 bytes of memory"),
    ]
    launched = [(await joined.launch(script, limits=[one]), text) for script, one, text in cases]
    for job_id, text in launched:
        job = await joined.result(job_id)
        assert (job["code"], job["retry_ok"]) == ("abort", True)
        assert text in job["description"]


async def test_a_swarm_of_processes_is_ended_as_a_whole(joined: Peer, tmp_path: Path) -> None:
    """satellite_agent.md "Where to be better" 3: children, sessions of their own, daemons without a parent."""
    pids = tmp_path / "pids"
    script = f"""#!/bin/sh
(sleep 61 & echo $! >>{pids})
setsid sh -c 'echo $$ >>{pids}; exec sleep 61' &
setsid sh -c '(trap "" TERM; sleep 61 & echo $! >>{pids}; wait) &' &
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 61 & echo $! >>{pids}; done
while [ $(wc -l <{pids}) -lt 13 ]; do sleep 0.02; done
echo up
wait
sleep 61
"""
    job_id = await joined.launch(script)
    await joined.until(lambda: joined.logs.get(job_id))
    found = [int(pid) for pid in pids.read_text().split()]
    assert all(alive(pid) for pid in found)
    await joined.send("abort_job", {"id": job_id, "attempt": 1, "reason": "enough"})
    assert (await joined.result(job_id))["code"] == "abort"
    await joined.until_later(lambda: not any(alive(pid) for pid in found))
    await fine(joined)


async def test_any_bytes_are_log(both: Peer) -> None:
    job_id = await both.launch(
        "#!/bin/sh\nprintf 'a\\377\\200\\000b\\n{\\377}\\n'\nprintf '\\r\\n{\"xy\":1,\\377}\\nend'\n"
    )
    assert (await both.result(job_id))["code"] == 0
    if both.acknowledged:
        assert both.logs[job_id] == b'a\xff\x80\x00b\n{\xff}\n\r\n{"xy":1,\xff}\nend'
        assert len([text for text in both.meta(job_id) if "JSON Parse Error" in text]) == 2
    else:
        assert both.logs[job_id].decode().startswith("a��\x00b\n")


async def test_a_line_of_fifty_megabytes_is_log(joined: Peer) -> None:
    """satellite_agent.md "Where to be better" 5: the original cuts the head of a line over 32 MiB."""
    size = 50 * 1024 * 1024
    job_id = await joined.launch(f"#!/bin/sh\nhead -c {size} /dev/zero | tr '\\0' x\necho\necho after\n")
    await fine(joined)
    assert (await joined.result(job_id))["code"] == 0
    log = joined.logs.pop(job_id)
    assert len(log) == size + len("\nafter\n")
    assert log.endswith(b"xx\nafter\n")
    joined.frames[:] = [frame for frame in joined.frames if frame[0] != "job_log"]


async def test_a_plugin_that_reports_without_end_is_bounded(joined: Peer) -> None:
    """Its result has to fit into one frame, or no connection would survive it."""
    program = "#!/usr/bin/env python3\nimport json\nfor n in range(7):\n"
    program += " print(json.dumps({'xy': 1, 'data': {f'k{n}': 'y' * 9_000_000}}))\n"
    job_id = await joined.launch(program)
    job = await joined.result(job_id)
    assert job["code"] == 0
    assert sorted(job["data"]) == ["k0", "k1", "k2", "k3", "k4"]
    assert any("reports too much, ignored: data" in text for text in joined.meta(job_id))
    joined.frames[:] = [frame for frame in joined.frames if frame[0] not in ("job_update", "job_result")]
    joined.results.pop(job_id)


async def test_an_environment_too_large_leaves_out_the_largest(joined: Peer) -> None:
    """satellite_agent.md "Where to be better" 9: E2BIG must not fail the whole job."""
    params: dict[str, Any] = {f"big{n}": "x" * (100_000 + n) for n in range(40)}
    job_id = await joined.launch(params={"script": "#!/bin/sh\necho $small\n", "small": "kept", **params})
    assert (await joined.result(job_id))["code"] == 0
    assert joined.logs[job_id] == b"kept\n"
    assert any("was left out: big39" in text for text in joined.meta(job_id))


async def test_a_read_only_home_is_the_jobs_own_trouble(joined: Peer) -> None:
    script = '#!/bin/sh\ncd "$HOME" || exit 9\necho x 2>&1 >file || exit 8\n'
    job = await joined.result(await joined.launch(params={"script": script, "HOME": "/proc"}))
    assert job["code"] == 8, job
    await fine(joined)


async def test_a_death_by_signal_is_an_error_that_names_it(joined: Peer) -> None:
    """Contract "Where to be better" 4: a death by signal is an error that names the signal."""
    job = await joined.result(await joined.launch(command="/bin/sh -c 'kill -KILL $$'", kill="parent"))
    assert job["code"] == "SIGKILL"
    assert "killed by signal: SIGKILL" in job["description"]


async def test_a_stopped_satellite_catches_up(joined: Peer, acknowledged: tuple[Peer, Satellite]) -> None:
    """A host that was suspended: clocks jump, the job's time does not run out because of it."""
    process = acknowledged[1]._process
    assert process is not None
    limits = [limit("cpu", amount=50, duration=1), limit("log", amount=10_000_000)]
    job_id = await joined.launch("#!/bin/sh\necho up\nsleep 2\necho down\n", limits=limits)
    await joined.until(lambda: joined.logs.get(job_id))
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.5)
    process.send_signal(signal.SIGCONT)
    assert (await joined.result(job_id))["code"] == 0
    assert joined.logs[job_id] == b"up\ndown\n"


async def test_connections_and_traffic_of_a_job_are_listed(joined: Peer, tmp_path: Path) -> None:
    program = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 0));"
        "c = socket.create_connection(s.getsockname()); a, _ = s.accept();"
        "u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(('::1', 0));\n"
        f"import os\nwhile not os.path.exists('{tmp_path}/gate'): a.send(b'x' * 1000); c.recv(1000); time.sleep(.05)"
    )
    job_id = await joined.launch(f'#!/bin/sh\nexec python3 -c "{program}"\n')

    def told() -> dict[str, Any] | None:
        updates = [data["update"] for data in joined.of("job_update") if data["id"] == job_id]
        return next((one for one in updates if any(c["delta"] for c in one.get("conns", ()))), None)

    update = await joined.until(told)
    (tmp_path / "gate").touch()
    await joined.result(job_id)
    states = sorted((row["type"], row["state"]) for row in update["conns"])
    assert states == [
        ("tcp", "ESTABLISHED"),
        ("tcp", "ESTABLISHED"),
        ("tcp", "LISTEN"),
        ("udp", "UNCONNECTED"),
    ]
    (process,) = [row for row in update["procs"].values() if row["conns"]]
    assert process["conns"] == 4
    assert process["net"] > 0
    assert (process["user"], process["pid"]) == (getpass.getuser(), update["conns"][0]["pid"])
    ends = [row for row in update["conns"] if row["state"] == "ESTABLISHED"]
    assert ends[0]["local_addr"] == ends[1]["remote_addr"]
