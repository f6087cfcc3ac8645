"""Cronicle's exports as lines of ours (contract compat.md §1), with a report of what has no counterpart. Pure.

Plugins are laid under those that are here already, whose properties win; every other list is replaced, unless the
import is asked to merge. Plain API keys are hashed, so that they work and nobody can read them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from conductor.access.privileges import TITLES
from conductor.administration.backup.cronicle_events import Converted, action_hook, converted, rule_lists
from conductor.administration.backup.lines import FOOTER, Command, Line, Put, encoded
from shared.schema.api_keys import hashed, mask

Json = dict[str, Any]

_LINE = re.compile(rb"(\w[\w\-./]*) - (\{.*)", re.DOTALL)
_PAGE = re.compile(r"global/(plugins|categories|server_groups|schedule|api_keys)/-?\d+")
_USER = re.compile(r"users/[\w\-.]+")
_USUAL = ("global/users", "global/plugins", "global/categories", "global/server_groups", "global/schedule")
_PRIVILEGES = {"run_events": "run_jobs", "abort_events": "abort_jobs"}
_COMMANDS = {
    "bin/shell-plugin.js": "[shell-plugin]",
    "bin/test-plugin.js": "[test-plugin]",
    "bin/http-plugin.js": "[http-plugin]",
}
_MOST_REMARKS = 200


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is here already."""

    plugins: Sequence[Json]
    web_hooks: Sequence[Json]
    servers: Mapping[str, str]
    """Host name to the server's ID."""
    preferences: Mapping[str, Any]
    """Of users that have none."""
    username: str
    """Who imports."""
    tz: str
    now: int


