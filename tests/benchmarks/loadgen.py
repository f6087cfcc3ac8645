"""The load generator: a process of its own that sends prepared requests over kept-alive connections.

`python -m tests.benchmarks.loadgen` reads a `Plan` from its input and writes a `Load` to its output, both
msgpack; `generate` starts it and does both.
"""

import asyncio
import sys
import time

import msgspec

from conductor.cli.fleet.keepalive import KeepAlive

GRACE = 15.0
"""Seconds that the last answers may take after the plan's time is over."""


class Plan(msgspec.Struct, kw_only=True):
    host: str
    port: int
    requests: list[bytes]
    """Sent in turn, and again from the first."""
    connections: int
    count: int
    """Answers wanted."""
    seconds: float = 60.0
    """No request is sent later than this."""
    expect: bytes = b'"code":0'
    """Part of every good body; a status other than 200 is a failure too."""


class Load(msgspec.Struct, kw_only=True):
    done: int
    failed: int
    elapsed: float
    """Seconds from the first request to the last answer."""
    p50: float
    p99: float
    """Milliseconds."""
    first_failure: str = ""

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.done / self.elapsed if self.elapsed else 0.0


class LoadError(Exception):
    """Requests failed, or the generator did."""


async def generate(plan: Plan) -> Load:
    """Run `plan` in a new process. Raises LoadError when more than one request in a hundred failed."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(plan.seconds + 2 * GRACE):
            output, _ = await child.communicate(msgspec.msgpack.encode(plan))
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise LoadError(f"the load generator ended with status {child.returncode}")
    load = msgspec.msgpack.decode(output, type=Load)
    if load.done == 0 or load.failed * 100 > load.done:
        raise LoadError(f"{load.failed} of {load.done + load.failed} requests failed: {load.first_failure}")
    return load


class _Generator:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._latencies: list[float] = []
        self._failed = 0
        self._first_failure = ""
        self._issued = 0
        self._sent_at: dict[KeepAlive, float] = {}
        self._deadline = 0.0
        self._last_answer = 0.0
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def run(self) -> Load:
        connections = [await self._connect() for _ in range(self._plan.connections)]
        started = time.perf_counter()
        self._deadline = started + self._plan.seconds
        for connection in connections:
            self._send_next(connection)
        try:
            async with asyncio.timeout(self._plan.seconds + GRACE):
                await self._over.wait()
        except TimeoutError:
            self._fail(f"{len(self._sent_at)} requests were never answered", len(self._sent_at))
        return Load(
            done=len(self._latencies),
            failed=self._failed,
            elapsed=max(self._last_answer - started, 1e-9),
            p50=_percentile(self._latencies, 0.50) * 1000,
            p99=_percentile(self._latencies, 0.99) * 1000,
            first_failure=self._first_failure,
        )

    async def _connect(self) -> KeepAlive:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: KeepAlive(self._answered, self._lost), self._plan.host, self._plan.port
        )
        return connection

    def _send_next(self, connection: KeepAlive) -> None:
        if self._issued >= self._plan.count or time.perf_counter() > self._deadline:
            if not self._sent_at:
                self._over.set()
            return
        request = self._plan.requests[self._issued % len(self._plan.requests)]
        self._issued += 1
        self._sent_at[connection] = time.perf_counter()
        connection.send(request)

    def _answered(self, connection: KeepAlive, status: int, body: bytes) -> None:
        now = time.perf_counter()
        self._last_answer = now
        took = now - self._sent_at.pop(connection)
        if status == 200 and self._plan.expect in body:
            self._latencies.append(took)
        else:
            self._fail(f"HTTP {status}: {body[:200].decode(errors='replace')}")
        self._send_next(connection)

    def _lost(self, connection: KeepAlive) -> None:
        if self._sent_at.pop(connection, None) is None:
            return
        self._fail("the server closed the connection")
        task = asyncio.ensure_future(self._reconnect())
        self._reconnecting.add(task)
        task.add_done_callback(self._reconnecting.discard)

    async def _reconnect(self) -> None:
        try:
            connection = await self._connect()
        except OSError as error:
            self._fail(f"cannot connect: {error}")
            if not self._sent_at:
                self._over.set()
            return
        self._send_next(connection)

    def _fail(self, reason: str, count: int = 1) -> None:
        self._failed += count
        self._first_failure = self._first_failure or reason


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def main() -> None:
    import uvloop

    plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.msgpack.encode(uvloop.run(_Generator(plan).run())))


if __name__ == "__main__":
    main()
