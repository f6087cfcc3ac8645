import asyncio

import pytest
from aiohttp import web

from conductor.cli.fleet.keepalive import request_bytes
from tests.benchmarks.loadgen import LoadError, Plan, generate
from tests.integration.benchmarks.serving import served


def _plan(port: int, **changes: object) -> Plan:
    requests = [request_bytes("POST", f"/{path}", "key", "localhost", b'{"id": 1}') for path in ("a", "b")]
    known = {"connections": 4, "count": 40, "seconds": 10.0, **changes}
    return Plan(host="127.0.0.1", port=port, requests=requests, **known)  # type: ignore[arg-type]


async def test_requests_are_sent_in_turn_until_the_count_is_reached() -> None:
    seen: list[str] = []
    connections = set()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert request.headers["X-API-Key"] == "key"
        assert await request.json() == {"id": 1}
        seen.append(request.path)
        connections.add(request.transport)
        return web.Response(body=b'{"code":0}', content_type="application/json")

    async with served(answer) as port:
        load = await generate(_plan(port))

    assert (load.done, load.failed) == (40, 0)
    assert seen.count("/a") == seen.count("/b") == 20
    assert len(connections) == 4
    assert 0 < load.p50 <= load.p99
    assert load.rate == pytest.approx(40 / load.elapsed)


@pytest.mark.parametrize("size", [10, 300_000])
async def test_chunked_and_large_bodies_are_read_to_their_end(size: int) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/a":
            response.enable_chunked_encoding()
        else:
            response.content_length = size + 9
        await response.prepare(request)
        await response.write(b"x" * size)
        await response.write(b' "code":0')
        return response

    async with served(answer) as port:
        load = await generate(_plan(port))
    assert (load.done, load.failed) == (40, 0)


async def test_refusals_are_reported_with_the_first_reason() -> None:
    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403, text='{"code":"access"}')

    async with served(refuse) as port:
        with pytest.raises(LoadError, match=r"40 of 40 .*HTTP 403.*access"):
            await generate(_plan(port))


async def test_a_plan_ends_when_its_time_is_over() -> None:
    answered = 0

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        nonlocal answered
        answered += 1
        return web.Response(body=b'{"code":0}')

    async with served(answer) as port, asyncio.timeout(20):
        load = await generate(_plan(port, count=10**9, seconds=0.3))
    assert load.done == answered > 0
    assert load.elapsed < 5


async def test_a_connection_that_the_server_closes_is_opened_again() -> None:
    answered = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal answered
        answered += 1
        if answered == 10 and request.transport is not None:
            request.transport.abort()
        return web.Response(body=b'{"code":0}')

    async with served(answer) as port:
        load = await generate(_plan(port, count=400))
    assert (load.done, load.failed) == (399, 1)
