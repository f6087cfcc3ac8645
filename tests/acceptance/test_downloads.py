"""Downloads over HTTP: ranges, conditions, doors (contract api/files.yaml, RFC 9110)."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from shared.protocol import tokens
from tests.acceptance.agent import PASSWORD, SECRET, Station, station
from tests.acceptance.jobs import create_event, finished, start
from tests.acceptance.test_files import upload
from tests.processes import ApiError, Client, Deployment, deployed, eventually

BODY = bytes(range(256)) * 4


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(url: str, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request with the path as it stands, and without credentials but for what `headers` bring."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(10):
        raw = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    fields = {key.lower(): value for key, _, value in (line.partition(": ") for line in rest)}
    return Answer(int(first.split()[1]), fields, body)


@pytest_asyncio.fixture
async def path(admin: Client) -> str:
    """The URL path of a file of 1024 bytes."""
    answer = await upload(admin, "upload_files", {"a": ("Data.bin", BODY)})
    return "/files/" + answer["urls"][0].partition("/files/")[2]


async def test_a_whole_file(admin: Client, path: str) -> None:
    answer = await ask(admin.url, path)
    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == "1024"
    assert answer.headers["cache-control"] == "public, max-age=0"
    assert answer.headers["etag"].startswith('"1024-')
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "content-disposition" not in answer.headers
    head = await ask(admin.url, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    skipped = ("date",)
    assert {k: v for k, v in head.headers.items() if k not in skipped} == {
        k: v for k, v in answer.headers.items() if k not in skipped
    }


async def test_the_other_spelling_of_the_url(admin: Client, path: str) -> None:
    relative = path.removeprefix("/files/")
    assert (await ask(admin.url, f"/api/app/file/v1?path={relative}")).body == BODY
    assert (await ask(admin.url, f"/api/app/file?path={relative}")).body == BODY
    assert (await ask(admin.url, "/api/app/file/v1")).status == 400
    assert (await ask(admin.url, "/files/")).status == 400
    assert (await ask(admin.url, f"/files/nobody/x.txt?path={relative}")).body == BODY  # it takes precedence


@pytest.mark.parametrize(
    ("wanted", "part", "shown"),
    [
        ("bytes=0-9", BODY[:10], "bytes 0-9/1024"),
        ("bytes=1000-", BODY[1000:], "bytes 1000-1023/1024"),
        ("bytes=-24", BODY[1000:], "bytes 1000-1023/1024"),
        ("bytes=1020-4000", BODY[1020:], "bytes 1020-1023/1024"),
    ],
)
async def test_ranges(admin: Client, path: str, wanted: str, part: bytes, shown: str) -> None:
    answer = await ask(admin.url, path, Range=wanted)
    assert (answer.status, answer.body) == (206, part)
    assert answer.headers["content-range"] == shown
    assert answer.headers["content-length"] == str(len(part))


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=5-2", "bytes=a-b", "bytes=0-1,4-5"])
async def test_ranges_that_are_none(admin: Client, path: str, wanted: str) -> None:
    answer = await ask(admin.url, path, Range=wanted)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["content-range"] == "bytes */1024"


async def test_conditions(admin: Client, path: str) -> None:
    first = await ask(admin.url, path)
    tag, date = first.headers["etag"], first.headers["last-modified"]
    for headers in (
        {"If_None_Match": tag},
        {"If_Modified_Since": date},
        {"If_None_Match": tag, "Range": "bytes=0-1"},
    ):
        answer = await ask(admin.url, path, **headers)
        assert (answer.status, answer.body) == (304, b"")
    assert (await ask(admin.url, path, If_None_Match='"x"', If_Modified_Since=date)).status == 200
    resumed = await ask(admin.url, path, Range="bytes=1000-", If_Range=tag)
    assert (resumed.status, resumed.body) == (206, BODY[1000:])
    changed = await ask(admin.url, path, Range="bytes=1000-", If_Range='"older"')
    assert (changed.status, changed.body) == (200, BODY)


async def test_download_names(admin: Client, path: str) -> None:
    assert (await ask(admin.url, f"{path}?download=1")).headers["content-disposition"] == (
        'attachment; filename="Data.bin"'
    )
    named = await ask(admin.url, f"{path}?download=%C3%A4%22%0d%0aX-Evil:1")
    assert named.headers["content-disposition"].startswith("attachment; filename=")
    assert "x-evil" not in named.headers


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "feed.xml", "page.xhtml", "code.js"])
async def test_active_content_never_runs_on_the_apps_origin(admin: Client, name: str) -> None:
    """files.yaml: SVG, XML and XHTML are served inline on the app origin (stored XSS)."""
    answer = await upload(admin, "upload_files", {"a": (name, b"<script>alert(1)</script>")})
    path = "/files/" + answer["urls"][0].partition("/files/")[2]
    for headers in ({}, {"Range": "bytes=0-3"}):
        got = await ask(admin.url, path, **headers)
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret_key", "/files/%2e%2e/secret_key", "/files/..%2fsecret_key", "/files/.//secret_key",
        "/files/admin/%00", "/files/%2e%2e%5csecret_key", "/files//etc/passwd", "/files/" + "a/" * 600,
        "/api/app/file/v1?path=../secret_key", "/api/app/file/v1?path=..%2f..%2fsecret_key",
        "/api/app/file/v1?path=%2e%2e%2fopsorbit.db", "/api/app/file/v1?path=/etc/passwd", "/files/admin/none.txt",
    ],
)  # fmt: skip
async def test_no_trick_finds_a_file(admin: Client, alone: Station, path: str) -> None:
    for headers in ({}, {"X_API_Key": alone.api_key}):
        answer = await ask(admin.url, path, **headers)
        assert answer.status == 404
        assert b"Traceback" not in answer.body


async def test_uploads_never_share_a_guessable_path(admin: Client) -> None:
    """files.yaml: upload_files paths are guessable (files/USERNAME/NAME) and overwritable."""
    first, second = [await upload(admin, "upload_files", {"a": ("Report", text)}) for text in (b"1", b"2")]
    assert first["urls"] != second["urls"]
    for answer, text in ((first, b"1"), (second, b"2")):
        path = "/files/" + answer["urls"][0].partition("/files/")[2]
        assert path.endswith("/Report.bin")  # a name without an extension fails in the original
        assert (await ask(admin.url, path)).body == text
        assert (await ask(admin.url, path.lower())).status == 404  # the random part keeps its entropy


async def test_a_file_of_the_original_is_found_however_it_is_spelt(alone: Station, admin: Client) -> None:
    """Imported keys are lower-case, the paths in their records are not."""
    random = "Y2Jh" + "x" * 39
    stored = alone.conductor.data / "files" / "files" / "jobs" / "jold" / random.lower() / "log.txt"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"old")
    assert (await ask(admin.url, f"/files/jobs/jold/{random}/Log.txt")).body == b"old"
    guessable = alone.conductor.data / "files" / "files" / "admin" / "report.csv"
    guessable.parent.mkdir(parents=True, exist_ok=True)
    guessable.write_bytes(b"1,2")
    assert (await ask(admin.url, "/files/admin/report.csv")).status == 404
    known = await ask(admin.url, "/files/admin/report.csv", X_API_Key=alone.api_key)
    assert (known.status, known.body, known.headers["cache-control"]) == (200, b"1,2", "private, max-age=0")


async def test_upload_limits(admin: Client) -> None:
    many = {f"f{number}": (f"{number}.txt", b"x") for number in range(101)}
    assert (await upload(admin, "upload_job_input_files", many))["code"] == "file"
    assert (await upload(admin, "upload_files", {}, note="no file"))["code"] == "file"
    assert (await upload(admin, "upload_files", {"a": ("..", b"x")}))["code"] == "api"
    assert (await upload(admin, "upload_files", {"a": ("empty.txt", b"")}))["code"] == "api"


async def test_who_may_add_files_to_a_job(alone: Station, admin: Client) -> None:
    """files.yaml: upload_job_file lets any API key attach files to any job id; require run_jobs or a token."""

    async def attempt(key: str = "", **fields: str) -> dict[str, Any]:
        async with Client(alone.conductor.url, key) as client:
            return await upload(client, "upload_job_file", {"file1": ("a.txt", b"x")}, id="jx1", **fields)

    weak = (await admin.call("create_api_key", title="weak", active=1, privileges={"tag_jobs": True}))[
        "plain_key"
    ]
    strong = (await admin.call("create_api_key", title="strong", active=1, privileges={"run_jobs": True}))[
        "plain_key"
    ]
    assert (await attempt(weak, auth="x"))["code"] == "access"
    assert (await attempt(auth=weak))["code"] == "access"
    assert (await attempt(auth="wrong"))["code"] == "auth"
    assert (await attempt())["code"] == "api"
    assert (await attempt(auth=strong))["code"] == 0
    assert (await attempt(strong))["code"] == 0
    assert (await attempt(auth=tokens.job_token("jx1", SECRET)))["size"] == 1
    async with Client(alone.conductor.url) as client:
        other = await upload(
            client,
            "upload_job_file",
            {"other": ("a.txt", b"x")},
            id="jx1",
            auth=tokens.job_token("jx1", SECRET),
        )
    assert other["code"] == "job"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A conductor that wants every URL signed, and a satellite that knows nothing of it."""
    environment = {"OPSORBIT_FILE_ACCESS": "signed", "OPSORBIT_MAX_INLINE_JOB_LOG_SIZE": "100"}
    async with deployed(tmp_path_factory.mktemp("s"), environment=environment) as running:
        yield running


