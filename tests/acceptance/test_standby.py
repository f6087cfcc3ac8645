"""Two conductors on the same Redis, database and files: one acts, the other stands by."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.acceptance.agent import INFO, PROTOCOLS, Agent
from tests.processes import ApiError, Client, Conductor, administrator_key, eventually, redis_server

LEASE = 2.0
PASSWORD = "correct horse"


@asynccontextmanager
async def _pair(folder: Path, **more: str) -> AsyncIterator[tuple[Conductor, Conductor]]:
    """The primary and a standby of one cluster, both running; `more` is added to their environment."""
    async with redis_server(folder / "redis") as redis:
        shared = {
            "OPSORBIT_REDIS_URL": redis.url,
            "OPSORBIT_DATABASE_URL": f"sqlite:///{folder / 'records.db'}",
            "OPSORBIT_FILES_URL": (folder / "files").as_uri(),
            "OPSORBIT_SECRET_KEY": "0123456789abcdef" * 4,
            "OPSORBIT_ADMIN_PASSWORD": PASSWORD,
            "OPSORBIT_LEASE_SECONDS": str(LEASE),
            "OPSORBIT_LEASE_MARGIN_SECONDS": "0.5",
            **more,
        }
        (folder / "files").mkdir()
        first, second = (
            Conductor(folder / name, name=name, environment={**shared, "OPSORBIT_HOSTNAME": f"{name}.test"})
            for name in ("first", "second")
        )
        try:
            first.start()
            await first.ready()
            second.start()
            await second.answers(503)
            yield first, second
        finally:
            for conductor in (second, first):
                if conductor.running:
                    await conductor.stop()


@pytest.mark.parametrize("death", ["stopped", "killed"])
async def test_a_standby_names_the_primary_and_takes_over_from_it(
    tmp_path_factory: pytest.TempPathFactory, death: str
) -> None:
    async with _pair(tmp_path_factory.mktemp("p")) as (first, second):
        key = await administrator_key(first.url, PASSWORD)
        async with Client(second.url, key) as client:
            for version in ("/v1", ""):
                async with client.session.post(
                    f"{second.url}/api/app/get_events{version}", json={}
                ) as response:
                    answer = await response.json(content_type=None)
                    assert (response.status, answer["code"]) == (500, "master")
                    assert answer["host"] == "first.test"

            for subprotocol in PROTOCOLS:
                async with Agent(second.url, subprotocol) as agent:
                    await agent.send("hello", {"id": agent.id, "hostname": agent.hostname, "info": INFO})
                    assert await agent.expect("redirect") == {"host": "first.test"}

            await (first.stop() if death == "stopped" else first.kill())
            await second.answers(200, timeout=3 * LEASE + 2)

            assert (await client.call("get_events"))["code"] == 0


async def test_a_conductor_that_comes_back_stands_by(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with _pair(tmp_path_factory.mktemp("p")) as (first, second):
        key = await administrator_key(first.url, PASSWORD)
        await first.kill()
        await second.answers(200, timeout=3 * LEASE + 2)
        first.start()
        await first.answers(503)
        async with Client(first.url, key) as client:
            with pytest.raises(ApiError) as refused:
                await client.call("create_category", title="Too late", enabled=True)
        assert (refused.value.status, refused.value.code) == (500, "master")


async def test_a_standby_redirects_to_the_same_url_on_the_primarys_host_where_it_is_told_to(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    redirecting = {"OPSORBIT_REDIRECT_MASTER_REQUESTS": "true"}
    async with (
        _pair(tmp_path_factory.mktemp("p"), **redirecting) as (_, second),
        Client(second.url) as client,
    ):
        path = "/api/app/get_event/v1?id=one%20two"

        async def redirected() -> str:
            """Once it has learned who is primary."""
            async with client.session.get(f"{second.url}{path}", allow_redirects=False) as response:
                return response.headers["Location"] if response.status == 302 else ""

        # All conductors of a cluster listen on one port: the one that was asked for stays.
        location = await eventually(redirected, "a redirection")
        assert location == f"http://first.test:{second.port}{path}"


async def test_rest_multi_yaml_a_standby_goes_on_with_settings_changed_at_run_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Changed settings were the primary's alone; after a fail-over the cluster went back to what it was told first."""
    async with _pair(tmp_path_factory.mktemp("p")) as (first, second):
        key = await administrator_key(first.url, PASSWORD)
        async with Client(first.url, key) as client:
            await client.call("admin_update_config", **{"ttl": 17, "mail_settings.host": "smtp.test"})
        await first.kill()
        await second.answers(200, timeout=3 * LEASE + 2)
        async with Client(second.url, key) as client:
            config = await client.call("admin_get_config")
            assert (config["config"]["ttl"], config["config"]["mail_settings"]["host"]) == (17, "smtp.test")
            headers = client._headers
            async with client.session.get(
                f"{second.url}/api/app/search_jobs/v1", headers=headers
            ) as response:
                assert "max-age=17" in response.headers["Cache-Control"]
