"""Plugins from portable files, through the command line and the API, to a job (contract plugins.md §7)."""

import asyncio
import json
import sys
from pathlib import Path

from tests.acceptance.jobs import finished, start
from tests.processes import Client, Deployment

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "word-count-plugin.json"


async def install(deployment: Deployment, file: Path, key: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from conductor.cli import main; main()", "plugin", "install", str(file),
        "--url", deployment.url, "--api-key", key,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_portable_plugin_is_installed_upgraded_and_run(
    deployment: Deployment, client: Client, tmp_path: Path
) -> None:
    assert await install(deployment, EXAMPLE, deployment.api_key) == (
        0,
        "created plugin word_count\ncreated event count_words\n",
    )
    job = await finished(client, (await client.call("run_event", id="count_words"))["id"])
    assert (job["code"], job["description"]) == (0, "Counted 6 words")
    assert job["table"]["rows"][0] == ["to", 2]
    newer = json.loads(EXAMPLE.read_text())
    newer["items"][1]["data"]["title"] = "Word count 2"
    (tmp_path / "newer.json").write_text(json.dumps(newer))
    status, text = await install(deployment, tmp_path / "newer.json", deployment.api_key)
    assert (status, text.splitlines()[0]) == (0, "updated plugin word_count")
    plugin = (await client.call("get_plugin", id="word_count"))["plugin"]
    assert (plugin["title"], plugin["revision"]) == ("Word count 2", 2)


async def test_what_cannot_be_installed_is_said(deployment: Deployment, tmp_path: Path) -> None:
    assert (await install(deployment, tmp_path / "none.json", ""))[0] == 1
    status, text = await install(deployment, EXAMPLE, "wrong-key")
    assert status == 1
    assert "Traceback" not in text


async def test_the_built_in_plugins_run_on_a_real_pair(deployment: Deployment, client: Client) -> None:
    """HTTP against the conductor itself; the web hook plugin is refused by name for a hook that is none."""
    event = {
        "title": "HTTP", "enabled": True, "category": "general", "targets": ["main"],
        "triggers": [{"type": "manual", "enabled": True}],
    }  # fmt: skip
    http = {"plugin": "httpplug", "params": {"method": "GET", "url": "[base_url]/health"}}
    created = (await client.call("create_event", **event, **http))["event"]["id"]
    job = await finished(client, (await client.call("run_event", id=created))["id"])
    assert (job["code"], job["description"]) == (0, "Success (HTTP 200 OK)")
    assert job["markdown"] if "markdown" in job else job["html"]
    hook = {"plugin": "hookplug", "params": {"web_hook": "none", "text": "x"}}
    created = (await client.call("create_event", **event, **hook))["event"]["id"]
    job = await finished(client, (await client.call("run_event", id=created))["id"])
    assert job["code"]
    assert "Invalid" in job["description"]


async def test_a_job_is_kept_to_hosts_that_have_its_tool(deployment: Deployment, client: Client) -> None:
    """plugins.md "Where to be better" 10: what a host lacks is known before the job is there."""
    job = await finished(client, await start(client, "exit 0", expression="info.tools.python3"))
    assert (job["code"], job["server"]) == (0, deployment.server_id)
    job = await finished(client, await start(client, "exit 0", expression="!info.tools.python3"))
    assert job["code"]
