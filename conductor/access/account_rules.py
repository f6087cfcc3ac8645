"""What a user's record may become: which properties who may set, and what their values must be. Pure.

Contract access.md §2, structures/user.yaml. Users edit what `EDITABLE` lists and nothing else, by whichever
call; administrators set everything but what the house itself keeps.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from conductor.access.privileges import ADMIN, granted
from conductor.access.rights import effective
from conductor.access.second_factor import KEY as FACTOR
from conductor.errors import BadParameter

Json = dict[str, Any]

EMAIL = r"^\S+@\S+$"
MAX_BYTES = 256 * 1024
"""Of one encoded record: a browser keeps searches and the like in it."""

EDITABLE: Mapping[str, type | tuple[type, ...]] = {
    "full_name": str,
    "email": str,
    "icon": str,
    "language": str,
    "region": str,
    "num_format": str,
    "hour_cycle": str,
    "timezone": str,
    "color_acc": (bool, int),
    "privacy_mode": (bool, int),
    "notifications": (bool, int),
    "effects": (bool, int),
    "page_info": (bool, int),
    "contrast": str,
    "motion": str,
    "volume": (int, float),
    "filters": dict,
    "searches": list,
    "sidebar": list,
    "hot_keys": dict,
    "sync": (bool, int),
}
"""Of their own account, with the type of each."""

_KEPT_BY_THE_HOUSE = frozenset(
    (
        "username",
        "password",
        "salt",
        "created",
        "modified",
        "new_password",
        "old_password",
        "unlock",
        "send_email",
        FACTOR,
    )
)
_LISTS = ("roles", "categories", "groups")
_COUNTERS = (
    "force_password_reset",
    "locked_by_failures",
    "fl_date_code",
    "fl_count",
    "fp_date_code",
    "fp_count",
)
_TAG = re.compile(r"<[^<>]*>")
_NOT_ICON = re.compile(r"[^A-Za-z0-9_\-]")
_EMAIL = re.compile(EMAIL)


def editable(fields: Mapping[str, Any]) -> Json:
    """What a user may set of `fields` on his own account; the rest is dropped without a word.

    Raises BadParameter for a value of the wrong type.
    """
    kept = {key: value for key, value in fields.items() if key in EDITABLE}
    for key, value in kept.items():
        if not isinstance(value, EDITABLE[key]):
            raise BadParameter(f"Malformed parameter type: {key}")
    return _cleaned(kept)


def administered(fields: Mapping[str, Any]) -> Json:
    """What an administrator may set of `fields`, with privileges and lists in their stored form."""
    kept = {key: value for key, value in fields.items() if key not in _KEPT_BY_THE_HOUSE}
    for key in EDITABLE.keys() & kept.keys():
        if not isinstance(kept[key], EDITABLE[key]):
            raise BadParameter(f"Malformed parameter type: {key}")
    if "privileges" in kept:
        if not isinstance(kept["privileges"], dict):
            raise BadParameter("Parameter is not type object: privileges")
        kept["privileges"] = dict.fromkeys(sorted(granted(kept["privileges"])), True)
    for key in _LISTS:
        if key in kept:
            kept[key] = _ids(key, kept[key])
    if "active" in kept:
        kept["active"] = 1 if kept["active"] not in (0, "0", False, None, "", "false") else 0
    return _cleaned(kept)


def unlocked(user: Mapping[str, Any]) -> Json:
    """`user` without lock and counters of failed logins and forgotten passwords."""
    return {key: value for key, value in user.items() if key not in _COUNTERS}


def completed(user: Json, roles: Iterable[Mapping[str, Any]]) -> Json:
    """`user` as it is stored: an administrator, by whatever way, has no limits. Raises BadParameter."""
    privileges, _, _ = effective(user, roles)
    if ADMIN in privileges:
        user = {**user, "categories": [], "groups": []}
    try:
        size = len(msgspec.json.encode(user))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadParameter(f"The account cannot be stored: {error}") from None
    if size > MAX_BYTES:
        raise BadParameter(f"The account is larger than {MAX_BYTES} bytes")
    return user


def _cleaned(fields: Json) -> Json:
    for key in ("full_name", "email"):
        if key in fields:
            fields[key] = _TAG.sub("", fields[key]).strip()
    if fields.get("email") and not _EMAIL.match(fields["email"]):
        raise BadParameter("Malformed parameter: email")
    if "icon" in fields:
        fields["icon"] = _NOT_ICON.sub("", fields["icon"])
    return fields


def _ids(key: str, value: object) -> list[str]:
    if not isinstance(value, list):
        raise BadParameter(f"Parameter is not an array: {key}")
    if not all(isinstance(one, str) for one in value):
        raise BadParameter(f"Malformed parameter: {key} (must be array of strings)")
    return list(dict.fromkeys(value))
