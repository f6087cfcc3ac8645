"""When samples are taken and sent (contract monitor_data.md §1).

Minute samples are collected in a thread of their own, so that the loop never waits for them. Mounts have another
one: a hung network file system is missing in the samples and stops nothing.
"""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import structlog

from satellite.jobs.held import HeldJobs
from satellite.monitors import docker
from satellite.monitors.backlog import Backlog
from satellite.monitors.mounts import Mounts
from satellite.monitors.network import hostname
from satellite.monitors.plugins import MonitorPluginRuns
from satellite.monitors.samples import Samples
from satellite.settings import Config
from shared.clock import Seconds, now

_AFTER_JOIN: Seconds = 1.0
_SPREAD = 29
_MOST_SERVERS = 1000
_MOST_ASKED = 4

log = structlog.get_logger(__name__)


class Sender(Protocol):
    servers: int
    joined: asyncio.Event

    def send(self, cmd: str, data: Any) -> None: ...


class Sampler:
    def __init__(self, config: Config, link: Sender, jobs: HeldJobs) -> None:
        self._config = config
        self._link = link
        self._jobs = jobs
        self._samples = Samples()
        self._plugins = MonitorPluginRuns(config)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="samples")
        self._mounts = Mounts()
        self._asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MOST_ASKED)
        self._servers = 0
        self.backlog = Backlog(link.send, self._width)
        self._hash = int(hashlib.md5(hostname().encode(), usedforsecurity=False).hexdigest()[:8], 16)

    def replace(self, *, groups: Any = None, commands: Any = None, servers: Any = None) -> None:
        """What the conductor tells of us. `servers`: how many it has, which spreads the samples of many."""
        self._plugins.replace(groups=groups, commands=commands)
        if isinstance(servers, int) and servers > 0:
            self._servers = servers

    def request_test(self, request: dict[str, Any]) -> None:
        self._plugins.request_test(request)

    def request_sample(self, request: dict[str, Any]) -> None:
        """A sample of this moment, for whoever asked with `request_id`."""
        if self._asked.full():
            log.warning("too many samples are asked for at once")
        else:
            self._asked.put_nowait(request)

    async def test(self, request: dict[str, Any]) -> None:
        """Run one monitor plugin now and send what came of it."""
        result, errors = await self._plugins.test(request.get("plugin_id"))
        self._link.send("monitorPluginTestResult", {**request, "result": result, "stderr": errors})

    async def run(self) -> None:
        """Sample until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._every_second())
                group.create_task(self._every_minute())
                group.create_task(self._plugins.run(self.test))
                group.create_task(self._on_request())
                group.create_task(self.backlog.run())
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _width(self) -> int:
        return max(min(self._servers or self._link.servers, _MOST_SERVERS), 1)

    async def _every_second(self) -> None:
        while True:
            await self._link.joined.wait()
            await asyncio.sleep(1 - now() % 1)
            settings = self._config.settings
            if not (settings.monitoring_enabled and settings.quickmon_enabled):
                continue
            try:
                sample = self._samples.quick()  # a tenth of a millisecond, and /proc never waits
                commands = await self._plugins.results(quick=True)
            except Exception:
                log.exception("quick sample failed")
                continue
            if commands is not None:
                sample["commands"] = commands
            await asyncio.sleep(self._hash % self._width() / 1000)
            self._link.send("quickmon", sample)

    async def _every_minute(self) -> None:
        while True:
            await self._link.joined.wait()
            if not len(self._jobs):
                await asyncio.sleep(_AFTER_JOIN)
                await self._minute(slept=_AFTER_JOIN)
            while self._link.joined.is_set():
                await asyncio.sleep(60 - now() % 60)
                date = now()
                delay = self._delay()
                await asyncio.sleep(delay)
                await self._minute(date, delay)
            while self.backlog.wanted and not self._link.joined.is_set():
                await self._minute_of_a_cut()

    async def _minute_of_a_cut(self) -> None:
        """Sample as ever, for later; or return when the cut is over."""
        delay = self._delay()
        try:
            async with asyncio.timeout(60 - now() % 60 + delay):
                await self._link.joined.wait()
        except TimeoutError:
            await self._minute(slept=delay)

    def _delay(self) -> Seconds:
        return 1 + self._hash % (self._width() * _SPREAD) / 1000

    async def _on_request(self) -> None:
        """Rates and shares are since the last minute sample, whose own are left as they are. Plugins do not run."""
        loop = asyncio.get_running_loop()
        while True:
            request = await self._asked.get()
            held = {attempt.pid: attempt.key.id for attempt in self._jobs}
            data: dict[str, Any] = {}
            try:
                if self._config.settings.monitoring_enabled:
                    mounts = await self._mounts.read()
                    data = await loop.run_in_executor(self._thread, self._samples.aside, held, mounts)
                    data["jobs"] = len(self._jobs)
            except Exception:
                log.exception("a sample that was asked for failed")
            self._link.send("sampleTaken", {"request_id": request.get("request_id"), "data": data})

    async def _minute(self, date: float | None = None, slept: float = 0) -> None:
        loop = asyncio.get_running_loop()
        settings = self._config.settings
        containers: dict[str, Any] | None = None
        held = {attempt.pid: attempt.key.id for attempt in self._jobs}
        try:
            if settings.monitoring_enabled:
                commands = await self._plugins.results()
                mounts = await self._mounts.read()
                containers = (
                    await docker.containers() if settings.docker_enabled and docker.installed() else None
                )
                data = await loop.run_in_executor(
                    self._thread, self._samples.minute, held, commands, mounts, slept
                )
            else:
                data = self._samples.dummy(held)
        except Exception:
            log.exception("minute sample failed")
            return
        if containers is not None:
            data["docker"] = containers
        data["jobs"] = len(self._jobs)
        if not self._link.joined.is_set():
            self.backlog.missed(data)
            return
        self._link.send(
            "monitor",
            {
                "version": "1.0",
                "date": date or now(),
                "server": settings.server_id,
                "hostname": settings.hostname or hostname(),
                "data": data,
            },
        )
        self.backlog.sent(data)
        self.backlog.resume()
