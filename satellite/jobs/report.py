"""What a plugin has said of its job so far (contract satellite_agent.md §5.7). Pure: no files, no clock."""

from collections.abc import Mapping
from typing import Any

from shared.ids import short_id
from shared.protocol.updates import PLUGIN_KEYS, allowed

_MERGED = ("data", "serverData", "workflowData")
_REDRAWN = frozenset({"status", "perf", "table", "html", "markdown", "text", "push"})
_PUSHABLE = frozenset({"tags", "actions", "limits"})
_ECHO_MARKS = ("type", "state")
_NOT_A_LIST = "WARNING: Invalid syntax: Not an array: files"


class PluginReport:
    """Messages merged in order; last value wins, except where objects merge and pushes accumulate.

    `fields` is what the result carries. `take_changes` gives what an update should carry since the last.
    """

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.closed = False
        """Nothing more is accepted: the plugin reported its completion, or the job was aborted."""
        self.files: list[Any] = []
        """Entries for output files (contract satellite_agent.md §5.10), in the order they came."""
        self._changed: set[str] = set()

    @property
    def completed(self) -> bool:
        return "code" in self.fields

    def accept(self, message: Mapping[str, Any]) -> list[str]:
        """Merge one message; returns warnings for the job's meta log."""
        if self.closed or any(message.get(mark) for mark in _ECHO_MARKS):
            return []
        warnings = [
            f"WARNING: Invalid syntax: Not an object: {key}"
            for key in _MERGED
            if key in message and not isinstance(message[key], dict)
        ]
        if "push" in message:
            warnings += self._push(message["push"])
        if "files" in message:
            if isinstance(message["files"], list):
                self.files += message["files"]
            else:
                warnings.append(_NOT_A_LIST)
        update = allowed(message, PLUGIN_KEYS)
        for key in ("push", "files", "complete", "code"):
            update.pop(key, None)
        for key in _MERGED:
            if key in update:
                self.fields[key] = merged(self.fields.get(key, {}), update.pop(key))
        self.fields.update(update)
        self._changed |= update.keys()
        if not _REDRAWN.isdisjoint(message):
            self.fields["redraw"] = short_id("z")
            self._changed.add("redraw")
        if "code" in message or message.get("complete"):
            self._complete(message.get("code", 0))
        return warnings

    def take_changes(self) -> dict[str, Any]:
        changes = {key: self.fields[key] for key in self._changed if key in self.fields}
        self._changed.clear()
        return changes

    def progress(self, fraction: float) -> None:
        if not self.closed:
            self.fields["progress"] = fraction
            self._changed.add("progress")

    def _complete(self, code: Any) -> None:
        self.fields["complete"] = True
        self.fields["code"] = code or 0
        self.closed = True

    def _push(self, push: Any) -> list[str]:
        if not isinstance(push, dict):
            return ["WARNING: Invalid push syntax: Not an object."]
        warnings = []
        gathered: dict[str, list[Any]] = self.fields.setdefault("push", {})
        for key, values in push.items():
            if key == "files" and isinstance(values, list):
                self.files += values
            elif key not in _PUSHABLE and key != "files":
                warnings.append("WARNING: Invalid key in push object.")
            elif not isinstance(values, list):
                warnings.append(f"WARNING: Invalid push syntax: Property is not an array: {key}")
            else:
                gathered.setdefault(key, []).extend(values)
        if not gathered:
            del self.fields["push"]
        return warnings


def merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Shallow merge; arrays under the same key are joined."""
    result = dict(before)
    for key, value in after.items():
        earlier = result.get(key)
        result[key] = [*earlier, *value] if isinstance(earlier, list) and isinstance(value, list) else value
    return result
