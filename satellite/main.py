"""The satellite's composition root: builds every part, starts and stops them in order."""

import satellite.slim  # noqa: I001 - first, see there
import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog

import satellite
from satellite import logs
from satellite.connection import Parts
from satellite.drain import DRAIN_SIGNAL, DRAINED, drain
from satellite.handshake import NoCredentialsError
from satellite.jobs.held import HeldJobs
from satellite.jobs.host import Host
from satellite.jobs.journal import Journal, read_boot_id
from satellite.jobs.spawn import install_shim
from satellite.link import Link
from satellite.monitors.host_info import HostInfo
from satellite.monitors.sampler import Sampler
from satellite.plugins.scripts import PluginScripts
from satellite.plugins import run as plugins
from satellite.service.crash import note_crash
from satellite.service.instance import AlreadyRunning, Instance
from satellite.settings import Config, SettingsError
from satellite.tls import Tls
from satellite.upgrade import Upkeep

COMMANDS = ("start", "stop", "restart", "status", "install", "uninstall")
"""Of `satellite.service.control`; what they need is not loaded in a satellite that serves."""
DRAIN_TASK = "drain"

log = structlog.get_logger(__name__)


def main() -> None:
    """Entry point of `opsorbit-satellite`. Exit status 0 after a signal, 10 drained, 1 when it cannot start."""
    arguments = _arguments()
    data = arguments.data_dir.absolute()
    if arguments.command == "plugin":
        sys.exit(plugins.main(arguments.name))
    if arguments.command == "drain":
        sys.exit(drain(data, arguments.timeout))
    if arguments.command is not None:
        from satellite.service.control import control

        sys.exit(control(arguments.command, data, arguments.config, arguments.home))
    try:
        config = Config.load(arguments.config or _config_file(data))
    except SettingsError as error:
        sys.exit(str(error))
    logs.configure(config.settings.log_level)
    try:
        _make_folders(data)
    except OSError as error:
        sys.exit(f"Cannot use {error.filename}: {error.strerror}")
    try:
        with Instance(data), note_crash(data):
            # Not uvloop: what a satellite does needs no faster loop, and it costs two megabytes and four threads.
            status = asyncio.run(run(data, config, arguments.home))
    except AlreadyRunning as error:
        sys.exit(str(error))
    sys.exit(status)


async def run(data: Path, config: Config, home: Path | None = None) -> int:
    """Serve until a signal or drained; returns the exit status. Jobs go on; a second signal exits at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping)
    install_shim(data)
    journal = Journal(data / "jobs" / "journal", read_boot_id())
    scripts = PluginScripts(data / "temp" / "plugins")
    scripts.open()
    link = Link(config)
    tls = Tls(config)
    jobs = HeldJobs(Host(data, config, journal, scripts, link.base_url, tls))
    sampler = Sampler(config, link, jobs)
    jobs.recover(journal.open())
    loop.add_signal_handler(DRAIN_SIGNAL, jobs.drain)
    upkeep = Upkeep(config, data, home, link.base_url, tls)
    parts = Parts(config, jobs, scripts, sampler, HostInfo(config), tls, upkeep)
    tasks = [
        asyncio.create_task(stopping.wait(), name="stop"),
        asyncio.create_task(link.run(parts), name="link"),
        asyncio.create_task(jobs.run(), name="jobs"),
        asyncio.create_task(sampler.run(), name="samples"),
        asyncio.create_task(jobs.drained(), name=DRAIN_TASK),
        asyncio.create_task(upkeep.run(), name="upkeep"),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return _outcome(done)
    finally:
        jobs.refuse_launches = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        jobs.release()
        journal.close()
        log.info("stopped; running jobs go on", jobs=len(jobs))


def _outcome(done: Iterable[asyncio.Task[Any]]) -> int:
    """0 after a signal, DRAINED after `drain`, 1 after an error."""
    status = 0
    for task in done:
        error = task.exception()
        if isinstance(error, NoCredentialsError):
            log.error("neither auth_token nor secret_key is configured")
            return 1
        if error is not None:
            log.error("stopped by an error", part=task.get_name(), exc_info=error)
            return 1
        if task.get_name() == DRAIN_TASK:
            status = DRAINED
    return status


def _stop(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(1)
    stopping.set()


def _make_folders(data: Path) -> None:
    """Jobs of other users pass through to their own directories, and see nothing else."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "jobs").mkdir(exist_ok=True)
    (data / "jobs").chmod(0o711)
    if os.getuid() == 0:
        data.chmod(0o711)


def _config_file(data: Path) -> Path:
    """Where the settings are if the command line does not say (contract satellite_agent.md §1)."""
    named = os.environ.get("XYSAT_config_file", "")  # noqa: SIM112 - the original's name
    return Path(named) if named else data / "config.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="opsorbit-satellite", description="Runs jobs for an OpsOrbit conductor."
    )
    parser.add_argument("--data-dir", type=Path, default=Path("/var/lib/opsorbit-satellite"))
    parser.add_argument(
        "--config", type=Path, default=None, help="settings file (default: config.json in the data directory)"
    )
    parser.add_argument("--home", type=Path, default=None, help="the installation it runs from, if any")
    parser.add_argument("--version", action="version", version=satellite.VERSION)
    parser.add_argument(
        "command",
        nargs="?",
        choices=(*COMMANDS, "drain", "plugin"),
        help="manage the service; drain: let the running satellite finish its jobs and end; "
        "plugin: run a built-in plugin here; nothing: run here",
    )
    parser.add_argument("name", nargs="?", default="", help="of the plugin")
    parser.add_argument("--timeout", type=float, default=0.0, help="seconds to wait for drain (0: no limit)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
