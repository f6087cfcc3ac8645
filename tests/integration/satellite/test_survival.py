"""kill -9 of the satellite, and of the connection, at every named point: nothing lost, nothing twice."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.integration.satellite.conductor_peer import Peer
from tests.integration.satellite.conftest import Satellite

CHATTY = """#!/bin/sh
echo run >>{witness}
i=0
while [ $i -lt {lines} ]; do
  echo "line $i"; echo "error $i" >&2
  if [ $((i % 20)) -eq 0 ]; then
    echo '{{"xy":1,"data":{{"seen":['$i']}},"push":{{"tags":["t'$i'"]}}}}'
    sleep 0.05
  fi
  i=$((i+1))
done
printf 'last without newline'
"""


def chatty(tmp_path: Path, lines: int = 200) -> tuple[str, Path]:
    witness = tmp_path / "witness"
    return CHATTY.format(witness=witness, lines=lines), witness


def check_log(log: bytes, lines: int = 200) -> None:
    """Both streams whole and in their own order, whatever their order to each other."""
    text = log.replace(b"last without newline", b"").decode()
    rows = text.splitlines()
    assert [row for row in rows if row.startswith("line")] == [f"line {i}" for i in range(lines)]
    assert [row for row in rows if row.startswith("error")] == [f"error {i}" for i in range(lines)]
    assert len(rows) == 2 * lines
    assert b"last without newline" in log


def check_result(job: dict[str, object], lines: int = 200) -> None:
    assert job["code"] == 0
    assert job["data"] == {"seen": list(range(0, lines, 20))}
    assert job["push"] == {"tags": [f"t{i}" for i in range(0, lines, 20)]}


@pytest.mark.parametrize(
    "fault",
    [
        "satellite.taken",
        "satellite.started",
        "satellite.running",
        "satellite.running:4",
        "satellite.exit",
        "satellite.result_sent",
    ],
)
async def test_a_death_at_each_point(peer: Peer, satellite: Satellite, tmp_path: Path, fault: str) -> None:
    script, witness = chatty(tmp_path)
    satellite.configure(peer.port)
    await satellite.start(OPSORBIT_FAULT=fault)
    await peer.joined()
    peer.ack_results = fault != "satellite.result_sent"
    job_id = await peer.launch(script)
    assert await satellite.ended() == -9
    peer.ack_results = True
    if fault == "satellite.result_sent":
        await peer.until(lambda: peer.results.get(job_id))
        peer.results.clear()
    await satellite.start()
    await peer.joined(2)
    check_result(await peer.result(job_id))
    check_log(peer.logs[job_id])
    assert witness.read_text() == "run\n"
    await peer.until(lambda: len(peer.resumes) == 2)
    assert [held["id"] for held in peer.resumes[1]["jobs"]] == [job_id]


async def test_the_process_goes_on_while_the_satellite_is_gone(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    gate, done = tmp_path / "gate", tmp_path / "done"
    os.mkfifo(gate)
    os.mkfifo(done)
    script = f"""#!/bin/sh
