"""Tags of events, jobs and tickets (contract api/tags.yaml, structures/tag.yaml)."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import require_text


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")


TAGS = Kind(
    plural="tags", singular="tag", prefix="t", code="tag", privilege="tags", prepare=_prepare, revise=_revise
)
