"""The process table of a sample is bounded (monitor_data.md, "Where to be better" 2)."""

from typing import Any

from satellite.monitors.process_list import ProcessList, _most


def row(pid: int, **values: Any) -> dict[str, Any]:
    return {"pid": pid, "cpu": 0.0, "memRss": 0, **values}


def test_what_does_and_holds_least_is_left_out() -> None:
    rows = [row(1, memRss=5), row(2, cpu=3.0), row(3), row(4, job="j1"), row(5, memRss=9), row(6)]
    assert [one["pid"] for one in _most(rows, 4)] == [1, 2, 4, 5]
    assert [one["pid"] for one in _most(rows, 2)] == [2, 4]
    assert _most(rows, 6) is rows


def test_an_ordinary_table_is_whole() -> None:
    sample = ProcessList().sample(1000.0, 2000.0, 10**9, {})
    assert sample["all"] == len(sample["list"])
    assert "omitted" not in sample
