"""Bytes that make no sense, from strangers and from satellites: the conductor and the others go on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.protocol.frames import encoding_for
from tests.acceptance.agent import ACKNOWLEDGED, BASE, INFO, Agent, Station, server_of
from tests.acceptance.jobs import finished, get_job, start
from tests.processes import Client, eventually


@pytest_asyncio.fixture
async def bystander(alone: Station, admin: Client) -> AsyncIterator[Agent]:
    """Another satellite with a running job; neither may notice anything."""
    async with alone.agent(BASE) as other:
        await other.join()
        job_id = await start(admin, "exit 0", targets=[other.id])
        await other.launched(job_id)
        failures = len(alone.log_lines("Traceback"))
        yield other
        assert alone.conductor.running
        await other.settled()
        assert not other.unread("retry", "redirect", "auth_failure"), "the conductor stayed in office"
        await other.update(job_id, progress=0.5)
        await other.settled()
        assert (await get_job(admin, job_id))["progress"] == 0.5
        await other.finish(job_id)
        assert (await get_job(admin, job_id))["final"]
        assert len(alone.log_lines("Traceback")) == failures


@pytest_asyncio.fixture
async def stranger(alone: Station, subprotocol: str) -> AsyncIterator[Agent]:
    async with alone.agent(subprotocol) as agent:
        yield agent


MALFORMED_JSON = [
    b"", b"{", b"}", b"null", b"7", b'"x"', b"[]", b"{}", b'{"cmd":7}', b'{"cmd":null,"data":{}}', b'{"data":{}}',
    b'{"cmd":"hello","data":}', b'{"cmd":"hello","data":{}}x', b"\x00\x00", b'["cmd","hello"]', b"[" * 100_000,
    b'{"cmd":"hello","data":' + b"[" * 5_000, b'{"cmd":"hello","data":{"id":' + b"9" * 5_000 + b"}}",
    b'{"cmd":"hello","data":"\\ud800"}', b'{"cmd":"hello","data":1e999}',
]  # fmt: skip
MALFORMED_MSGPACK = [
    b"", b"\xc1", b"\x80", b"\x90", b"\xc0", b"\x07", b"\xa3cmd", b"\x81\xa3cmd", b"\x81\xa3cmd\x07",
    b"\x81\xa3cmd\xa5hello\x00", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
    b"\x91" * 100_000, b"\x82\xa3cmd\xa5hello\xa4data" + b"\x91" * 5_000 + b"\x01",
    b"\x82\xa3cmd\xa5hello\xa4data\xd7\xff" + b"\xff" * 8, b"\x82\xa3cmd\xa5hello\xa4data\xa2\xc3\x28",
    b'{"cmd":"hello","data":{}}',
]  # fmt: skip


async def test_malformed_frames_are_dropped_and_the_socket_kept(
    stranger: Agent, bystander: Agent, alone: Station
) -> None:
    before = len(alone.log_lines("bad frame"))
    for message in MALFORMED_MSGPACK if stranger.acknowledged else MALFORMED_JSON:
        await stranger.send_raw(message, binary=stranger.acknowledged)
    await stranger.join()
    assert len(alone.log_lines("bad frame")) - before == 1, "one line, not one for each"


async def test_the_wrong_kind_of_message_is_dropped(stranger: Agent, bystander: Agent) -> None:
    """Random bytes in a binary message where text is due; text where msgpack was agreed on."""
    wrong = b'{"cmd":"hello","data":{}}' if stranger.acknowledged else b"\x82\xa3cmd\xff\x00\xc1"
    await stranger.send_raw(wrong, binary=not stranger.acknowledged)
    await stranger.join()


async def test_text_that_is_not_utf8_closes_its_socket_alone(stranger: Agent, bystander: Agent) -> None:
    await stranger.send_raw(b"\xff\xfe\xc3\x28", binary=False)
    await stranger.closed()


async def test_unknown_commands_are_ignored(stranger: Agent, bystander: Agent) -> None:
    await stranger.join()
    for command in (
        "",
        "no_such",
        "launch_job",
        "joined",
        "authenticate",
        "master",
        "x" * 10_000,
        "__init__",
    ):
        await stranger.send(command, {"id": "x"})
    await stranger.settled()


@pytest.mark.parametrize("joined", [False, True])
async def test_after_a_hundred_bad_frames_the_socket_is_closed(
    stranger: Agent, bystander: Agent, alone: Station, admin: Client, joined: bool
) -> None:
    if joined:
        await stranger.join()
    before = len(alone.log_lines("bad frame"))
    bad = b"\xc1" if stranger.acknowledged else b"{"
    for _ in range(100):
        await stranger.send_raw(bad, binary=stranger.acknowledged)
    await stranger.settled()
    await stranger.send_raw(bad, binary=stranger.acknowledged)
    await stranger.closed()

    async def gone() -> bool:
        return await server_of(admin, stranger) is None

    await eventually(gone, "its server has left")
    assert len(alone.log_lines("bad frame")) - before <= 2


async def test_a_flood_before_joining_closes_the_socket(stranger: Agent, bystander: Agent) -> None:
    for _ in range(101):
        await stranger.send("monitor", {"data": {}})
    await stranger.closed()


async def test_guessing_tokens_ends_with_the_socket(stranger: Agent, bystander: Agent) -> None:
    await stranger.hello()
    for number in range(100):
        await stranger.send("join", {"token": f"{number:064}"})
    await stranger.closed()
    assert not stranger.unread("joined")


@pytest.mark.parametrize("size", [1024**2, 20 * 1024**2])
async def test_an_oversized_hello_closes_the_socket(
    stranger: Agent, bystander: Agent, admin: Client, size: int
) -> None:
    await stranger.send("hello", {"id": stranger.id, "hostname": "x", "info": {"os": {"distro": "x" * size}}})
    await stranger.closed()
    assert await server_of(admin, stranger) is None


async def test_a_joined_satellite_may_send_megabytes(
    stranger: Agent, bystander: Agent, admin: Client
) -> None:
    await stranger.join()
    table = {"rows": [["x" * 1000] * 10] * 500}
    job_id = await start(admin, "exit 0", targets=[stranger.id])
    await stranger.launched(job_id)
    await stranger.update(job_id, table=table)
    await stranger.finish(job_id)
    assert (await get_job(admin, job_id))["table"] == table


DEEP = "@deep@"


def _frame(agent: Agent, levels: int, cmd: str, data: Any) -> bytes:
    """A frame with lists of so many levels in place of DEEP: more than can be encoded here."""
    frame = encoding_for(agent.subprotocol).encode(cmd, data)
    if agent.acknowledged:
        return frame.replace(b"\xa6" + DEEP.encode(), b"\x91" * levels + b"\x01")
    return frame.replace(f'"{DEEP}"'.encode(), b"[" * levels + b"1" + b"]" * levels)


@pytest.mark.parametrize("levels", [100, 800, 900, *range(940, 990, 5)])
async def test_deep_nesting_harms_nobody(
    stranger: Agent, bystander: Agent, admin: Client, levels: int
) -> None:
    """Up to what can just be decoded, and can then not be nested in anything any more."""

    async def send(cmd: str, data: Any) -> None:
        await stranger.send_raw(_frame(stranger, levels, cmd, data), binary=stranger.acknowledged)

    info = {**INFO, "os": {"deep": DEEP}}
    await send("hello", {"id": stranger.id, "hostname": stranger.hostname, "info": info})
    await stranger.settled()
    if not stranger.unread("hello"):
        await stranger.hello()
    await stranger.send("join", {"token": stranger.token})
    await stranger.expect("joined")
    if stranger.acknowledged:
        await stranger.send("resume", {"jobs": []})
    job_id = await start(admin, "exit 0", targets=[stranger.id])
    await stranger.launched(job_id)
    await send("monitor", {"data": {"memory": {"deep": DEEP}}})
    await send("quickmon", {"deep": DEEP})
    await stranger.settled()
    await admin.call("get_active_servers")

    content = {"perf": {"deep": DEEP}, "data": {"deep": DEEP}, "code": DEEP, "description": "as told"}
    if stranger.acknowledged:
        await send("job_update", {"id": job_id, "attempt": 1, "update": content})
    else:
        await send("jobs", {"x": {**content, "id": job_id}})
    await stranger.settled()
    await admin.call("get_active_jobs")
    await get_job(admin, job_id)
    if stranger.acknowledged:
        await send("job_result", {"id": job_id, "attempt": 1, "log_size": 0, "job": content})
    else:
        await send("jobs", {"x": {**content, "id": job_id, "state": "complete"}})
    await stranger.settled()
    if levels < 950:
        assert (await finished(admin, job_id))["description"] == "as told"
    else:
        await stranger.finish(job_id)  # it may have been no frame at all
        assert (await get_job(admin, job_id))["final"]


ANY: list[Any] = [
    None,
    True,
    7,
    -1.5,
    "text",
    "\x00",
    [],
    [1],
    {},
    {"id": 7},
    {"id": None},
    {"id": "j"},
    {"": {}},
]
ODD: dict[str, list[Any]] = {
    "hello": [], "join": [{"token": {}}], "echoback": [{"id": {}}],
    "monitor": [{"data": 7}, {"version": {}, "data": {"cpu": 1}}], "quickmon": [{"date": {}}],
    "jobs": [{"j": 7}, {"j": {"id": {}}}, {"j": {"id": ["x"], "state": "complete"}}, {"j": {"state": []}}],
    "job_log": [{"id": "j", "text": 7}, {"id": {}, "text": "x"},
                {"id": "../../x", "attempt": 1, "offset": 0, "data": "x"}],
    "job_meta": [{"id": "j", "text": {}}, {"id": [], "text": "x"}],
    "resume": [{"jobs": 7}, {"jobs": [7]}, {"jobs": [{"id": "j"}]}, {"jobs": [{"id": "j", "attempt": 1, "state": "x"}]},
               {"jobs": [{"id": "../x", "attempt": -1, "state": "running", "log_size": -1}]},
               {"jobs": [{"id": "\x00", "attempt": 2**62, "state": "running"}]}],
    "job_update": [{"id": "j", "attempt": "1"}, {"id": "j", "attempt": 1, "update": []},
                   {"id": "j", "attempt": 1, "meta": [7]}],
    "job_result": [{"id": "j", "attempt": 1, "log_size": -1}, {"id": "j", "attempt": 1, "log_size": 0, "job": []},
                   {"id": "x" * 5000, "attempt": 1, "log_size": 0}, {"id": "\x00", "attempt": 1, "log_size": 2**62}],
    "job_copy": [{"id": "j", "attempt": 1, "job": []}, {"id": "j", "attempt": 1, "job": {"id": "j"}}],
    "notice": [{"description": {}}, {"description": "x" * 100_000, "details": []}],
    "warning": [], "error": [], "critical": [], "monitorPluginTestResult": [{"request_id": "rnosuch", "result": 1}],
    "user_nav": [], "masterCommand": [], "search_job_files": [{"query": "x"}],
}  # fmt: skip


async def test_wrong_payloads_of_every_command_are_dropped(
    stranger: Agent, bystander: Agent, admin: Client, alone: Station
) -> None:
    before = len(alone.conductor.output().splitlines())
    for command, odd in ODD.items():
        await stranger.leave()
        await stranger.open()
        await stranger.join()
        for payload in [*ANY, *odd]:
            await stranger.send(command, payload)
        await stranger.settled()
        assert await server_of(admin, stranger), f"{command} threw it out"
    await admin.call("get_active_jobs")
    lines = len(alone.conductor.output().splitlines()) - before
    assert lines < 6 * len(ODD), f"{lines} lines for {len(ODD)} bad sockets"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
JOB_VALUES = st.dictionaries(
    st.sampled_from(["progress", "code", "state", "push", "cpu", "procs", "data", "perf", "tags", "status", "id"]),
    JSON_VALUES,
    max_size=5,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    messages=st.lists(st.binary(max_size=60), max_size=40),
    payloads=st.lists(st.tuples(st.sampled_from(sorted(ODD)), JSON_VALUES), max_size=20),
    updates=st.lists(JOB_VALUES, max_size=5),
    protocol=st.sampled_from([BASE, ACKNOWLEDGED]),
)
async def test_any_frames_at_all(
    alone: Station, messages: list[bytes], payloads: list[Any], updates: list[Any], protocol: str
) -> None:
    """Random bytes, random payloads of real commands, random updates of a real job: it still ends as usual."""
    async with alone.client() as admin, alone.agent(protocol) as agent:
        await agent.join()
        job_id = await start(admin, "exit 0", targets=[agent.id])
        await agent.launched(job_id)
        for message in messages:
            await agent.send_raw(message, binary=True)
        for command, payload in payloads:
            with contextlib.suppress(OverflowError):  # msgpack has no such integer
                await agent.send(command, payload)
        for update in updates:
            update.pop("id", None)
            if update.get("state") == "complete":
                del update["state"]
            with contextlib.suppress(OverflowError):
                await agent.update(job_id, **update)
        await agent.settled()
        await admin.call("get_active_jobs")
        await agent.finish(job_id, description="ended")
        assert (await get_job(admin, job_id))["description"] == "ended"


async def test_what_is_no_websocket_is_refused(alone: Station, bystander: Agent) -> None:
    async with aiohttp.ClientSession() as session:
        for headers in (
            {"Upgrade": "websocket"},
            {"Upgrade": "websocket", "Connection": "Upgrade"},
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "12"},
        ):
            async with session.get(alone.conductor.url, headers=headers) as response:
                assert response.status == 400


async def test_broken_websocket_frames_close_their_socket_alone(alone: Station, bystander: Agent) -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    for garbage in (
        b"\xff" * 100,  # reserved bits
        b"\x81\x05hello",  # not masked
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",  # 2**63 bytes announced
        b"\x89\xfe\x10\x00\0\0\0\0" + b"x" * 4096,  # a ping that is too long
        b"\x80\x85\0\0\0\0hello",  # the continuation of nothing
        b"\x01\x85\0\0\0\0hello",  # and a beginning without an end
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", alone.conductor.port)
        writer.write(upgrade)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(garbage)
        writer.write_eof()
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()


async def test_a_foreign_result_is_noted_once(alone: Station, bystander: Agent, admin: Client) -> None:
    job_id = next(iter(bystander.attempts))
    before = len(alone.log_lines("does not own the job"))
    async with alone.agent(ACKNOWLEDGED) as liar:
        await liar.join()
        for _ in range(200):
            await liar.send_result(job_id, code=1)
        await liar.settled()
        assert len(alone.log_lines("does not own the job")) - before <= 1
    assert (await get_job(admin, job_id))["state"] == "active"