@pytest_asyncio.fixture
async def owner(strict: Deployment) -> AsyncIterator[Client]:
    async with Client(strict.url, strict.api_key) as client:
        yield client


async def test_signed_urls_open_one_file_for_a_while(strict: Deployment, owner: Client) -> None:
    """files.yaml: no session, no expiry. Here a path alone opens nothing."""
    urls = (await upload(owner, "upload_files", {"a": ("a.bin", BODY), "b": ("b.bin", b"x")}))["urls"]
    path, other = ("/files/" + url.partition("/files/")[2] for url in urls)
    signed = await owner.call("get_signed_url", path=path[1:], expires=2)
    query = signed["url"].partition("?")[2]
    assert (await ask(strict.url, path)).status == 401
    assert (await ask(strict.url, path, X_API_Key=strict.api_key)).status == 200
    opened = await ask(strict.url, f"{path}?{query}")
    assert (opened.status, opened.body, opened.headers["cache-control"]) == (200, BODY, "private, max-age=0")
    assert (await ask(strict.url, f"{other}?{query}")).status == 401
    forged = query.replace(f"expires={signed['expires']}", f"expires={signed['expires'] + 900}")
    assert (await ask(strict.url, f"{path}?{forged}")).status == 401

    async def closed() -> bool:
        return (await ask(strict.url, f"{path}?{query}")).status == 401

    await eventually(closed, "the signature has expired")
    for wrong in ("users/admin/avatar/64.png", "files/../secret_key", ""):
        with pytest.raises(ApiError):
            await owner.call("get_signed_url", path=wrong)


