"""Searches, sweeps, backup, settings, logs and commands, as their users see them, over HTTP."""

import asyncio
import gzip
import hashlib
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from tests.acceptance.agent import PASSWORD, SECRET, Station, station
from tests.processes import ApiError, Client, eventually

HOUR = 3600
NOW = int(time.time())

RECORDS: list[tuple[str, dict[str, Any]]] = [
    *(
        (
            "jobs",
            {
                "id": f"j{n:03d}",
                "code": 1 if n % 5 == 0 else 0,
                "category": "ops" if n % 2 else "general",
                "groups": ["east"] if n % 4 == 1 else ["main"],
                "tags": ["_error" if n % 5 == 0 else "_success"],
                "completed": NOW - n * 60,
                "elapsed": n,
                "event": "e1",
                "data": {"heavy": n},
                "description": "=1+1" if n == 3 else "fine",
            },
        )
        for n in range(40)
    ),
    ("jobs", {"id": "w1", "type": "workflow", "category": "ops", "code": 0, "completed": NOW, "tags": []}),
    (
        "tickets",
        {"id": "t1", "num": 1, "subject": "Disks failing", "body": "b", "changes": [{}], "category": "ops"},
    ),
    (
        "tickets",
        {"id": "t2", "num": 2, "subject": "Other", "body": "b", "changes": [], "category": "general"},
    ),
    ("alerts", {"id": "a1", "active": True, "groups": ["east"], "date": NOW, "server": "s1"}),
    (
        "snapshots",
        {"id": "sn1", "groups": ["east"], "date": NOW, "data": {"conns": [1], "x": 1}, "quickmons": []},
    ),
    *(
        (
            "servers",
            {
                "id": f"s{n}",
                "hostname": f"h{n}",
                "groups": ["east" if n else "main"],
                "info": {"os": {"distro": "Debian 12" if n else "Alpine", "arch": "arm"}},
            },
        )
        for n in range(3)
    ),
]


def backup(records: list[tuple[str, dict[str, Any]]]) -> bytes:
    lines = [{"index": index, "id": record["id"], "record": record} for index, record in records]
    return gzip.compress(b"\n".join([*map(msgspec.json.encode, lines), b"# End of file"]))


async def bring(client: Client, body: bytes, **fields: str) -> dict[str, Any]:
    """Import a file; the internal job's last words."""
    form = aiohttp.FormData(fields)
    form.add_field("file1", body, filename="export.txt.gz")
    url = f"{client.url}/api/app/admin_import_data/v1"
    async with client.session.post(url, data=form, headers=client._headers) as response:
        answer = msgspec.json.decode(await response.read())
    assert answer["code"] == 0, answer
    return await ended(client, answer["id"])


