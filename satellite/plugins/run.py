"""Runs a built-in plugin: `python run.py NAME`, as a job's command does, with the job on standard input.

A program of its own that finds the satellite's package beside itself, so that it runs in any directory, as any
user that can read the installation, and whatever Python's variables in a job's environment say.
"""

import sys
from collections.abc import Callable
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])
NAMES = ("test-plugin", "http-plugin", "docker-plugin", "hook-plugin")


def main(name: str) -> int:
    """The process's exit status; 2 for a name that is none."""
    if name not in NAMES:
        print(f"There is no plugin {name}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    if _ROOT not in sys.path:
        sys.path.insert(0, _ROOT)
    return _plugin(name)()


def _plugin(name: str) -> Callable[[], int]:
    """Imported one by one: a plugin must not wait for what only another one needs."""
    match name:
        case "test-plugin":
            from satellite.plugins import test_job

            return test_job.main
        case "http-plugin":
            from satellite.plugins import http_request

            return http_request.main
        case "docker-plugin":
            from satellite.plugins import docker_run

            return docker_run.main
        case _:
            from satellite.plugins import web_hook

            return web_hook.main


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
