"""An agent of the original at our conductor: jobs of three plugins, logs, samples, a conductor's restart."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.agent import BASE, Station, ended, server_of, station
from tests.acceptance.jobs import active_ids, finished, live_log, start
from tests.processes import Client, eventually


@pytest.mark.parametrize(
    ("plugin", "params", "command"),
    [
        ("shellplug", {"script": "#!/bin/sh\necho hi\n"}, "[shell-plugin]"),
        ("httpplug", {"method": "GET", "url": "http://h.test/"}, "[http-plugin]"),
        ("own", {"scene": "forest"}, "/usr/bin/python3"),
    ],
)
async def test_it_runs_jobs_of_every_kind(
    alone: Station, admin: Client, plugin: str, params: dict[str, Any], command: str
) -> None:
    if plugin == "own":
        created = await admin.call(
            "create_plugin", title="Own", type="event", command=command, script="print(1)", kill="all",
            params=[{"id": "scene", "type": "text", "title": "Scene", "value": ""}],
        )  # fmt: skip
        plugin = created["plugin"]["id"]
    async with alone.agent(BASE) as agent:
        joined = await agent.join()
        job_id = await start(admin, "", plugin=plugin, params=params, targets=[agent.id])
        launch = await agent.launched(job_id)
        assert (launch["job"]["command"], launch["job"]["plugin"]) == (command, plugin)
        assert params.items() <= launch["job"]["params"].items()
        if command.startswith("/"):
            assert launch["job"]["script"], "the agent appends its file of this plugin's script"
            known = {one["id"]: one for one in [*joined["plugins"], *_updated(agent)]}
            assert known[plugin]["script"] == "print(1)"
        await agent.note(job_id, "Spawned child process: PID 4711")
        await agent.update(job_id, pid=4711, progress=0.5, cpu=_series(20), mem=_series(1_000_000), procs={})
        await agent.log(job_id, "one\n")
        assert await live_log(admin, job_id, "one\n")
        await agent.log(job_id, "two\n")
        await agent.finish(job_id, description="Done", data={"n": 1}, perf={"db": 1.5})
        job = await finished(admin, job_id)
        assert (job["code"], job["description"], job["server"]) == (0, "Done", agent.id)
        assert job["data"] == {"n": 1}
        log = await admin.fetch("/api/app/get_job_log/v1", id=job_id)
        assert log == b"one\ntwo\n"


async def test_its_jobs_survive_a_restart_of_the_conductor(tmp_path: Path) -> None:
    """The base protocol lists nothing at a join: the next copy in `jobs` brings the job back to life."""
    async with station(tmp_path) as place, place.client() as client:
        agent = place.agent(BASE)
        await agent.open()
        try:
            await agent.join()
            job_id = await start(client, "exit 0", targets=[agent.id])
            await agent.launched(job_id)
            await agent.log(job_id, "before\n")
            await agent.update(job_id, pid=1)
            await agent.settled()
            await place.conductor.stop()
            await agent.closed()
            place.conductor.start()
            await place.conductor.ready()
            await agent.rejoin()
            assert await server_of(client, agent)
            assert job_id in await active_ids(client)
            await agent.note(job_id, "Reconnected to conductor server")
            await agent.update(job_id, pid=1, progress=0.9)
            await agent.log(job_id, "after\n")

            async def alive() -> bool:
                job = (await client.call("get_job", id=job_id))["job"]
                return bool(job.get("progress") == 0.9)

            await eventually(alive, "the job goes on")
            assert agent.unread("launch_job") == [], "it is never launched twice"
            await agent.finish(job_id, code=3, description="said later")
            job = await finished(client, job_id)
            assert (job["code"], job["description"]) == (3, "said later")
            log = await client.fetch("/api/app/get_job_log/v1", id=job_id)
            assert log.endswith(b"after\n")
            again = {"id": job_id, "server": agent.id, "auth": agent.token, "job": ended(job_id)}
            assert await agent.finish_job(again) == (200, {"code": 0})
        finally:
            await agent.leave()


def _series(value: float) -> dict[str, float]:
    return {"min": value, "max": value, "total": value, "count": 1, "current": value}


def _updated(agent: Any) -> list[dict[str, Any]]:
    return [plugin for data in agent.unread("update") for plugin in data.get("plugins", [])]
