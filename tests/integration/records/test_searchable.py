import msgspec

from conductor.records import tables
from conductor.records.search.index import ACTIVITY, SERVERS
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
        await servers.add(server["id"], server, hostname=f"h{9 - number}")  # type: ignore[arg-type]
    assert await ids(servers, "created:7200..10800") == ["s1", "s2"]
    assert await ids(servers, "created:<7200") == ["s0"]
    assert await ids(servers, 'os_distro:"debian 12" created:>=18000') == ["s4"]
    assert await ids(servers, "(created !~ 3600)") == ["s1", "s2", "s3", "s4"]
    page = await servers.search("*", sort_by="hostname", sort_dir=1)
    assert (msgspec.json.decode(page.rows[0])["id"], page.total) == ("s4", 5)
