"""`[test-plugin]`: a job that does nothing, visibly (contract plugins.md §3.5).

With the standard library alone.
"""

import json
import os
import random
import re
import socket
import subprocess
import time
from typing import Any

from satellite.plugins.wire import end, params_of, read_job, say

_STEP = 0.15
_BURN_BYTES = 128 * 1024 * 1024, 256 * 1024 * 1024
_PAGE = 4096
_TRAFFIC_BYTES = 256 * 1024
_ROWS = 6


def main() -> int:
    job = read_job()
    params = params_of(job)
    duration = _duration(str(params.get("duration", "60")))
    print("Job start!")
    print(f"Params: {json.dumps(params)}")
    print(f"Input: {json.dumps(job.get('input') or {})}", flush=True)
    sleeper = subprocess.Popen(["sleep", str(duration)], stdin=subprocess.DEVNULL)
    burned = _burned() if params.get("burn") else b""
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < duration:
        say({"progress": elapsed / duration})
        if params.get("network"):
            _traffic()
        if burned:
            until = time.monotonic() + _STEP
            while time.monotonic() < until:
                sum(range(10_000))
        else:
            time.sleep(min(_STEP, duration - elapsed))
    sleeper.wait()
    if params.get("upload"):
        _upload(job)
    _finish(params, duration)
    return 0


def _burned() -> bytearray:
    """Memory that is really there: each page is written to."""
    memory = bytearray(random.randint(*_BURN_BYTES))  # noqa: S311
    memory[::_PAGE] = b"x" * len(range(0, len(memory), _PAGE))
    return memory


def _traffic() -> None:
    """Some bytes over a connection to ourselves: it shows in the job's table, and nobody else sees it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            client.setblocking(False)
            sent = client.send(bytes(_TRAFFIC_BYTES))
            while sent > 0:
                sent -= len(accepted.recv(sent))


def _duration(text: str) -> float:
    match = re.fullmatch(r"\s*([\d.]+)\s*(?:-\s*([\d.]+))?\s*", text)
    if not match:
        return 60.0
    low = float(match[1])
    return max(random.uniform(low, float(match[2])) if match[2] else low, 1.0)  # noqa: S311


def _finish(params: dict[str, Any], duration: float) -> None:
    action = str(params.get("action", "Success")).lower()
    if action == "crash":
        raise RuntimeError("This is a test crash.")
    failures: dict[str, tuple[int | str, str]] = {
        "error": (999, "Simulating an error message here. Something went wrong!"),
        "warning": ("warning", "This is a test warning."),
        "critical": ("critical", "This is a test critical error."),
        "abort": ("abort", "This is a test abort."),
    }
    if action in failures:
        code, description = failures[action]
        end(code, description)
        return
    say(
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
    say({"push": {"files": [name]}})
