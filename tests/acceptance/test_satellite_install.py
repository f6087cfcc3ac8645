"""Satellites are installed and upgraded by the one line that the conductor serves, as an ordinary user."""

import asyncio
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from conductor.packages.bundle import file_name, host_platform
from tests.acceptance.agent import Station, station
from tests.processes import ApiError, Client, eventually

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_INSTALL_SECONDS = 90.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def field(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Station]:
    async with station(tmp_path_factory.mktemp("f")) as running:
        yield running


@pytest_asyncio.fixture
async def office(field: Station) -> AsyncIterator[Client]:
    async with field.client() as client:
        yield client


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of an ordinary user, outside of pytest's own, which is closed to others."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="opsorbit-install-", ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        if os.getuid() == 0:
            os.chown(path, *ordinary())
        path.chmod(0o755)
        yield path


def ordinary() -> tuple[int, int]:
    """(uid, gid) of a user without rights; our own where we are no root."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


async def shell(script: bytes | str, place: Path, **environment: str) -> tuple[int, str]:
    """Run a script as that user with as little as a fresh host has; (exit status, what it said)."""
    uid, gid = ordinary()
    text = script.encode() if isinstance(script, str) else script
    as_user: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []} if os.getuid() == 0 else {}
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-s",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
        env={"PATH": _PATH, "OPSORBIT_INSTALL_DIR": str(place / "satellite"), **environment}, **as_user,
    )  # fmt: skip
    async with asyncio.timeout(_INSTALL_SECONDS):
        output, _ = await process.communicate(text)
    return process.returncode or 0, output.decode()


class Installed:
    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def config(self) -> dict[str, Any]:
        return dict(msgspec.json.decode((self.home / "config.json").read_bytes()))

    @property
    def id(self) -> str:
        return str(self.config["server_id"])

    @property
    def pid(self) -> int:
        text = (self.home / "data" / "satellite.pid").read_text().strip()
        return int(text) if text else 0

    @property
    def version(self) -> str:
        return os.readlink(self.home / "current")

    async def online(self, client: Client, pid: int = 0) -> dict[str, Any]:
        """Its row once it is online (with another process than `pid`)."""

        async def look() -> dict[str, Any] | None:
            rows = (await client.call("get_satellites"))["rows"]
            row = next((row for row in rows if row["id"] == self.id and row["online"]), None)
            return row if row and self.pid not in (0, pid) else None

        try:
            found = await eventually(look, "the satellite is online", 30)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None
        assert found is not None
        return found

    def log(self) -> str:
        logs = self.home / "data" / "logs"
        return "\n".join(path.read_text()[-3000:] for path in sorted(logs.glob("*.log")))

    async def stop(self) -> None:
        if (self.home / "data" / "satellite.pid").exists() and self.pid:
            os.kill(self.pid, signal.SIGTERM)


async def install(client: Client, place: Path, query: str = "") -> Installed:
    """The one-liner: fetch the script, pipe it into a shell."""
    token = (await client.call("get_satellite_token"))["token"]
    line = f'curl -fsS "{client.url}/api/app/satellite/install?t={token}{query}" | sh'
    status, said = await shell(line, place)
    assert status == 0, said
    return Installed(place / "satellite")


async def test_install_run_upgrade_without_losing_a_job(office: Client, place: Path) -> None:
    """The whole life: installed by one line, runs a job as that user, is upgraded while the job runs."""
    installed = await install(office, place, "&title=Render%2007&groups=main")
    try:
        row = await installed.online(office)
        assert (row["title"], row["proven"]) == ("Render 07", True)
        assert (installed.home / "config.json").stat().st_mode & 0o777 == 0o600
        described = msgspec.json.decode((installed.home / "package.json").read_bytes())
        assert described["name"] == "opsorbit-satellite"

        script = "#!/bin/sh\nid -u\nfor n in 1 2 3 4 5 6 7 8 9; do echo line $n; sleep 1; done\nenv\n"
        job_id = await run_event(office, installed.id, script)
        await in_log(office, job_id, "line 1")
        first = installed.pid
        async with office.session.get(
            f"{office.url}/api/app/satellite/upgrade",
            params={"s": installed.id, "t": installed.config["auth_token"]},
        ) as response:
            status, said = await shell(await response.read(), place)
        background = installed.home / "data" / "logs" / "background.log"
        assert status == 0, said + (background.read_text() if background.exists() else "")
        await installed.online(office, pid=first)
        second = installed.pid
        await office.call("upgrade_satellite", id=installed.id)
        await installed.online(office, pid=second)

        async def ended() -> dict[str, Any] | None:
            found = (await office.call("get_job", id=job_id))["job"]
            return dict(found) if found.get("completed") else None

        job = await eventually(ended, "the job ends", 30)
        assert job is not None
        assert job["code"] == 0
        log = (await office.fetch("/api/app/get_job_log/v1", id=job_id)).decode()
        lines = log.splitlines()
        assert lines[:10] == [str(ordinary()[0]), *(f"line {n}" for n in range(1, 10))]
        assert "LD_LIBRARY_PATH" not in log
        assert "PYTHONHOME" not in log
        assert "OPSORBIT" not in log

        assert not background.exists(), "it was reported at the next join"

        async def tidy() -> bool:
            return not any(path.name.startswith(".work") for path in installed.home.iterdir())

        await eventually(tidy, "the scripts leave nothing behind")
        status, said = await shell(f'"{installed.home}/bin/opsorbit-satellite" status', place)
        assert (status, "running" in said) == (0, True)
        status, said = await shell(f'"{installed.home}/bin/opsorbit-satellite" stop', place)
        assert (status, installed.pid) == (0, 0), said
    finally:
        await installed.stop()


async def test_it_is_not_installed_twice(office: Client, place: Path) -> None:
    (place / "satellite").mkdir()
    (place / "satellite" / "package.json").write_text("{}")
    token = (await office.call("get_satellite_token"))["token"]
    script = await office.fetch("/api/app/satellite/install", t=token)
    status, said = await shell(script, place)
    assert (status, "installed" in said) == (1, True)


async def test_a_package_that_was_changed_on_its_way_is_not_run(office: Client, place: Path) -> None:
    """Better: packages are checksummed."""
    token = (await office.call("get_satellite_token"))["token"]
    script = (await office.fetch("/api/app/satellite/install", t=token)).decode()
    name = file_name(*host_platform())
    at = script.index(f"{name}=") + len(name) + 1
    status, said = await shell(script[:at] + "0" * 64 + script[at + 64 :], place)
    assert status == 1
    assert "checksum" in said
    assert not (place / "satellite" / "current").exists()
    assert not (place / "satellite" / "package.json").exists()


async def test_a_script_that_was_cut_off_does_nothing(office: Client, place: Path) -> None:
    token = (await office.call("get_satellite_token"))["token"]
    script = await office.fetch("/api/app/satellite/install", t=token)
    await shell(script[: len(script) - 10], place)
    assert list(place.iterdir()) == []


async def test_the_script_holds_the_contracts_lines(office: Client) -> None:
    token = (await office.call("get_satellite_token"))["token"]
    headers = {"Host": "workers.example.test:7552"}
    async with office.session.get(
        f"{office.url}/api/app/satellite/install", params={"t": token}, headers=headers
    ) as response:
        assert response.content_type == "text/plain"
        lines = (await response.text()).splitlines()
    assert f'AUTH_TOKEN="{token}"' in lines
    assert 'BASE_URL="http://workers.example.test:7552"' in lines
    assert 'INSTALL_DIR="/opt/xyops/satellite"' in lines
    headers["X-Forwarded-Proto"] = "https"
    async with office.session.get(
        f"{office.url}/api/app/satellite/upgrade", params={"t": token, "s": "sabc"}, headers=headers
    ) as response:
        lines = (await response.text()).splitlines()
    assert 'SERVER_ID="sabc"' in lines
    assert 'BASE_URL="https://workers.example.test:7552"' in lines
    async with office.session.get(
        f"{office.url}/api/app/satellite/install", params={"t": token, "os": "windows"}
    ) as response:
        assert "powershell" not in (await response.text()).splitlines()[0]


@pytest.mark.parametrize(
    "host", ['x";rm -rf /;"', "a$(id)", "a`id`", "a b", "a\\", "", "-o", "a" * 300, "host:123456", "x:1/../y"]
)
async def test_a_poisoned_host_header_never_reaches_the_shell(office: Client, host: str) -> None:
    """Better: the base URL of a script that root runs was copied from the Host header."""
    token = (await office.call("get_satellite_token"))["token"]
    async with office.session.get(
        f"{office.url}/api/app/satellite/install", params={"t": token}, headers={"Host": host}
    ) as response:
        if response.status == 200:
            text = await response.text()
            assert f'BASE_URL="{office.url}"' in text.splitlines()
            if host:
                assert host not in text or host == "-o"
        else:
            assert response.status == 400


async def test_extra_parameters_reach_the_configuration_typed(office: Client) -> None:
    """Better: extra install parameters reached the shared token and the server's record untyped."""
    token = (await office.call("get_satellite_token", title="From token"))["token"]
    query = {"t": token, "title": 'x"; $(id)', "groups": "main, render", "enabled": "false", "odd": "1"}
    script = (await office.fetch("/api/app/satellite/install", **query)).decode()
    assert "$(id)" not in script
    config = msgspec.json.decode(await office.fetch("/api/app/satellite/config", **query))
    assert config["initial"] == {"title": 'x"; $(id)', "groups": ["main", "render"], "enabled": False}
    plain = msgspec.json.decode(await office.fetch("/api/app/satellite/config", t=token))
    assert plain["initial"] == {"title": "From token"}, "the token itself is as it was"
    assert plain["server_id"] != config["server_id"]