async def ended(client: Client, job_id: str) -> dict[str, Any]:
    async def row() -> Any:
        running = await client.call("get_internal_jobs")
        if job_id in [job["id"] for job in running["rows"]]:
            return None
        return (await client.call("search_activity", query=f"keywords:{job_id} action:internal_job"))["rows"]

    rows = await eventually(row, f"internal job {job_id} has ended")
    return dict(rows[0]["job"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with station(tmp_path_factory.mktemp("h")) as running:
        async with running.client() as client:
            report = await bring(client, backup(RECORDS))
            assert report["stats"]["errors"] == 0, report
            await client.call("update_global_state", **{"scheduler.enabled": True})
        yield running


@pytest_asyncio.fixture
async def client(house: Station) -> Any:
    async with house.client() as opened:
        yield opened


async def limited(client: Client, **limits: Any) -> Client:
    made = await client.call("create_api_key", title="limited", active=1, privileges={}, **limits)
    return Client(client.url, made["plain_key"])


def ids(answer: dict[str, Any]) -> list[str]:
    return [row["id"] for row in answer["rows"]]


async def test_pages_totals_and_what_is_left_out(client: Client) -> None:
    answer = await client.call("search_jobs", query="tags:_error", limit=3, sort_by="elapsed", sort_dir=1)
    assert (ids(answer), answer["list"]["length"]) == (["j000", "j005", "j010"], 8)
    assert "data" not in answer["rows"][0]
    assert len(ids(await client.call("search_jobs"))) == 1
    selected = await client.call("search_jobs", query="#id:j003", select="id,data")
    assert selected["rows"] == [{"id": "j003", "data": {"heavy": 3}}]
    with pytest.raises(ApiError, match="db"):
        await client.call("search_jobs", query="(nonsense = 1)")
    with pytest.raises(ApiError, match="api"):
        await client.call("search_jobs", limit="many")
    assert (await client.call("search_jobs", query="colour:red x"))["warnings"]


async def test_pages_go_on_after_a_record(client: Client) -> None:
    """search.yaml, "Where to be better": offsets repeat and skip rows while records come in."""
    seen: list[str] = []
    while page := ids(await client.call("search_jobs", limit=15, after=seen[-1] if seen else "")):
        seen += page
    assert seen == sorted((record["id"] for index, record in RECORDS if index == "jobs"), reverse=True)


async def test_minutes_can_be_told_apart(client: Client) -> None:
    """search.md, "Where to be better" 3: the original knows hours."""
    since = time.strftime("%Y-%m-%dT%H:%M", time.localtime(NOW - 10 * 60))
    found = ids(await client.call("search_jobs", query=f"date:>={since} event:e1", limit=100))
    assert 10 <= len(found) <= 12
    assert "j009" in found
    assert "j012" not in found


@pytest.mark.parametrize(
    "query",
    [
        "*",
        "category:general|",
        '(tags = "_success" | tags = "_error")',
        "tags:_success|_error",
        "category:a|b|",
    ],
)
async def test_limits_are_no_part_of_the_query(client: Client, query: str) -> None:
    """search.md, "Where to be better" 1: no query widens them, and PxQL stays PxQL."""
    async with await limited(client, categories=["ops"], groups=["east"]) as caller:
        rows = (await caller.call("search_jobs", query=query, limit=100))["rows"]
    assert {row["category"] for row in rows} <= {"ops"}
    assert all("east" in row.get("groups", []) or row["id"] == "w1" for row in rows)
    if "ategory" not in query:
        assert len([row for row in rows if row["id"] != "w1"]) == 10
    if query == "*":
        assert "w1" in [row["id"] for row in rows]


async def test_one_record_by_id_within_limits(client: Client) -> None:
    """search.yaml, "Where to be better": `#id:` ignores the limits."""
    async with await limited(client, categories=["ops"], groups=["east"]) as caller:
        for name, query in (
            ("search_jobs", "#id:j002"),
            ("search_servers", "#id:s0"),
            ("search_tickets", "#id:t2"),
        ):
            with pytest.raises(ApiError, match="not found"):
                await caller.call(name, query=query)
        assert ids(await caller.call("search_jobs", query="#id:j001")) == ["j001"]
        assert ids(await caller.call("search_alerts")) == ["a1"]
        assert ids(await caller.call("search_tickets", limit=5)) == ["t1"]
        assert (await caller.call("search_revision_history", type="events"))["rows"] == []
        summaries = (await caller.call("get_server_summaries"))["summaries"]
        assert summaries["os_distro"]["values"] == {"debian_12": 2}
        with pytest.raises(ApiError, match="access"):
            await caller.fetch("/api/app/bulk_search_export/v1", index="jobs", format="csv", columns="id")


async def test_answers_are_the_callers_own(client: Client) -> None:
    """search.yaml, "Where to be better": `Cache-Control: public`."""
    url = f"{client.url}/api/app/search_jobs/v1?ttl=9"
    async with client.session.get(url, headers=client._headers) as response:
        assert response.headers["Cache-Control"] == "private, max-age=9, must-revalidate"


async def test_the_other_collections(client: Client) -> None:
    snapshot = (await client.call("search_snapshots"))["rows"][0]
    assert (snapshot["data"], "quickmons" in snapshot) == ({"x": 1}, False)
    assert (await client.call("search_snapshots", verbose=1))["rows"][0]["data"]["conns"] == [1]
    ticket = (await client.call("search_tickets", query="failed disk", compact=1))["rows"][0]
    assert (ticket["id"], ticket["changes"], "body" in ticket) == ("t1", 1, False)
    with pytest.raises(ApiError, match="ticket"):
        await client.call("search_tickets", query="(x = 1)")
    servers = await client.call("search_servers", limit=5, sort_by="hostname", sort_dir=-1)
    assert ids(servers) == ["s2", "s1", "s0"]
    summary = (await client.call("get_server_summaries"))["summaries"]["os_distro"]
    assert (summary["values"], summary["labels"]["debian_12"]) == ({"alpine": 1, "debian_12": 2}, "Debian 12")
    activity = await client.call("search_activity", query="action:state_update", limit=5)
    assert activity["rows"][0]["key"] == "scheduler.enabled"
    assert activity["rows"][0]["useragent"]
    await client.call("create_tag", id="rev", title="Revised")

    async def revisions() -> list[Any]:
        found = await client.call("search_revision_history", type="tags", query="rev")
        return list(found["rows"])

    row = (await eventually(revisions, "the tag's row is written"))[0]
    assert (row["action"], row["tag"]["title"], "ip" in row) == ("tag_create", "Revised", False)
    for bad in (
        {"type": "users"},
        {"type": "tags", "query": "action:x"},
        {"type": "tags", "query": "(a = 1)"},
    ):
        with pytest.raises(ApiError, match="search"):
            await client.call("search_revision_history", **bad)


async def test_bulk_export(client: Client) -> None:
    query = {"index": "jobs", "query": "event:e1", "columns": "id,description,tags,data"}
    text = (
        await client.fetch("/api/app/bulk_search_export/v1", format="csv", sort_dir="1", **query)
    ).decode()
    lines = text.splitlines()
    assert lines[0] == '\ufeff"Job ID","Description","Tags","data"'
    assert len(lines) == 41
    assert lines[4] == '"j003","\'=1+1","_success","{""heavy"":3}"'
    packed = await client.fetch("/api/app/bulk_search_export/v1", format="ndjson", compress="1", **query)
    rows = [msgspec.json.decode(line) for line in gzip.decompress(packed).splitlines()]
    assert rows[0] == {"id": "j039", "description": "fine", "tags": ["_success"], "data": {"heavy": 39}}
    by_elapsed = await client.fetch(
        "/api/app/bulk_search_export/v1", format="tsv", sort_by="elapsed", sort_dir="1", offset="38", **query
    )
    assert [line.split("\t")[0] for line in by_elapsed.decode().splitlines()[1:]] == ["j038", "j039"]
    for bad in (
        {"format": "xls"},
        {"format": "csv", "index": "nonsense"},
        {"format": "csv", "query": "(x = 1)"},
    ):
        with pytest.raises(ApiError):
            await client.fetch("/api/app/bulk_search_export/v1", **(query | bad))


async def test_the_audit_log_is_for_administrators(client: Client) -> None:
    """search.yaml, "Where to be better": any unlimited user can export it in the original."""
    async with await limited(client) as caller:
        with pytest.raises(ApiError, match="access"):
            await caller.fetch(
                "/api/app/bulk_search_export/v1", index="activity", format="csv", columns="id,ip"
            )
        with pytest.raises(ApiError, match="access"):
            await caller.call("search_activity")


async def test_state_statistics_and_broadcasts(client: Client) -> None:
    await client.call("update_global_state", alert_snooze=5, **{"events.e1.nth": 3})
    for name in ("get_global_state", "get_master_state"):
        state = (await client.call(name))["state"]
        assert (state["alert_snooze"], state["events"]["e1"]["nth"]) == (5, 3)
    with pytest.raises(ApiError, match="Naughty"):
        await client.call("update_master_state", **{"scheduler.enabled": False, "a.__proto__.x": 1})
    assert (await client.call("get_global_state"))["state"]["scheduler"]["enabled"] is True
    assert (await client.call("dash_stats"))["stats"]["day"]["transactions"]["search"] > 0
    stats = (await client.call("admin_stats"))["stats"]
    assert stats["db"]["records"]["jobs"] == 41
    await client.call("admin_reset_daily_stats")
    history = await client.call(
        "search_stat_history", path="currentDay.transactions", key_prefix="sea", limit=5
    )
    assert history["items"][-1]["data"]["search"] > 0
    assert (await client.call("search_stat_history", offset=50, current_day=1))["items"] == []
    await client.call("admin_broadcast_message", type="info", message="<b>hello</b>")
    with pytest.raises(ApiError, match="api"):
        await client.call("admin_broadcast_message", type="loud", message="x")


async def test_internal_jobs_can_be_seen_and_aborted(client: Client) -> None:
    """internal_job.yaml, "Where to be better": the original's cannot be cancelled."""
    await client.call("test_internal_job", duration=60)
    rows = (await client.call("get_internal_jobs"))["rows"]
    [job] = [row for row in rows if row["title"] == "Test job that does nothing"]
    await client.call("abort_internal_job", id=job["id"])
    assert "Aborted" in (await ended(client, job["id"]))["details"]
    done = await ended(client, (await client.call("admin_run_maintenance"))["id"])
    assert "expired sessions" in done["details"]
    done = await ended(client, (await client.call("admin_run_optimization"))["id"])
    assert "integrity: ok" in done["details"]


async def test_nothing_is_changed_by_a_link(client: Client) -> None:
    """admin.yaml, "Where to be better": maintenance by GET with a session cookie."""
    async with Client(client.url) as browser:
        await browser.login("admin", PASSWORD)
        for name in ("admin_run_maintenance", "admin_run_optimization", "admin_reset_daily_stats"):
            with pytest.raises(ApiError, match="Unauthorized"):
                await browser.fetch(f"/api/app/{name}/v1")


async def test_settings_and_logs(client: Client, house: Station) -> None:
    await client.call("admin_update_config", ttl=11, **{"client.company": "Example"})
    found = await client.call("admin_get_config")
    assert (found["config"]["ttl"], found["overrides"]) == (11, {"ttl": 11, "client.company": "Example"})
    assert "secret_key" not in found["config"]
    public = msgspec.json.decode(await client.fetch("/api/app/config", format="json"))
    assert public["config"]["company"] == "Example"
    assert public["config"]["new_event_template"]["triggers"][0]["type"] == "manual"
    for bad in ({"secret_key": "x"}, {"ttl": "soon"}, {"database_url": "x"}):
        with pytest.raises(ApiError, match="api"):
            await client.call("admin_update_config", **bad)
    file = house.conductor.data / "overrides.json"
    assert file.stat().st_mode & 0o777 == 0o600

    async def logged() -> Any:
        return (await client.call("admin_search_logs", log="xyOps", rows=5, match="BECAME primary"))["rows"]

    row = (await eventually(logged, "the log says who is primary"))[0]
    assert (row["component"], row["pid"] > 0) == ("leadership", True)
    for bad in (
        {"rows": "5"},
        {"rows": 0},
        {"rows": 5, "match": "(", "regex": True},
        {"rows": 5, "cols": "x"},
    ):
        with pytest.raises(ApiError, match="api"):
            await client.call("admin_search_logs", log="xyOps", **bad)


async def test_a_backup_by_token_and_back(client: Client) -> None:
    async with Client(client.url) as browser:
        await browser.login("admin", PASSWORD)
        token = (await browser.call("get_transfer_token", lists="all", indexes=["jobs", "tickets"]))["token"]
    async with Client(client.url) as stranger:
        packed = await stranger.fetch("/api/app/admin_export_data/v1", token=token)
        with pytest.raises(ApiError, match="admin"):
            await stranger.fetch("/api/app/admin_export_data/v1", token=token)
    assert packed.count(b"\n") >= 0
    text = gzip.decompress(packed)
    assert text.startswith(b"# xyOps Data Export v1.0\n")
    assert text.endswith(b"# End of file\n")
    items = [{"type": "index", "index": "jobs"}, {"type": "list", "key": "global/tags"}, {"type": "nonsense"}]
    report = await ended(client, (await client.call("admin_delete_data", items=items))["id"])
    assert "jobs: 41 deleted" in report["details"]
    assert (await client.call("search_jobs"))["list"]["length"] == 0
    assert (await client.call("get_tags"))["rows"] == []
    seen = await bring(client, packed, dry_run="1")
    assert seen["stats"]["records"] == 43
    assert (await client.call("search_jobs"))["list"]["length"] == 0
    report = await bring(client, packed)
    assert report["stats"]["errors"] == 0, report["details"]
    assert (await client.call("search_jobs", query="tags:_error"))["list"]["length"] == 8
    assert "important" in ids(await client.call("get_tags"))
    assert (await client.call("get_global_state"))["state"]["scheduler"]["enabled"] is False
    await client.call("update_global_state", **{"scheduler.enabled": True})
    deleted = await client.call("bulk_search_delete_jobs", query="tags:_error")
    assert (await ended(client, deleted["id"]))["stats"]["deleted"] == 8
    assert (await client.call("search_jobs"))["list"]["length"] == 33


async def test_documentation_is_ours_and_no_path(client: Client) -> None:
    """misc.yaml: a name is never mapped onto a path; a message is never a caller's own text."""
    page = msgspec.json.decode(await client.fetch("/api/app/get_doc", doc="architecture"))
    assert "conductor" in page["text"]
    assert msgspec.json.decode(await client.fetch("/api/app/get_doc", doc="nothing"))["code"] == 1
    with pytest.raises(ApiError):
        await client.fetch("/api/app/get_doc/v1", doc="../README")
    found = msgspec.json.decode(await client.fetch("/api/app/search_docs", anchor="EPOCH"))
    assert "#Docs/architecture/" in found["text"]
    html = await client.fetch("/api/app/message", code="<script>", title="You were hacked")
    assert b"hacked" not in html
    assert b"<script>" not in html


async def test_the_page_of_a_magic_link_tells_its_form_alone(client: Client) -> None:
    await client.call(
        "create_event",
        id="formed",
        title="Formed",
        enabled=True,
        category="general",
        plugin="shellplug",
        targets=["main"],
        fields=[{"id": "who", "title": "Who", "type": "text", "value": ""}],
        triggers=[{"type": "magic", "enabled": True, "key": "open-sesame", "body": "Hello"}],
        params={"script": "#!/bin/sh\ntrue\n"},
    )
    text = (await client.fetch("/api/app/form_config/open-sesame")).decode()
    assert text.startswith("app.receiveConfig({")
    [page] = msgspec.json.decode(text.removeprefix("app.receiveConfig(").rstrip().removesuffix(");"))[
        "config"
    ]["Page"]
    assert (page["title"], page["body"], page["fields"][0]["id"]) == ("Formed", "Hello", "who")
    assert "script" not in text
    for path in ("form_config/v1/wrong", "form_config/v1"):
        with pytest.raises(ApiError):
            await client.fetch(f"/api/app/{path}")


async def test_another_conductor_asks_who_is_primary(client: Client) -> None:
    proof = hashlib.sha256(f"other{SECRET}".encode()).hexdigest()
    assert (await client.call("master_register", host="other", auth=proof))["master"] is True
    with pytest.raises(ApiError, match="auth"):
        await client.call("master_register", host="other", auth="00")


async def test_conductors_know_each_other_and_obey(tmp_path: Path) -> None:
    async with station(tmp_path) as alone, alone.client() as client:
        masters = (await client.call("get_servers"))["masters"]
        [host] = masters
        assert (masters[host]["online"], masters[host]["master"]) == (True, True)
        assert (await client.call("get_master_releases"))["releases"] == ["latest"]
        for host_id, commands in (
            (host, ["remove"]),
            (host, ["dance"]),
            ("nobody", ["stop"]),
            (host, ["upgrade"]),
        ):
            with pytest.raises(ApiError, match="master"):
                await client.call("master_command", host=host_id, commands=commands)
        before = masters[host]["date"]
        await asyncio.sleep(1.0 - time.time() % 1.0)  # its start is told in whole seconds
        await client.call("master_command", host=host, commands=["restart"])

        async def again() -> bool:
            try:
                return bool((await client.call("get_servers"))["masters"][host]["date"] > before)
            except (ApiError, OSError, aiohttp.ClientError):
                return False

        await eventually(again, "it was started again", 30.0)
