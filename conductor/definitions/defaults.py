"""What a new database holds (contract structures/defaults.yaml). Clients rely on IDs, titles, params, values.

Each kind is one function that returns plain documents, in storage order, and one entry in `contents`.
"""

from collections.abc import Callable, Mapping, Sequence

from conductor.definitions.default_monitors import alerts, monitors
from conductor.definitions.default_plugins import plugins
from conductor.definitions.json_values import Json
from conductor.definitions.repository import Definitions
from conductor.signals import Actor
from shared.clock import now

ADMIN = "admin"
SETUP = Actor(kind="user", id=ADMIN, useragent="OpsOrbit Setup Script")
UNSUNG = ("roles",)
"""Kinds whose first contents have neither a revision nor an activity row."""


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


def roles() -> list[Json]:
    return [
        {
            "id": "all",
            "title": "All Users",
            "enabled": True,
            "notes": "What everybody may do. Give it to your users and keys.",
            "icon": "",
            "categories": [],
            "groups": [],
            "privileges": {"create_events": True, "edit_events": True, "run_jobs": True, "tag_jobs": True},
        }
    ]


def channels() -> list[Json]:
    return [
        {
            "id": "sev1",
            "title": "Severity 1",
            "enabled": True,
            "notes": "For what needs everybody at once.",
            "users": [ADMIN],
            "email": "",
            "web_hook": "",
            "run_event": "",
            "sound": "attention-3.mp3",
            "icon": "",
            "shell_exec": "",
        }
    ]


def web_hooks() -> list[Json]:
    return [
        {
            "id": "example_hook",
            "title": "Example Hook",
            "enabled": True,
            "url": "https://httpbin.org/post",
            "method": "POST",
            "headers": [
                {"name": "Content-Type", "value": "application/json"},
                {"name": "User-Agent", "value": "xyOps/WebHook"},
            ],
            "body": '{\n\t"text": "{{text}}",\n\t"content": "{{text}}",\n\t"message": "{{text}}"\n}',
            "timeout": 30,
            "retries": 0,
            "follow": False,
            "ssl_cert_bypass": False,
            "notes": "Shows what a web hook looks like.",
            "icon": "",
        }
    ]


_CONTENTS: Mapping[str, Callable[[], Sequence[Json]]] = {
    "roles": roles,
    "groups": groups,
    "plugins": plugins,
    "categories": categories,
    "channels": channels,
    "web_hooks": web_hooks,
    "tags": tags,
    "monitors": monitors,
    "alerts": alerts,
}
_STATE: Mapping[str, Json] = {"scheduler": {"enabled": True}}


def contents(epoch: int) -> dict[str, list[Json]]:
    """The definitions of a new installation by kind, as created at `epoch`."""
    stamp = {"username": ADMIN, "created": epoch, "modified": epoch}
    return {
        kind: [{**doc, **stamp, **({} if kind in UNSUNG else {"revision": 1})} for doc in make()]
        for kind, make in _CONTENTS.items()
    }


async def seed(definitions: Definitions) -> bool:
    """Fill a database without any definition; False (and nothing done) if there are some."""
    if any(definitions.all(kind) for kind in definitions.kinds):
        return False
    # State first: definitions mark the database as set up, in one transaction.
    for key, doc in _STATE.items():
        await definitions.state.merge(key, doc)
    await definitions.restore(contents(int(now())), actor=SETUP, unsung=UNSUNG)
    return True
