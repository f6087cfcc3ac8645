"""Server records: what is kept of a satellite that joins (contract satellite_protocol.md §2.2, §2.4). Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from conductor.definitions import groups as group_rules

Record = dict[str, Any]

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")
_NOT_HOST = re.compile(r"[^\w\-.]+", re.ASCII)
_FROM_HELLO: Mapping[str, type | tuple[type, ...]] = {
    "title": str,
    "icon": str,
    "groups": list,
    "enabled": (bool, int),
    "maxJobs": (int, float),
    "userData": dict,
}
"""Properties that a satellite's first hello may set on its new record, and their types: others are left out,
since placement and lists read them of every server."""


def clean_id(value: Any) -> str:
    """A usable server ID, or empty."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def clean_hostname(value: Any) -> str:
    return _NOT_HOST.sub("", str(value or "").encode("ascii", "ignore").decode().lower())[:255]


def joined_record(
    hello: Mapping[str, Any], stored: Mapping[str, Any] | None, *, server_id: str, now: float
) -> Record:
    """The record of a server that has just joined: stored values win but for what only the host knows."""
    if stored:
        record = dict(stored)
    else:
        record = {key: hello[key] for key, kind in _FROM_HELLO.items() if isinstance(hello.get(key), kind)}
        record["groups"] = [str(group) for group in record.get("groups") or ()]
        record["autoGroup"] = not record["groups"]
        record["enabled"] = bool(record.get("enabled", True))
        record["created"] = int(now)
    record.pop("draining", None)  # of an earlier process
    info = hello.get("info")
    record.update(
        id=server_id,
        hostname=clean_hostname(hello.get("hostname")) or server_id,
        info=_info(info if isinstance(info, dict) else {}),
        modified=int(now),
    )
    return record


def regroup(record: Record, groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """The groups a server belongs to; switches it to automatic when its own are all gone."""
    known = {str(group["id"]) for group in groups}
    if not record.get("autoGroup"):
        kept = [group for group in record.get("groups") or () if group in known]
        if kept:
            return kept
        record["autoGroup"] = True
    hostname = str(record["hostname"])
    return [str(group["id"]) for group in groups if group_rules.matches(dict(group), hostname)]


def keywords(record: Mapping[str, Any]) -> str:
    """Search words, in the contract's order; what is missing is `unknown`."""
    info = record.get("info") or {}
    system, cpu, virt = (info.get(part) or {} for part in ("os", "cpu", "virt"))
    words = [
        record.get("hostname"), record.get("ip"), *(record.get("groups") or ()),
        *(system.get(key) for key in ("platform", "distro", "release", "arch")),
        *(cpu.get(key) for key in ("manufacturer", "brand")),
        *(virt.get(key) for key in ("vendor", "type", "location")),
        record.get("title"), *_labels(record),
    ]  # fmt: skip
    return ",".join(str(word or "unknown") for word in words)


def _labels(record: Mapping[str, Any]) -> list[str]:
    labels = record.get("labels")
    return [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []


def _info(info: dict[str, Any]) -> dict[str, Any]:
    kept = dict(info)
    for part in ("os", "memory", "cpu", "features", "monitors", "deltas"):
        if not isinstance(kept.get(part), dict):
            kept[part] = {}
    if not isinstance(kept.get("virt"), dict):
        kept["virt"] = {}
    kept["cpu"] = {**kept["cpu"], "combo": cpu_name(kept["cpu"])}
    return kept


def cpu_name(cpu: Mapping[str, Any]) -> str:
    """Short human name of a processor."""
    maker = str(cpu.get("manufacturer") or "")
    if maker.lower() in ("", "-", "unknown"):
        maker = str(cpu.get("vendor") or "Unknown")
    return f"{maker} {cpu.get('brand') or ''}".strip()
