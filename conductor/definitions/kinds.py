"""The table of kinds. A new kind is one file with a `Kind` in it and one entry here."""

from collections.abc import Mapping
from types import MappingProxyType

from conductor.definitions.api_keys import API_KEYS
from conductor.definitions.categories import CATEGORIES
from conductor.definitions.events import EVENTS
from conductor.definitions.groups import GROUPS
from conductor.definitions.kind import Context, Kind, Library
from conductor.definitions.plugins import PLUGINS
from conductor.definitions.tags import TAGS

__all__ = ["KINDS", "Context", "Kind", "Library", "build_kinds"]


def build_kinds() -> Mapping[str, Kind]:
    """Every kind by its plural name."""
    kinds = (API_KEYS, CATEGORIES, EVENTS, GROUPS, PLUGINS, TAGS)
    return MappingProxyType({kind.plural: kind for kind in kinds})


KINDS = build_kinds()
