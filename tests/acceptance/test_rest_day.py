"""An operator's day over plain HTTP: everything is made, searched, saved, lost, and is there again."""

import asyncio
import gzip
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from conductor.cli.deployment import Deployment
from tests.processes import ApiError, Client, deployed, eventually

Json = dict[str, Any]

BIG = 200 * 1024**2
EXTRA = 60 * 1024**2
LISTS = ("roles", "api_keys", "secrets", "buckets", "tags", "categories", "groups", "channels", "web_hooks")
PIECE = bytes(range(256)) * 4096


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    async with deployed(tmp_path_factory.mktemp("d")) as running:
        yield running


@pytest_asyncio.fixture
async def operator(house: Deployment) -> AsyncIterator[Client]:
    """An administrator in a session: API keys come and go with what is imported."""
    async with Client(house.url) as client:
        await client.login("admin", house.password)
        yield client


async def post_form(client: Client, name: str, form: aiohttp.FormData) -> Json:
    url = f"{client.url}/api/app/{name}/v1"
    async with client.session.post(url, data=form, headers=client._headers) as response:
        answer: Json = msgspec.json.decode(await response.read())
    assert answer["code"] == 0, answer
    return answer


async def ended(client: Client, job_id: str) -> Json:
    """The last words of an internal job."""

    async def look() -> Json:
        found = await client.call("search_activity", query=f"keywords:{job_id}")
        return next((row["job"] for row in found["rows"] if row["action"] == "internal_job"), {})

    return await eventually(look, "the internal job ends", 60)


