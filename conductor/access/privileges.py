"""Every privilege by ID with the title that people see. Contract access.md §4."""

from collections.abc import Mapping
from types import MappingProxyType

ADMIN = "admin"

_OBJECTS = (
    "alerts",
    "buckets",
    "categories",
    "channels",
    "events",
    "groups",
    "monitors",
    "plugins",
    "roles",
    "tags",
    "tickets",
    "web_hooks",
)

TITLES: Mapping[str, str] = MappingProxyType(
    {
        ADMIN: "Administrator",
        **{
            f"{verb}_{noun}": f"{verb.title()} {noun.replace('_', ' ').title()}"
            for noun in _OBJECTS
            for verb in ("create", "edit", "delete")
        },
        "run_jobs": "Run Jobs",
        "abort_jobs": "Abort Jobs",
        "delete_jobs": "Delete Jobs",
        "tag_jobs": "Job Tags",
        "create_snapshots": "Create Snapshots",
        "delete_snapshots": "Delete Snapshots",
        "add_servers": "Add Servers",
        "update_servers": "Update Servers",
        "send_emails": "Send Emails",
        "bulk_export": "Bulk Export",
    }
)


def title(privilege: str) -> str:
    """The privilege's title; an unknown one is named by its ID."""
    return TITLES.get(privilege, privilege)


def granted(privileges: object) -> frozenset[str]:
    """The IDs that a privileges object grants: those with a truthy value. Unknown IDs are tolerated."""
    if not isinstance(privileges, dict):
        return frozenset()
    return frozenset(key for key, value in privileges.items() if value)