echo before
read x <{gate}
echo '{{"xy":1,"label":"L"}}'
echo during
echo >{done}
exit 5
"""
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch(script)
    await peer.until(lambda: peer.logs.get(job_id) == b"before\n")
    await satellite.kill()
    await asyncio.to_thread(gate.write_text, "go\n")
    await asyncio.to_thread(done.read_text)
    await satellite.start()
    job = await peer.result(job_id)
    assert (job["code"], job["label"]) == (5, "L")
    assert peer.logs[job_id] == b"before\nduring\n"


async def test_a_graceful_stop_leaves_jobs_running(peer: Peer, satellite: Satellite, tmp_path: Path) -> None:
    script, witness = chatty(tmp_path, lines=200)
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch(script)
    await peer.until(lambda: peer.logs.get(job_id))
    assert await satellite.stop() == 0
    await satellite.start()
    await peer.joined(2)
    check_result(await peer.result(job_id))
    check_log(peer.logs[job_id])
    assert witness.read_text() == "run\n"


async def test_an_abort_is_remembered(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch("#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 60; done\n")
    await peer.until(lambda: peer.logs.get(job_id))
    await peer.send("abort_job", {"id": job_id, "attempt": 1, "reason": "stop it"})
    await peer.send("echo", {"id": "after"})
    await peer.until(lambda: peer.of("echoback"))
    await satellite.kill()
    await satellite.start()
    job = await peer.result(job_id)
    assert (job["code"], job["description"]) == ("abort", "stop it")


async def test_a_vanished_process_is_lost_and_not_started_again(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch(f"#!/bin/sh\necho run >>{witness}\necho up\nexec sleep 60\n")
    await peer.until(lambda: peer.logs.get(job_id))
    await satellite.kill()
    started = satellite.data / "jobs" / f"{job_id}.1" / "started"
    os.killpg(int(started.read_text().split(" ")[0]), 9)
    await satellite.start()
    job = await peer.result(job_id)
    assert (job["code"], job["retry_ok"]) == ("lost", True)
    assert peer.resumes[1]["jobs"][0]["state"] == "lost"
    assert witness.read_text() == "run\n"


async def test_an_attempt_of_an_earlier_boot_is_lost(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    await satellite.start(OPSORBIT_FAULT="satellite.taken")
    await peer.joined()
    job_id = await peer.launch("#!/bin/sh\necho x\n")
    await satellite.ended()
    journal = satellite.data / "jobs" / "journal"
    *_, boot_id = journal.read_text().split()
    journal.write_text(journal.read_text().replace(boot_id, "another-boot"))
    await satellite.start()
    assert (await peer.result(job_id))["code"] == "lost"


async def test_a_broken_link_and_a_new_conductor_get_the_whole_log(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    script, _ = chatty(tmp_path)
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch(script)
    await peer.until(lambda: peer.logs.get(job_id))
    await peer.drop()
    await peer.joined(2)
    peer.logs.clear()  # a take-over: the new primary has nothing and asks from 0
    await peer.drop()
    await peer.joined(3)
    check_result(await peer.result(job_id))
    check_log(peer.logs[job_id])


async def test_more_log_than_the_window_arrives(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch("#!/bin/sh\nseq 1 1000000\n")
    await peer.result(job_id)
    assert peer.logs[job_id] == b"".join(b"%d\n" % number for number in range(1, 1_000_001))


async def test_the_copy_of_a_launch_holds_no_secret(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    peer.ack_results = False
    job_id = await peer.launch("#!/bin/sh\n", sec={"TOKEN": "s3cr3t"}, details={"input": {"data": {"a": 1}}})
    await peer.result(job_id)
    await peer.send("send_copy", {"id": job_id, "attempt": 1})
    (copy,) = await peer.until(lambda: peer.of("job_copy"))
    assert copy["job"]["id"] == job_id
    assert copy["details"] == {"input": {"data": {"a": 1}}}
    assert "s3cr3t" not in str(copy)


async def test_an_original_conductor_gets_each_line_once_over_a_restart(
    base_peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    script, witness = chatty(tmp_path)
    gate = tmp_path / "gate"
    script += f'while [ ! -e "{gate}" ]; do sleep 0.05; done\n'
    satellite.configure(base_peer.port)
    await satellite.start()
    await base_peer.joined()
    base_peer.finish_statuses = [500]
    job_id = await base_peer.launch(script)
    await base_peer.until(lambda: base_peer.logs.get(job_id))
    assert await satellite.stop() == 0
    await satellite.start()
    await base_peer.joined(2)
    await base_peer.until(
        lambda: [
            text for text in base_peer.meta(job_id) if text.startswith("Reconnected to conductor server")
        ]
    )
    gate.touch()
    check_result(await base_peer.result(job_id))
    check_log(base_peer.logs[job_id])
    assert witness.read_text() == "run\n"
