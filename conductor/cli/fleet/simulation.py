"""`opsorbit fleet simulate`: many simulated satellites that stay, report, and come back when they are cut off."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from conductor.cli.client import ApiError, Client, Json
from conductor.cli.fleet.delivery import Delivery
from conductor.cli.fleet.sample import minute_sample
from conductor.cli.fleet.satellite import FleetError, SimulatedSatellite
from conductor.cli.fleet.websocket import UpgradeError
from shared.backoff import Backoff

NAME_PREFIX = "simulated-"
_JOINS_AT_ONCE = 20
_LEAST_PAUSE = 0.001
_TELL_SECONDS = 5.0
_FAILURES = (FleetError, UpgradeError, ApiError, OSError, TimeoutError)


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    joins: int = 0
    failures: int = 0
    losses: int = 0
    samples: int = 0
    last_failure: str = ""
    started: float = field(default_factory=time.monotonic)

    def line(self, online: int, launches: int) -> str:
        seconds = time.monotonic() - self.started
        text = (
            f"{seconds:6.0f} s: {online} online, {self.joins} joins, {self.losses} lost, "
            f"{self.samples} samples, {launches} jobs, {self.failures} failures"
        )
        return f"{text} (last: {self.last_failure})" if self.last_failure else text


class Simulation:
    """`size` satellites of one conductor; `run` ends by being cancelled or after `seconds`."""

    def __init__(
        self, client: Client, size: int, *, subprotocol: str, sample_seconds: float, samples: bool = True
    ) -> None:
        self._client = client
        self._size = size
        self._subprotocol = subprotocol
        self._interval = sample_seconds
        self._samples = samples
        self._delivery = Delivery(client.url)
        self._room = asyncio.Semaphore(_JOINS_AT_ONCE)
        self.tally = Tally()
        self.satellites: list[SimulatedSatellite] = []
        self.online: set[SimulatedSatellite] = set()

    async def run(self, tell: Callable[[str], None], seconds: float = 0) -> None:
        """Join, report and tell of it. Raises ApiError when the conductor gives no token."""
        token = (await self._client.call("get_satellite_token"))["token"]
        await self._delivery.open()
        try:
            async with asyncio.timeout(seconds or None), asyncio.TaskGroup() as group:
                for number in range(self._size):
                    group.create_task(self._live(token, f"{NAME_PREFIX}{number:05d}"))
                if self._samples:
                    group.create_task(self._report())
                group.create_task(self._tell(tell))
        except TimeoutError:
            pass
        finally:
            for satellite in self.satellites:
                satellite.leave()
            self._delivery.close()
            tell(self._line())

    async def _live(self, token: str, hostname: str) -> None:
        """One satellite: an identity, and a connection for as long as there is one to be had."""
        satellite: SimulatedSatellite | None = None
        backoff = Backoff(1.0, 30.0)
        while True:
            try:
                async with self._room:
                    if satellite is None:
                        config: Json = msgspec.json.decode(
                            await self._client.fetch("/api/app/satellite/config", t=token)
                        )
                        satellite = SimulatedSatellite(self._client.url, config, hostname, self._delivery)
                        self.satellites.append(satellite)
                    await satellite.join(self._subprotocol)
            except _FAILURES as error:
                self.tally.failures += 1
                self.tally.last_failure = f"{type(error).__name__}: {error}"[:200]
                backoff.failed()
            else:
                backoff.opened()
                self.tally.joins += 1
                self.online.add(satellite)
                await satellite.lost()
                self.online.discard(satellite)
                self.tally.losses += 1
            await asyncio.sleep(backoff.delay())

    async def _report(self) -> None:
        """Minute samples of all, spread evenly over the interval as a real fleet's are."""
        sample = minute_sample()
        while True:
            await asyncio.sleep(_LEAST_PAUSE)
            pause = self._interval / self._size
            for satellite in list(self.online):
                await asyncio.sleep(max(pause, _LEAST_PAUSE))
                if satellite in self.online:
                    await satellite.send_sample(sample)
                    self.tally.samples += 1

    async def _tell(self, tell: Callable[[str], None]) -> None:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            tell(self._line())

    def _line(self) -> str:
        return self.tally.line(len(self.online), sum(one.launches for one in self.satellites))
