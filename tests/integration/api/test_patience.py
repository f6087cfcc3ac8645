"""What no handler sees: clients that ask for nothing, and requests that are no HTTP."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web

from conductor.api.patience import PatientServer


async def _handle(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="heard")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    runner = web.ServerRunner(PatientServer(_handle, 0.2))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def _answer(port: int, request: bytes) -> bytes:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


@pytest.mark.parametrize(
    ("request_", "description"),
    [
        (
            b"GET /api/app/echo/v1?api_key=s3cret" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            "A line of the request's head is longer than 8190 bytes.",
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\ns3cret\r\n\r\n", "The request cannot be read."),
    ],
)
async def test_what_cannot_be_read_gets_an_envelope_that_repeats_nothing(
    port: int, request_: bytes, description: str
) -> None:
    head, _, body = (await _answer(port, request_)).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert msgspec.json.decode(body) == {"code": "api", "description": description}
    assert b"s3cret" not in head + body


async def test_a_client_that_asks_for_nothing_does_not_stay(port: int) -> None:
    assert await _answer(port, b"") == b""


async def test_a_client_that_asks_is_heard(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert (await _answer(port, request)).endswith(b"heard")
