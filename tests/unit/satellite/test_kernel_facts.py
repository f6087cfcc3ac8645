"""What the sample tells beyond the contract's fields (monitor_data.md, "Where to be better" 6 and 7)."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from satellite.monitors import cpu, disks
from satellite.monitors.kernel import kernel
from satellite.monitors.samples import Samples

FILES = {
    "proc/stat": "cpu  1 2 3\nintr 900 1 2 3\nctxt 12345\nbtime 1\nprocesses 77\n",
    "proc/vmstat": "nr_free_pages 1\npswpin 5\npswpout 6\noom_kill 1\n",
    "proc/net/snmp": "Ip: A\nIp: 1\nTcp: RtoMin OutSegs RetransSegs\nTcp: 200 5000 12\n",
    "proc/pressure/io": "some avg10=1.50 avg60=0.1 avg300=0 total=9\nfull avg10=0.25 avg60=0 avg300=0 total=1\n",
    "thermal/thermal_zone0/temp": "45500\n",
    "thermal/thermal_zone0/type": "x86 pkg\n",
    "thermal/thermal_zone1/temp": "-3000\n",
    "thermal/thermal_zone1/type": "x86 pkg\n",
    "thermal/thermal_zone2/temp": "broken\n",
}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_swapping_pressure_retransmissions_and_temperatures_are_told(host: Path) -> None:
    assert kernel(host / "proc", host / "thermal") == {
        "counters": {
            "interrupts": 900, "context_switches": 12345, "forks": 77, "swapped_in": 5, "swapped_out": 6,
            "oom_kills": 1, "tcp_segments": 5000, "tcp_retransmitted": 12,
        },
        "pressure": {"io": {"some": 1.5, "full": 0.25}},
        "temperatures": {"x86_pkg": 45.5, "x86_pkg_thermal_zone1": -3.0},
    }  # fmt: skip


def test_a_kernel_that_tells_nothing_is_no_trouble(tmp_path: Path) -> None:
    assert kernel(tmp_path, tmp_path / "thermal") == {}


def test_time_that_was_stolen_is_told() -> None:
    shares = cpu.shares([0] * 10, [10, 0, 10, 50, 5, 0, 5, 20, 0, 0])
    assert (shares["steal"], shares["idle"], shares["active"]) == (20, 50, 50)


def test_two_mounts_of_the_same_name_are_both_there_with_their_inodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [("/dev/a", path, "ext4", "rw") for path in ("/", "/a-b", "/a_b", "/a/b", "/a-b")]
    status = SimpleNamespace(f_blocks=100, f_bfree=60, f_bavail=50, f_frsize=4096, f_files=1000, f_favail=250)
    monkeypatch.setattr(disks, "_mounted", lambda: rows)
    monkeypatch.setattr(os, "statvfs", lambda path: status)
    found = disks.mounts()
    assert {key: one["mount"] for key, one in found.items()} == {
        "root": "/", "a_b": "/a-b", "a_b_2": "/a_b", "a_b_3": "/a/b",
    }  # fmt: skip
    assert (found["root"]["inodes"], found["root"]["inodesUse"]) == (1000, 75.0)


def test_better_6_the_traffic_of_each_disk_is_told(tmp_path: Path) -> None:
    """One full disk among ten is invisible in their sum; partitions and volumes on them are not counted again."""
    stats = tmp_path / "diskstats"
    rows = {"sda": 10, "sda1": 9, "nvme0n1": 4, "nvme0n1p2": 3, "dm-0": 8, "loop0": 1, "md0": 2}
    stats.write_text(
        "".join(
            f"8 0 {name} {n} 0 {n * 2} {n * 3} {n * 4} 0 {n * 5} {n * 6} 0 0 {n * 7}\n"
            for name, n in rows.items()
        )
    )
    found = disks.disks_counters(str(stats))
    assert found is not None
    assert list(found) == ["sda", "nvme0n1"]
    assert found["sda"] == {
        "rIO": 10, "rx": 20 * 512, "rWaitTime": 30, "wIO": 40, "wx": 50 * 512, "wWaitTime": 60, "tWaitTime": 70,
    }  # fmt: skip
    first = disks._of_a_disk(found["sda"], None, 60)
    assert (first["rIO"], first["rIO_sec"], first["busy"]) == (10, None, None)
    later = {**found["sda"], "rIO": 130, "wx": 0, "tWaitTime": 30_070}
    told = disks._of_a_disk(later, found["sda"], 60)
    assert (told["rIO_sec"], told["busy"]) == (2, 50)
    assert told["wx_sec"] == 0, "a counter that restarted"
    assert disks.disks_counters(str(tmp_path / "none")) is None


def test_better_6_a_minute_sample_tells_of_each_disk() -> None:
    sample = Samples().minute({}, None)
    assert set(sample["stats"]["disks"]) == set(disks.disks_counters() or {})
