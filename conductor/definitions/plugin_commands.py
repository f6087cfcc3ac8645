"""A plugin's command line: what is run of it, and what its author ought to know (contract plugins.md §1, §7.3). Pure.

Commands of event and monitor plugins look like a shell's and are none, unless the plugin says `shell`.
"""

import re
import shlex
from typing import Any

from conductor.definitions.json_values import Json, truthy

_NO_SHELL = ("event", "monitor")
_BUILT_IN = re.compile(r"\[[\w\-]+\]")
_OPERATORS = "|&;<>()"
_SPECIAL = re.compile(r"[*?`]|^#|\$\(")
_COMMIT_OR_TAG = re.compile(r"[#@][\w.\-]+$")


def command_of(plugin: Json) -> str:
    """What satellites are told to run: with `shell`, the same line in the hands of `/bin/sh`, its script as `$0`."""
    command = str(plugin.get("command") or "")
    if not _in_a_shell(plugin) or plugin.get("type") not in _NO_SHELL or _BUILT_IN.fullmatch(command):
        return command
    line = f'{command} "$0"' if plugin.get("script") else command
    return f"/bin/sh -c {shlex.quote(line)}"


def advice(plugin: Json) -> list[str]:
    """What is allowed and probably not meant."""
    return [*_of_command(plugin), *_of_passwords(plugin.get("params"))]


def _of_passwords(params: Any) -> list[str]:
    """Values of parameters are shown to whoever sees the plugin, its events or its jobs."""
    listed = params if isinstance(params, list) else []
    names = [
        str(param.get("id"))
        for param in listed
        if isinstance(param, dict) and param.get("variant") == "password" and param.get("value")
    ]
    return [f"A password as default of {name} is stored in clear: assign a secret" for name in names]


def _of_command(plugin: Json) -> list[str]:
    command = str(plugin.get("command") or "")
    if _BUILT_IN.fullmatch(command):
        return []
    try:
        words = _words(command)
    except ValueError:
        return ["The quotes of the command do not match"]
    told = []
    if plugin.get("type") in _NO_SHELL and not _in_a_shell(plugin):
        literal = [word for word in words if _is_shells(word)]
        if literal:
            shown = " ".join(dict.fromkeys(literal))
            told.append(f"The command runs without a shell, which takes literally: {shown} (set `shell`)")
    if package := _unpinned(words):
        told.append(
            f"Each run fetches the newest version of {package}: name a version, better a commit or digest"
        )
    return told


def _in_a_shell(plugin: Json) -> bool:
    return truthy(plugin.get("shell"))


def _words(command: str) -> list[str]:
    """With their quotes. Raises ValueError."""
    reader = shlex.shlex(command, posix=False, punctuation_chars=_OPERATORS)
    reader.whitespace_split = True
    reader.commenters = ""
    return list(reader)


def _is_shells(word: str) -> bool:
    if word[0] in "'\"":
        return False
    return set(word) <= set(_OPERATORS) or _SPECIAL.search(word) is not None


def _unpinned(words: list[str]) -> str:
    """The package that a known tool would fetch in whatever version there is."""
    tool, *rest = words or [""]
    if tool in ("docker", "podman"):
        return ""  # the image is hard to tell from the options' values
    if tool == "go" and rest[:1] == ["run"]:
        rest = rest[1:]
    elif tool not in ("npx", "uvx"):
        return ""
    package = next((word for word in rest if not word.startswith("-")), "")
    if not package or package.startswith((".", "/")):
        return ""
    version = _COMMIT_OR_TAG.search(package[1:])  # "@scope/name" begins with one
    return "" if version and not version[0].endswith("latest") else package
