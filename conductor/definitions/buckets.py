"""Buckets: what they are called (contract api/buckets.yaml, structures/bucket.yaml). What is in them is filed."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_flags, require_text


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    if doc.get("enabled") is None:
        doc["enabled"] = True
    check_flags(doc, "enabled")
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    check_flags(changes, "enabled")


BUCKETS = Kind(
    plural="buckets",
    singular="bucket",
    prefix="b",
    code="bucket",
    privilege="buckets",
    never_stored=frozenset(("data", "files")),
    prepare=_prepare,
    revise=_revise,
)
