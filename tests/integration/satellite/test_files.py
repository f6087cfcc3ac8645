"""A job's files in and out, with a conductor that fails in every way (contract satellite_protocol.md §5.4)."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.integration.satellite.conductor_peer import TOKEN, Peer
from tests.integration.satellite.conftest import Satellite

CONTENT = os.urandom(900_000)
UPLOAD = "/api/app/upload_job_file"


@pytest.fixture(params=["opsorbit.v1", "base"])
def conductor(request: pytest.FixtureRequest) -> Peer:
    """A conductor of either protocol."""
    peer: Peer = request.getfixturevalue("peer" if request.param == "opsorbit.v1" else "base_peer")
    return peer


class Store:
    """The conductor's side of files."""

    def __init__(self, peer: Peer) -> None:
        self.asked: list[dict[str, str]] = []
        self.uploads: list[tuple[dict[str, str], str, bytes]] = []
        self.trouble: list[Callable[[], web.Response | None]] = []
        """What the next calls meet."""
        peer.routes["/files/"] = self.give
        peer.routes[UPLOAD] = self.take

    async def give(self, request: web.BaseRequest) -> web.StreamResponse:
        """The content, torn off after half of it at the first time."""
        self.asked.append(dict(request.headers))
        start = 0
        if wanted := request.headers.get("Range"):
            assert request.headers["If-Range"] == '"v1"'
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        response = web.StreamResponse(status=206 if start else 200, headers={"ETag": '"v1"'})
        response.content_length = len(CONTENT) - start
        await response.prepare(request)
        if start:
            await response.write(CONTENT[start:])
        else:
            await response.write(CONTENT[: len(CONTENT) // 2])
            assert request.transport is not None
            request.transport.close()
        return response

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        fields: dict[str, str] = {}
        name, content = "", b""
        async for part in aiohttp.MultipartReader(request.headers, request.content):
            assert isinstance(part, aiohttp.BodyPartReader)
            if part.filename is None:
                fields[part.name or ""] = await part.text()
            else:
                assert part.name == "file1"
                name, content = part.filename, bytes(await part.read())
        if self.trouble and (response := self.trouble.pop(0)()):
            return response
        self.uploads.append((fields, name, content))
        key = f"files/jobs/{fields['id']}/{'R' * 43}/{name.lower()}"
        return web.json_response({"code": 0, "key": key, "size": len(content)})


def inputs(**more: Any) -> dict[str, Any]:
    file = {"id": "f1", "filename": "in.bin", "path": "files/ann/R/in.bin", "size": len(CONTENT), **more}
    return {"input": {"data": {}, "files": [file]}}


async def launched(satellite: Satellite, conductor: Peer, script: str, **changes: Any) -> str:
    satellite.configure(conductor.port)
    await satellite.start()
    await conductor.joined()
    return await conductor.launch(f"#!/bin/sh\n{script}\n", **changes)


async def result(conductor: Peer, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = await conductor.result(job_id)
    return job


async def test_a_torn_download_is_resumed(satellite: Satellite, conductor: Peer) -> None:
    store = Store(conductor)
    digest = hashlib.sha256(CONTENT).hexdigest()
    job_id = await launched(satellite, conductor, "sha256sum in.bin", details=inputs(sha256=digest))
    job = await result(conductor, job_id)
    assert job["code"] == 0, job
    assert digest in conductor.logs[job_id].decode()
    assert len(store.asked) == 2
    assert int(store.asked[1]["Range"][6:-1]) > 0
    assert "Downloading file: in.bin (878.9 KB)" in conductor.meta(job_id)


async def test_what_did_not_arrive_as_it_was_sent_never_starts(satellite: Satellite, conductor: Peer) -> None:
    """satellite_agent.md, "Where to be better" 9: resume, verify a hash."""
    Store(conductor)
    job_id = await launched(satellite, conductor, "echo never", details=inputs(sha256="0" * 64))
    job = await result(conductor, job_id)
    assert (job["code"], job["pid"]) == (1, 0)
    assert job["description"].startswith("Setup Error: Error: Failed to download job file: in.bin: ")


async def test_a_download_can_be_aborted(satellite: Satellite, conductor: Peer) -> None:
    """satellite_agent.md §5.1: during downloads the job is not yet registered: no ticks, aborts are lost."""

    async def never(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": "60"})

    conductor.routes["/files/"] = never
    job_id = await launched(satellite, conductor, "echo never", details=inputs())
    await conductor.until(lambda: conductor.meta(job_id))
    await conductor.send("abort_job", {"id": job_id, "reason": "Enough", "attempt": 1})
    job = await result(conductor, job_id)
    assert (job["code"], job["description"]) == ("abort", "Enough")


async def test_outputs_pass_through_trouble(satellite: Satellite, conductor: Peer) -> None:
    store = Store(conductor)
    store.trouble = [
        lambda: web.Response(status=503),
        lambda: web.Response(status=429, headers={"Retry-After": "0"}),
        lambda: web.json_response({"code": "auth", "description": "Authentication failure"}),
    ]
    script = """mkdir out; printf one > 'out/A b.TXT'; : > out/empty.txt; printf three > /tmp/$JOB_ID.x
echo '{"xy":1,"files":["out/*"]}'
echo '{"xy":1,"push":{"files":[["/tmp/'$JOB_ID'.x","three.txt",true]]},"code":3,"description":"Done"}'"""
    job_id = await launched(satellite, conductor, script)
    job = await result(conductor, job_id)
    assert [(name, content) for _, name, content in store.uploads] == [
        ("A b.TXT", b"one"), ("empty.txt", b""), ("three.txt", b"three")
    ]  # fmt: skip
    assert all(fields == {"id": job_id, "auth": TOKEN, "server": "s1"} for fields, _, _ in store.uploads)
    assert (job["code"], job["description"]) == (3, "Done")
    assert [(file["filename"], file["size"], file["server"], file["job"]) for file in job["files"]] == [
        ("A b.TXT", 3, "s1", job_id), ("empty.txt", 0, "s1", job_id), ("three.txt", 5, "s1", job_id)
    ]  # fmt: skip
    assert job["files"][0]["path"].endswith("/a b.txt")
    assert not Path(f"/tmp/{job_id}.x").exists()  # it asked for its deletion
    assert "Uploading file: A b.TXT" in conductor.meta(job_id)


async def test_an_upload_that_is_refused_costs_one_file_and_not_the_result(
    satellite: Satellite, conductor: Peer
) -> None:
    """satellite_agent.md §5.10: the original replaces the job's result by the failed upload."""
    store = Store(conductor)
    store.trouble = [lambda: web.json_response({"code": "job", "description": "File is too large"})]
    script = """: > a; printf b > b; echo '{"xy":1,"files":["?"],"code":0,"description":"Fine"}'"""
    job_id = await launched(satellite, conductor, script)
    job = await result(conductor, job_id)
    assert (job["code"], job["description"]) == (0, "Fine")
    assert [file["filename"] for file in job["files"]] == ["b"]
    assert "WARNING: Failed to upload job file: a: File is too large" in conductor.meta(job_id)


async def test_a_satellite_that_dies_while_it_uploads_goes_on_with_the_next_file(
    satellite: Satellite, conductor: Peer
) -> None:
    store = Store(conductor)
    stalled: list[str] = []

    def stall() -> web.Response | None:
        stalled.append("b")
        return web.Response(status=503, headers={"Retry-After": "60"})

    store.trouble = [lambda: None, stall]
    script = """printf a > a; printf b > b; echo '{"xy":1,"files":["a","b"],"code":0}'"""
    job_id = await launched(satellite, conductor, script)
    await conductor.until_later(lambda: stalled)
    await satellite.kill()
    await satellite.start()
    job = await result(conductor, job_id)
    assert [file["filename"] for file in job["files"]] == ["a", "b"]
    assert [name for _, name, _ in store.uploads] == ["a", "b"]  # the first one was not sent again


async def test_links_to_what_a_jobs_user_may_not_read_are_not_followed(
    satellite: Satellite, conductor: Peer
) -> None:
    """A satellite that runs as root must not upload for a job what its user cannot read."""
    if os.getuid() != 0:
        pytest.skip("only root runs jobs as other users")
    store = Store(conductor)
    secret = satellite.data / "secret"
    script = f"""ln -s {secret} link.txt; printf mine > own.txt; ls -l in.bin | cut -d' ' -f3
echo '{{"xy":1,"files":["*.txt"],"code":0}}'"""
    satellite.data.mkdir()
    secret.write_text("root's")
    secret.chmod(0o600)
    for folder in satellite.data.parents:
        if folder.stat().st_uid == 0 and folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    job_id = await launched(satellite, conductor, script, uid="nobody", details=inputs())
    job = await result(conductor, job_id)
    assert [file["filename"] for file in job["files"]] == ["own.txt"]
    assert all(b"root" not in content for _, _, content in store.uploads)
    assert "nobody" in conductor.logs[job_id].decode()
    assert any("link.txt" in text and "WARNING" in text for text in conductor.meta(job_id))
