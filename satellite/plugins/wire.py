"""What every built-in plugin does: read its job, say how it goes (contract plugins.md §3.1)."""

import json
import sys
from typing import Any

Json = dict[str, Any]


def read_job() -> Json:
    """The job on standard input. Ends the process with a result when there is none."""
    try:
        job = json.loads(sys.stdin.readline())
    except ValueError:
        job = None
    if not isinstance(job, dict):
        end(1, "The job on standard input cannot be read")
        sys.exit(0)
    return job


def params_of(job: Json) -> Json:
    params = job.get("params")
    return params if isinstance(params, dict) else {}


def say(message: Json) -> None:
    """One message, at once."""
    print(json.dumps({"xy": 1, **message}), flush=True)


def end(code: int | str, description: str, **more: Any) -> None:
    """The result."""
    say({**more, "complete": True, "code": code, "description": description})
