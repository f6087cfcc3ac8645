"""Quick monitors (contract monitoring.md §6) and the fleet's monitors for Prometheus."""

import math
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conductor.monitoring.exposition import exposition
from conductor.monitoring.intake import (
    MOST_BYTES,
    MOST_CONNECTIONS,
    MOST_PROCESSES,
    BadSample,
    cut,
    encoded,
)
from conductor.monitoring.monitors import Reading, monitor_of
from conductor.monitoring.quick import QuickMonitors, quick_value
from conductor.settings_sections import quick_monitors

DATA: dict[str, Any] = {
    "mem": {"used": 10.7, "available": 20},
    "cpu": {"avgLoad": 0.419, "currentLoad": "x"},
    "fs": {"rx": 5, "wx": None},
    "net": {},
}


def test_stock_quick_monitors() -> None:
    quick = QuickMonitors(quick_monitors(), 60)
    assert quick.take("s", DATA, 100) == {
        "date": 100, "_qm_cpu_load": 0.41, "_qm_cpu_usage": 0, "_qm_mem_used": 10, "_qm_mem_avail": 20,
        "_qm_disk_read_sec": 5, "_qm_disk_write_sec": None, "_qm_net_in_sec": None, "_qm_net_out_sec": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "decimals", "value"),
    [
        ("a", True, 0), ("a", False, None), ("x[0].y", False, 0), ("n", True, -1.24), ("n", False, -2),
        ("i", True, 0), ("i", False, None), ("t", False, None), ("t", True, 12.5),
    ],
)  # fmt: skip
def test_quick_monitor_values(source: str, decimals: bool, value: float | None) -> None:
    data = {"n": -1.234, "i": math.inf, "t": "12.5 items"}
    assert quick_value(source, data, decimals=decimals) == value


def test_quick_monitor_values_may_be_matched() -> None:
    assert quick_value("t", {"t": "depth 42"}, r"depth (\d+)", decimals=False) == 42


def test_a_quick_ring_of_monitors_has_one_row_a_second() -> None:
    quick = QuickMonitors([{"id": "q", "source": "n", "type": "integer"}], 3)
    dates = [(quick.take("s", {"n": 1}, second) or {}).get("date") for second in (10, 10, 10, 12, 13, 14)]
    assert dates == [10, 11, None, 12, 13, 14]
    assert [row["date"] for row in quick.rows("s")] == [12, 13, 14]
    assert quick.rows("other") == []
    quick.forget("s")
    assert quick.rows("s") == []


def test_a_clock_set_back_does_not_stop_quick_monitors() -> None:
    quick = QuickMonitors([{"id": "q", "source": "n", "type": "integer"}], 3)
    quick.take("s", {"n": 1}, 5000)
    assert quick.take("s", {"n": 2}, 1000) == {"date": 1000, "q": 2}
    assert len(quick.rows("s")) == 1


def test_monitors_for_prometheus_are_read_by_its_parser() -> None:
    """Better: the conductor offers its fleet in Prometheus' format."""
    monitors = [monitor_of({"id": id, "source": "1", "data_type": "float"}) for id in ("load_avg", "rx")]
    servers = {
        "s1": {"hostname": 'a"b\\c\nd', "groups": ["g1", "g2"]},
        "s2": {"hostname": "h2", "groups": []},
    }
    readings = {
        "s1": Reading(1000, {"load_avg": 0.5, "rx": 7}),
        "s2": Reading(1001, {"load_avg": 1}),
        "gone": Reading(1, {}),
    }
    families = {
        family.name: family
        for family in text_string_to_metric_families(exposition(monitors, servers, readings))
    }
    values = [(one.labels, one.value) for one in families["opsorbit_monitor_load_avg"].samples]
    assert values == [
        ({"server": "s1", "hostname": 'a"b\\c\nd', "groups": "g1,g2"}, 0.5),
        ({"server": "s2", "hostname": "h2", "groups": ""}, 1),
    ]
    assert families["opsorbit_monitor_rx"].type == "gauge"
    assert [one.value for one in families["opsorbit_sample_time_seconds"].samples] == [1000, 1001]
    few = exposition(monitors, servers, readings, most=2)
    assert "opsorbit_dropped_monitor_series 1" in few


def test_long_lists_of_a_monitor_sample_are_cut() -> None:
    """Better: tables of processes are bounded; the busiest and those of jobs stay."""
    processes: list[Any] = [{"pid": number, "cpu": 0.0} for number in range(MOST_PROCESSES)]
    busy, of_job = {"pid": -1, "cpu": 99.0}, {"pid": -2, "cpu": 0.0, "job": "j1"}
    data = {"processes": {"list": [*processes, busy, of_job, 7]}, "conns": [{}] * (MOST_CONNECTIONS + 1)}
    assert cut(data) == ["processes", "conns"]
    assert data["processes"]["list"][:2] == [of_job, busy]  # type: ignore[call-overload,index]
    assert len(data["conns"]) == MOST_CONNECTIONS
    assert cut({"processes": 5, "conns": {}}) == []


def test_monitor_samples_that_cannot_be_stored() -> None:
    deep: Any = 1
    for _ in range(950):
        deep = [deep]
    for data in ({"x": {("a", "b"): 1}}, {"x": "y" * (MOST_BYTES + 1)}, {"x": deep}):
        with pytest.raises(BadSample):
            encoded(data)
    assert encoded({"x": math.nan}) == b'{"x":null}'
