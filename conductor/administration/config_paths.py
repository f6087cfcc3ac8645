"""Settings by dotted path: what an administrator may see and set (contract platform.md §1, §1.6). Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.errors import BadParameter
from conductor.settings import Settings
from shared.schema.reserved import RESERVED_WORDS

Json = dict[str, Any]

WITHHELD = "(withheld)"
"""Stands for a secret; sent back, it leaves the secret as it is."""

_CLOSED = ("secret_key", "previous_secret_keys", "SSO", "Debug", "config_overrides_file")
"""Neither shown nor set: paths that begin with one of these."""
_STORES = ("redis_url", "database_url", "files_url", "redis_prefix", "admin_password", "hostname")
"""Shown and not set: with a wrong one the conductor would not start again."""
_SECRET = re.compile(r"pass(word|wd)?$|secret|token|credential|api_?key|private", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
_PATH = re.compile(r"\w+([./]\w+)*")
_AT_START = (
    "lease_seconds",
    "lease_margin_seconds",
    "durability",
    "log_level",
    "log_format",
    "masters",
    "max_sockets_per_ip",
    "WebServer",
    "User",
)
"""What parts of the house read once, when they are built."""
_OF_HOST = ("WebServer", "base_app_url", "email_templates", "log_level", "log_format", "log_keep_days")
"""What each conductor of a cluster has of its own."""


def steps(path: str) -> list[str]:
    """Raises BadParameter for a path that is none, or may not be set."""
    if path.startswith(_CLOSED) or path.split(".")[0].split("/")[0] in _STORES:
        raise BadParameter(f"Config path cannot be changed: {path[:80]}")
    if not _PATH.fullmatch(path):
        raise BadParameter(f"Malformed config path: {path[:80]}")
    found = re.split(r"[./]", path)
    if any(step in RESERVED_WORDS for step in found):
        raise BadParameter(f"Invalid parameter: {path[:80]} (illegal key)")
    return found


def placed(document: Json, path: list[str], value: Any) -> None:
    """Set `value` at `path`, making objects on the way. Raises BadParameter where something else is in it."""
    place = document
    for step in path[:-1]:
        inner = place.setdefault(step, {})
        if not isinstance(inner, dict):
            raise BadParameter(f"Config path leads into a value: {'.'.join(path)[:80]}")
        place = inner
    place[path[-1]] = value


def found(document: Mapping[str, Any], path: list[str]) -> Any:
    """What is at `path`; None if nothing is."""
    place: Any = document
    for step in path:
        place = place.get(step) if isinstance(place, Mapping) else None
    return place


def settings_of(document: Json) -> Settings:
    """Raises BadParameter, naming the key, for a document that settings cannot be made of."""
    try:
        return msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadParameter(f"Config value cannot be used: {error}") from None


def shown(value: Any, name: str = "") -> Any:
    """A copy of a configuration without its secrets."""
    if isinstance(value, Mapping):
        return {key: shown(inner, key) for key, inner in value.items() if name or key not in _CLOSED}
    if isinstance(value, list | tuple):
        return [shown(inner, name) for inner in value]
    if isinstance(value, str) and value:
        if _SECRET.search(name):
            return WITHHELD
        return _USERINFO.sub(f"{WITHHELD}@", value)
    return value


def overrides_shown(overrides: Mapping[str, Any]) -> Json:
    return {
        path: shown({path.rpartition(".")[2]: value}, "overrides")[path.rpartition(".")[2]]
        for path, value in overrides.items()
        if not path.startswith(_CLOSED)
    }


def needs_restart(path: str) -> bool:
    """Whether the setting counts from the next start on."""
    return re.split(r"[./]", path)[0] in _AT_START


def of_host(path: str) -> bool:
    """Whether the setting is this conductor's alone, not its cluster's."""
    return re.split(r"[./]", path)[0] in _OF_HOST


def described() -> str:
    """Every setting with its default, as Markdown: what an editor of the settings is built from."""
    lines = ["# Settings", ""]
    for field in msgspec.structs.fields(Settings):
        if field.name in _CLOSED:
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else None
        if field.default_factory is not msgspec.NODEFAULT:
            default = msgspec.to_builtins(field.default_factory())
        when = "Counts from the next start on." if needs_restart(field.name) else "Counts at once."
        text = msgspec.json.encode(shown(default, field.name)).decode()
        lines += [f"## {field.name}", "", f"Default: `{text}`. {when}", ""]
    return "\n".join(lines)
