"""Tickets: what is stored, announced and refused."""

from pathlib import Path
from typing import Any

import pytest

from conductor.audit.rows import row
from conductor.errors import AccessDenied, Refusal, Unavailable
from conductor.signals import SYSTEM
from tests.integration.tickets.desk import Desk


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database suffices here; `test_storage` runs on both."""
    return f"sqlite:///{tmp_path / 'records.db'}"


async def made(desk: Desk, **doc: Any) -> dict[str, Any]:
    return await desk.tickets.create({"subject": "Broken", **doc}, actor=SYSTEM, username="ann")


async def update(desk: Desk, id: str, username: str = "ann", **doc: Any) -> dict[str, Any]:
    return await desk.tickets.update(id, doc, actor=SYSTEM, username=username)


async def test_a_new_ticket_is_complete(desk: Desk) -> None:
    ticket = await made(desk, body="<b>x</b> *y*", type="issue", own="kept", notify=["x@example.com"])
    assert ticket["id"].startswith("t")
    assert (ticket["num"], ticket["subject"], ticket["body"]) == (1, "Broken", "x *y*")
    assert (ticket["status"], ticket["due"], ticket["assignees"], ticket["files"]) == ("open", 0, [], [])
    assert (ticket["username"], ticket["own"], ticket["created"]) == ("ann", "kept", ticket["modified"])
    [change] = ticket["changes"]
    assert (change["type"], change["key"], change["username"]) == ("change", "created", "ann")
    assert await desk.shelf.get(ticket["id"]) == ticket


async def test_tickets_yaml_an_update_sets_nothing_of_the_servers(desk: Desk) -> None:
    ticket = await made(desk)
    forged = {key: ["forged"] for key in ("num", "username", "created", "changes", "files", "jobs", "alerts")}
    changed = await update(desk, ticket["id"], **forged, modified=1)
    assert {key: changed.get(key) for key in forged} == {key: ticket.get(key) for key in forged}
    assert changed["modified"] >= ticket["created"]


async def test_tickets_yaml_only_an_attached_file_can_be_deleted(desk: Desk) -> None:
    await desk.files.put("files/other/secret.txt", b"secret")
    ticket = await made(desk, files=[{"path": "files/other/secret.txt"}])
    await update(desk, ticket["id"], files=[{"path": "files/other/secret.txt"}])
    with pytest.raises(Refusal, match="not attached"):
        await desk.tickets.delete_file(ticket["id"], "files/other/secret.txt", actor=SYSTEM)
    assert await desk.files.get("files/other/secret.txt") == b"secret"


async def test_tickets_yaml_who_sends_the_revision_he_saw_overwrites_nobody(desk: Desk) -> None:
    ticket = await made(desk)
    assert (await update(desk, ticket["id"], revision=1, subject="A"))["revision"] == 2
    with pytest.raises(Refusal, match="revision 2"):
        await update(desk, ticket["id"], revision=1, subject="B")
    assert (await update(desk, ticket["id"], subject="C"))[
        "subject"
    ] == "C"  # as clients do that know of none


async def test_changes_are_recorded_and_announced(desk: Desk) -> None:
    ticket = await made(desk)
    changed = await update(desk, ticket["id"], "bob", subject="New", status="closed", tags=["flag"])
    keys = {change["key"]: change.get("value") for change in changed["changes"][1:]}
    assert keys == {"subject": "New", "status": "closed", "tags": ["flag"]}
    logged = row(desk.seen[-1], id="a1", epoch=1)
    assert logged is not None
    assert (logged["action"], logged["description"]) == ("ticket_update", ticket["id"])
    assert "changes" not in logged["ticket"]
    assert ticket["id"] in logged["keywords"]


async def test_comments_are_edited_by_their_author_or_an_administrator(desk: Desk) -> None:
    ticket = await made(desk)
    comment = {"type": "comment", "body": "hm <script>x</script>"}
    changed = await desk.tickets.add_change(ticket["id"], comment, actor=SYSTEM, username="bob")
    entry = changed["changes"][-1]
    assert (entry["body"], entry["username"]) == ("hm ", "bob")

    async def edit(who: str, admin: bool = False, delete: bool = False, **change: Any) -> dict[str, Any]:
        return await desk.tickets.update_change(
            ticket["id"], entry["id"], change, delete=delete, actor=SYSTEM, username=who, admin=admin
        )

    with pytest.raises(Refusal):
        await edit("cat", body="not mine")
    edited = (await edit("bob", body="better", username="cat", key="status"))["changes"][-1]
    assert (edited["body"], edited["username"], "key" in edited) == ("better", "bob", False)
    assert edited["edited"] >= edited["date"]
    logged = row(desk.seen[-1], id="a1", epoch=1)
    assert logged is not None
    assert (logged["action"], logged["change"]["body"]) == ("ticket_update_change", "better")
    assert logged["ticket"] == {"id": ticket["id"], "num": ticket["num"], "subject": "Broken"}
    gone = await edit("cat", admin=True, delete=True)
    assert [change.get("key") for change in gone["changes"]] == ["created", "delete"]
    assert desk.seen[-1].changes[0]["delete"] is True
    with pytest.raises(Refusal, match="not found"):
        await edit("bob", body="again")


async def test_tickets_yaml_people_and_servers_must_exist(desk: Desk) -> None:
    for doc in ({"assignees": ["nobody"]}, {"cc": ["nobody"]}, {"server": "s9"}):
        with pytest.raises(Refusal) as refused:
            await made(desk, **doc)
        assert refused.value.code == "ticket"
    ticket = await made(desk, assignees=["bob"], server="s1")
    with pytest.raises(Refusal):
        await update(desk, ticket["id"], server="s9")


async def test_tickets_yaml_files_go_with_their_ticket(desk: Desk) -> None:
    ticket = await desk.tickets.create(
        {"subject": "S"}, actor=SYSTEM, username="ann", uploads=[desk.upload("My Log.TXT", b"log")]
    )
    [file] = ticket["files"]
    assert (file["filename"], file["size"], file["ticket"]) == ("My Log.TXT", 3, ticket["id"])
    assert await desk.files.get(file["path"]) == b"log"
    files = await desk.tickets.add_files(
        ticket["id"], [desk.upload("b", b"bb")], actor=SYSTEM, username="bob"
    )
    assert [one["filename"] for one in files] == ["My Log.TXT", "b"]
    await desk.tickets.delete(ticket["id"], actor=SYSTEM)
    await desk.background()
    assert [await desk.files.get(one["path"]) for one in files] == [None, None]


async def test_tickets_yaml_file_changes_are_in_the_activity_log(desk: Desk) -> None:
    ticket = await made(desk)
    [file] = await desk.tickets.add_files(
        ticket["id"], [desk.upload("a.txt", b"a")], actor=SYSTEM, username="bob"
    )
    await desk.tickets.delete_file(ticket["id"], file["path"], actor=SYSTEM)
    rows = [row(signal, id="a1", epoch=1) or {} for signal in desk.seen[-2:]]
    assert [one["action"] for one in rows] == ["ticket_add_files", "ticket_delete_file"]
    assert [one["files"][0]["id"] for one in rows] == [file["id"], file["id"]]


async def test_tickets_yaml_a_failed_deletion_leaves_the_list_as_it_was(desk: Desk, tmp_path: Path) -> None:
    ticket = await made(desk)
    [file] = await desk.tickets.add_files(
        ticket["id"], [desk.upload("a.txt", b"a")], actor=SYSTEM, username="bob"
    )
    blocked = tmp_path / "files" / file["path"]
    blocked.unlink()
    (blocked / "in the way").mkdir(parents=True)  # what cannot be deleted as a file
    with pytest.raises(Refusal) as refused:
        await desk.tickets.delete_file(ticket["id"], file["path"], actor=SYSTEM)
    assert refused.value.code == "ticket"
    stored = await desk.shelf.get(ticket["id"])
    assert stored is not None
    assert stored["files"] == [file]


async def test_tickets_yaml_nothing_is_stored_for_a_ticket_out_of_reach(desk: Desk, tmp_path: Path) -> None:
    ticket = await made(desk)

    def never(ticket: Any) -> None:
        raise AccessDenied("no")

    for id, code in (("missing", "job"), (ticket["id"], "access")):
        with pytest.raises(Refusal) as refused:
            await desk.tickets.add_files(
                id, [desk.upload("a.txt", b"a")], actor=SYSTEM, username="bob", may=never
            )
        assert refused.value.code == code
    assert not (tmp_path / "files" / "files").exists()


async def test_a_refused_ticket_leaves_no_files(desk: Desk, tmp_path: Path) -> None:
    await made(desk, id="mine")
    with pytest.raises(Refusal):
        await desk.tickets.create(
            {"subject": "S", "id": "mine"}, actor=SYSTEM, username="ann", uploads=[desk.upload("a", b"a")]
        )
    assert not (tmp_path / "files" / "files").exists()


async def test_uploads_have_limits(desk: Desk) -> None:
    desk.settings.client = {"ticket_upload_settings": {"max_files_per_ticket": 1, "max_file_size": 2}}
    ticket = await made(desk)
    for uploads in ([("a", b"1"), ("b", b"2")], [("c", b"333")]):
        with pytest.raises(Refusal) as refused:
            await desk.tickets.add_files(
                ticket["id"], [desk.upload(*one) for one in uploads], actor=SYSTEM, username="ann"
            )
        assert refused.value.code == "file"


async def test_events_of_a_ticket_are_checked_against_their_fields(desk: Desk) -> None:
    with pytest.raises(Refusal, match="Unknown event"):
        await made(desk, events=[{"id": "missing"}])


async def test_a_ticket_that_is_too_large_changes_nothing(desk: Desk) -> None:
    ticket = await made(desk)
    with pytest.raises(Refusal, match="larger"):
        await update(desk, ticket["id"], body="x" * 9_000_000)
    assert await desk.shelf.get(ticket["id"]) == ticket


async def test_a_database_that_is_away_is_told_as_such(desk: Desk) -> None:
    await desk.records.close()
    with pytest.raises(Unavailable):
        await made(desk)
    assert desk.seen == []
