"""Files as users and satellites see them: real processes, plain HTTP (contract api/files.yaml)."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.acceptance.agent import BASE, SECRET, Station
from tests.acceptance.jobs import create_event, finished, start
from tests.processes import ApiError, Client, Deployment, eventually

MEGABYTE = 1024**2


async def upload(
    client: Client, name: str, files: dict[str, tuple[str, bytes]], **fields: str
) -> dict[str, Any]:
    """POST a multipart form as an administrator; `files` are (name, content) by field."""
    form = aiohttp.FormData(quote_fields=False)
    for key, value in fields.items():
        form.add_field(key, value)
    for field, (filename, content) in files.items():
        form.add_field(field, io.BytesIO(content), filename=filename)
    async with client.session.post(
        f"{client.url}/api/app/{name}/v1", data=form, headers=client._headers
    ) as response:
        return dict(await response.json())


async def get(url: str, path: str) -> tuple[int, bytes]:
    """Without any credentials, as satellites fetch."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/{path}") as response:
        return response.status, await response.read()


@pytest.mark.asyncio(loop_scope="function")
async def test_a_job_with_input_files_and_output_globs_runs_through_a_satellite(
    deployment: Deployment, client: Client
) -> None:
    big = os.urandom(3 * MEGABYTE)
    uploaded = await upload(
        client, "upload_job_input_files", {"a": ("Große Datei.BIN", big), "b": ("list.txt", b"one\ntwo\n")}
    )
    assert [file["filename"] for file in uploaded["files"]] == ["Gro_e Datei.BIN", "list.txt"]

    event = await create_event(
        client,
        'mkdir out; cp "Gro_e Datei.BIN" out/copy.bin; wc -l < list.txt > out/lines.txt; : > out/empty.txt\n'
        'echo ignored > out/not.me; grep -c path "$0" || true\n'
        'echo \'{"xy":1,"files":["out/*.txt",["out/copy.bin","Copy of it.bin"]]}\'\n'
        'echo \'{"xy":1,"code":0,"push":{"files":["gone*","out/missing.txt"]}}\'',
    )
    job_id = (await client.call("run_event", id=event, input={"files": uploaded["files"]}))["id"]
    job = await finished(client, job_id)

    assert job["code"] == 0, job
    assert {file["filename"]: file["size"] for file in job["files"]} == {
        "Copy of it.bin": len(big), "empty.txt": 0, "lines.txt": 2
    }  # fmt: skip
    assert "_files" in job["tags"]
    assert all(file["server"] == deployment.server_id and file["job"] == job_id for file in job["files"])
    texts = [row["msg"] for row in job["activity"]]
    assert "Downloading file: Gro_e Datei.BIN (3.0 MB)" in texts
    assert "Uploading file: Copy of it.bin" in texts

    paths = {file["filename"]: file["path"] for file in job["files"]}
    assert await get(client.url, paths["Copy of it.bin"]) == (200, big)
    assert await get(client.url, paths["lines.txt"]) == (200, b"2\n")

    await client.call("delete_job", id=job_id)
    for path in [*paths.values(), *(file["path"] for file in uploaded["files"])]:
        assert (await get(client.url, path))[0] == 404


async def test_the_plugin_reads_of_its_files_what_is_on_its_disk_and_no_path(client: Client) -> None:
    uploaded = await upload(client, "upload_job_input_files", {"a": ("in.txt", b"x")})
    event = await create_event(
        client, """grep -o '"filename":"[^"]*"' > names; cat names; grep -c files/ names"""
    )
    job_id = (await client.call("run_event", id=event, input={"files": uploaded["files"]}))["id"]
    job = await finished(client, job_id)
    assert job["output"] == '"filename":"in.txt"\n0\n'


async def test_an_input_that_is_gone_ends_the_job_with_a_set_up_error(client: Client) -> None:
    event = await create_event(client, "echo never")
    missing = {"filename": "a.txt", "path": f"files/admin/{'x' * 43}/a.txt"}
    job_id = (await client.call("run_event", id=event, input={"files": [missing]}))["id"]
    job = await finished(client, job_id)
    assert job["code"] == 1
    assert job["description"].startswith("Setup Error: Error: Failed to download job file: a.txt: HTTP 404")


async def test_what_a_plugin_writes_into_job_log_is_kept_as_a_file(client: Client) -> None:
    job = await finished(client, await start(client, 'echo structured > "$JOB_LOG"'))
    (file,) = job["files"]
    assert file["filename"] == f"job-{job['id']}.log"
    assert await get(client.url, file["path"]) == (200, b"structured\n")


async def test_an_output_that_cannot_be_sent_is_a_warning_and_the_result_stands(client: Client) -> None:
    """satellite_agent.md, "Where to be better" 9: one failed upload fails the whole job in the original."""
    job = await finished(
        client,
        await start(
            client,
            'mkdir d; mkfifo pipe\necho \'{"xy":1,"files":[["pipe","p.txt"],"d",{"nonsense":1},5]}\'\n'
            'echo \'{"xy":1,"code":0,"description":"Fine"}\'',
        ),
    )
    assert (job["code"], job["description"]) == (0, "Fine")
    texts = [row["msg"] for row in job["activity"]]
    assert "WARNING: Output file does not exist: pipe" in texts
    assert "WARNING: Invalid output file: 5" in texts
    assert "files" not in job


