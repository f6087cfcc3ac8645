"""`[test-plugin]`: a job that does nothing, visibly (contract plugins.md §3.5).

Run as a program of its own, with the standard library alone.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from typing import Any

_STEP = 0.15
_BURN_BYTES = 128 * 1024 * 1024
_ROWS = 6


def main() -> None:
    job = json.loads(sys.stdin.readline())
    params = job.get("params") or {}
    duration = _duration(str(params.get("duration", "60")))
    print("Job start!")
    print(f"Params: {json.dumps(params)}")
    print(f"Input: {json.dumps(job.get('input') or {})}", flush=True)
    sleeper = subprocess.Popen(["sleep", str(duration)], stdin=subprocess.DEVNULL)
    burned = bytearray(_BURN_BYTES) if params.get("burn") else b""
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < duration:
        _say({"progress": elapsed / duration})
        if burned:
            until = time.monotonic() + _STEP
            while time.monotonic() < until:
                sum(range(10_000))
        else:
            time.sleep(min(_STEP, duration - elapsed))
    sleeper.wait()
    if params.get("upload"):
        _upload(job)
    _end(job, params, duration)


def _duration(text: str) -> float:
    match = re.fullmatch(r"\s*([\d.]+)\s*(?:-\s*([\d.]+))?\s*", text)
    if not match:
        return 60.0
    low = float(match[1])
    return max(random.uniform(low, float(match[2])) if match[2] else low, 1.0)  # noqa: S311


def _end(job: dict[str, Any], params: dict[str, Any], duration: float) -> None:
    action = str(params.get("action", "Success")).lower()
    if action == "crash":
        raise RuntimeError("This is a test crash.")
    failures = {
        "error": (999, "Simulating an error message here. Something went wrong!"),
        "warning": ("warning", "This is a test warning."),
        "critical": ("critical", "This is a test critical error."),
        "abort": ("abort", "This is a test abort."),
    }
    if action in failures:
        code, description = failures[action]
        _say({"complete": True, "code": code, "description": description})
        return
    _say(
        {
            "perf": {
                "scale": 1,
                "perf": {
                    "total": round(duration, 3),
                    "db_query": round(duration * 0.2, 3),
                    "db_connect": round(duration * 0.1, 3),
                    "log_read": round(duration * 0.3, 3),
                    "gzip_data": round(duration * 0.25, 3),
                    "http_post": round(duration * 0.15, 3),
                },
                "counters": {"lines": 52, "db_rows": 81, "db_conns": 8, "errors": 12},
            },
            "table": {
                "title": "Sample Job Stats",
                "header": ["IP Address", "DNS Lookup", "Flag", "Count", "Percentage"],
                "rows": [
                    [f"192.0.2.{row}", f"host{row}.example", row % 2 == 0, 100 - row, f"{100 - 5 * row}%"]
                    for row in range(1, _ROWS + 1)
                ],
                "caption": "Figures of a test, none of them real.",
            },
            "html": {
                "title": "Sample Job Report",
                "content": "<p>This text was written by the <b>test plugin</b>.</p>",
                "caption": "A report of a test.",
            },
            "data": {
                "text": "This is some sample data.",
                "hostname": socket.gethostname(),
                "pid": os.getpid(),
                "random": random.random(),  # noqa: S311
                "obj": {"foo": 1, "bar": None, "bool": True},
                "custom": params.get("custom", ""),
            },
            "complete": True,
            "code": 0,
            "description": "Success!",
        }
    )


def _upload(job: dict[str, Any]) -> None:
    name = f"sample-report-{job['id']}.txt"
    with open(name, "w") as file:
        file.write("This is a sample report file.\n")
    _say({"push": {"files": [name]}})


def _say(message: dict[str, Any]) -> None:
    print(json.dumps({"xy": 1, **message}), flush=True)


if __name__ == "__main__":
    main()