def memory(house: Deployment, field: str) -> int:
    """Bytes, as the kernel counts them for the conductor."""
    status = Path(f"/proc/{house.conductor.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


async def big_file() -> AsyncIterator[bytes]:
    for _ in range(BIG // len(PIECE)):
        yield PIECE


def form_of(part: Any, name: str, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(fields)
    form.add_field("file1", part, filename=name, content_type="application/octet-stream")
    return form


async def whole(client: Client) -> Json:
    """Everything that an operator can see of the house, but for its log and its clocks."""
    seen: Json = {name: (await client.call(f"get_{name}"))["rows"] for name in LISTS}
    seen["events"] = (await client.call("get_events"))["rows"]
    async with client.session.get(
        f"{client.url}/api/user/admin_get_users", headers=client._headers
    ) as response:
        users = msgspec.json.decode(await response.read())["rows"]
    seen["users"] = {user["username"]: user for user in users}
    seen["users"]["admin"] = {"kept": True}
    seen["values"] = {
        secret["id"]: (await client.call("decrypt_secret", id=secret["id"]))["fields"]
        for secret in seen["secrets"]
    }
    seen["contents"] = {}
    for bucket in seen["buckets"]:
        found = await client.call("get_bucket", id=bucket["id"])
        files = {file["path"]: await client.fetch(f"/{file['path']}") for file in found["files"]}
        seen["contents"][bucket["id"]] = (found["data"], found["files"], files)
    tickets = (await client.call("search_tickets", limit=100, sort_by="_id"))["rows"]
    seen["tickets"] = [(await client.call("get_ticket", id=row["id"]))["ticket"] for row in tickets]
    jobs = (await client.call("search_jobs", limit=100, verbose=1))["rows"]
    seen["jobs"] = jobs
    seen["logs"] = {job["id"]: await client.fetch("/api/app/get_job_log/v1", id=job["id"]) for job in jobs}
    state = (await client.call("get_global_state"))["state"]
    seen["state"] = {key: state.get(key) for key in ("watched", "tickets", "ours")}
    return seen


async def test_rest_a_day_and_its_backup(house: Deployment, operator: Client) -> None:
    """users, roles, keys, secrets, buckets, tickets, search, export, wipe, import: all as before."""
    client = operator
    await client.call(
        "create_role", id="watch", title="Watch", privileges={"create_tickets": True, "edit_tickets": True}
    )
    await client.call(
        "create_user",
        username="ann",
        email="ann@example.org",
        full_name="Ann",
        password="a long password",
        roles=["watch"],
        privileges={"create_events": True},
    )
    async with Client(house.url) as ann:
        await ann.login("ann", "a long password")
        await ann.call("create_ticket", subject="Disk is filling", body="On **db1**", assignees=["ann"])
        with pytest.raises(ApiError, match="access"):
            await ann.call("create_secret", title="no", fields=[{"name": "A", "value": "b"}])
    key = await client.call("create_api_key", title="Reader", privileges={"create_tickets": True})
    for name, fields in (
        ("category", {"id": "ops", "title": "Ops", "color": "blue"}),
        ("group", {"id": "east", "title": "East", "hostname_match": "^e"}),
        ("tag", {"id": "urgent", "title": "Urgent"}),
        ("channel", {"id": "pager", "title": "Pager", "users": ["ann"]}),
        ("web_hook", {"id": "chat", "title": "Chat", "url": "https://example.org/x", "method": "POST"}),
        ("bucket", {"id": "store", "title": "Store"}),
        ("bucket", {"id": "void", "title": "Empty"}),
    ):
        await client.call(f"create_{name}", **fields)
    for number in range(3):
        await client.call(
            "create_secret", title=f"S{number}", fields=[{"name": "T", "value": f"geheim-{number}-é"}]
        )
    await client.call("write_bucket_data", id="store", data={"a": [1, None, {"b": "ü"}], "n": 1.5})
    await post_form(client, "upload_bucket_files", form_of(b"small \x00 bytes", "Small.BIN", id="store"))
    await client.call(
        "create_event",
        id="nightly",
        title="Nightly",
        enabled=True,
        category="ops",
        targets=["main"],
        plugin="shellplug",
        params={"script": "#!/bin/sh\necho did it"},
        triggers=[{"type": "manual", "enabled": True}],
    )
    answer = await client.call("run_event/v1/wait", id="nightly", tags=["urgent"])
    assert answer["job"]["code"] == 0
    ticket = (await client.call("search_tickets", query="disk"))["rows"][0]
    await client.call("add_ticket_change", id=ticket["id"], change={"type": "comment", "body": "Looking"})
    await client.call("update_ticket", id=ticket["id"], status="closed")
    assert (await client.call("search_jobs", query="tags:urgent event:nightly"))["list"]["length"] == 1
    statistics = (await client.call("dash_stats"))["stats"]["day"]["transactions"]
    assert (statistics["ticket_close"], statistics["job_success"]) == (1, 1)

    before = await whole(client)
    assert len(before["jobs"]) == 1
    assert len(before["tickets"]) == 1
    asked = {
        "lists": "all",
        "indexes": ["jobs", "tickets", "servers", "alerts", "snapshots"],
        "extras": "all",
    }
    token = (await client.call("get_transfer_token", **asked))["token"]
    packed = await client.fetch("/api/app/admin_export_data/v1", token=token)
    text = gzip.decompress(packed)
    assert text.endswith(b"# End of file\n")
    assert b"geheim" not in text

    items: list[Json] = [{"type": "list", "key": f"global/{name}"} for name in (*LISTS, "events")]
    items += [{"type": "index", "index": name} for name in ("jobs", "tickets")]
    items += [{"type": name} for name in ("users", "bucketData", "bucketFiles", "secretData", "state")]
    report = await ended(client, (await client.call("admin_delete_data", items=items))["id"])
    empty = await whole(client)
    assert [empty[name] for name in (*LISTS, "events", "jobs", "tickets")] == [[]] * 12, report
    assert list(empty["users"]) == ["admin"]
    with pytest.raises(ApiError):
        await client.fetch("/" + before["contents"]["store"][1][0]["path"])
    async with Client(house.url, key["plain_key"]) as reader:
        with pytest.raises(ApiError):
            await reader.call("get_tags")

    answer = await post_form(client, "admin_import_data", form_of(packed, "export.txt.gz"))
    report = await ended(client, answer["id"])
    assert report["stats"]["errors"] == 0, report
    after = await whole(client)
    assert after == before
    async with Client(house.url, key["plain_key"]) as reader:
        await reader.call("get_tags")
    async with Client(house.url) as ann:
        await ann.login("ann", "a long password")
    made = await client.call("create_ticket", subject="The next one")
    assert made["ticket"]["num"] > ticket["num"]


async def test_rest_200_mb_in_and_out_of_a_bucket(house: Deployment, operator: Client) -> None:
    """Neither an upload nor a download is ever in memory: at most 60 MB more than before."""
    await operator.call("create_bucket", id="big", title="Big")
    await operator.call("search_jobs")
    Path(f"/proc/{house.conductor.pid}/clear_refs").write_text("5")  # the highest mark begins anew
    rest = memory(house, "VmRSS")
    answer = await post_form(operator, "upload_bucket_files", form_of(big_file(), "big.bin", id="big"))
    file = answer["files"][0]
    assert file["size"] == BIG
    found, expected = hashlib.sha256(), hashlib.sha256(PIECE * (BIG // len(PIECE)))
    async with operator.session.get(f"{operator.url}/{file['path']}", headers=operator._headers) as response:
        assert response.status == 200
        async for chunk in response.content.iter_chunked(1024**2):
            found.update(chunk)
    assert found.digest() == expected.digest()
    async with operator.session.get(
        f"{operator.url}/{file['path']}", headers={**operator._headers, "Range": f"bytes={BIG - 4}-"}
    ) as response:
        assert (response.status, await response.read()) == (206, PIECE[-4:])
    assert memory(house, "VmHWM") - rest < EXTRA
    await operator.call("delete_bucket", id="big")


async def test_rest_an_upload_cut_off_half_way_leaves_nothing(house: Deployment, operator: Client) -> None:
    await operator.call("create_bucket", id="cut", title="Cut")
    kept = house.conductor.data
    before = sorted(file for file in (kept / "files").rglob("*") if file.is_file())
    _, writer = await asyncio.open_connection("127.0.0.1", house.conductor.port)
    head = (
        "POST /api/app/upload_bucket_files/v1?id=cut HTTP/1.1\r\nHost: localhost\r\n"
        f"X-API-Key: {house.api_key}\r\n"
        "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 10000000\r\n\r\n"
        '--XX\r\nContent-Disposition: form-data; name="file1"; filename="half.bin"\r\n\r\n'
    )
    writer.write(head.encode() + PIECE * 4)
    await writer.drain()

    async def arriving() -> bool:
        return any(
            file.stat().st_size > len(PIECE) for file in (kept / "uploads").rglob("*") if file.is_file()
        )

    await eventually(arriving, "the first half has arrived")
    writer.close()
    await writer.wait_closed()

    async def gone() -> bool:
        return not [file for file in (kept / "uploads").rglob("*") if file.is_file()]

    await eventually(gone, "nothing is left of it")
    assert sorted(file for file in (kept / "files").rglob("*") if file.is_file()) == before
    assert (await operator.call("get_bucket", id="cut"))["files"] == []


async def test_rest_two_writers_lose_no_update(operator: Client) -> None:
    """Of one definition, one bucket, one ticket, one state: what many write at once is all there."""
    await operator.call("create_bucket", id="many", title="Many")
    await operator.call("create_tag", id="both", title="Both")
    ticket = (await operator.call("create_ticket", subject="Contended"))["ticket"]
    revision = (await operator.call("get_tag", id="both"))["tag"]["revision"]
    count = 20
    async with asyncio.TaskGroup() as writers:
        for number in range(count):
            change = {"type": "comment", "body": f"c{number}"}
            writers.create_task(operator.call("write_bucket_data", id="many", data={f"k{number}": number}))
            writers.create_task(operator.call("update_tag", id="both", **{f"own{number}": number}))
            writers.create_task(operator.call("add_ticket_change", id=ticket["id"], change=change))
            writers.create_task(operator.call("update_global_state", **{f"ours.n{number}": number}))
    data = (await operator.call("get_bucket", id="many"))["data"]
    assert data == {f"k{number}": number for number in range(count)}
    tag = (await operator.call("get_tag", id="both"))["tag"]
    assert tag["revision"] == revision + count
    assert {tag[f"own{number}"] for number in range(count)} == set(range(count))
    comments = (await operator.call("get_ticket", id=ticket["id"]))["ticket"]["changes"]
    assert {f"c{number}" for number in range(count)} <= {change.get("body") for change in comments}
    state = (await operator.call("get_global_state"))["state"]["ours"]
    assert state == {f"n{number}": number for number in range(count)}


async def test_rest_a_new_secret_key_while_the_house_runs(house: Deployment, operator: Client) -> None:
    """For the password of one's own account alone; sessions, secrets and satellites go on."""
    fields = [{"name": "TOKEN", "value": "horse-battery"}]
    secret = (await operator.call("create_secret", title="Kept", fields=fields))["secret"]
    before = (house.conductor.data / "secret_key").read_text()
    async with Client(house.url, house.api_key) as robot:
        with pytest.raises(ApiError, match="password"):
            await robot.call("admin_rotate_secret_key", password=house.password)
    with pytest.raises(ApiError, match="password"):
        await operator.call("admin_rotate_secret_key", password="wrong")
    answer = await operator.call("admin_rotate_secret_key", password=house.password)
    report = await ended(operator, answer["id"])
    assert report["stats"]["servers"] == 1, report
    assert (house.conductor.data / "secret_key").read_text() != before
    await operator.call("update_global_state", **{"scheduler.enabled": True})
    assert (await operator.call("decrypt_secret", id=secret["id"]))["fields"] == fields
    await house.satellite.stop()
    house.satellite.start()
    await eventually(lambda: online(operator), "the satellite joins with its new token")
    assert os.path.exists(house.conductor.data / "secret_key")


async def online(operator: Client) -> bool:
    return bool((await operator.call("get_active_servers"))["rows"])


async def test_rest_admin_yaml_who_is_away_while_the_key_changes_comes_back(
    house: Deployment, operator: Client
) -> None:
    """Offline agents lose access after rotation; links break (jobs.yaml). Here two keys are good for a while."""
    event = await operator.call(
        "create_event",
        title="Linked",
        enabled=True,
        category="general",
        plugin="shellplug",
        targets=["main"],
        triggers=[{"type": "manual", "enabled": True}],
        params={"script": "echo linked"},
    )
    run = await operator.call("run_event/v1/wait", id=event["event"]["id"])
    job_id = run["job"]["id"]
    link = f"{house.url}/api/app/view_job_log/v1?id={job_id}"
    link += f"&t={(await operator.call('get_job', id=job_id))['token']}"
    await house.satellite.stop()

    async def gone() -> bool:
        return not await online(operator)

    await eventually(gone, "the satellite is away")
    answer = await operator.call("admin_rotate_secret_key", password=house.password)
    assert (await ended(operator, answer["id"]))["stats"]["servers"] == 0
    async with operator.session.get(link) as response:
        assert "linked" in await response.text()
    house.satellite.start()
    await eventually(lambda: online(operator), "the satellite joins under its old key")
    answer = await operator.call("admin_rotate_secret_key", password=house.password, grace=0)
    assert (await ended(operator, answer["id"]))["stats"]["servers"] == 1
    async with operator.session.get(link) as response:
        assert response.status == 200, "the key before the last one is still good"
    await operator.call("update_global_state", **{"scheduler.enabled": True})
