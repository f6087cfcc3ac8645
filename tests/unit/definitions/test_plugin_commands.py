"""Commands of plugins (contract plugins.md, "Where to be better" 3 and 4)."""

import subprocess
from pathlib import Path

import pytest

from conductor.definitions.plugin_commands import advice, command_of
from satellite.jobs.command_line import arguments


@pytest.mark.parametrize(
    ("command", "literal"),
    [
        ("ls -l /tmp", ""),
        ("grep 'a|b*' \"c > d\"", ""),
        ("cat /var/log/*.log", "/var/log/*.log"),
        ("cat a | wc -l > out", "| >"),
        ("a; b && c", "; &&"),
        ("echo `date` $(id) # why", "`date`"),
        ("/bin/sh -c 'a | b'", ""),
        ("echo $HOME ${X}", ""),
    ],
)
def test_a_command_that_looks_like_a_shells_is_told_at_save(command: str, literal: str) -> None:
    """Better (plugins 4): unquoted `* | > ; #` would become arguments."""
    told = advice({"type": "event", "command": command})
    assert bool(told) is bool(literal)
    assert all(literal in text for text in told)
    assert advice({"type": "monitor", "command": command}) == told
    assert not advice({"type": "action", "command": command}), "it has a shell"
    assert not advice({"type": "event", "command": command, "shell": True})


def test_quotes_that_do_not_match_are_told_at_save() -> None:
    assert advice({"type": "event", "command": "echo 'x"}) == ["The quotes of the command do not match"]


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("npx -y left-pad", "left-pad"),
        ("npx -y @org/tool", "@org/tool"),
        ("npx -y @org/tool@1.2.3", ""),
        ("npx -y left-pad@latest", "left-pad@latest"),
        ("npx -y github:org/repo", "github:org/repo"),
        ("npx -y github:org/repo#v1.0.0", ""),
        ("uvx git+https://example.test/org/repo", "git+https://example.test/org/repo"),
        ("uvx git+https://example.test/org/repo@0123456789abcdef0123456789abcdef01234567", ""),
        ("go run example.test/org/repo@latest", "example.test/org/repo@latest"),
        ("go run ./local.go", ""),
        ("python3", ""),
    ],
)
def test_a_package_without_a_version_is_told_at_save(command: str, package: str) -> None:
    """Better (plugins 3): what runs tomorrow ought to be what was installed today."""
    told = advice({"type": "action", "command": command})
    assert bool(told) is bool(package)
    assert all(f"version of {package}:" in text for text in told)


@pytest.mark.parametrize("script", ["", "echo $(( 6 * 7 ))"])
def test_a_plugin_may_ask_for_a_shell(tmp_path: Path, script: str) -> None:
    """Better (plugins 4): the switch; what is told to satellites is a line that every agent can split."""
    path = tmp_path / "script"
    path.write_text(script)
    line = "sh" if script else "printf '%s' \"it's $WORD\" | tr a-z A-Z"
    plugin = {"type": "event", "command": line, "script": script, "shell": True}
    argv = arguments(command_of(plugin), {"WORD": "wrong"}) + ([str(path)] if script else [])
    ended = subprocess.run(
        argv, env={"WORD": "right", "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    assert ended.stdout == (b"42\n" if script else b"IT'S RIGHT")
    assert command_of({**plugin, "shell": False}) == line
    assert command_of({**plugin, "type": "action"}) == line, "it has one anyway"
    assert command_of({**plugin, "command": "[shell-plugin]"}) == "[shell-plugin]"


def test_a_password_among_the_parameters_is_told_at_save() -> None:
    """Better (plugins 8): it is stored and sent in clear, which a secret is not."""
    params = [
        {"id": "key", "type": "text", "variant": "password", "value": "hunter2"},
        {"id": "asked", "type": "text", "variant": "password", "value": ""},
        {"id": "plain", "type": "text", "value": "x"},
        "rubbish",
    ]
    (told,) = advice({"type": "event", "command": "true", "params": params})
    assert told.startswith("A password as default of key is stored in clear")
