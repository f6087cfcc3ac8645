"""What a new database holds (contract structures/defaults.yaml). Clients rely on IDs, titles, params, values.

Each kind is one function that returns plain documents, in storage order, and one entry in `contents`.
"""

from collections.abc import Callable, Mapping, Sequence

from conductor.definitions.default_plugins import plugins
from conductor.definitions.json_values import Json
from conductor.definitions.repository import Definitions
from conductor.signals import Actor
from shared.clock import now

ADMIN = "admin"
SETUP = Actor(kind="system", id=ADMIN, useragent="OpsOrbit Setup")


def groups() -> list[Json]:
    return [
        {
            "id": "main",
            "title": "Main Group",
            "hostname_match": ".+",
            "alert_actions": [],
            "sort_order": 0,
        }
    ]


def categories() -> list[Json]:
    return [
        {
            "id": "general",
            "title": "General",
            "enabled": True,
            "sort_order": 0,
            "notes": "For events that belong nowhere else.",
            "color": "plain",
            "icon": "",
            "limits": [],
            "actions": [],
        }
    ]


def tags() -> list[Json]:
    return [
        {"id": "important", "title": "Important", "icon": "alert-rhombus", "notes": ""},
        {"id": "flag", "title": "Flag", "icon": "flag-checkered", "notes": ""},
    ]


_CONTENTS: Mapping[str, Callable[[], Sequence[Json]]] = {
    "groups": groups,
    "plugins": plugins,
    "categories": categories,
    "tags": tags,
}
_STATE: Mapping[str, Json] = {"scheduler": {"enabled": True}}


def contents(epoch: int) -> dict[str, list[Json]]:
    """The definitions of a new installation by kind, as created at `epoch`."""
    stamp = {"username": ADMIN, "created": epoch, "modified": epoch, "revision": 1}
    return {kind: [{**doc, **stamp} for doc in make()] for kind, make in _CONTENTS.items()}


async def seed(definitions: Definitions) -> bool:
    """Fill a database without any definition; False (and nothing done) if there are some."""
    if any(definitions.all(kind) for kind in definitions.kinds):
        return False
    # State first: definitions mark the database as set up, in one transaction.
    for key, doc in _STATE.items():
        await definitions.state.merge(key, doc)
    await definitions.restore(contents(int(now())), actor=SETUP)
    return True
