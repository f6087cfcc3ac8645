"""Figures of samples that the original gets wrong (contract monitor_data.md, "Where to be better")."""

import time
from pathlib import Path
from typing import Any

import pytest

from satellite import processes
from satellite.monitors import network, process_list, samples
from satellite.monitors.plugins import _MOST_OUTPUT, _run
from satellite.monitors.process_list import ProcessList

TICKS = processes.TICKS_PER_SECOND
PROCESS = processes.Process(
    pid=1,
    parent=0,
    group=1,
    session=1,
    state="S",
    ticks=0,
    waited=0,
    start=0,
    rss=1,
    virtual=1,
    threads=1,
    nice=0,
    priority=20,
    tty=0,
    name="x",
)
COUNTERS = dict.fromkeys(network._COUNTERS, 0)


def test_a_job_that_just_went_wild_does_not_look_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better (monitor_data 1): CPU of a process is of the last interval, not of its life."""
    at = {"time": 1000.0, "ticks": 0}
    monkeypatch.setattr(process_list, "monotonic", lambda: at["time"])
    monkeypatch.setattr(process_list, "table", lambda: {1: PROCESS._replace(ticks=int(at["ticks"]))})
    monkeypatch.setattr(process_list.os, "cpu_count", lambda: 2)
    listed = ProcessList()

    def cpu() -> float:
        return float(listed.sample(90_000, time.time(), 1, {})["list"][0]["cpu"])

    assert cpu() == 0
    at.update(time=1060.0, ticks=60 * TICKS)  # one whole core of two, after a day of sleep
    assert cpu() == 50
    at.update(time=1120.0)
    assert cpu() == 0


def test_the_satellites_own_cpu_is_that_of_the_last_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better (monitor_data 1): percent of one core since the sample before."""
    at = {"time": 5.0, "cpu": 1.0}
    monkeypatch.setattr(samples, "monotonic", lambda: at["time"])
    monkeypatch.setattr(samples.time, "process_time", lambda: at["cpu"])
    own = samples._OwnUsage()
    at.update(time=65.0, cpu=16.0)
    assert own.sample()["cpu"] == 25
    at.update(time=125.0)
    assert own.sample()["cpu"] == 0


def test_what_passes_a_bridge_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better (monitor_data 3): docker0, veth and bridges have the traffic of the interface below them."""
    names = ("eth0", "docker0", "veth12ab", "br-0123", "enp3s0")
    found = {name: {**COUNTERS, "rx_bytes": 100, "tx_bytes": 10} for name in names}
    monkeypatch.setattr(network, "traffic", lambda: found)
    assert network.totals() == {"rx": 200, "tx": 20}


def test_an_interface_that_came_later_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better (monitor_data 9): the list of interfaces is read with each sample."""
    at = {"time": 10.0}
    present: dict[str, Any] = {"eth0": 0}

    def described() -> dict[str, dict[str, Any]]:
        facts = {"ip4": "", "default": False, "virtual": False, "internal": False, "operstate": "up"}
        return {name: dict(facts) for name in present}

    monkeypatch.setattr(network, "monotonic", lambda: at["time"])
    monkeypatch.setattr(network, "interfaces", described)
    monkeypatch.setattr(
        network, "traffic", lambda: {name: {**COUNTERS, "rx_bytes": read} for name, read in present.items()}
    )
    measured = network.Network()
    measured.sample([])
    present["usb0"] = 50
    at["time"] = 70.0
    found, _ = measured.sample([])
    assert found["usb0"]["rx_sec"] is None
    present["usb0"] = 650
    at["time"] = 130.0
    found, _ = measured.sample([])
    assert found["usb0"]["rx_sec"] == 10


def test_a_monitor_plugin_that_ignores_its_end_delays_no_sample(tmp_path: Path) -> None:
    """Better (plugins 7): SIGTERM alone let one stuck plugin stop a server's samples."""
    plugin = {"id": "p", "command": "/bin/sh", "script": "trap '' TERM; sleep 60 & wait; sleep 60"}
    began = time.monotonic()
    assert _run(plugin, 0.3, {"PATH": "/usr/bin:/bin"}) == ("Error: Command timed out after 0.3 seconds", "")
    assert time.monotonic() - began < 10


def test_a_monitor_plugin_that_prints_for_ever_is_not_waited_for() -> None:
    """Better (plugins 7): what it prints is bounded while it prints, not afterwards."""
    began = time.monotonic()
    text, _ = _run({"id": "p", "command": "/usr/bin/yes"}, 60, {"PATH": "/usr/bin:/bin"})
    assert len(text) <= _MOST_OUTPUT
    assert time.monotonic() - began < 30
