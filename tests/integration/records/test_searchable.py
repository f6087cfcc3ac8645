import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from conductor.records import tables
from conductor.records.search.index import ACTIVITY, ALERTS, SERVERS, TICKETS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records


async def ids(documents: SearchableDocuments, query: str) -> list[str]:
    page = await documents.search(query, limit=50, sort_dir=1)
    return [msgspec.json.decode(row)["id"] for row in page.rows]


async def test_activity_is_found_by_action_keyword_and_hour(records: Records) -> None:
    activity = SearchableDocuments(records, ACTIVITY, tables.activity)
    for number in range(4):
        row = {
            "id": f"a{number}",
            "action": "event_update" if number % 2 else "event_delete",
            "epoch": number * 3600,
            "keywords": [f"e{number}", "admin", "10.0.0.1"],
        }
        assert await activity.add(row["id"], row, action=row["action"], epoch=row["epoch"])
        assert not await activity.add(row["id"], row, action=row["action"], epoch=row["epoch"])
    assert await ids(activity, "e2") == ["a2"]
    assert await ids(activity, "action:event_update admin") == []
    assert await ids(activity, "admin action:event_update") == ["a1", "a3"]
    assert await ids(activity, "10.0.0.1 date:3600..7200") == ["a1", "a2"]
    assert await ids(activity, "date:>3600") == ["a2", "a3"]


async def test_numbers_without_a_column_have_ranges(records: Records) -> None:
    servers = SearchableDocuments(records, SERVERS, tables.servers)
    for number in range(5):
        server = {"id": f"s{number}", "created": (number + 1) * 3600, "info": {"os": {"distro": "Debian 12"}}}
        await servers.add(f"s{number}", server | {"hostname": f"h{9 - number}"})
    assert await ids(servers, "created:7200..10800") == ["s1", "s2"]
    assert await ids(servers, "created:<7200") == ["s0"]
    assert await ids(servers, 'os_distro:"debian 12" created:>=18000') == ["s4"]
    assert await ids(servers, "(created !~ 3600)") == ["s1", "s2", "s3", "s4"]
    page = await servers.search("*", sort_by="hostname", sort_dir=1)
    assert (msgspec.json.decode(page.rows[0])["id"], page.total) == ("s4", 5)


async def test_a_ticket_is_found_by_stems_of_its_text(records: Records) -> None:
    tickets = SearchableDocuments(records, TICKETS, tables.tickets)
    ticket = {
        "id": "t1",
        "num": 1_234_567,
        "username": "joe.doe",
        "assignees": ["ann.b", "Carl"],
        "subject": "Backups failing",
        "body": "The <b>disks</b> were full &amp; slow\n```\nsecretcode\n```\ndone",
        "changes": [{"type": "comment", "username": "ann", "body": "Restarted", "date": 5}],
        "due": 0,
    }
    await tickets.add("t1", ticket)
    for query in ("backup fail", "disk", "joe", "subject:failed", "username:joe_doe", "changes:restarting"):
        assert await ids(tickets, query) == ["t1"], query
    for query in ("secretcode", "b", "changes:comment", "changes:date", "due:<today", "username:joe"):
        assert await ids(tickets, query) == [], query
    assert await ids(tickets, "assignees:ann_b") == ["t1"]


async def test_ticket_numbers_beyond_a_million_are_told_apart(records: Records) -> None:
    """indexes.yaml: the original's numbers end at ±1,000,000."""
    tickets = SearchableDocuments(records, TICKETS, tables.tickets)
    for number in (1_000_001, 1_000_002):
        await tickets.add(f"t{number}", {"id": f"t{number}", "num": number, "due": number * 1000})
    assert await ids(tickets, "num:1000002") == ["t1000002"]
    assert await ids(tickets, "num:>1000001") == ["t1000002"]
    assert await ids(tickets, "due:<1970-01-05") == []
    assert await ids(tickets, "due:>1980-01-01") == ["t1000001", "t1000002"]


async def test_a_change_sees_every_other_one(records: Records) -> None:
    alerts = SearchableDocuments(records, ALERTS, tables.alerts)
    await alerts.add("a1", {"id": "a1", "jobs": []})

    def add(job: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda old: old | {"jobs": [*old["jobs"], job]}

    await asyncio.gather(*(alerts.change("a1", add(f"j{n}")) for n in range(8)))
    assert sorted((await alerts.get("a1") or {})["jobs"]) == [f"j{n}" for n in range(8)]
    assert await ids(alerts, "jobs:j3") == ["a1"]
    assert await alerts.change("a1", lambda old: None) is None
    assert await alerts.change("a2", lambda old: old) is None


async def test_put_adds_and_replaces(records: Records) -> None:
    servers = SearchableDocuments(records, SERVERS, tables.servers)
    await asyncio.gather(*(servers.put("s1", {"id": "s1", "groups": [f"g{n}"]}) for n in range(6)))
    assert len(await servers.all()) == 1
    stayed = (await servers.get("s1") or {})["groups"][0]
    assert [n for n in range(6) if await ids(servers, f"groups:g{n}")] == [int(stayed[1:])]
