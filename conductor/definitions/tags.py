"""Tags of events, jobs and tickets (contract api/tags.yaml, structures/tag.yaml)."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import require_text
from conductor.errors import BadParameter


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    if doc["id"].startswith("_"):
        raise BadParameter("Malformed parameter: id (IDs that begin with _ are tags of the system)")
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")


TAGS = Kind(
    plural="tags",
    singular="tag",
    prefix="t",
    code="tag",
    privilege="tags",
    locks_on_delete=("events",),
    prepare=_prepare,
    revise=_revise,
)
