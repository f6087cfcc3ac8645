"""What tickets promise of their storage, on both databases."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from conductor.errors import Refusal
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import SYSTEM
from tests.integration.tickets.desk import Desk, opened


async def made(desk: Desk, **doc: Any) -> dict[str, Any]:
    return await desk.tickets.create({"subject": "Broken", **doc}, actor=SYSTEM, username="ann")


async def update(desk: Desk, id: str, username: str = "ann", **doc: Any) -> dict[str, Any]:
    return await desk.tickets.update(id, doc, actor=SYSTEM, username=username)


async def test_platform_1_many_simultaneous_creations_never_share_a_number(desk: Desk) -> None:
    tickets = await asyncio.gather(*(made(desk) for _ in range(60)))
    assert sorted(ticket["num"] for ticket in tickets) == list(range(1, 61))


async def test_actions_8_two_conductors_never_give_out_one_number(
    desk: Desk, database_url: str, settings: Settings, tmp_path: Path
) -> None:
    """Each counts for itself, as after an import or a split: the table's constraint has the last word."""
    other_records = await Records.open(database_url, readers=2)
    try:
        other = await opened(other_records, settings, tmp_path)
        tickets = await asyncio.gather(*(made(one) for _ in range(15) for one in (desk, other)))
        numbers = [ticket["num"] for ticket in tickets]
        assert len(set(numbers)) == 30
        assert {await _num(desk, ticket["id"]) for ticket in tickets} == set(numbers)
    finally:
        await other_records.close()


async def _num(desk: Desk, id: str) -> int:
    stored = await desk.shelf.get(id)
    assert stored is not None
    return int(stored["num"])


async def test_a_number_does_not_come_again_after_a_deletion_or_a_restart(
    desk: Desk, records: Records, settings: Settings, tmp_path: Path
) -> None:
    await made(desk)
    last = await made(desk)
    await desk.tickets.delete(last["id"], actor=SYSTEM)
    again = await opened(records, settings, tmp_path)
    assert (await made(again))["num"] == 3


async def test_tickets_yaml_an_existing_id_is_not_overwritten(desk: Desk) -> None:
    await made(desk, id="mine", subject="First")
    attempts = await asyncio.gather(
        *(made(desk, id="mine", subject="Second") for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(one, Refusal) and one.code == "ticket" for one in attempts)
    both = await asyncio.gather(*(made(desk, id="both") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, dict) for one in both) == 1
    stored = await desk.shelf.get("mine")
    assert stored is not None
    assert stored["subject"] == "First"


async def test_tickets_yaml_get_by_num_works_right_after_create(desk: Desk) -> None:
    for _ in range(5):
        ticket = await made(desk)
        assert await desk.shelf.by_num(ticket["num"]) == ticket
        page = await desk.documents.search(f"num:{ticket['num']}")
        assert page.total == 1
    assert await desk.shelf.by_num(999) is None


async def test_no_comment_is_lost_among_simultaneous_ones(desk: Desk) -> None:
    ticket = await made(desk)
    await asyncio.gather(
        *(
            desk.tickets.add_change(
                ticket["id"], {"type": "comment", "body": f"number {n}"}, actor=SYSTEM, username="bob"
            )
            for n in range(15)
        ),
        *(update(desk, ticket["id"], **{f"own{n}": n}) for n in range(5)),
    )
    stored = await desk.shelf.get(ticket["id"])
    assert stored is not None
    bodies = {change.get("body") for change in stored["changes"]}
    assert {f"number {n}" for n in range(15)} <= bodies
    assert [stored[f"own{n}"] for n in range(5)] == list(range(5))


async def test_jobs_and_alerts_are_attached_both_ways_and_forget_a_deleted_ticket(desk: Desk) -> None:
    await desk.archive.add({"id": "j1", "completed": 1.0, "event": "e1", "tickets": ["other"]})
    await desk.alerts.add("a1", {"id": "a1", "date": 1, "modified": 1, "active": False})
    ticket = await desk.tickets.create(
        {"subject": "S"}, actor=SYSTEM, username="ann", job_id="j1", alert_id="a1"
    )
    assert (ticket["jobs"], ticket["alerts"]) == (["j1"], ["a1"])
    await desk.tickets.attach([ticket["id"], "missing"], job_id="j2")
    await desk.tickets.attach([ticket["id"]], job_id="j2")
    stored = await desk.shelf.get(ticket["id"])
    assert stored is not None
    assert stored["jobs"] == ["j1", "j2"]
    page = await desk.documents.search("jobs:j2")
    assert [msgspec.json.decode(one)["id"] for one in page.rows] == [ticket["id"]]

    async def lists() -> tuple[Any, Any]:
        job, alert = await desk.archive.get("j1"), await desk.alerts.get("a1")
        assert job is not None
        assert alert is not None
        return job["tickets"], alert["tickets"]

    assert await lists() == (["other", ticket["id"]], [ticket["id"]])
    await desk.tickets.delete(ticket["id"], actor=SYSTEM)
    await desk.background()
    assert await lists() == (["other"], [])