async def test_satellites_get_their_inputs_signed(strict: Deployment, owner: Client) -> None:
    uploaded = (await upload(owner, "upload_job_input_files", {"a": ("in.txt", b"hello")}))["files"]
    event = await create_event(owner, "cat in.txt")
    job = await finished(owner, (await owner.call("run_event", id=event, input={"files": uploaded}))["id"])
    assert (job["code"], job["output"]) == (0, "hello")
    assert job["input"]["files"][0]["path"] == uploaded[0]["path"]  # the record keeps no signature


async def test_files_of_a_job_are_for_those_who_see_the_job(strict: Deployment, owner: Client) -> None:
    job = await finished(owner, await start(owner, 'echo x > a.txt; echo \'{"xy":1,"files":["a.txt"]}\''))
    path = "/" + job["files"][0]["path"]
    for categories, status in ((["general"], 200), (["elsewhere"], 403)):
        key = await owner.call("create_api_key", title="limited", active=1, categories=categories)
        assert (await ask(strict.url, path, X_API_Key=key["plain_key"])).status == status
    assert (await ask(strict.url, path)).status == 401


@pytest.mark.parametrize("lines", [5, 200], ids=["inline", "packed"])
async def test_logs_have_ranges_heads_and_urls_that_end(
    strict: Deployment, owner: Client, lines: int
) -> None:
    job_id = await start(owner, f"seq {lines}")
    await finished(owner, job_id)
    text = "".join(f"{number}\n" for number in range(1, lines + 1)).encode()
    token = (await owner.call("get_job", id=job_id))["token"]
    url = f"/api/app/view_job_log/v1?id={job_id}&t={token}"
    whole = await ask(strict.url, url)
    packed = whole.headers.get("content-encoding") == "gzip"
    assert packed == (lines == 200)
    assert (gzip.decompress(whole.body) if packed else whole.body) == text
    head = await ask(strict.url, url, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(whole.body)))
    part = await ask(strict.url, url, Range="bytes=4-")
    assert (part.status, part.body) == (206, whole.body[4:])
    assert (await ask(strict.url, url, Range="bytes=9999999-")).status == 416
    assert (await ask(strict.url, url.replace(token, "x" * 22))).status == 403
    assert (await ask(strict.url, url.partition("&t=")[0])).status == 400
    signed = await owner.call("get_signed_url", job=job_id, download=1)
    download = await ask(strict.url, "/api/" + signed["url"].partition("/api/")[2])
    assert download.body == whole.body
    assert f"Job-Log-{job_id}.txt" in download.headers["content-disposition"]
    other = await start(owner, "echo other")
    await finished(owner, other)
    assert (
        await ask(strict.url, "/api/" + signed["url"].partition("/api/")[2].replace(job_id, other))
    ).status == 403


async def test_a_browser_can_be_asked_to_log_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    """files.yaml: optionally require login for browser requests; agents fetch without credentials."""
    folder = tmp_path_factory.mktemp("b")
    async with station(folder, OPSORBIT_FILE_ACCESS="browsers") as asking, asking.client() as admin:
        urls = (await upload(admin, "upload_files", {"a": ("a.bin", BODY)}))["urls"]
        path = "/files/" + urls[0].partition("/files/")[2]
        assert (await ask(admin.url, path)).status == 200
        assert (await ask(admin.url, path, Sec_Fetch_Mode="navigate")).status == 401
        await admin.login("admin", PASSWORD)
        async with admin.session.get(admin.url + path, headers={"Sec-Fetch-Mode": "navigate"}) as response:
            assert response.status == 200
