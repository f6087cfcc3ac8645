"""Jobs of all kinds on a real satellite, in both protocols where they share behaviour."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.satellite.conductor_peer import Peer
from tests.integration.satellite.conftest import Satellite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def satellite(acknowledged: tuple[Peer, Satellite]) -> Satellite:
    return acknowledged[1]


async def test_a_script_gives_its_log_and_code_0(both: Peer) -> None:
    job_id = await both.launch("#!/bin/sh\necho one\necho two\n")
    job = await both.result(job_id)
    assert (job["code"], job["description"], job["state"]) == (0, "", "complete")
    assert both.logs[job_id] == b"one\ntwo\n"


async def test_a_failing_script_quotes_its_first_error_line(both: Peer) -> None:
    job_id = await both.launch("#!/bin/sh\necho oh no >&2\nexit 3\n")
    job = await both.result(job_id)
    assert job["code"] == 3
    assert job["description"] == "Script exited with code: 3: oh no"
    assert "oh no" in job["html"]["content"]
    assert both.logs[job_id] == b"oh no\n"


async def test_messages_of_a_plugin_reach_the_result(both: Peer) -> None:
    job_id = await both.launch(
        r"""#!/bin/sh
echo '{"xy":1,"data":{"rows":[1]},"push":{"tags":["heavy"]}}'
echo 50%
echo text
echo '{"xy":1,"data":{"rows":[2],"more":true},"perf":{"db":1.5},"cwd":"/","server":"other"}'
echo '{"plain": 1}'
printf '{"xy":1,"code":"warning","description":"meh"}'
"""
    )
    job = await both.result(job_id)
    assert (job["code"], job["description"]) == ("warning", "meh")
    assert job["data"] == {"rows": [1, 2], "more": True}
    assert job["push"] == {"tags": ["heavy"]}
    assert job["progress"] == 0.5
    assert job.get("server") in (None, "s1")
    assert both.logs[job_id] == b'text\n{"plain":1}\n'


@pytest.mark.parametrize(("script", "code"), [("kill -9 $$", "SIGKILL"), ("exit 137", 137)])
async def test_a_death_by_signal_is_told_from_the_same_exit_code(
    joined: Peer, script: str, code: object
) -> None:
    job_id = await joined.launch(f"#!/bin/sh\n{script}\n")
    assert (await joined.result(job_id))["code"] == code
    assert joined.logs.get(job_id, b"") == b""


async def test_a_command_without_a_report_ends_as_unknown(joined: Peer) -> None:
    job_id = await joined.launch(command="/bin/sh -c 'echo $NAME; sed s/^/got./'", params={"NAME": "x y"})
    job = await joined.result(job_id)
    assert (job["code"], job["unknown"]) == ("warning", 1)
    first, second = joined.logs[job_id].split(b"\n")[:2]
    assert first == b"x y"  # kept by the single quotes, expanded by the inner shell
    assert b'"NAME":"x y"' in second


async def test_a_command_that_looks_like_a_shells_is_warned_of(both: Peer) -> None:
    """plugins.md "Where to be better" 4."""
    job_id = await both.launch(command="echo a | wc > x '*.txt'")
    await both.result(job_id)
    assert both.logs[job_id] == b"a | wc > x *.txt\n"
    assert "WARNING: There is no shell, taken literally: > |" in both.meta(job_id)


async def test_setup_errors_are_ordinary_results(joined: Peer) -> None:
    cases = {
        "[no-such-plugin]": "is not supported",
        "/no/such/program": "Child spawn error: /no/such/program: No such file",
        "echo 'open": "quote is not closed",
        "": "has no command",
    }
    for command, text in cases.items():
        job = await joined.result(await joined.launch(command=command))
        assert job["code"] == 1
        assert text in job["description"]
    job = await joined.result(await joined.launch("", uid="nobody-here"))
    assert job["description"] == "Plugin Error: User does not exist: nobody-here"


async def test_secrets_reach_the_process_and_leave_the_disk(joined: Peer, satellite: Satellite) -> None:
    joined.ack_results = False
    job_id = await joined.launch("#!/bin/sh\necho $TOKEN\nsed 's/^/got /'\n", sec={"TOKEN": "s3cr3t"})
    await joined.result(job_id)
    assert joined.logs[job_id].startswith(b"s3cr3t\n")
    assert b'"secrets":{"TOKEN":"s3cr3t"}' in joined.logs[job_id]
    for path in satellite.data.rglob("*"):
        if path.is_file() and path.name not in ("stdout", "log"):
            assert b"s3cr3t" not in path.read_bytes(), path


async def test_the_directory_goes_with_the_acknowledgement(joined: Peer, satellite: Satellite) -> None:
    first = await joined.launch("#!/bin/sh\necho x\n")
    await joined.result(first)
    # A later job's result comes after the first one's acknowledgement was handled.
    await joined.result(await joined.launch("#!/bin/sh\n"))
    assert not [path for path in satellite.directories() if path.name.startswith(first)]


async def test_a_second_launch_of_an_attempt_starts_nothing(joined: Peer, tmp_path: Path) -> None:
    joined.ack_results = False
    witness = tmp_path / "witness"
    script = f"#!/bin/sh\necho run >>{witness}\n"
    job_id = await joined.launch(script)
    await joined.result(job_id)
    await joined.launch(script, id=job_id)
    await joined.until(lambda: len(joined.results[job_id]) == 2)
    assert witness.read_text() == "run\n"


@pytest.mark.parametrize("kill", ["all", "parent", "none"])
async def test_an_abort_ends_what_the_policy_says(joined: Peer, tmp_path: Path, kill: str) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDWR)
    job_id = await joined.launch(
        f"#!/bin/sh\nsleep 61 & echo up $$ $!; echo $$ $! >{fifo}; wait\n", kill=kill
    )
    await joined.until(lambda: joined.logs.get(job_id, b"").startswith(b"up"))
    script, child = map(int, os.read(descriptor, 100).split())
    os.close(descriptor)
    await joined.send("abort_job", {"id": job_id, "attempt": 1, "reason": "enough"})
    # With `parent` the sleep keeps standard output open: the bound ends the job.
    job = await joined.result(job_id)
    assert (job["code"], job["description"]) == ("abort", "enough")
    assert (_alive(script), _alive(child)) == {
        "all": (False, False),
        "parent": (False, True),
        "none": (True, True),
    }[kill]
    for pid in (script, child):
        if _alive(pid):
            os.kill(pid, signal.SIGKILL)


async def test_a_process_that_ignores_sigterm_is_killed(joined: Peer) -> None:
    job_id = await joined.launch("#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 60; done\n")
    await joined.until(lambda: joined.logs.get(job_id))
    await joined.send("abort_job", {"id": job_id, "attempt": 1, "reason": "now"})
    assert (await joined.result(job_id))["code"] == "abort"
    assert any("killing harder" in text for text in joined.meta(job_id))


async def test_a_time_limit_is_kept_without_the_conductor(joined: Peer) -> None:
    limits = [{"type": "time", "enabled": True, "abort": True, "duration": 0.1}]
    job = await joined.result(await joined.launch("#!/bin/sh\nexec sleep 60\n", limits=limits))
    assert (job["code"], job["retry_ok"]) == ("abort", True)


async def test_the_job_waits_for_tee_in_a_process_substitution(joined: Peer, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    slowly = 'while read -r line; do sleep 0.2; echo "$line"; done'
    script = f"#!/bin/bash\nexec > >({slowly} | tee {copy})\necho a\necho b\n"
    job_id = await joined.launch(script)
    await joined.result(job_id)
    assert joined.logs[job_id] == b"a\nb\n"


async def test_opening_dev_stderr_by_name_loses_nothing(joined: Peer) -> None:
    script = "#!/bin/sh\nfor i in 1 2 3; do echo e$i >/dev/stderr; echo o$i >/dev/stdout; done\nexit 4\n"
    job_id = await joined.launch(script)
    assert (await joined.result(job_id))["code"] == 4
    assert sorted(joined.logs[job_id].split()) == [b"e1", b"e2", b"e3", b"o1", b"o2", b"o3"]


async def test_a_long_job_reports_progress_and_usage(joined: Peer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job_id = await joined.launch(f'#!/bin/sh\necho 25%\nwhile [ ! -e "{gate}" ]; do :; done\n')

    def told() -> list[dict[str, Any]]:
        return [data["update"] for data in joined.of("job_update") if data["id"] == job_id]

    await joined.until(lambda: [one for one in told() if one.get("cpu", {}).get("current", 0) > 20])
    gate.touch()
    job = await joined.result(job_id)
    updates = told()
    assert updates[0]["progress"] == 0.25
    assert updates[0]["pid"] == job["pid"]
    assert any(update["cpu"]["current"] > 20 for update in updates if "cpu" in update)
    assert job["mem"]["max"] > 100_000
    assert any(text.startswith("Spawned child process: PID") for text in joined.meta(job_id))


async def test_the_environment_has_its_layers(joined: Peer) -> None:
    job_id = await joined.launch(
        params={"script": "#!/bin/sh\nenv\npwd\n", "some-name": 5, "flag": True, "obj": {"a": 1}},
        env={"FROM_JOB": "1"},
        details={"input": {"data": {"k": "v"}}, "serverData": {"rack": "B4"}, "workflowData": {"w": None}},
        workflow={"params": {"p": "q"}},
    )
    await joined.result(job_id)
    lines = set(joined.logs[job_id].decode().split("\n"))
    assert {
        f"JOB_ID={job_id}", "FROM_JOB=1", "some_name=5", "flag=true", 'obj={"a":1}', "data_k=v",
        "server_data_rack=B4", "workflow_data_w=null", "workflow_p=q", "JOB_NOW=1761051600",
        f"JOB_BASE_URL=http://127.0.0.1:{joined.port}",
    } <= lines  # fmt: skip
    assert not [line for line in lines if line.startswith("XYSAT_")]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
async def test_a_job_runs_as_another_user(joined: Peer, satellite: Satellite) -> None:
    for folder in satellite.data.parents:
        if folder.stat().st_uid == 0 and folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    script = "#!/bin/sh\nid -un; touch here && ls; echo err >/dev/stderr; cat ../job.json\n"
    job_id = await joined.launch(script, uid="nobody")
    await joined.result(job_id)
    text = joined.logs[job_id].decode()
    assert text.startswith("nobody\nhere\n")
    assert "err" in text
    assert "Permission denied" in text


async def test_the_test_plugin_succeeds(joined: Peer) -> None:
    job_id = await joined.launch(
        command="[test-plugin]", params={"duration": 1, "custom": "c"}, kill="parent"
    )
    job = await joined.result(job_id)
    assert (job["code"], job["description"]) == (0, "Success!")
    assert job["data"]["custom"] == "c"
    assert joined.logs[job_id].startswith(b"Job start!\n")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
