"""What placement compares servers by (contract jobs.md §7)."""

from conductor.monitoring import loads
from conductor.monitoring.loads import Loads

SAMPLE = {
    "data": {
        "cpu": {"avgLoad": 1.5, "cores": 4, "currentLoad": 40},
        "memory": {"active": 5, "total": 9, "free": 4},
        "processes": {"list": [{"pid": 1}] * 1000},
        "monitors": {"load_avg": 1.5},
        "deltas": {"sent": 7},
    }
}


def test_what_placement_reads_is_kept_and_no_more() -> None:
    known = Loads()
    assert known.latest("s1") is None
    known.sampled({"id": "s1"}, SAMPLE, 60.0)
    assert known.latest("s1") == {
        "date": 60.0,
        "cpu": {"avgLoad": 1.5, "cores": 4},
        "memory": {"active": 5, "total": 9},
        "monitors": {"load_avg": 1.5},
        "deltas": {"sent": 7},
    }
    known.forget()
    assert known.latest("s1") is None


def test_what_was_not_measured_is_left_out() -> None:
    known = Loads()
    known.sampled({"id": "s1"}, {"data": {"cpu": [], "monitors": {}, "deltas": {}}}, 60.0)
    assert known.latest("s1") == {"date": 60.0, "monitors": {}, "deltas": {}}


def test_the_servers_of_a_term_are_bounded() -> None:
    known = Loads()
    for number in range(loads.MOST + 1):
        known.sampled({"id": f"s{number}"}, {"data": {"monitors": {}, "deltas": {}}}, number)
    known.sampled({"id": "s1"}, SAMPLE, loads.MOST + 1.0)
    known.sampled({"id": "new"}, SAMPLE, loads.MOST + 2.0)
    assert known.latest("s0") is None
    assert known.latest("s2") is None, "the one heard of longest ago"
    assert known.latest("s1") is not None
