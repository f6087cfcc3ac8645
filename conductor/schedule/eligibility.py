"""Which events the schedule considers at all (contract scheduler.md §1.2). Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import truthy

Doc = Mapping[str, Any]


def why_not(event: Doc, category: Doc | None, plugin: Doc | None) -> str:
    """Why nothing of this event launches by itself now; empty when it may."""
    if not truthy(event.get("enabled")):
        return "The event is disabled."
    if category is None:
        return f"Its category does not exist: {event.get('category')}"
    if not truthy(category.get("enabled")):
        return f"Its category is disabled: {category.get('title')}"
    if plugin is not None and not truthy(plugin.get("enabled")):
        return f"Its plugin is disabled: {plugin.get('title')}"
    return ""
