"""Samples of a cut, kept by a real satellite process (contract monitor_data.md, "Where to be better" 8)."""

import time
from pathlib import Path

from tests.integration.satellite.conductor_peer import Peer
from tests.integration.satellite.conftest import Satellite

_BEFORE = 57.5
"""Second of a minute at which the satellite believes to start: the next minute is near."""


async def test_samples_of_a_cut_are_sent_after_it_with_their_dates(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    """Better: samples of an outage are not lost; the last one before it is repeated, as it may be."""
    peer.features["late_samples"] = True
    clock = tmp_path / "clock"
    clock.write_text(str(_BEFORE - time.time() % 60))
    satellite.configure(peer.port, monitoring_enabled=True)
    await satellite.start(OPSORBIT_CLOCK_STEP=str(clock))
    (live, *_) = await peer.until(lambda: peer.of("monitor"))
    await peer.stop()
    sampled = time.time() + float(clock.read_text())
    await peer.until_later(lambda: time.time() + float(clock.read_text()) > sampled // 60 * 60 + 62.5)
    await peer.listen()
    (late, *_) = await peer.until(lambda: peer.of("late_samples"))
    assert len(peer.of("monitor")) == 2, "the first live sample goes before the late ones"
    before, missed = late["samples"]
    assert abs(before["date"] - live["date"]) < 1
    assert 0 <= missed["date"] - (sampled // 60 + 1) * 60 < 3
    assert missed["data"]["memory"]["total"] == live["data"]["memory"]["total"]


async def test_an_original_conductor_gets_no_late_samples(
    base_peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text(str(_BEFORE - time.time() % 60))
    satellite.configure(base_peer.port, monitoring_enabled=True)
    await satellite.start(OPSORBIT_CLOCK_STEP=str(clock))
    await base_peer.until(lambda: base_peer.of("monitor"))
    await base_peer.drop()
    await base_peer.until(lambda: len(base_peer.of("monitor")) >= 2)
    assert not base_peer.of("late_samples")
