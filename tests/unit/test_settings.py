"""Settings: what is refused, and that the refusal names the culprit."""

from pathlib import Path

import pytest

from conductor.settings import SettingsError
from conductor.settings_reading import load


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.toml", b"port = = 1", "c.toml"),
        ("c.json", b'{"port": ', "c.json"),
        ("c.toml", b"\xff\xfe\x00", "c.toml"),
        ("c.json", b"\xff\xfe\x00", "c.json"),
        ("c.json", b"[]", "not an object"),
        ("c.toml", b"[WebServer]\nport = 'many'", "WebServer.port"),
        ("c.toml", b"[WebServer]\nport = 70000", "WebServer.port"),
        ("c.toml", b"[WebServer]\nport = 0", "WebServer.port"),
        ("c.toml", b"WebServer = 3", "WebServer"),
        ("c.toml", b"lease_seconds = 1", "lease_seconds"),
        ("c.toml", b"lease_seconds = nan", "lease_seconds"),
        ("c.toml", b"lease_seconds = inf", "lease_seconds"),
        ("c.toml", b"lease_margin_seconds = -1", "lease_margin_seconds"),
        ("c.toml", b"durability = 'some'", "durability"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        load(tmp_path / name, {})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="none"):
        load(tmp_path / "none.toml", {})


def test_the_port_given_counts_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[WebServer]\nport = 1001")
    assert load(file, {}).WebServer.port == 1001
    environment = {"OPSORBIT_WEBSERVER__PORT": "1002"}
    assert load(file, environment).WebServer.port == 1002
    assert load(file, environment, port=1003).WebServer.port == 1003
    with pytest.raises(SettingsError, match="port"):
        load(None, {}, port=70_000)
