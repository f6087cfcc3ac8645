"""What a satellite keeps of its samples during a cut, and when it is done with them."""

import asyncio
import contextlib
from typing import Any

import pytest

from satellite.monitors import backlog as module
from satellite.monitors.backlog import Backlog
from shared.protocol.messages import LATE_BATCH, LateSamples


class Time:
    """Stands in for the clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.elapsed = 1000.0
        self.wall = 1_761_051_600.0
        monkeypatch.setattr(module, "_elapsed", lambda: self.elapsed)
        monkeypatch.setattr(module, "now", lambda: self.wall)

    def pass_by(self, seconds: float) -> None:
        self.elapsed += seconds
        self.wall += seconds


class Far:
    """The far end."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[LateSamples] = asyncio.Queue()

    def send(self, cmd: str, data: Any) -> None:
        assert cmd == "late_samples"
        self.batches.put_nowait(data)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    monkeypatch.setattr(module, "_LEAST_PAUSE", 0.0)
    return Time(monkeypatch)


@contextlib.asynccontextmanager
async def running(backlog: Backlog) -> Any:
    task = asyncio.create_task(backlog.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_hour_of_samples_arrives_in_order_each_once_acknowledged(time: Time) -> None:
    """Better: samples of an outage are kept with their times."""
    far = Far()
    backlog = Backlog(far.send, lambda: 0)
    backlog.joined(wanted=True)
    began = time.wall
    for minute in range(60):
        backlog.missed({"n": minute})
        time.pass_by(60)
    time.wall += 7200  # somebody sets the host's clock: the samples keep their distance
    backlog.joined(wanted=True)
    backlog.resume()
    seen: list[tuple[float, int]] = []
    async with asyncio.timeout(10), running(backlog):
        while len(seen) < 60:
            batch = await far.batches.get()
            assert len(batch.samples) <= LATE_BATCH
            seen += [(sample.date, sample.data["n"]) for sample in batch.samples]
            backlog.acknowledged(batch.batch)
    assert seen == [(began + 7200 + 60 * minute, minute) for minute in range(60)]


async def test_what_is_not_acknowledged_is_sent_again(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER", 0.02)
    far = Far()
    backlog = Backlog(far.send, lambda: 0)
    backlog.joined(wanted=True)
    backlog.missed({"n": 1})
    backlog.resume()
    async with asyncio.timeout(10), running(backlog):
        first, again = await far.batches.get(), await far.batches.get()
        assert first.samples == again.samples
        backlog.acknowledged(first.batch)  # of an earlier try: it may have been of another connection
        third = await far.batches.get()
        backlog.acknowledged(third.batch)
        while len(backlog):
            await asyncio.sleep(0)


def test_a_long_cut_keeps_the_newest_samples_within_bounds(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = Backlog(Far().send, lambda: 0)
    backlog.joined(wanted=True)
    for _ in range(3000):
        backlog.missed({"n": 1})
        time.pass_by(60)
    assert len(backlog) == 1441, "a day, both ends included"
    monkeypatch.setattr(module, "MOST_BYTES", 200)
    backlog.missed({"n": "y"})
    assert 0 < len(backlog) < 20
    assert backlog._bytes <= 200


def test_of_samples_that_were_sent_only_the_last_are_kept(time: Time) -> None:
    """A connection that is cut is missed after a minute."""
    backlog = Backlog(Far().send, lambda: 0)
    backlog.joined(wanted=True)
    for _ in range(50):
        backlog.sent({"n": 1})
        time.pass_by(60)
    backlog.joined(wanted=True)
    assert len(backlog) == 3


def test_a_conductor_that_does_not_want_them_gets_none(time: Time) -> None:
    backlog = Backlog(Far().send, lambda: 0)
    backlog.sent({"n": 1})
    backlog.missed({"n": 2})
    assert len(backlog) == 0
    backlog.joined(wanted=True)
    backlog.missed({"dummy": True})
    assert len(backlog) == 0
    backlog.missed({"n": 3})
    backlog.joined(wanted=False)
    assert len(backlog) == 0
