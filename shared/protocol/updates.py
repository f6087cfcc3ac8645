"""What a satellite, and a plugin behind it, may say of a job (contract jobs.md §11, satellite_agent.md §5.7).

One allow-list for both sides: the satellite drops what a plugin may not set before it leaves the host,
and the conductor drops it again, because it does not trust satellites.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.protocol.packing import float_of, packed

PLUGIN_KEYS = frozenset(
    {
        "progress", "status", "code", "description", "complete",
        "data", "serverData", "workflowData", "files",
        "perf", "table", "html", "markdown", "text", "label", "push",
        "update_event", "delete_event", "retry_ok",
        "procs", "conns", "cpu", "mem", "rpid",
    }
)  # fmt: skip
"""Keys of a plugin's message that reach the job."""

SATELLITE_KEYS = PLUGIN_KEYS | {"pid", "cwd", "log_file", "unknown", "redraw", "reconnected", "state"}
"""Keys of a satellite's update that reach the job. `state` only as `finishing` or `complete`."""

DETAIL_KEYS = frozenset({"data", "files", "workflowData", "serverData"})
"""Verbose keys, kept out of lists of active jobs."""

_MAX_PROGRESS = 1.0
_ROOM = 100
"""Levels kept free around a value: records and answers nest it, and are encoded deeper in the stack."""

_to_json = msgspec.json.Encoder().encode


def storable(value: Any) -> bool:
    """Whether a decoded value can be written again, as JSON and as msgpack.

    Not so are msgpack's extension types and keys that are no text, and what is
    nested almost as deep as can be decoded: one of them in a job would break every list that shows it.
    """
    nested = value
    for _ in range(_ROOM):
        nested = [nested]
    try:
        _to_json(nested)
        packed(nested)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def allowed(update: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """The part of `update` that may be merged, with values that cannot be, or cannot be stored, left out.

    Sizes are bounded by the frame; types are checked here because a document that lists or streams show
    must never break its readers.
    """
    kept = {key: value for key, value in update.items() if key in keys}
    if not storable(kept):
        kept = {key: value for key, value in kept.items() if storable(value)}
    for key in ("data", "serverData", "workflowData", "push", "update_event", "procs", "cpu", "mem"):
        if key in kept and not isinstance(kept[key], dict):
            del kept[key]
    for key in ("files", "conns"):
        if key in kept and not isinstance(kept[key], list):
            del kept[key]
    for key in ("status", "description", "label"):
        if key in kept:
            kept[key] = str(kept[key])
    if "progress" in kept:
        progress = kept["progress"]
        number = float_of(progress) if isinstance(progress, int | float) else math.nan
        if isinstance(progress, bool) or math.isnan(number):
            del kept["progress"]
        else:
            kept["progress"] = min(max(number, 0.0), _MAX_PROGRESS)
    return kept
