"""Mails about tickets: to whom, when, and over a restart."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import Refusal, Unavailable
from conductor.records.store import Records, Write
from conductor.settings import Settings
from conductor.signals import SYSTEM
from conductor.tickets import notices
from conductor.tickets.waiting import CHANGED, FRESH
from tests.integration.tickets.desk import Desk, opened
from tests.processes import eventually

DAY = 86_400


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database suffices: the global state has its own tests on both."""
    return f"sqlite:///{tmp_path / 'records.db'}"


async def made(desk: Desk, **doc: Any) -> dict[str, Any]:
    return await desk.tickets.create({"subject": "Broken", **doc}, actor=SYSTEM, username="ann")


async def update(desk: Desk, id: str, username: str, **doc: Any) -> dict[str, Any]:
    return await desk.tickets.update(id, doc, actor=SYSTEM, username=username)


def sent(desk: Desk) -> list[tuple[str, list[str]]]:
    return [(template, sorted(to)) for template, to, _, _ in desk.post.mails]


def waiting_in(desk: Desk) -> dict[str, Any]:
    return desk.definitions.state.under(FRESH) | desk.definitions.state.under(CHANGED)


async def test_a_new_ticket_is_mailed_to_those_concerned(desk: Desk) -> None:
    ticket = await made(desk, assignees=["bob"], cc=["cat"], notify=["x@example.org"], type="issue")
    await desk.notices.mail_due()
    assert sent(desk) == [("ticket_new", ["bob@example.com", "cat@example.com", "x@example.org"])]
    _, _, data, _ = desk.post.mails[0]
    assert data["links"]["ticket"] == f"http://localhost:5522/#{ticket['num']}"
    assert "**Type:** issue" in data["attributes"]
    await desk.notices.mail_due()
    assert len(desk.post.mails) == 1


async def test_drafts_and_a_switched_off_house_mail_nothing(desk: Desk) -> None:
    draft = await made(desk, status="draft", notify=["x@example.org"])
    await update(desk, draft["id"], "bob", subject="Still a draft")
    desk.settings.tickets.email_enabled = False
    await made(desk, notify=["x@example.org"])
    desk.settings.tickets.email_enabled = True
    await desk.notices.mail_due()
    assert desk.post.mails == []


async def test_changes_are_gathered_until_it_is_quiet(desk: Desk) -> None:
    ticket = await made(desk, assignees=["cat"])
    await desk.notices.mail_due()
    desk.settings.tickets.email_debounce_sec = 3600
    await update(desk, ticket["id"], "bob", subject="One")
    await update(desk, ticket["id"], "bob", subject="Two", status="closed")
    await desk.tickets.add_change(
        ticket["id"], {"type": "comment", "body": "Done"}, actor=SYSTEM, username="bob"
    )
    assert await desk.notices.mail_due() == 0
    desk.settings.tickets.email_debounce_sec = 0
    await update(desk, ticket["id"], "ann", due=1_900_000_000)
    assert await desk.notices.mail_due() == 1
    assert sent(desk)[1:] == [("ticket_updated", ["cat@example.com"])]
    text = desk.post.mails[1][2]["changes"]
    assert "One" not in text  # of one minute's changes of a property the last is told
    for part in ("**Subject** to: Two", "**Status** to: closed", "> Done", "Due date"):
        assert part in text


