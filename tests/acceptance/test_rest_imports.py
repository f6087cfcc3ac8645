"""Imports over HTTP: all or nothing (contract api/admin.yaml, compat.md, "Where to be better")."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from tests.acceptance.agent import Station, station
from tests.processes import Client, eventually

Json = dict[str, Any]

MANY = 6_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Station]:
    async with station(tmp_path_factory.mktemp("i")) as running:
        yield running


def file_of(count: int) -> bytes:
    tags = [{"id": f"t{number}", "title": f"T{number}"} for number in range(50)]
    lines: list[Json] = [
        {"cmd": "listDelete", "args": ["global/tags", False]},
        {"key": "global/tags", "value": {"type": "list", "first_page": 0, "last_page": 0, "length": 50}},
        {"key": "global/tags/0", "value": {"type": "list_page", "items": tags}},
    ]
    lines += [
        {"index": "jobs", "id": f"j{number:06d}", "record": {"code": 0, "completed": number, "event": "e1"}}
        for number in range(count)
    ]
    text = b"\n".join(map(msgspec.json.encode, lines)) + b"\n# End of file\n"
    return gzip.compress(text, 1)


async def begin(client: Client, file: bytes) -> str:
    """The ID of the import that has been started."""
    form = aiohttp.FormData()
    form.add_field("file1", file, filename="all.txt.gz", content_type="application/gzip")
    url = f"{client.url}/api/app/admin_import_data/v1"
    async with client.session.post(url, data=form, headers=client._headers) as response:
        answer: Json = msgspec.json.decode(await response.read())
    assert answer["code"] == 0, answer
    return str(answer["id"])


async def jobs_of(client: Client) -> int:
    return int((await client.call("search_jobs"))["list"]["length"])


async def half_way(client: Client) -> bool:
    return await jobs_of(client) > 200


async def quiet(client: Client) -> bool:
    return not (await client.call("get_internal_jobs"))["rows"]


async def test_rest_admin_yaml_an_aborted_import_leaves_nothing(house: Station) -> None:
    async with house.client() as client:
        before = (await client.call("get_tags"))["rows"]
        job_id = await begin(client, file_of(MANY))
        await eventually(lambda: half_way(client), "half of it is stored")
        await client.call("abort_internal_job", id=job_id)
        await eventually(lambda: quiet(client), "it is taken back", 60)
        assert await jobs_of(client) == 0
        assert (await client.call("get_tags"))["rows"] == before


async def test_rest_admin_yaml_an_import_that_died_is_taken_back_by_the_next_primary(
    house: Station,
) -> None:
    async with house.client() as client:
        before = (await client.call("get_tags"))["rows"]
        await begin(client, file_of(MANY))
        await eventually(lambda: half_way(client), "half of it is stored")
        await house.conductor.kill()
        house.conductor.start()
        await house.conductor.ready()

        async def gone() -> bool:
            return await jobs_of(client) == 0 and await quiet(client)

        await eventually(gone, "it is taken back", 60)
        assert (await client.call("get_tags"))["rows"] == before


async def test_rest_admin_yaml_a_whole_import_stays(house: Station) -> None:
    async with house.client() as client:
        await begin(client, file_of(500))
        await eventually(lambda: quiet(client), "it is complete", 60)
        await house.conductor.stop()
        house.conductor.start()
        await house.conductor.ready()
        assert await jobs_of(client) == 500
        assert len((await client.call("get_tags"))["rows"]) == 50


async def test_rest_admin_yaml_a_file_cut_off_is_refused_before_anything_is_stored(house: Station) -> None:
    async with house.client() as client:
        before = await jobs_of(client)
        form = aiohttp.FormData()
        form.add_field("file1", file_of(MANY)[:-500], filename="all.txt.gz", content_type="application/gzip")
        url = f"{client.url}/api/app/admin_import_data/v1"
        async with client.session.post(url, data=form, headers=client._headers) as response:
            assert msgspec.json.decode(await response.read())["code"] == "admin"
        assert await jobs_of(client) == before
