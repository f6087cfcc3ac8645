"""kill -9 of the primary around a ticket and its mail: one ticket, and its mail arrives (actions.md, better 3)."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.chaos.cluster import PATIENCE, Cluster, cluster, revived
from tests.chaos.test_fault_points import TICKET_POINTS
from tests.integration.outbound.peers import SmtpPeer
from tests.processes import ApiError, eventually

pytestmark = pytest.mark.timeout(120)

TO = "duty@example.com"
ISSUE: dict[str, Any] = {"ticket_type": "issue", "ticket_assignees": ["duty"], "ticket_tags": []}


def mailing(smtp: SmtpPeer) -> dict[str, str]:
    return {
        "OPSORBIT_EMAIL_FROM": "ops@example.com",
        "OPSORBIT_MAIL_SETTINGS__HOST": "127.0.0.1",
        "OPSORBIT_MAIL_SETTINGS__PORT": str(smtp.port),
        "OPSORBIT_TICKETS__EMAIL_DEBOUNCE_SEC": "0.5",
    }


async def tickets(running: Cluster, count: int) -> list[dict[str, Any]]:
    """All tickets, once there are so many."""

    async def found() -> list[dict[str, Any]]:
        try:
            rows = (await running.client.call("search_tickets", query="*", limit=100))["rows"]
        except (ApiError, aiohttp.ClientError, TimeoutError):
            return []
        return list(rows) if len(rows) >= count else []

    return await eventually(found, f"{count} tickets", PATIENCE)


@pytest.mark.parametrize("point", [*TICKET_POINTS, "conductor.action_ran"])
async def test_a_jobs_ticket_is_made_once_and_mailed_whatever_dies(point: str, tmp_path: Path) -> None:
    smtp = SmtpPeer()
    await smtp.start()
    action = {"enabled": True, "condition": "complete", "type": "ticket", **ISSUE}
    try:
        async with cluster(tmp_path, conductor_fault=f"{point}:1", environment=mailing(smtp)) as running:
            account = {"username": "duty", "password": "limited horse", "full_name": "Duty", "email": TO}
            await running.client.call("create_user", **account)
            await running.create_event(lines=2, pause=0.02, actions=[action])
            async with revived(running.conductor):
                await running.promise_many(3)
                await running.settled()

                async def mailed() -> bool:
                    return len({mail["Message-ID"] for mail in smtp.mails}) >= 3

                await eventually(mailed, "three different mails", PATIENCE)
                made = await tickets(running, 3)
                records = [(await running.client.call("get_job", id=id))["job"] for id in running.promised]
    finally:
        await smtp.stop()
    assert (tmp_path / "conductor-died").exists(), "the point was never reached"
    assert len(made) == 3, "what was begun twice is made once"
    assert len({ticket["num"] for ticket in made}) == 3
    assert sorted(ticket["jobs"][0] for ticket in made) == sorted(running.promised)
    listed = {record["id"]: record["tickets"] for record in records}
    assert listed == {ticket["jobs"][0]: [ticket["id"]] for ticket in made}
    assert len({mail["Message-ID"] for mail in smtp.mails}) == 3, "a mail that comes twice is the same mail"
    repeated = [
        one.get("repeated", 0) for record in records for one in record["actions"] if "repeated" in one
    ]
    if point != "conductor.ticket_mailed":
        assert repeated, "what was under way says that it was repeated"


async def test_a_change_that_was_stored_is_mailed_though_its_caller_got_no_answer(tmp_path: Path) -> None:
    smtp = SmtpPeer()
    await smtp.start()
    try:
        async with cluster(
            tmp_path, conductor_fault="conductor.ticket_stored:2", environment=mailing(smtp)
        ) as running:
            made = await running.client.call("create_ticket", subject="Broken", notify=[TO])
            ticket = made["ticket"]["id"]
            async with revived(running.conductor):
                with pytest.raises((aiohttp.ClientError, ApiError)):
                    await running.client.call("update_ticket", id=ticket, subject="Still broken")

                async def told() -> bool:
                    return any("Still broken" in str(mail) for mail in smtp.mails)

                await eventually(told, "the change is mailed", PATIENCE)
            assert (tmp_path / "conductor-died").exists()
    finally:
        await smtp.stop()
