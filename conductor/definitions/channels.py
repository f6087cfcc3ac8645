"""Notification channels (contract api/channels.yaml, structures/channel.yaml).

Everything is checked on save: a channel fires when something has gone wrong, which is no time to find out.
"""

import re
from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_flags, check_strings, check_types, check_whole, require_text
from conductor.errors import BadParameter, Refusal

_TYPES = {
    "email": "string",
    "web_hook": "string",
    "run_event": "string",
    "sound": "string",
    "shell_exec": "string",
}
_SOUND = re.compile(r"[\w\-][\w\-. ]*", re.ASCII)
_ADDRESS = re.compile(r"[^@\s,]+@[^@\s,]+")
_NAMED = (("web_hook", "web_hooks", "Web Hook"), ("run_event", "events", "Event"))


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    if doc.get("enabled") is None:
        doc["enabled"] = True
    if doc.get("users") is None:
        doc["users"] = []
    _check(doc, {}, context)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    if "users" in changes and changes["users"] is None:
        changes["users"] = []
    _check(changes, stored, context)


def _check(doc: Json, stored: Json, context: Context) -> None:
    check_types(doc, _TYPES)
    check_flags(doc, "enabled")
    check_strings(doc, "users")
    check_whole(doc, "max_per_day", 0)
    check_whole(doc, "max_per_minute", 0)
    sound = doc.get("sound")
    if sound and not _SOUND.fullmatch(sound):
        raise BadParameter("Malformed parameter: sound (must be a file name)")
    addresses = [one.strip() for one in (doc.get("email") or "").split(",")]
    if any(one and not _ADDRESS.fullmatch(one) for one in addresses):
        raise BadParameter("Malformed parameter: email")
    for key, kind, noun in _NAMED:
        id = doc.get(key)
        # What was there before and has vanished since must not stand in the way of other changes.
        if id and id != stored.get(key) and context.library.get(kind, id) is None:
            raise Refusal("channel", f"{noun} not found: {id[:80]}")


CHANNELS = Kind(
    plural="channels",
    singular="channel",
    prefix="ch",
    code="channel",
    privilege="channels",
    prepare=_prepare,
    revise=_revise,
)
