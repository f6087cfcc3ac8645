"""`opsorbit rotate-secret-key`, killed at each of its steps: no secret is ever lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conductor.cli.rotation import RotationError, rotate
from conductor.definitions.key_file import KeyFile
from conductor.definitions.vault import Vault
from conductor.records.store import Records

PROGRAM = "from conductor.cli import main; main()"
VALUES = {f"z{number}": [{"name": "N", "value": f"value {number}"}] for number in range(3)}


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """As a stopped conductor leaves it, with three secrets."""
    (tmp_path / "secret_key").write_text("first key")
    records = await Records.open(f"sqlite:///{tmp_path / 'opsorbit.db'}")
    vault = Vault(records, "first key")
    for id, fields in VALUES.items():
        await vault.put(id, fields)
    await records.close()
    return tmp_path


def run(data_dir: Path, fault: str = "", *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "rotate-secret-key", "--data-dir", str(data_dir), *more],
        env={**os.environ, "OPSORBIT_FAULT": fault, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def read(data_dir: Path) -> tuple[str, dict[str, object]]:
    """The key that a conductor would start with, and what it reads with it."""
    records = await Records.open(f"sqlite:///{data_dir / 'opsorbit.db'}")
    try:
        key = await KeyFile(data_dir).settle(Vault(records, ""))
        vault = Vault(records, key)
        return key, {id: await vault.fields(id) for id in VALUES}
    finally:
        await records.close()


async def test_a_rotation(data_dir: Path) -> None:
    done = run(data_dir)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 secrets" in done.stdout
    key, values = await read(data_dir)
    assert key != "first key"
    assert values == VALUES
    assert key not in done.stdout
    assert (data_dir / "secret_key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("point", "happened"),
    [
        ("rotation.staged", False),
        ("rotation.sealed", False),
        ("rotation.committed", True),
        ("rotation.promoted", True),
    ],
)
async def test_killed_in_the_middle(data_dir: Path, point: str, happened: bool) -> None:
    assert run(data_dir, point).returncode == -signal.SIGKILL
    key, values = await read(data_dir)
    assert values == VALUES
    assert (key != "first key") is happened
    assert not (data_dir / "secret_key.next").exists()


async def test_killed_and_run_again(data_dir: Path) -> None:
    for point in ("rotation.committed", "rotation.staged", "rotation.sealed"):
        assert run(data_dir, point).returncode == -signal.SIGKILL
    assert run(data_dir).returncode == 0
    assert (await read(data_dir))[1] == VALUES


async def test_a_key_from_the_settings_is_the_operators(data_dir: Path) -> None:
    (data_dir / "next").write_text("second key\n")
    refused = run(data_dir, OPSORBIT_SECRET_KEY="first key")
    assert refused.returncode == 1
    assert "--new-key-file" in refused.stderr
    for expected in ("3 secrets", "already"):  # the second time finds it done
        done = run(data_dir, "", "--new-key-file", str(data_dir / "next"), OPSORBIT_SECRET_KEY="first key")
        assert (done.returncode, expected in done.stdout) == (0, True)
    records = await Records.open(f"sqlite:///{data_dir / 'opsorbit.db'}")
    assert await Vault(records, "second key").fields("z1") == VALUES["z1"]
    await records.close()


async def test_it_deposes_whoever_was_primary(data_dir: Path) -> None:
    records = await Records.open(f"sqlite:///{data_dir / 'opsorbit.db'}")
    await records.begin_term(7)
    await records.close()
    await rotate(data_dir, None, "")
    records = await Records.open(f"sqlite:///{data_dir / 'opsorbit.db'}")
    assert await records.epoch() == 8
    await records.close()


async def test_a_running_conductor_is_left_alone(data_dir: Path) -> None:
    import fcntl

    with (data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RotationError, match="stop it first"):
            await rotate(data_dir, None, "")
    assert (await read(data_dir))[0] == "first key"


async def test_there_must_be_something_to_rotate(tmp_path: Path) -> None:
    with pytest.raises(RotationError, match="no data directory"):
        await rotate(tmp_path / "nowhere", None, "")
    with pytest.raises(RotationError, match="no secret key yet"):
        await rotate(tmp_path, None, "")


async def test_rest_admin_yaml_the_key_before_stays_good_for_a_while(data_dir: Path) -> None:
    """admin.yaml, "Where to be better": no grace period with two keys; who was away lost access."""
    key_file = KeyFile(data_dir)
    assert run(data_dir).returncode == 0
    second = key_file.current()
    assert key_file.previous(time.time()) == ["first key"]
    assert run(data_dir).returncode == 0
    assert key_file.previous(time.time()) == [second, "first key"]
    week = time.time() + 8 * 86_400
    assert key_file.previous(week) == []
    assert key_file.keep_previous(week) == []
    assert not (data_dir / "secret_key.previous").exists()


async def test_rest_admin_yaml_a_death_in_the_middle_locks_nobody_out(data_dir: Path) -> None:
    for point in ("rotation.sealed", "rotation.committed"):
        before = KeyFile(data_dir).current()
        assert run(data_dir, point).returncode == -signal.SIGKILL
        key, _ = await read(data_dir)
        assert before in (key, *KeyFile(data_dir).previous(time.time()))
    assert (data_dir / "secret_key.previous").stat().st_mode & 0o077 == 0
