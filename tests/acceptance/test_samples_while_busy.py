"""Samples count while the conductor is at its own work (alerts.md, better 3; monitoring.md, better 4)."""

from tests.acceptance.agent import Agent
from tests.acceptance.test_administration import backup, bring
from tests.acceptance.test_alerts import DATA, create_alert, fired, send_sample
from tests.processes import Client, eventually

JOBS = 600


async def test_better_4_samples_are_taken_during_internal_jobs_and_alerts_stay(
    agent: Agent, admin: Client
) -> None:
    """All samples were thrown away meanwhile: gaps in the charts, and every alert went stale and fired anew."""
    old = [
        ("jobs", {"id": f"jold{n:04d}", "event": "eold", "code": 0, "completed": 1000 + n})
        for n in range(JOBS)
    ]
    assert (await bring(admin, backup(old)))["stats"]["errors"] == 0
    alert = await create_alert(admin)
    items = [{"type": "index", "index": "jobs", "query": "event:eold"}]
    work = (await admin.call("admin_delete_data", items=items))["id"]

    async def running() -> bool:
        return work in [job["id"] for job in (await admin.call("get_internal_jobs"))["rows"]]

    assert await running()
    await send_sample(agent, DATA)
    invocation = await fired(admin, agent, alert)
    assert (await admin.call("get_server", id=agent.id))["data"]["data"]["load"] == DATA["load"]
    assert await running(), "the sample came while it was at work"

    async def over() -> bool:
        return not await running()

    await eventually(over, "the deletion has ended")
    told = await admin.call("explain_alert", alert=alert["id"], server=agent.id)
    assert (told["state"], told["invocation"]) == ("active", invocation["id"])
