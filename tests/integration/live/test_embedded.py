"""The embedded Redis: where its socket lies, and what is said when it cannot be had."""

import tempfile
from pathlib import Path

import pytest

from conductor.live.connection import connect
from conductor.live.embedded import EmbeddedRedis, RedisMissing


@pytest.mark.parametrize("temporary", ["short", "also far too long for the path of a socket, by itself" * 2])
async def test_a_data_directory_of_any_length_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str
) -> None:
    long = tmp_path / ("a data directory with a name that is long " * 3)
    place = tmp_path / temporary
    place.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    server = EmbeddedRedis(long, strict=False)
    await server.start()
    socket = Path(server.url.removeprefix("unix://"))
    client = connect(server.url)
    assert await client.ping()
    await client.aclose()
    await server.stop()
    assert len(str(socket)) < 108
    assert not socket.parent.exists()


async def test_no_server_on_the_machine_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("conductor.live.embedded.util.find_spec", lambda name: None)
    with pytest.raises(RedisMissing, match="OPSORBIT_REDIS_URL"):
        await EmbeddedRedis(tmp_path / "data", strict=False).start()


async def test_a_server_that_cannot_start_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(RedisMissing, match=r"redis\.log"):
        await EmbeddedRedis(tmp_path / "data", strict=False).start()
