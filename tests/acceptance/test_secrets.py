"""Secrets and definitions of a real conductor: over restarts, a kill, and a change of its key."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conductor.cli.deployment import administrator_key
from tests.processes import Client, Conductor

PASSWORD = "first password"
VALUE = "horse-battery-staple"
FIELDS = [{"name": "TOKEN", "value": VALUE}]
ROTATE = "from conductor.cli import main; main()"


def rotate(data: Path, fault: str) -> int:
    """The exit status of the command."""
    return subprocess.run(
        [sys.executable, "-c", ROTATE, "rotate-secret-key", "--data-dir", str(data)],
        env={**os.environ, "OPSORBIT_FAULT": fault},
        timeout=60,
        check=False,
    ).returncode


async def test_a_secret_outlives_kills_and_changes_of_the_key(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = tmp_path_factory.mktemp("k") / "c"
    conductor = Conductor(data, environment={"OPSORBIT_ADMIN_PASSWORD": PASSWORD})
    conductor.start()
    await conductor.ready()
    key = await administrator_key(conductor.url, PASSWORD)
    async with Client(conductor.url, key) as client:
        made = await client.call("create_secret", title="Z", fields=FIELDS, plugins=["shellplug"])
    id = made["secret"]["id"]
    await conductor.kill()  # acknowledged is kept
    for fault, status in (
        ("rotation.sealed", -signal.SIGKILL),
        ("rotation.committed", -signal.SIGKILL),
        ("", 0),
    ):
        before = (data / "secret_key").read_text()
        assert rotate(data, fault) == status
        conductor.start()
        await conductor.ready()
        async with Client(conductor.url, key) as client:
            assert (await client.call("decrypt_secret", id=id))["fields"] == FIELDS
            await client.call("update_secret", id=id, notes=f"after {fault}", fields=FIELDS)
        assert ((data / "secret_key").read_text() != before) is (fault != "rotation.sealed")
        assert not (data / "secret_key.next").exists()
        assert await conductor.stop() == 0
    assert VALUE not in conductor.output()
    kept = [file for file in data.rglob("*") if file.is_file()]
    assert not [file for file in kept if VALUE.encode() in file.read_bytes()]


async def test_a_new_installation_has_its_first_contents(client: Client) -> None:
    """Everything in one call, with what is active; and the rows of the set-up in each item's history."""
    answer = await client.call(
        "get_multiple", lists="all", jobs=True, state=True, servers=True, serverCache=True, stats=True
    )
    counts = {name: len(answer[name]) for name in ("monitors", "alerts", "channels", "web_hooks", "roles")}
    assert counts == {"monitors": 15, "alerts": 5, "channels": 1, "web_hooks": 1, "roles": 1}
    assert answer["state"]["scheduler"] == {"enabled": True}
    assert answer["activeJobs"] == {}
    [server] = answer["servers"].values()
    assert server["id"] in answer["servers"]
    for type_, id in (("alert", "mem_free_low"), ("monitor", "load_avg"), ("web_hook", "example_hook")):
        [row] = (await client.call("get_revisions", type=type_, id=id))["rows"]
        assert (row["action"], row["username"], row["keywords"]) == (
            f"{type_}_create",
            "admin",
            [id, "admin"],
        )
