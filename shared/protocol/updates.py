"""What a satellite, and a plugin behind it, may say of a job (contract jobs.md §11, satellite_agent.md §5.7).

One allow-list for both sides: the satellite drops what a plugin may not set before it leaves the host,
and the conductor drops it again, because it does not trust satellites.
"""

from collections.abc import Mapping
from typing import Any

from shared.protocol.packing import float_of

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


def allowed(update: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """The part of `update` that may be merged, with values of an impossible type left out.

    Sizes are bounded by the frame; types are checked here because a document that lists or streams show
    must never break its readers.
    """
    kept = {key: value for key, value in update.items() if key in keys}
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
        if isinstance(progress, bool) or not isinstance(progress, int | float):
            del kept["progress"]
        else:
            kept["progress"] = min(max(float_of(progress), 0.0), _MAX_PROGRESS)
    return kept
