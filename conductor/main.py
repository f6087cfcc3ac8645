"""The entry point: reads the settings, holds the data directory, runs a conductor until it is told to stop.

opsorbit-conductor --data-dir DIR --port N --config FILE
"""

import conductor.slim  # noqa: I001 - first, see there
import argparse
import asyncio
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import structlog
import uvloop

from conductor import logs
from conductor.composition.conductor import running
from conductor.composition.data_dir import locked, own_word
from conductor.errors import Refusal
from conductor.live.embedded import RedisMissing
from conductor.records.store import SchemaError
from conductor.settings import Settings, SettingsError
from conductor.settings_reading import load

log = structlog.get_logger("conductor")


def main() -> None:
    """Entry point of `opsorbit-conductor`. Exit status 0 after a clean stop, 1 when it could not start."""
    conductor.slim.imported()
    parser = argparse.ArgumentParser(prog="opsorbit-conductor", description="The OpsOrbit conductor.")
    parser.add_argument("--data-dir", type=Path, default=Path("opsorbit-data"), help="everything it keeps")
    parser.add_argument("--port", type=int, help="HTTP port (default 5522)")
    parser.add_argument("--config", type=Path, help="settings, TOML or JSON")
    parser.add_argument("--version", action="version", version=version("opsorbit"))
    arguments = parser.parse_args()
    try:
        data_dir = arguments.data_dir.resolve()
        base = load(arguments.config, port=arguments.port)
        settings = load(arguments.config, port=arguments.port, overrides=data_dir / "overrides.json")
        logs.configure(settings)
        # SQLite gives up the interpreter's lock at every row, and a busy event loop would keep it for the
        # default 5 ms each time: 240 rows took 800 ms instead of 25.
        sys.setswitchinterval(0.0005)
        restart = uvloop.run(serve(settings, data_dir, base))
    except (SettingsError, SchemaError, RedisMissing, Refusal, OSError) as error:
        # One line, whatever a driver has to say.
        print(f"opsorbit-conductor: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    if restart:
        os.execv(sys.executable, [sys.executable, "-m", "conductor.main", *sys.argv[1:]])  # noqa: S606


async def serve(settings: Settings, data_dir: Path, base: Settings | None = None) -> bool:
    """Run a conductor in `data_dir` until SIGTERM or SIGINT; whether it is to be started again.

    `base`: the settings without what administrators have changed.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / "uploads").mkdir(mode=0o700, exist_ok=True)
    lock = locked(data_dir)
    settings.secret_key = settings.secret_key or own_word(data_dir / "secret_key")
    logs.configure(settings, data_dir / "logs")
    stopping = asyncio.Event()
    restarts: list[bool] = []

    def stop(restart: bool) -> None:
        restarts.append(restart)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with running(settings, base or settings, data_dir, stop):
        await stopping.wait()
        log.info("stopping")
    lock.close()
    return restarts[:1] == [True]


if __name__ == "__main__":
    main()
