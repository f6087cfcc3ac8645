"""A conductor and a satellite that die and come back, and the books kept on what they owe."""

import asyncio
import itertools
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.processes import (
    ApiError,
    Client,
    Conductor,
    Process,
    Satellite,
    administrator_key,
    enrol,
    eventually,
    joined,
)

PATIENCE = 60.0
"""Seconds within which everything promised must be in the archive."""
_CALL = aiohttp.ClientTimeout(total=15)


class Cluster:
    """One conductor, one satellite; `promise` runs a job and remembers what must come of it."""

    def __init__(
        self, conductor: Conductor, satellite: Satellite, client: Client, api_key: str, ledger: Path
    ) -> None:
        self._api_key = api_key
        self._lines = 0
        self.conductor = conductor
        self.satellite = satellite
        self.client = client
        self.promised: dict[str, str] = {}
        """Job ID → its number in the scripts."""
        self.ledger = ledger
        """A file for each number in which every run leaves its job ID."""
        self._numbers = itertools.count(1)
        self._event = ""

    async def create_event(
        self, *, lines: int, pause: float, gate: Path | None = None, **changes: Any
    ) -> None:
        """An event whose script leaves a mark in the ledger, prints numbered lines, and pauses between them.

        Before the lines it waits until there is the file `gate`.
        """
        script = "\n".join(
            (
                "#!/bin/sh",
                f'echo "$JOB_ID" >> "{self.ledger}/$number"',
                *((f'while [ ! -e "{gate}" ]; do sleep 0.1; done',) if gate else ()),
                "i=0",
                f"while [ $i -lt {lines} ]; do",
                "  i=$((i + 1))",
                '  echo "job $number line $i of the output, padded so that it is not too short"',
                *((f"  sleep {pause}",) if pause else ()),
                "done",
                "",
            )
        )
        definition = {
            "title": "Chaos", "enabled": True, "category": "general", "plugin": "shellplug", "targets": ["main"],
            "algo": "random", "triggers": [{"type": "manual", "enabled": True}], "params": {"script": script},
            **changes,
        }  # fmt: skip
        self._lines = lines
        self._event = str((await self.client.call("create_event", **definition))["event"]["id"])

    def expected_log(self, number: str) -> str:
        return "".join(
            f"job {number} line {i} of the output, padded so that it is not too short\n"
            for i in range(1, self._lines + 1)
        )

    async def promise(self) -> str:
        """Run one job; while the conductor is away the call is repeated under one idempotency key."""
        number = str(next(self._numbers))
        job_id = await self.accepted(self._event, f"job {number}", params={"number": number})
        self.promised[job_id] = number
        return job_id

    async def accepted(self, event_id: str, key: str, **overrides: Any) -> str:
        """Run an event; repeated under the idempotency key while the conductor is away. The job's ID."""
        headers = {"Idempotency-Key": key, "X-API-Key": self._api_key}

        async def accepted() -> str:
            url = self.client.url
            try:
                body = {"id": event_id, **overrides}
                async with self.client.session.post(
                    f"{url}/api/app/run_event/v1",
                    json=body,
                    headers=headers,
                    timeout=_CALL,
                ) as response:
                    answer = await response.json()
                    if answer.get("code") == 0:
                        return str(answer["id"])
                    self.refused(url, response.status, answer["code"])
            except (aiohttp.ClientError, TimeoutError):
                self.unanswered(url)
            return ""

        return await eventually(accepted, f"{key} is accepted", PATIENCE)

    async def promise_many(self, count: int) -> list[str]:
        return list(await asyncio.gather(*(self.promise() for _ in range(count))))

    async def running(self, count: int) -> None:
        """Return when so many scripts have begun."""

        async def begun() -> bool:
            return len(list(self.ledger.iterdir())) >= count

        await eventually(begun, f"{count} jobs run", PATIENCE)

    async def settled(self) -> None:
        """Every promise is kept: one archive row, one run, one log that equals what the script wrote."""
        jobs = {
            job_id: await eventually(
                lambda job_id=job_id: self._archived(job_id), f"job {job_id} ended", PATIENCE
            )
            for job_id in self.promised
        }
        for job_id, number in self.promised.items():
            job = jobs[job_id]
            assert job["code"] == 0, (job_id, job["code"], job.get("description"))
            log = await eventually(lambda job_id=job_id: self._log(job_id), f"log of {job_id}", PATIENCE)
            assert log == self.expected_log(number), f"log of job {job_id}"
            assert (self.ledger / number).read_text().split() == [job_id], f"runs of job {job_id}"
        rows = (await self.client.call("search_jobs", query=f"event:{self._event}", limit=1000))["rows"]
        assert sorted(row["id"] for row in rows) == sorted(self.promised)
        assert (await self.client.call("get_active_jobs"))["rows"] == []

    def refused(self, url: str, status: int, code: Any) -> None:
        """The conductor at `url` answered with an error; the call will be repeated."""

    def unanswered(self, url: str) -> None:
        """The conductor at `url` gave no answer; the call will be repeated."""

    async def _archived(self, job_id: str) -> dict[str, Any] | None:
        url = self.client.url
        try:
            job = dict((await self.client.call("get_job", id=job_id))["job"])
        except ApiError as error:
            self.refused(url, error.status, error.code)
        except (aiohttp.ClientError, TimeoutError):
            self.unanswered(url)
        else:
            return job if job.get("final") else None
        return None

    async def _log(self, job_id: str) -> str | None:
        """None while the conductor is away: it may die with only the first jobs archived."""
        with suppress(aiohttp.ClientError, ApiError, TimeoutError):
            return (await self.client.fetch("/api/app/get_job_log/v1", id=job_id)).decode()
        return None