@pytest.mark.parametrize(
    ("name", "query", "status", "code"),
    [
        ("install", {}, 400, "api"),
        ("install", {"t": "a b"}, 400, "api"),
        ("install", {"t": "0" * 64}, 403, "satellite"),
        ("config", {"t": "0" * 64}, 403, "satellite"),
        ("core", {"t": "0" * 64}, 400, "api"),
        ("core", {"t": "0" * 64, "os": "linux", "arch": "../x"}, 400, "api"),
        ("core", {"t": "0" * 64, "os": "linux", "arch": "x64"}, 403, "satellite"),
        ("upgrade", {"t": "0" * 64}, 400, "api"),
        ("upgrade", {"t": "0" * 64, "s": "a/b"}, 400, "api"),
        ("upgrade", {"t": "0" * 64, "s": "sx"}, 403, "satellite"),
        ("nothing", {"t": "0" * 64}, 403, "satellite"),
    ],
)
async def test_errors_stop_whoever_pipes_them_into_a_shell(
    office: Client, name: str, query: dict[str, str], status: int, code: str
) -> None:
    """Better: an error was HTTP 200 JSON, which a shell executed."""
    async with office.session.get(f"{office.url}/api/app/satellite/{name}", params=query) as response:
        assert response.status == status
        assert (await response.json(content_type=None))["code"] == code


