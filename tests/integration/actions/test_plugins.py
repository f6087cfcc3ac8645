"""Action plugins are processes on the conductor: what they get, what counts of what they say, how they end."""

import os
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from conductor.definitions import writer
from conductor.signals import SYSTEM
from tests.integration.actions.conftest import Stage
from tests.integration.actions.test_end import action, run
from tests.integration.jobs.house import until


async def plugin(stage: Stage, script: str, **properties: Any) -> None:
    doc = {
        "id": "act", "title": "Act", "type": "action", "enabled": True, "command": "/bin/sh", "script": script,
        "params": [], **properties,
    }  # fmt: skip
    if stage.house.definitions.get("plugins", "act"):
        await stage.house.definitions.delete("plugins", "act", actor=SYSTEM, by=writer.House("admin"))
    await stage.house.definitions.create("plugins", doc, actor=SYSTEM, by=writer.House("admin"))


async def ran(
    stage: Stage, script: str, params: dict[str, Any] | None = None, **properties: Any
) -> dict[str, Any]:
    await plugin(stage, script, **properties)
    record = await run(stage, [action("plugin", plugin_id="act", params=params)])
    done: dict[str, Any] = record["actions"][0]
    return done


async def test_a_plugin_gets_the_hook_data_and_its_secrets(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSORBIT_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("XYOPS_foo", "bar")
    stage.edges.secrets.values = {"CHAT_TOKEN": "t0ken-value"}
    await plugin(
        stage, f"cat > {tmp_path}/stdin; env > {tmp_path}/env; echo token $CHAT_TOKEN", cwd=str(tmp_path)
    )
    params = {"room": "{{event.title}}", "path": "$CHAT_TOKEN/x", "deep": {"a": 1}, "n": 5, "not-word": True}
    record = await run(stage, [action("plugin", "success", plugin_id="act", params=params)])
    given = msgspec.json.decode((tmp_path / "stdin").read_bytes())
    assert (given["xy"], given["type"], given["condition"]) == (1, "action", "success")
    assert given["params"] == {**params, "room": "An event"}
    assert given["secrets"] == {"CHAT_TOKEN": "t0ken-value"}
    assert given["job"]["id"] == record["id"]
    assert given["event"]["title"] == "An event"
    assert "env" not in given
    variables = dict(
        line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line
    )
    assert variables["CHAT_TOKEN"] == "t0ken-value"
    assert variables["room"] == "An event"
    assert variables["path"] == "t0ken-value/x"
    assert (variables["n"], variables["not_word"]) == ("5", "true")
    assert variables["XYOPS_BASE_URL"] == "http://localhost:5522"
    assert {"OPSORBIT_DATABASE_URL", "XYOPS_foo", "deep"}.isdisjoint(variables)
    assert record["actions"][0]["code"] == 0
    assert "token (REDACTED)" in record["actions"][0]["details"]
    assert "t0ken" not in str(record)


@pytest.mark.parametrize(
    ("script", "code", "description"),
    [
        ("""echo '{"xy":1,"code":0,"description":"Posted","details":"**4711**"}'""", 0, "Posted"),
        ("""echo noise; echo '{"xy":1,"code":"quota","description":"Full"}'; echo""", "quota", "Full"),
        ("""echo '{"xy":1,"code":3}'""", 3, "Plugin reported an error"),
        ("true", 0, "Successfully ran Action Plugin"),
        ("""echo '{"code":5}'""", 0, "Successfully ran Action Plugin"),
        ("exit 3", "plugin", "Error: Command failed: exit code 3"),
        (
            """echo '{"xy":1,"code":1,"description":"why"}'; exit 1""",
            "plugin",
            "Error: Command failed: exit code 1: why",
        ),
        ("kill -9 $PPID", "plugin", "Error: Command failed: signal SIGKILL"),
    ],
)
async def test_what_a_plugin_says(stage: Stage, script: str, code: Any, description: str) -> None:
    done = await ran(stage, script)
    assert (done["code"], done["description"]) == (code, description)


async def test_better_9_plain_text_is_fine_and_much_of_it_kills_nobody(stage: Stage) -> None:
    """The original fails on a last line that is no JSON, and kills a plugin at 1 MB of output."""
    done = await ran(stage, "echo all done; echo careful >&2")
    assert done["code"] == 0
    assert "all done" in done["details"]
    assert "careful" in done["details"]
    done = await ran(
        stage, "head -c 3000000 /dev/zero | tr '\\0' x; echo; " + """echo '{"xy":1,"description":"Big"}'"""
    )
    assert (done["code"], done["description"]) == (0, "Big")
    assert len(done["details"]) < 64 * 1024


async def test_a_plugin_ends_with_its_time_and_with_all_that_it_started(stage: Stage, tmp_path: Path) -> None:
    """Better (plugins 2): what runs on the conductor has bounds of its own: time, output, how many at once."""
    done = await ran(stage, f"sleep 60 & echo $! > {tmp_path}/pid; wait", timeout=0.3)
    assert (done["code"], "timed out after 0.3" in done["description"]) == ("plugin", True)
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not alive(pid), "what it started has ended")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_plugin_may_leave_something_running(stage: Stage, tmp_path: Path) -> None:
    done = await ran(stage, f"sleep 30 & echo $! > {tmp_path}/pid; echo started")
    assert done["code"] == 0
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    psutil.Process(pid).kill()


async def test_a_plugin_that_cannot_be_started_says_why(stage: Stage) -> None:
    assert "No such file" in (await ran(stage, "true", cwd="/no/such/folder"))["description"]
    assert "user information for: nobody_here" in (await ran(stage, "true", uid="nobody_here"))["description"]
    assert (
        "group information for: nothing_here" in (await ran(stage, "true", gid="nothing_here"))["description"]
    )
    assert "disabled" in (await ran(stage, "true", enabled=False))["description"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
async def test_a_plugin_runs_as_its_user(stage: Stage) -> None:
    """Better (plugins 2): not with the conductor's rights, nor with its environment."""
    done = await ran(
        stage, """echo "{\\"xy\\":1,\\"description\\":\\"$(id -un) $HOME\\"}" """, uid="nobody", cwd="/"
    )
    assert done["description"].startswith("nobody ")


async def test_a_plugin_of_a_conductor_that_ends_does_not_outlive_it(stage: Stage, tmp_path: Path) -> None:
    await plugin(stage, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    async with stage.house.term() as term:
        job_id = await term.launch(await stage.house.event(), actions=[action("plugin", plugin_id="act")])
        term.result(await term.launched(job_id))
        await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "it runs")
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not alive(pid), "it has ended")
