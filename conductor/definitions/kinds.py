"""The table of kinds. A new kind is one file with a `Kind` in it and one entry here."""

from collections.abc import Mapping
from types import MappingProxyType

from conductor.definitions.alerts import ALERTS
from conductor.definitions.api_keys import API_KEYS
from conductor.definitions.buckets import BUCKETS
from conductor.definitions.categories import CATEGORIES
from conductor.definitions.channels import CHANNELS
from conductor.definitions.events import EVENTS
from conductor.definitions.groups import GROUPS
from conductor.definitions.kind import Context, Kind, Library
from conductor.definitions.maintenance_windows import MAINTENANCE_WINDOWS
from conductor.definitions.monitors import MONITORS
from conductor.definitions.plugins import PLUGINS
from conductor.definitions.roles import ROLES
from conductor.definitions.secrets import SECRETS
from conductor.definitions.tags import TAGS
from conductor.definitions.web_hooks import WEB_HOOKS

__all__ = ["KINDS", "Context", "Kind", "Library", "build_kinds"]


def build_kinds() -> Mapping[str, Kind]:
    """Every kind by its plural name."""
    kinds = (
        ALERTS,
        API_KEYS,
        BUCKETS,
        CATEGORIES,
        CHANNELS,
        EVENTS,
        GROUPS,
        MAINTENANCE_WINDOWS,
        MONITORS,
        PLUGINS,
        ROLES,
        SECRETS,
        TAGS,
        WEB_HOOKS,
    )
    return MappingProxyType({kind.plural: kind for kind in kinds})


KINDS = build_kinds()