async def test_an_unmodified_agent_fetches_and_uploads(alone: Station, admin: Client) -> None:
    uploaded = await upload(admin, "upload_job_input_files", {"f": ("forest.zip", b"trees")})
    async with alone.agent(BASE) as agent:
        await agent.join(initial={"groups": ["main"]}, groups=["main"])
        event = await create_event(admin, "true", targets=[agent.id])
        job_id = (await admin.call("run_event", id=event, input={"files": uploaded["files"]}))["id"]
        launch = await agent.launched(job_id)
        (given,) = launch["details"]["input"]["files"]
        assert given["filename"] == "forest.zip"
        assert await get(admin.url, given["path"]) == (200, b"trees")
        # While it runs it repeats what the plugin asked for: names, which are no files yet.
        await agent.update(job_id, files=["out/*.txt"])

        stored = await raw_upload(agent.url, "file1", b"", id=job_id, auth=agent.token, server=agent.id)
        assert stored["code"] == 0
        assert stored["size"] == 0  # zero bytes are no mistake
        assert stored["key"].startswith(f"files/jobs/{job_id}/")
        file = {
            "id": "fmh2lc01", "date": 1761051720, "filename": "out.txt", "path": stored["key"], "size": 0,
            "server": agent.id, "job": job_id,
        }  # fmt: skip
        stolen = {**file, "path": given["path"]}
        await agent.finish(job_id, files=[file, stolen, "out/*.txt"])
        job = await finished(admin, job_id)
        assert job["files"] == [file]

        refused = await raw_upload(agent.url, "file1", b"x", id=job_id, auth="0" * 64, server=agent.id)
        assert refused["code"] == "auth"
    offline = await raw_upload(
        alone.conductor.url, "file1", b"x", id=job_id, auth=agent.token, server=agent.id
    )
    assert offline["code"] == "auth"


async def raw_upload(url: str, field: str, content: bytes, **fields: str) -> dict[str, Any]:
    """As an agent of the original does: the URL without a version."""
    form = aiohttp.FormData()
    for key, value in fields.items():
        form.add_field(key, value)
    form.add_field(field, content, filename="Out.TXT")
    address = f"{url}/api/app/upload_job_file"
    async with aiohttp.ClientSession() as session, session.post(address, data=form) as response:
        assert response.status == 200
        return dict(await response.json())


async def test_a_large_file_passes_in_little_memory(alone: Station, admin: Client) -> None:
    """200 MB up and down; the conductor may take 60 MB more for it. (The original stages whole files.)"""
    assert alone.conductor.pid is not None
    process = psutil.Process(alone.conductor.pid)
    await upload(admin, "upload_files", {"a": ("warm.bin", b"x" * MEGABYTE)})
    before = process.memory_info().rss
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the peak starts anew
    block = os.urandom(MEGABYTE)
    digest = hashlib.sha256()

    async def content() -> AsyncIterator[bytes]:
        for _ in range(200):
            digest.update(block)
            yield block

    form = aiohttp.FormData()
    form.add_field("a", content(), filename="large.bin")
    async with admin.session.post(
        f"{admin.url}/api/app/upload_files/v1", data=form, headers=admin._headers
    ) as response:
        (url,) = (await response.json())["urls"]
    received = hashlib.sha256()
    async with admin.session.get(f"{admin.url}/files/{url.partition('/files/')[2]}") as response:
        assert response.content_length == 200 * MEGABYTE
        async for chunk in response.content.iter_any():
            received.update(chunk)
    assert received.digest() == digest.digest()
    assert peak(process.pid) - before < 60 * MEGABYTE


def peak(pid: int) -> int:
    """Bytes of the largest resident size since it was reset."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


async def test_an_upload_that_is_cut_off_leaves_nothing(alone: Station, admin: Client) -> None:
    uploads = alone.conductor.data / "uploads"
    before = stored(alone.conductor.data / "files")
    _, writer = await asyncio.open_connection("127.0.0.1", alone.conductor.port)
    writer.write(
        b"POST /api/app/upload_files/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
        b"X-API-Key: " + alone.api_key.encode() + b"\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="half.bin"\r\n\r\n' + b"x" * 1_000_000
    )
    await writer.drain()

    async def has(count: int) -> bool:
        return len(list(uploads.iterdir())) == count

    await eventually(lambda: has(1), "the upload is under way")
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()
    await eventually(lambda: has(0), "its temporary file is gone")
    assert stored(alone.conductor.data / "files") == before


def stored(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


async def test_a_secret_of_the_cluster_signs_no_paths_by_itself(alone: Station, admin: Client) -> None:
    answer = await upload(admin, "upload_files", {"a": ("page.html", b"<script>")})
    path = "files/" + answer["urls"][0].partition("/files/")[2]
    signed = await admin.call("get_signed_url", path=path)
    assert SECRET not in signed["url"]
    assert await get(admin.url, "files/" + signed["url"].partition("/files/")[2]) == (200, b"<script>")


async def test_one_file_of_a_job_can_be_deleted(client: Client) -> None:
    job = await finished(
        client, await start(client, 'echo a > a; echo b > b; echo \'{"xy":1,"files":["a","b"],"code":0}\'')
    )
    first, second = job["files"]
    for wrong, code in (
        ({"id": job["id"], "path": "files/jobs/other/x.txt"}, "job"),
        ({"id": "jnosuch", "path": first["path"]}, "job"),
        ({"id": job["id"]}, "api"),
    ):
        with pytest.raises(ApiError) as refused:
            await client.call("delete_job_file", **wrong)
        assert refused.value.code == code
    await client.call("delete_job_file", id=job["id"], path=first["path"])
    assert (await get(client.url, first["path"]))[0] == 404
    assert (await get(client.url, second["path"])) == (200, b"b\n")
    assert (await client.call("get_job", id=job["id"]))["job"]["files"] == [second]
    key = (await client.call("create_api_key", title="weak", active=1, privileges={"run_jobs": True}))[
        "plain_key"
    ]
    async with Client(client.url, key) as weak:
        with pytest.raises(ApiError) as denied:
            await weak.call("delete_job_file", id=job["id"], path=second["path"])
    assert denied.value.code == "access"
