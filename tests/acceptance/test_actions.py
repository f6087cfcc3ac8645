"""Actions of a real job, over HTTP: what they did is in the job, and what failed in a list."""

from pathlib import Path
from typing import Any

import msgspec

from tests.acceptance.jobs import create_event, finished
from tests.processes import Client, eventually


async def test_a_job_and_what_follows_it(client: Client, tmp_path: Path) -> None:
    command = f"cat > {tmp_path}/told; echo ok"
    await client.call("create_plugin", id="mark", title="Mark", type="action", enabled=True, command=command)
    second = await create_event(client, "cat > /dev/null; echo followed")
    of_plugin = {"type": "plugin", "plugin_id": "mark", "params": {"who": "{{job.id}}"}}
    actions = [
        {"enabled": True, "condition": "success", **of_plugin},
        {"enabled": True, "condition": "complete", "type": "tag", "tags": ["important"]},
        {"enabled": True, "condition": "success", "type": "run_event", "event_id": second},
        {"enabled": True, "condition": "complete", "type": "web_hook", "web_hook": "not_there"},
        {"enabled": True, "condition": "error", "type": "label", "label": "never"},
    ]
    shown = {"content": "**hi**<script>x</script>"}
    said = {"xy": 1, "complete": True, "code": 0, "data": {"n": 7}, "markdown": shown}
    event = await create_event(client, f"echo '{msgspec.json.encode(said).decode()}'", actions=actions)
    first = await finished(client, (await client.call("run_event", id=event))["id"])
    *own, universal = first["actions"]
    assert [one.get("code") for one in own] == [0, 0, 0, "webhook", None], own
    assert (universal["source"], universal["type"], "code" in universal) == ("universal", "snapshot", False)
    assert "important" in first["tags"]
    assert "<strong>hi</strong>" in first["html"]["content"]
    assert "script" not in first["html"]["content"]
    told = msgspec.json.decode((tmp_path / "told").read_bytes())
    assert (told["params"], told["job"]["id"]) == ({"who": first["id"]}, first["id"])

    [link] = first["jobs"]
    follower = await finished(client, link["id"])
    assert (follower["source"], follower["parent"]["job"]) == ("action", first["id"])
    assert follower["input"]["data"] == {"n": 7}

    async def listed() -> list[dict[str, Any]]:
        return list((await client.call("get_failed_actions"))["rows"])

    [failure] = await eventually(listed, "the failed action is listed")
    assert (failure["job"], failure["type"], failure["code"]) == (first["id"], "web_hook", "webhook")