async def test_packages_for_other_hosts_are_taken_from_a_folder(field: Station, office: Client) -> None:
    token = (await office.call("get_satellite_token"))["token"]
    query = {"t": token, "os": "darwin", "arch": "arm64"}
    async with office.session.get(f"{office.url}/api/app/satellite/core", params=query) as response:
        assert response.status == 500
        assert "darwin" in (await response.json(content_type=None))["description"]
    folder = field.conductor.data / "satellite-packages"
    folder.mkdir()
    (folder / "satellite-darwin-arm64.tar.gz").write_bytes(b"for a Mac")
    async with office.session.get(f"{office.url}/api/app/satellite/core", params=query) as response:
        assert (response.status, await response.read()) == (200, b"for a Mac")
        assert "satellite-darwin-arm64.tar.gz" in response.headers["Content-Disposition"]
        assert response.headers["X-Checksum-SHA256"] == hashlib.sha256(b"for a Mac").hexdigest()
    async with office.session.get(
        f"{office.url}/api/app/satellite/core", params=query, headers={"Range": "bytes=4-"}
    ) as response:
        assert (response.status, await response.read()) == (206, b"a Mac")
    script = (await office.fetch("/api/app/satellite/install", t=token)).decode()
    assert hashlib.sha256(b"for a Mac").hexdigest() in script


async def test_the_package_holds_what_upgrades_look_for(office: Client, tmp_path: Path) -> None:
    token = (await office.call("get_satellite_token"))["token"]
    system, arch = host_platform()
    (tmp_path / "core.tar.gz").write_bytes(
        await office.fetch("/api/app/satellite/core", t=token, os=system, arch=arch)
    )
    with tarfile.open(tmp_path / "core.tar.gz") as archive:
        members = {member.name: member for member in archive}
        assert {"package.json", "bin/opsorbit-satellite", "lib/satellite/main.py"} <= set(members)
        assert members["bin/opsorbit-satellite"].mode & 0o111
        for name in members:
            assert not name.startswith(("/", ".."))
            assert "conductor" not in name.split("/")
            assert not name.endswith((".pyc", ".key"))


async def test_releases_are_this_conductors_own(office: Client) -> None:
    answer = await office.call("get_satellite_releases", verbose=True)
    assert answer["releases"][0] == "latest"
    assert answer["data"][0]["tag_name"] == answer["releases"][1]


async def run_event(client: Client, server_id: str, script: str) -> str:
    event = await client.call(
        "create_event", title="Long", enabled=True, category="general", plugin="shellplug",
        targets=[server_id], triggers=[{"type": "manual", "enabled": True}], params={"script": script},
    )  # fmt: skip
    return str((await client.call("run_event", id=event["event"]["id"]))["id"])


async def in_log(client: Client, job_id: str, text: str) -> None:
    async def look() -> bool:
        try:
            return text in (await client.call("tail_live_job_log", id=job_id, bytes=10_000))["text"]
        except ApiError:
            return False

    await eventually(look, f"{text} is in the log")