@dataclass
class Found:
    """Cronicle's records by what they are."""

    users: list[Json] = field(default_factory=list)
    lists: dict[str, list[Json]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    bad: int = 0


def read(lines: Iterable[bytes]) -> Found:
    """`KEY - {json}` lines; anything else is ignored, and counted if it looks like a record."""
    found, pages = Found(), dict[str, list[tuple[int, list[Any]]]]()
    for line in lines:
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        key = match[1].decode()
        if (page := _PAGE.fullmatch(key)) is None and _USER.fullmatch(key) is None:
            if key.rpartition("/")[0] not in _USUAL and key not in _USUAL:
                found.skipped["/".join(key.split("/")[:2])] += 1
            continue
        try:
            record = msgspec.json.decode(match[2])
        except (msgspec.DecodeError, RecursionError):
            found.bad += 1
            continue
        if page is None:
            found.users.append(record)
        else:
            number = int(key.rpartition("/")[2])
            items = record.get("items") if isinstance(record, dict) else None
            pages.setdefault(page[1], []).append((number, items if isinstance(items, list) else []))
    for name, numbered in pages.items():
        listed = [item for _, items in sorted(numbered, key=lambda one: one[0]) for item in items]
        found.lists[name] = [item for item in listed if isinstance(item, dict) and item.get("id")]
    return found


def lines_of(found: Found, around: Surroundings) -> tuple[Iterator[bytes], list[str]]:
    """The lines of an export of ours, and what was not migrated, in words."""
    remarks: list[str] = []
    hooks: list[Json] = [hook for hook in around.web_hooks if hook.get("id") == "example_hook"]
    events: list[Json] = []
    for event in found.lists.get("schedule", ()):
        made: Converted = converted(event, around.servers, _group_ids(found), around.tz)
        events.append(made.event)
        hooks += made.hooks
        remarks += made.remarks
    categories = []
    for place, category in enumerate(found.lists.get("categories", ())):
        categories.append(_category(category, place, hooks))
    lists = {
        "plugins": _plugins(found.lists.get("plugins", ()), around),
        "categories": categories,
        "groups": [
            _group(group, place, around) for place, group in enumerate(found.lists.get("server_groups", ()))
        ],
        "events": events,
        "api_keys": [_api_key(key, remarks) for key in found.lists.get("api_keys", ())],
        "web_hooks": hooks,
    }
    users = [_user(user, around.preferences, remarks) for user in found.users if _named(user)]
    if found.bad:
        remarks.append(f"{found.bad} records cannot be read")
    remarks += [
        f"{count} records of {key} have no counterpart" for key, count in sorted(found.skipped.items())
    ]
    if len(remarks) > _MOST_REMARKS:
        remarks = [*remarks[:_MOST_REMARKS], f"and {len(remarks) - _MOST_REMARKS} more"]

    def lines() -> Iterator[bytes]:
        for user in users:
            yield encoded(Put(f"users/{user['username'].lower()}", user))
        for name, items in lists.items():
            if items:
                yield from map(encoded, _list(name, items))
        yield f"{FOOTER}\n".encode()

    return lines(), remarks


def _list(name: str, items: Sequence[Json]) -> Iterator[Line]:
    key = f"global/{name}"
    yield Command("listDelete", (key, False))
    yield Command("listPush", (key, list(items)))


def _group_ids(found: Found) -> set[str]:
    return {str(group["id"]) for group in found.lists.get("server_groups", ())}


def _named(user: Any) -> bool:
    return isinstance(user, dict) and isinstance(user.get("username"), str)


def _rights(given: Any, who: str, remarks: list[str]) -> Json:
    """Privileges, categories and groups of what Cronicle keeps in one object."""
    given = given if isinstance(given, dict) else {}
    held = [key for key, value in given.items() if value]
    if "admin" in held:
        return {"privileges": {"admin": True}, "categories": [], "groups": []}
    privileges = {_PRIVILEGES.get(key, key): True for key in held}
    limits = [key for key in held if key.startswith(("cat_", "grp_"))]
    unknown = [key for key in privileges if key not in TITLES and key not in limits]
    if unknown:
        remarks.append(f"{who}: privileges without a counterpart: {', '.join(sorted(unknown))}")
    return {
        "privileges": {key: True for key in privileges if key in TITLES},
        "categories": _limits(held, "cat_"),
        "groups": _limits(held, "grp_"),
    }


def _limits(held: Sequence[str], prefix: str) -> list[str]:
    if f"{prefix}limit" not in held:
        return []
    return [key.removeprefix(prefix) for key in held if key.startswith(prefix) and key != f"{prefix}limit"]


def _user(user: Json, preferences: Mapping[str, Any], remarks: list[str]) -> Json:
    rights = _rights(user.get("privileges"), f"User {user['username']}", remarks)
    return {**preferences, **user, **rights, "roles": []}


def _api_key(key: Json, remarks: list[str]) -> Json:
    plain = str(key.get("key") or "")
    active = key.get("active") not in (0, "0", False, None)
    return {
        **key,
        **_rights(key.get("privileges"), f"API key {key.get('title', key['id'])}", remarks),
        "key": hashed(plain, str(key["id"])) if plain else "",
        "mask": mask(plain) if plain else "",
        "active": 1 if active and plain else 0,
        "roles": [],
        "revision": 1,
    }


def _plugins(given: Sequence[Json], around: Surroundings) -> list[Json]:
    """Those that are here, each over the one that comes; then what is new."""
    coming = {}
    for plugin in given:
        id = "httpplug" if plugin["id"] == "urlplug" else str(plugin["id"])
        command = str(plugin.get("command") or "")
        coming[id] = {
            **plugin,
            "id": id,
            "type": "event",
            "command": _COMMANDS.get(command, command),
            "enabled": bool(plugin.get("enabled")),
            "icon": "",
            "kill": "parent",
            "revision": 1,
            "params": [_param(param) for param in plugin.get("params") or () if isinstance(param, dict)],
        }
    if not coming:
        return []
    here = [{**coming.pop(plugin["id"], {}), **plugin} for plugin in around.plugins]
    return [*here, *coming.values()]


def _param(param: Json) -> Json:
    """Options of a menu are one text here, the default first."""
    made = {**param, "title": str(param.get("title") or param.get("id", ""))}
    if param.get("type") == "select" and isinstance(param.get("items"), list):
        items = [str(item) for item in param["items"]]
        first = str(param.get("value") or (items[0] if items else ""))
        made["value"] = ", ".join([first, *(item for item in items if item != first)])
        del made["items"]
    elif param.get("type") == "checkbox":
        made["value"] = bool(param.get("value"))
    return made


def _category(category: Json, place: int, hooks: list[Json]) -> Json:
    kept = ("id", "title", "username", "created", "modified")
    limits, actions = rule_lists(category)
    title = str(category.get("title") or category["id"])
    if category.get("web_hook"):
        hook, action = action_hook(str(category["web_hook"]), f"c_{category['id']}", title)
        hooks.append(hook)
        actions.append(action)
    return {
        **{key: category[key] for key in kept if key in category},
        "enabled": bool(category.get("enabled", True)),
        "notes": str(category.get("description") or ""),
        "color": category.get("color") or "plain",
        "icon": "",
        "sort_order": place,
        "limits": limits,
        "actions": actions,
        "revision": 1,
    }


def _group(group: Json, place: int, around: Surroundings) -> Json:
    return {
        "id": group["id"],
        "title": str(group.get("title") or group["id"]),
        "hostname_match": str(group.get("regexp") or "(?!)"),
        "icon": "",
        "notes": "",
        "sort_order": place,
        "username": around.username,
        "created": around.now,
        "modified": around.now,
        "revision": 1,
    }
