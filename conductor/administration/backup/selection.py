"""What an export holds, from what its caller asks for (contract api/admin.yaml, export_ids). Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.administration.backup.lists import NAMES as NAMES
from conductor.errors import AccessDenied, BadParameter, Refusal

INDEXES = ("alerts", "jobs", "servers", "snapshots", "activity", "tickets")
EXTRAS = (
    "job_files",
    "job_logs",
    "bucket_files",
    "ticket_files",
    "monitor_data",
    "stat_data",
    "user_avatars",
)
LARGEST_FILE = 1024**2

_ADMINS = {"users", "secretData"}
_ADMINS_LISTS = {"api_keys", "users", "secrets"}


class Item(msgspec.Struct, kw_only=True):
    """One part of an export, or of a deletion."""

    type: str
    key: str = ""
    """Of a list: `global/NAME` or NAME."""
    index: str = ""
    query: str = "*"
    max_rows: int = 0
    max_size: int = LARGEST_FILE
    avatars: bool | int = False
    logs: bool | int = True
    files: bool | int = True

    @property
    def list_name(self) -> str:
        return self.key.removeprefix("global/")


def items(raw: Any) -> list[Item]:
    """Explicit items. Raises Refusal `admin`."""
    if not isinstance(raw, list) or not raw:
        raise Refusal("admin", "No items were specified.")
    try:
        return msgspec.convert(raw, list[Item], strict=False)
    except msgspec.ValidationError as error:
        raise Refusal("admin", f"Malformed items: {error}") from None


def selected(params: Mapping[str, Any]) -> list[Item]:
    """Everything that lists, indexes, extras and items name, each once. Raises Refusal `admin`."""
    lists = _named(params, "lists", NAMES)
    indexes = _named(params, "indexes", INDEXES)
    extras = _named(params, "extras", EXTRAS)
    found = [Item(type="list", key=f"global/{name}") for name in lists]
    if "users" in lists:
        found.append(Item(type="users", avatars="user_avatars" in extras))
    if "buckets" in lists:
        found.append(Item(type="bucketData"))
    if "secrets" in lists:
        found.append(Item(type="secretData"))
    if "events" in lists:
        found.append(Item(type="state"))
    found += [Item(type="index", index=name) for name in indexes]
    if "job_files" in extras or "job_logs" in extras:
        found.append(Item(type="jobFiles", files="job_files" in extras, logs="job_logs" in extras))
    if "ticket_files" in extras:
        found.append(Item(type="ticketFiles"))
    if "bucket_files" in extras:
        found.append(Item(type="bucketFiles"))
    if "monitor_data" in extras:
        found.append(Item(type="monitorData"))
    if "stat_data" in extras:
        found.append(Item(type="list", key="global/stats"))
    if params.get("items") is not None:
        found += items(params["items"])
    if not found:
        raise Refusal("admin", "Nothing was selected for the export.")
    return found


def require_admin_for(found: list[Item], *, admin: bool) -> None:
    """The privilege to export is none to read password hashes, keys, secrets or the audit log."""
    for item in found:
        secret = item.type in _ADMINS or (item.type == "list" and item.list_name in _ADMINS_LISTS)
        if not admin and (secret or (item.type == "index" and item.index == "activity")):
            what = item.key or item.index or item.type
            raise AccessDenied(f"Only administrators may export {what}.")


def _named(params: Mapping[str, Any], key: str, known: tuple[str, ...]) -> list[str]:
    value = params.get(key)
    if value is None or value == "":
        return []
    if value == "all":
        return list(known)
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",")]
    if not isinstance(value, list):
        raise Refusal("admin", f"Parameter is not an array: {key}")
    for word in value:
        if word not in known:
            raise BadParameter(f"Unknown value in {key}: {str(word)[:40]}")
    return list(dict.fromkeys(value))
