"""The server that is measured, and how much of each thing is done to it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from conductor.cli.client import Client, Json
from conductor.cli.fleet.keepalive import request_bytes
from tests.benchmarks.loadgen import Load, Plan, generate

CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Size:
    """How often things are done; every phase also has a limit in seconds."""

    jobs: int = 300
    single_jobs: int = 100
    simulated_jobs: int = 3000
    workflow_jobs: int = 1000
    reads: int = 10_000
    searches: int = 1000
    creates: int = 1500
    rows: int = 20_000
    archived: int = 200_000
    satellites: int = 500
    sample_rounds: int = 2
    monitored: int = 500
    """Servers whose minute samples are taken in this process."""
    monitored_minutes: int = 10
    history_servers: int = 1000
    history_days: int = 30
    queries: int = 500
    idle_seconds: float = 10.0
    scheduled_events: tuple[int, int] = (1000, 50_000)
    """Due in one second; idle."""
    at_once: int = 300
    log_rounds: int = 25
    log_jobs: int = 600
    """Of a round: short ones, so that what else the machine does meets both sides."""
    events: int = 1_000_000
    crowd: int = 1000
    crowd_seconds: float = 30.0


QUICK = Size(
    jobs=60,
    single_jobs=20,
    simulated_jobs=300,
    workflow_jobs=200,
    reads=1000,
    searches=100,
    creates=50,
    rows=1000,
    archived=20_000,
    satellites=40,
    sample_rounds=1,
    monitored=100,
    monitored_minutes=3,
    history_servers=50,
    history_days=3,
    queries=100,
    idle_seconds=3.0,
    scheduled_events=(1000, 5000),
    at_once=60,
    log_rounds=5,
    log_jobs=200,
    events=50_000,
    crowd=200,
    crowd_seconds=5.0,
)


@dataclass(frozen=True, slots=True)
class Target:
    client: Client
    api_key: str
    size: Size

    async def create_event(self, title: str, targets: list[str], script: str) -> str:
        """A manual Shell event on `targets`; returns its ID."""
        return str(
            (await self.client.call("create_event", **shell_event(title, targets, script)))["event"]["id"]
        )

    async def load(
        self, requests: list[bytes], *, connections: int, count: int, seconds: float, warm_up: int = 0
    ) -> Load:
        """Send `requests` in turn until `count` answers have come or `seconds` have passed."""
        parts = urlsplit(self.client.url)
        plan = Plan(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 80,
            requests=requests,
            connections=connections,
            count=count,
            seconds=seconds,
        )
        if warm_up:
            await generate(msgspec.structs.replace(plan, count=warm_up))
        return await generate(plan)

    async def run(self, event_id: str, *, connections: int, count: int, seconds: float) -> Load:
        """Run the event and wait for each job's archived record."""
        request = self.request("run_event/v1/wait", {"id": event_id})
        return await self.load([request], connections=connections, count=count, seconds=seconds)

    def request(self, name: str, body: Json | None = None, **query: Any) -> bytes:
        """A prepared call of `name`, in version 1 unless it has its own path: POST with a body, else GET."""
        path = f"/api/app/{name if '/' in name else f'{name}/v1'}"
        if query:
            path += "?" + "&".join(f"{key}={value}" for key, value in query.items())
        host = urlsplit(self.client.url).netloc
        if body is None:
            return request_bytes("GET", path, self.api_key, host)
        return request_bytes("POST", path, self.api_key, host, msgspec.json.encode(body))


def shell_event(title: str, targets: list[str], script: str) -> Json:
    return {
        "title": title,
        "enabled": True,
        "category": "general",
        "plugin": "shellplug",
        "targets": targets,
        "algo": "random",
        "triggers": [{"type": "manual", "enabled": True}],
        "params": {"script": script},
    }
