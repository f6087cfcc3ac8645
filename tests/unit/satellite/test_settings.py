"""Settings: file, environment, and what a conductor may change."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from satellite.settings import Config, SettingsError


def config(tmp_path: Path, document: dict[str, Any], **environment: str) -> Config:
    path = tmp_path / "config.json"
    path.write_bytes(msgspec.json.encode(document))
    return Config.load(path, environment)


def saved(tmp_path: Path) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.json.decode((tmp_path / "config.json").read_bytes())
    return result


def test_the_environment_wins_and_is_not_written(tmp_path: Path) -> None:
    made = config(
        tmp_path,
        {"port": 1, "airgap": {"enabled": False, "whitelist": []}},
        SATELLITE_port="2",
        XYSAT_airgap__enabled="true",
        XYSAT_masters="a, b",
    )
    assert made.settings.port == 2
    assert made.settings.airgap == {"enabled": True, "whitelist": []}
    assert made.settings.hosts == ["a", "b"]
    made.keep(server_id="s1")
    assert saved(tmp_path)["port"] == 1
    assert made.settings.port == 2


def test_a_conductor_changes_what_it_may(tmp_path: Path) -> None:
    made = config(tmp_path, {"managed_keys": ["child_kill_timeout"], "port": 1})
    made.merge({"child_kill_timeout": 3, "port": 9})
    assert (made.settings.child_kill_timeout, made.settings.port) == (3, 1)


def test_a_wrong_type_from_the_conductor_is_left_out(tmp_path: Path) -> None:
    made = config(tmp_path, {})
    made.merge({"port": "many", "log_dir": "logs"})
    assert made.settings.port == 5522
    assert saved(tmp_path) == {"log_dir": "logs"}


def test_the_file_is_private(tmp_path: Path) -> None:
    config(tmp_path, {}).keep(auth_token="x")
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[]", "{", '{"port": "x"}'])
def test_a_bad_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"config\.json"):
        Config.load(path, {})
