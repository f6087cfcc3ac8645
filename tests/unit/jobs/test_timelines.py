"""A job's processes over time (contract jobs.md §11.4, §16)."""

from typing import Any

from conductor.jobs.timelines import MOST_SECONDS, nothing_moved, sampled


def process(disk: int) -> dict[str, Any]:
    return {"pid": 7, "cpu": 1, "memRss": 2, "command": "x", "disk": disk, "net": 0, "user": "root"}


def test_seconds_are_slim_and_bounded_and_minutes_whole() -> None:
    timelines: Any = None
    for second in range(400):
        timelines, _ = sampled(timelines, {}, {"7": process(0)}, [], 6000.0 + second)
    assert len(timelines["second"]) == MOST_SECONDS
    assert "user" not in timelines["second"][-1]["procs"]["7"]
    assert [row["epoch"] for row in timelines["minute"]] == [6000.0 + 60 * n for n in range(7)]
    assert timelines["minute"][0]["procs"]["7"]["user"] == "root"


def test_what_was_moved_between_minutes_is_summed() -> None:
    timelines: Any = None
    sums: dict[str, Any] = {}
    for minute, (disk, delta) in enumerate([(100, 5), (250, 7), (300, 0)]):
        timelines, added = sampled(timelines, sums, {"7": process(disk)}, [{"delta": delta}], 60.0 * minute)
        sums |= added
    assert sums == {"disk": {"total": 200, "count": 120}, "net": {"total": 12, "count": 3}}


def test_after_a_take_over_the_sums_go_on_though_the_graph_begins_anew() -> None:
    known = {"disk": {"total": 50, "count": 60}, "net": {"total": 1, "count": 1}}
    _, added = sampled(None, known, {"7": process(9000)}, [{"delta": 2}], 600.0)
    assert added == {"disk": {"total": 50, "count": 60}, "net": {"total": 3, "count": 2}}


def test_rubbish_is_no_sample() -> None:
    _, added = sampled({"second": 5, "minute": "x"}, {"disk": []}, {"7": 5, "8": {"disk": "x"}}, [7], 60.0)
    assert added == nothing_moved() | {"net": {"total": 0, "count": 1}}