async def test_tickets_yaml_pending_mails_survive_a_restart(
    desk: Desk, records: Records, settings: Settings, tmp_path: Path
) -> None:
    settings.tickets.email_debounce_sec = 0.3
    ticket = await made(desk, notify=["x@example.org"])
    await update(desk, ticket["id"], "bob", subject="Later")
    again = await opened(records, settings, tmp_path)  # a new primary, which finds what the old one left
    task = asyncio.create_task(again.notices.run())

    async def both() -> bool:
        return len(again.post.mails) == 2

    await eventually(both, "both mails are sent", 5.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [template for template, _ in sent(again)] == ["ticket_new", "ticket_updated"]
    assert desk.post.mails == []
    assert again.definitions.state.under(CHANGED) == {}
    third = await opened(records, settings, tmp_path)
    assert await third.notices.mail_due() == 0


async def test_tickets_yaml_nobody_is_mailed_of_his_own_doing(desk: Desk) -> None:
    ticket = await made(desk, assignees=["ann", "bob"])
    await desk.notices.mail_due()
    await update(desk, ticket["id"], "bob", subject="Mine")
    await desk.notices.mail_due()
    assert sent(desk) == [("ticket_new", ["bob@example.com"]), ("ticket_updated", ["ann@example.com"])]


async def test_tickets_yaml_a_user_may_want_no_mail_about_tickets(desk: Desk) -> None:
    await made(desk, assignees=["mute"])
    await desk.notices.mail_due()
    assert desk.post.mails == []


async def test_actions_3_a_mail_that_is_not_taken_is_tried_later_and_in_the_end_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await made(desk, notify=["x@example.org"])
    desk.post.away = True
    await desk.notices.mail_due()
    waiting = desk.definitions.state.get(f"{FRESH}/{ticket['id']}")
    assert waiting["tries"] == 1
    assert waiting["due"] > time.time() + 50
    monkeypatch.setattr(notices, "_AGAIN_SECONDS", 0.0)
    await desk.definitions.state.merge(f"{FRESH}/{ticket['id']}", {"due": 0})
    for _ in range(7):
        assert await desk.notices.mail_due() == 1
    assert desk.definitions.state.under(FRESH) == {}


async def test_better_the_intent_of_a_mail_is_stored_with_the_change_or_not_at_all(
    desk: Desk, records: Records, settings: Settings, tmp_path: Path
) -> None:
    """Between a change and its mail nobody can die: they are one transaction."""
    written: list[int] = []
    original = records.write_if

    async def counted(first: Write, *then: Write, **more: Any) -> bool:
        found = await original(first, *then, **more)
        again = await opened(
            records, settings, tmp_path
        )  # what a primary would find that came at this moment
        written.append(len(waiting_in(again)))
        return found

    records.write_if = counted  # type: ignore[method-assign]
    ticket = await made(desk, notify=["x@example.org"])
    await update(desk, ticket["id"], "bob", subject="Other")
    assert written == [1, 2]
    with pytest.raises(Refusal):
        await update(desk, ticket["id"], "bob", subject="Never", revision=1)

    async def lost(*_: Any, **more: Any) -> bool:
        raise Unavailable("away")

    records.write_if = lost  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await update(desk, ticket["id"], "bob", subject="Never")
    with pytest.raises(Unavailable):
        await made(desk, notify=["x@example.org"])
    records.write_if = original  # type: ignore[method-assign]
    assert len(waiting_in(desk)) == 2
    assert await desk.notices.mail_due() == 2
    assert "Never" not in desk.post.mails[1][2]["changes"]


async def test_better_a_mail_that_goes_out_twice_is_the_same_mail(
    desk: Desk, records: Records, settings: Settings, tmp_path: Path
) -> None:
    ticket = await made(desk, notify=["x@example.org"])
    await desk.notices.mail_due()
    await update(desk, ticket["id"], "bob", subject="One")

    async def dies(*arguments: Any, **more: Any) -> Any:
        await original(*arguments, **more)
        raise asyncio.CancelledError

    original, desk.post.send_template = desk.post.send_template, dies  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await desk.notices.mail_due()
    again = await opened(records, settings, tmp_path)
    await update(again, ticket["id"], "bob", subject="Two")
    assert await again.notices.mail_due() == 2
    first = desk.post.mails[1]
    repeated, fresh = again.post.mails
    assert (repeated[0], repeated[1], repeated[3]) == (first[0], first[1], first[3])
    assert repeated[2]["changes"] == first[2]["changes"]
    assert "Two" in fresh[2]["changes"]
    assert fresh[3] != first[3], "another mail, another Message-ID"
    assert waiting_in(again) == {}


async def test_mails_that_an_earlier_version_left_are_sent(desk: Desk) -> None:
    ticket = await made(desk, assignees=["cat"])
    await desk.notices.mail_due()
    entries = [{"type": "change", "username": "bob", "date": 1, "key": "subject", "value": "Old"}]
    left = {"due": 0, "tries": 0, "entries": entries}
    await desk.definitions.state.merge(f"{CHANGED}/{ticket['id']}", left)
    assert await desk.notices.mail_due() == 1
    assert "Old" in desk.post.mails[1][2]["changes"]
    assert waiting_in(desk) == {}


async def test_what_comes_while_a_mail_is_on_its_way_is_mailed_next(desk: Desk) -> None:
    ticket = await made(desk, notify=["x@example.org"])
    await desk.notices.mail_due()
    await update(desk, ticket["id"], "bob", subject="First")
    original = desk.post.send_template

    async def slow(*arguments: Any, **more: Any) -> Any:
        desk.post.send_template = original  # type: ignore[method-assign]
        await update(desk, ticket["id"], "bob", status="closed")
        return await original(*arguments, **more)

    desk.post.send_template = slow  # type: ignore[method-assign]
    await desk.notices.mail_due()
    await desk.notices.mail_due()
    first, second = (mail[2]["changes"] for mail in desk.post.mails[1:])
    assert "First" in first
    assert "closed" not in first
    assert "closed" in second
    assert "First" not in second


async def test_a_deleted_ticket_is_mailed_no_more(desk: Desk) -> None:
    ticket = await made(desk, notify=["x@example.org"])
    await desk.tickets.delete(ticket["id"], actor=SYSTEM)
    assert await desk.notices.mail_due() == 0
    await desk.background()


async def test_overdue_tickets_are_told_to_their_assignees_once_a_day(desk: Desk) -> None:
    past = int(time.time()) - 3 * DAY
    late = await made(desk, assignees=["bob"], due=past, cc=["cat"], notify=["x@example.org"])
    await made(desk, assignees=["bob"], due=past, status="closed")
    await made(desk, assignees=["bob"], due=int(time.time()) + 3 * DAY)
    await made(desk, due=past)
    await desk.notices.remind_overdue()
    assert sent(desk) == [("ticket_overdue", ["bob@example.com"])]
    assert desk.post.mails[0][2]["ticket"]["id"] == late["id"]
    assert desk.post.mails[0][2]["display"]["due"]
    desk.post.mails.clear()
    desk.settings.tickets.overdue_schedule = "00:00"
    await desk.notices._remind_when_due()
    await desk.notices._remind_when_due()
    assert len(desk.post.mails) == 1
    desk.settings.tickets.overdue_schedule = "24:00"
    await desk.definitions.state.merge(notices.OVERDUE, {"day": ""})
    await desk.notices._remind_when_due()
    assert len(desk.post.mails) == 1


async def test_a_query_that_is_wrong_does_not_stop_the_mails(desk: Desk) -> None:
    desk.settings.tickets.overdue_query = "(nonsense"
    desk.settings.tickets.overdue_schedule = "00:00"
    await desk.notices._remind_when_due()
    assert desk.definitions.state.get(notices.OVERDUE)["day"]
