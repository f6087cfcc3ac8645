"""A satellite falls silent: its alert is stale, and goes on in the same invocation when it is back."""

import pytest

from tests.acceptance.agent import station
from tests.acceptance.test_alerts import DATA, active, create_alert, fired, send_sample
from tests.processes import eventually


@pytest.mark.timeout(180)
async def test_a_silent_server_makes_its_alert_stale(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hole 2 of alerts.md §9."""
    settings = {"OPSORBIT_STALE_ALERT_TIMEOUT": "1"}
    async with station(tmp_path_factory.mktemp("c"), **settings) as own, own.client() as admin:
        alert = await create_alert(admin)
        async with own.agent("") as agent:
            await agent.join()
            await send_sample(agent, DATA)
            invocation = await fired(admin, agent, alert)

        async def stale() -> bool:
            stored = (await admin.call("get_alert_invocations", ids=invocation["id"]))["alerts"][0]
            return bool(stored.get("stale")) and not stored["active"]

        await eventually(stale, "it is stale", timeout=40)
        assert await active(admin, agent.id) == []
        told = await admin.call("explain_alert", alert=alert["id"], server=agent.id)
        assert told["state"] == "stale"
