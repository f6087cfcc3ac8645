"""Satellites over TLS believe the authority that they were told of, and no other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from conductor.cli.certificates import make_certificate
from tests.acceptance.agent import Station, station
from tests.processes import LOOPBACK, Client, Satellite, eventually, free_port


@dataclass(frozen=True, slots=True)
class Secure:
    station: Station
    port: int
    folder: Path
    fingerprint: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secure(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secure]:
    """A conductor that listens with TLS too, under an authority of its own."""
    folder = tmp_path_factory.mktemp("t")
    fingerprint = make_certificate(folder / "tls", [LOOPBACK, "localhost"])
    port = free_port()
    async with station(
        folder,
        OPSORBIT_WEBSERVER__HTTPS="true",
        OPSORBIT_WEBSERVER__HTTPS_PORT=str(port),
        OPSORBIT_WEBSERVER__HTTPS_CERT_FILE=str(folder / "tls" / "tls.crt"),
        OPSORBIT_WEBSERVER__HTTPS_KEY_FILE=str(folder / "tls" / "tls.key"),
        OPSORBIT_WEBSERVER__HTTPS_CA_FILE=str(folder / "tls" / "ca.pem"),
        OPSORBIT_SATELLITE__CONFIG__PORT=str(port),
        OPSORBIT_SATELLITE__CONFIG__SECURE="true",
    ) as running:
        yield Secure(running, port, folder / "tls", fingerprint)


async def configured(secure: Secure, folder: Path, **changes: Any) -> Satellite:
    """A satellite with the configuration that the conductor gives over TLS, and `changes`; None removes."""
    async with secure.station.client() as client:
        token = (await client.call("get_satellite_token"))["token"]
        url = f"https://{LOOPBACK}:{secure.port}/api/app/satellite/config"
        async with client.session.get(url, params={"t": token}, ssl=False) as response:
            config = msgspec.json.decode(await response.read())
    config.update(
        host=LOOPBACK, connect_timeout_sec=5, socket_reconnect_delay_sec=0.2, socket_reconnect_delay_max=0.5
    )
    config.update(changes)
    folder.mkdir()
    file = folder / "config.json"
    file.write_bytes(msgspec.json.encode({key: value for key, value in config.items() if value is not None}))
    return Satellite(folder, file)


def saved(satellite: Satellite) -> dict[str, Any]:
    return dict(msgspec.json.decode(satellite.config.read_bytes()))


async def is_online(secure: Secure, satellite: Satellite) -> bool:
    async with secure.station.client() as client:
        rows = (await client.call("get_satellites"))["rows"]
    return any(row["id"] == saved(satellite)["server_id"] and row["online"] and row["proven"] for row in rows)


@pytest.mark.parametrize("how", ["given", "file", "fingerprint", "fingerprint without colons"])
async def test_it_joins_a_conductor_of_the_pinned_authority(secure: Secure, tmp_path: Path, how: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "given": {},
        "file": {"ca": None, "ca_file": str(secure.folder / "ca.pem")},
        "fingerprint": {"ca": None, "ca_fingerprint": secure.fingerprint},
        "fingerprint without colons": {
            "ca": None,
            "ca_fingerprint": secure.fingerprint.replace(":", "").lower(),
        },
    }
    satellite = await configured(secure, tmp_path / "s", **changes[how])
    assert saved(satellite)["secure"] is True
    assert (how == "given") == ("ca" in saved(satellite))
    satellite.start()
    try:
        await eventually(lambda: is_online(secure, satellite), "it has joined")

        async def remembered() -> bool:
            return saved(satellite).get("require_proof") is True

        await eventually(remembered, "it accepts no other way from now on")
        if "fingerprint" in how:
            assert saved(satellite)["ca"].strip() == (secure.folder / "ca.pem").read_text().strip()
    finally:
        await satellite.stop()


@pytest.mark.parametrize("how", ["authority", "fingerprint", "file that is missing", "name"])
async def test_it_does_not_show_itself_to_anybody_else(secure: Secure, tmp_path: Path, how: str) -> None:
    other = make_certificate(tmp_path / "other", [LOOPBACK])
    changes: dict[str, dict[str, Any]] = {
        "authority": {"ca": (tmp_path / "other" / "ca.pem").read_text()},
        "fingerprint": {"ca": None, "ca_fingerprint": other},
        "file that is missing": {"ca": None, "ca_file": str(tmp_path / "nothing")},
        "name": {"host": "127.0.0.2"},
    }
    satellite = await configured(secure, tmp_path / "s", **changes[how])
    satellite.start()
    try:

        async def tried() -> bool:
            return satellite.output().count("cannot connect") >= 2

        await eventually(tried, f"it tries again and again\n{satellite.output()}")
        assert not await is_online(secure, satellite)
        assert '"joined"' not in satellite.output()
    finally:
        await satellite.stop()


async def test_anybody_may_read_the_authority(secure: Secure) -> None:
    async with Client(secure.station.conductor.url) as nobody:
        assert (await nobody.fetch("/api/app/satellite/ca")).decode() == (
            secure.folder / "ca.pem"
        ).read_text()


async def test_the_installer_believes_that_authority_alone(secure: Secure) -> None:
    async with secure.station.client() as client:
        token = (await client.call("get_satellite_token"))["token"]
        script = (await client.fetch("/api/app/satellite/install", t=token)).decode()
    assert (secure.folder / "ca.pem").read_text().strip() in script
