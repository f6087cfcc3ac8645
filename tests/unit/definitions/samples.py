"""Definitions for the tests: a library of the first contents plus a few more, and callers."""

from collections.abc import Sequence
from typing import Any

from conductor.definitions.defaults import contents
from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context
from conductor.errors import AccessDenied

NOW = 1_800_000_000


class Books:
    """A library in memory."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Json]] = {
            kind: {doc["id"]: doc for doc in docs} for kind, docs in contents(NOW).items()
        }
        for kind in ("api_keys", "buckets", "events", "maintenance_windows", "secrets"):
            self.kinds[kind] = {}
        self.add("plugins", id="sched", title="Sched", type="scheduler", command="x", params=[LEVEL])
        self.add("plugins", id="act", title="Act", type="action", command="x", params=[LEVEL])
        self.add("plugins", id="plain", title="Plain", type="event", command="x", params=[LEVEL])
        self.add("events", **{**EVENT, "id": "e1", "fields": [WHO]})

    def add(self, kind: str, **doc: Any) -> None:
        self.kinds[kind][doc["id"]] = doc

    def all(self, kind: str) -> Sequence[Json]:
        return list(self.kinds[kind].values())

    def get(self, kind: str, id: str) -> Json | None:
        return self.kinds[kind].get(id)


WHO: Json = {"id": "who", "type": "text", "required": True}
LEVEL: Json = {
    "id": "level",
    "title": "Level",
    "type": "text",
    "value": "1",
    "range": "1-9/1",
    "variant": "number",
}
EVENT: Json = {
    "title": "Nightly",
    "enabled": True,
    "category": "general",
    "targets": ["main"],
    "algo": "random",
    "plugin": "shellplug",
    "params": {"script": "#!/bin/sh\ntrue"},
    "triggers": [{"type": "manual", "enabled": True}],
    "limits": [],
    "actions": [],
    "fields": [],
}
JOB: Json = {"plugin": "plain", "category": "general", "targets": ["main"], "params": {"level": 2}}
WORKFLOW: Json = {
    "title": "Graph",
    "enabled": True,
    "category": "general",
    "type": "workflow",
    "workflow": {
        "nodes": [
            {"id": "n1", "type": "trigger", "x": 0, "y": 0},
            {"id": "n2", "type": "job", "x": 1, "y": 0, "data": JOB},
            {"id": "n3", "type": "event", "x": 2, "y": 0, "data": {"event": "e1", "params": {"who": "me"}}},
            {"id": "n4", "type": "controller", "x": 2, "y": 0, "data": {"controller": "join"}},
            {"id": "n5", "type": "note", "x": 2, "y": 0, "data": {"body": "hello"}},
        ],
        "connections": [
            {"id": "c1", "source": "n1", "dest": "n2"},
            {"id": "c2", "source": "n2", "dest": "n3", "condition": "success"},
        ],
    },
    "triggers": [{"type": "manual", "enabled": True, "id": "n1"}],
}


class Caller:
    def __init__(
        self,
        name: str = "ann",
        *,
        admin: bool = False,
        categories: Sequence[str] = (),
        groups: Sequence[str] = (),
        privileges: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.admin = admin
        self._categories = categories
        self._groups = groups
        self._privileges = privileges

    def may(self, privilege: str, /) -> bool:
        return self.admin or privilege in self._privileges

    def require_category(self, id: str, /) -> None:
        if self._categories and not self.admin and id not in self._categories:
            raise AccessDenied(f"No access to category {id}")

    def require_group(self, id: str, /) -> None:
        if self._groups and not self.admin and id not in self._groups:
            raise AccessDenied(f"No access to group {id}")

    def require_targets(self, targets: Sequence[str], /) -> None:
        if targets and self._groups and not self.admin and not set(targets) & set(self._groups):
            raise AccessDenied(f"No access to targets {targets}")


ADMIN = Caller("admin", admin=True)


def context(books: Books | None = None, by: Caller = ADMIN, jobs: int = 0) -> Context:
    return Context(books or Books(), by, lambda event_id: jobs)
