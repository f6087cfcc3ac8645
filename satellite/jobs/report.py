"""What a plugin has said of its job so far (contract satellite_agent.md §5.7). Pure: no files, no clock."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.ids import short_id
from shared.protocol.updates import PLUGIN_KEYS, allowed

_MERGED = ("data", "serverData", "workflowData")
_REDRAWN = frozenset({"status", "perf", "table", "html", "markdown", "text", "push"})
_PUSHABLE = frozenset({"tags", "actions", "limits"})
_GROWING = frozenset({*_MERGED, *(f"{key}_patch" for key in _MERGED), "push", "files"})
"""Keys whose values add up; of the others the last one counts."""
_MOST_DROPPED = 50
_ECHO_MARKS = ("type", "state")
_PATCHES = {f"{key}_patch": key for key in _MERGED}
"""Keys with an RFC 7396 merge patch: nested objects merge, null deletes, arrays are replaced."""
_QUIETLY_DROPPED = frozenset({"xy"})
MOST_BYTES = 48 * 1024 * 1024
"""Of JSON that a job may report: the result is one frame, and one too large would break each connection."""
_SMALL = 4096
_NOT_A_LIST = "WARNING: Invalid syntax: Not an array: files"


class PluginReport:
    """Messages merged in order; last value wins, except where objects merge and pushes accumulate.

    `fields` is what the result carries. `take_changes` gives what an update should carry since the last.
    """

    def __init__(self, job_id: str = "") -> None:
        self._job_id = job_id
        self.fields: dict[str, Any] = {}
        self.closed = False
        """Nothing more is accepted: the plugin reported its completion, or the job was aborted."""
        self.files: list[Any] = []
        """Entries for output files (contract satellite_agent.md §5.10), in the order they came."""
        self._changed: set[str] = set()
        self._sizes: dict[str, int] = {}
        self._dropped: set[str] = set()

    @property
    def completed(self) -> bool:
        return "code" in self.fields

    def accept(self, message: Mapping[str, Any], size: int = 0) -> list[str]:
        """Merge one message of `size` bytes; returns warnings for the job's meta log."""
        if self.closed:
            return []
        if echo := next((mark for mark in _ECHO_MARKS if message.get(mark)), ""):
            if message.get("id") == self._job_id:  # the plugin's own input, printed back
                return []
            return self._once(echo, f"WARNING: A message with the key {echo} is taken for an echo, ignored")
        message, warnings = self._within_bounds(message, size)
        warnings += [
            f"WARNING: Invalid syntax: Not an object: {key}"
            for key in (*_MERGED, *_PATCHES)
            if key in message and not isinstance(message[key], dict)
        ]
        warnings += self._unknown(message)
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
        for key, target in _PATCHES.items():
            if isinstance(message.get(key), dict):
                self.fields[target] = patched(self.fields.get(target, {}), message[key])
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

    def pass_on(self, given: Any) -> None:
        """Begin with the job's input data as its output data."""
        data = given.get("data") if isinstance(given, dict) else None
        if isinstance(data, dict) and data:
            self.fields["data"] = dict(data)

    def progress(self, fraction: float) -> None:
        if not self.closed:
            self.fields["progress"] = fraction
            self._changed.add("progress")

    def _within_bounds(self, message: Mapping[str, Any], size: int) -> tuple[Mapping[str, Any], list[str]]:
        """The message without what would make the job's report too large. A small one is counted as a whole."""
        costs = {
            key: size if size <= _SMALL else len(msgspec.json.encode(value)) for key, value in message.items()
        }
        kept, warnings = dict(message), []
        for key, cost in costs.items():
            before = self._sizes.get(key, 0)
            total = before + cost if key in _GROWING else cost
            if sum(self._sizes.values()) - before + total > MOST_BYTES:
                del kept[key]
                warnings += self._once(key, f"WARNING: The job reports too much, ignored: {key[:100]}")
            else:
                self._sizes[key] = total
        return kept, warnings

    def _unknown(self, message: Mapping[str, Any]) -> list[str]:
        unknown = message.keys() - PLUGIN_KEYS - _PATCHES.keys() - _QUIETLY_DROPPED
        return [
            warning
            for key in sorted(unknown)
            for warning in self._once(key, f"WARNING: Not a key of a message, ignored: {key[:100]}")
        ]

    def _once(self, key: str, warning: str) -> list[str]:
        if key in self._dropped or len(self._dropped) >= _MOST_DROPPED:
            return []
        self._dropped.add(key)
        return [warning]

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


def patched(before: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396) applied to a value, which stays as it is."""
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), value)
    return result