@asynccontextmanager
async def cluster(
    folder: Path,
    *,
    conductor_fault: str = "",
    satellite_fault: str = "",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Cluster]:
    """A running cluster; each fault kills its process once, at a named point. `environment`: the conductor's."""
    password = "chaos"
    conductor = Conductor(
        folder / "c",
        environment={
            "OPSORBIT_ADMIN_PASSWORD": password,
            "OPSORBIT_LEASE_SECONDS": "5",
            **_fault(conductor_fault, folder / "conductor-died"),
            **(environment or {}),
        },
    )
    ledger = folder / "ledger"
    ledger.mkdir()
    conductor.start()
    try:
        await conductor.ready()
        key = await administrator_key(conductor.url, password)
        async with Client(conductor.url, key) as client:
            satellite, server_id = await enrol(client, conductor, folder / "s")
            satellite = Satellite(
                satellite.data,
                satellite.config,
                environment=_fault(satellite_fault, folder / "satellite-died"),
            )
            satellite.start()
            try:
                await joined(client, satellite, server_id)
                yield Cluster(conductor, satellite, client, key, ledger)
            finally:
                await satellite.stop()
    finally:
        await conductor.stop()
        _end_redis(folder / "c" / "redis")


async def restart(process: Process) -> None:
    """kill -9, and start again at once."""
    await process.kill()
    process.start()


@asynccontextmanager
async def revived(*processes: Process) -> AsyncIterator[None]:
    """While the block runs, a process that dies is started again, as systemd would."""

    async def watch(process: Process) -> None:
        while True:
            await asyncio.sleep(0.02)
            if not process.running:
                process.start()

    tasks = [asyncio.create_task(watch(process)) for process in processes]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def redis_pid(conductor: Conductor) -> int:
    return int((conductor.data / "redis" / "redis.pid").read_text())


def _fault(name: str, marker: Path) -> dict[str, str]:
    return {"OPSORBIT_FAULT": name, "OPSORBIT_FAULT_ONCE": str(marker)} if name else {}


def _end_redis(directory: Path) -> None:
    """A Redis whose conductor was killed for good would stay behind."""
    file = directory / "redis.pid"
    if file.exists():
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), signal.SIGTERM)


def fault_points(source: Sequence[Path]) -> list[str]:
    """Every point named in the sources."""
    pattern = re.compile(r"faults\.reach\(\"([\w.]+)\"\)")
    found = {name for path in source for name in pattern.findall(path.read_text())}
    return sorted(found)
