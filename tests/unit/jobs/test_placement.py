"""Which server gets a job, and why another does not (contract jobs.md §7)."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs.fleet_view import Fleet, FleetIndex
from conductor.jobs.placement import NO_SERVER, Refused, expand_targets, max_jobs, place


def server(server_id: str, **more: object) -> dict:
    return {
        "id": server_id,
        "hostname": f"{server_id}.lan",
        "enabled": True,
        "groups": ["main"],
        "info": {},
        **more,
    }


SERVERS = [
    server("s1", title="Zeta", info={"cpu": {"avgLoad": 2.0}, "memory": {"active": 5}}),
    server("s2", title="alpha", info={"cpu": {"avgLoad": 0.5}, "memory": {"active": 9}}),
    server("s3", groups=["main", "db"], info={"cpu": {"avgLoad": 1.0}, "memory": {"active": 1}}),
]


def fleet(
    *servers: dict, groups: dict | None = None, load: dict | None = None, count: dict | None = None
) -> Fleet:
    known = groups or {"main": {"id": "main"}, "db": {"id": "db"}}
    return Fleet({one["id"]: one for one in servers}, known, load or {}, Counter(count or {}))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["main"], ["s1", "s2", "s3"]),
        (["db"], ["s3"]),
        (["s2", "main"], ["s2", "s1", "s3"]),
        (["S1.LAN"], ["s1"]),
        ("s3, s1", ["s3", "s1"]),
        (["nowhere", 7, None], []),
    ],
)
def test_targets_are_servers_groups_then_host_names(targets: object, expected: list[str]) -> None:
    assert expand_targets(targets, fleet(*SERVERS)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("least_cpu", "s2"),
        ("least_mem", "s3"),
        ("prefer_first", "s2"),
        ("prefer_last", "s1"),
        ("prefer_first_natural", "s1"),
        ("prefer_last_natural", "s3"),
        ("fewest_jobs", "s3"),
    ],
)
def test_algorithms(algorithm: str, expected: str) -> None:
    job = {"targets": ["main"], "algo": algorithm}
    assert place(job, fleet(*SERVERS, count={"s1": 2, "s2": 1})).server == expected


def test_ties_go_to_the_first_candidate() -> None:
    assert place({"targets": ["main"], "algo": "fewest_jobs"}, fleet(*SERVERS)).server == "s1"


def test_round_robin_walks_and_stores_the_next_index() -> None:
    job = {"targets": ["main"], "algo": "round_robin"}
    seen, index = [], 0
    for _ in range(4):
        placement = place(job, fleet(*SERVERS), robin=index)
        seen.append(placement.server)
        assert placement.robin is not None
        index = placement.robin
    assert seen == ["s1", "s2", "s3", "s1"]


def test_each_refused_server_has_its_reason() -> None:
    servers = [
        server("s1", enabled=False),
        server("s2", maxJobs=2),
        server("s3", groups=["main", "small"]),
        server("s4"),
    ]
    groups = {"main": {}, "small": {"max_jobs_per_server": 1}}
    job = {"targets": ["main"], "expression": "x"}
    placement = place(
        job,
        fleet(*servers, groups=groups, load={"s2": 2.0, "s3": 1.0}),
        matches=lambda text, one: one["id"] != "s4",
    )
    assert placement.server is None
    assert placement.problem == NO_SERVER
    assert placement.refused == (
        Refused("s1", "The server is disabled."),
        Refused("s2", "The server has reached its maximum of 2 concurrent jobs."),
        Refused("s3", "The server has reached its maximum of 1 concurrent jobs."),
        Refused("s4", "The target expression does not match."),
    )


def test_an_unknown_algorithm_is_named() -> None:
    placement = place({"targets": ["main"], "algo": "astrology"}, fleet(*SERVERS))
    assert (placement.server, placement.problem) == (None, "Unknown algorithm or monitor: astrology")


def test_the_smallest_group_maximum_counts_unless_the_server_has_its_own() -> None:
    groups = {
        "a": {"max_jobs_per_server": 5},
        "b": {"max_jobs_per_server": 3},
        "c": {"max_jobs_per_server": 0},
    }
    assert max_jobs({"groups": ["a", "b", "c"]}, groups) == 3
    assert max_jobs({"groups": ["a", "b"], "maxJobs": 9}, groups) == 9
    assert max_jobs({"groups": ["c", "gone"]}, groups) == 0


@given(
    st.sampled_from(["random", "round_robin", "least_cpu", "fewest_jobs", "prefer_last"]), st.integers(0, 50)
)
def test_the_choice_is_always_an_enabled_target(algorithm: str, robin: int) -> None:
    servers = [*SERVERS, server("s9", groups=["other"]), server("s8", enabled=False)]
    placement = place({"targets": ["main"], "algo": algorithm}, fleet(*servers), robin=robin)
    assert placement.server in {"s1", "s2", "s3"}


def test_better_load_is_compared_for_each_core() -> None:
    """jobs.md, "Where to be better" 10: an absolute load sends jobs away from large machines."""
    servers = [
        server("large", info={"cpu": {"avgLoad": 4.0, "cores": 32}, "memory": {"active": 8, "total": 64}}),
        server("small", info={"cpu": {"avgLoad": 1.5, "cores": 2}, "memory": {"active": 4, "total": 8}}),
    ]
    for algorithm in ("least_cpu", "least_mem"):
        assert place({"targets": ["main"], "algo": algorithm}, fleet(*servers)).server == "large"


@pytest.mark.parametrize("algorithm", ["least_cpu", "least_mem"])
def test_better_the_jobs_of_one_minute_do_not_herd(algorithm: str) -> None:
    """jobs.md, "Where to be better" 10: between two samples what was given counts as used."""
    info = {"cpu": {"avgLoad": 0.2, "cores": 4}, "memory": {"active": 100 * 2**20, "total": 2**30}}
    servers = [server(f"s{number}", info=info) for number in range(4)]
    given: Counter[str] = Counter()
    snapshot = fleet(*servers)._replace(given=lambda one: given[one])
    for _ in range(20):
        chosen = place({"targets": ["main"], "algo": algorithm}, snapshot).server
        assert chosen is not None
        given[chosen] += 1
    assert set(given.values()) == {5}


@pytest.mark.parametrize(
    ("algorithm", "expected"), [("monitor:load", "s2"), ("load", "s2"), ("monitor:sent", "s1")]
)
def test_the_lowest_value_of_a_monitor(algorithm: str, expected: str) -> None:
    samples = {
        "s1": {"monitors": {"load": 3}, "deltas": {"sent": 1}},
        "s2": {"monitors": {"load": 1, "sent": 0}, "deltas": {"sent": 7}},
        "s3": {"monitors": {"load": 2}, "deltas": {"sent": 5}},
    }
    monitors = {"load": {"id": "load"}, "sent": {"id": "sent", "delta": True}}
    snapshot = fleet(*SERVERS)._replace(reading=samples.get, monitors=monitors)
    assert place({"targets": ["main"], "algo": algorithm}, snapshot).server == expected


def test_a_sample_goes_before_the_servers_record() -> None:
    snapshot = fleet(*SERVERS)._replace(reading=lambda one: {"cpu": {"avgLoad": 0.1 if one == "s1" else 3}})
    assert place({"targets": ["main"], "algo": "least_cpu"}, snapshot).server == "s1"


def test_an_alert_that_limits_jobs_keeps_them_away() -> None:
    alerts = {"s1": ["Disk full", "Load"]}
    snapshot = fleet(*SERVERS)._replace(alerts=lambda one: alerts.get(one, ()))
    placement = place({"targets": ["s1", "s2"]}, snapshot)
    assert placement.server == "s2"
    reason = "The server has an active alert that keeps jobs away: Disk full, Load."
    assert placement.refused == (Refused("s1", reason),)


def test_an_expression_that_fails_leaves_the_list_as_it_was() -> None:
    job = {"targets": ["main"], "algo": "prefer_first_natural", "expression": "x"}
    placement = place(job, fleet(*SERVERS), matches=lambda _, one: None if one["id"] == "s2" else False)
    assert placement.server == "s1"
    assert "expression failed" in placement.warning


def test_better_a_random_choice_in_a_large_group_looks_at_a_few_only() -> None:
    """The cost of a launch must not be that of all servers."""
    many = {f"s{number}": server(f"s{number}") for number in range(2000)}
    looked: Counter[str] = Counter()

    def alerts(one: str) -> tuple[str, ...]:
        looked[one] += 1
        return ()

    snapshot = Fleet(many, {"main": {}}, {}, {}, FleetIndex(many), alerts=alerts)
    chosen = {place({"targets": ["main"], "algo": "random"}, snapshot).server for _ in range(50)}
    assert len(chosen) > 25
    assert looked.total() == 50


def test_an_index_that_lags_behind_chooses_nobody_who_left() -> None:
    before = {f"s{number}": server(f"s{number}") for number in range(300)}
    index = FleetIndex(before)
    now = {one: {**record, "groups": ["other"]} if one != "s7" else record for one, record in before.items()}
    del now["s3"]
    for algorithm in ("random", "fewest_jobs"):
        snapshot = Fleet(now, {"main": {}}, {}, {}, index)
        assert place({"targets": ["main"], "algo": algorithm}, snapshot).server == "s7"
    assert place({"targets": ["s3.lan", "s3"]}, Fleet(now, {}, {}, {}, index)).problem == NO_SERVER


SERVER = st.fixed_dictionaries(
    {
        "enabled": st.booleans(),
        "groups": st.lists(st.sampled_from(["main", "db", "web"]), max_size=2, unique=True),
        "maxJobs": st.sampled_from([0, 0, 1, 2.5]),
        "info": st.fixed_dictionaries({"cpu": st.fixed_dictionaries({"avgLoad": st.floats(0, 9)})}),
    }
)


@given(
    st.dictionaries(st.sampled_from([f"s{number}" for number in range(8)]), SERVER, max_size=8),
    st.lists(st.sampled_from(["main", "db", "web", "s1", "s2", "s5.lan", "nowhere"]), min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["s0", "s1", "s2", "s3"]), st.sampled_from([0.5, 1, 2]), max_size=4),
    st.sampled_from(["random", "round_robin", "least_cpu", "least_mem", "prefer_first", "prefer_last",
                     "prefer_first_natural", "prefer_last_natural", "fewest_jobs"]),
    st.sampled_from([0.5, 1, 3]),
    st.sets(st.sampled_from(["s1", "s3", "s4"])),
)  # fmt: skip
def test_every_target_is_chosen_from_or_refused_with_a_reason(
    records: dict, targets: list, load: dict, algorithm: str, weight: float, alerting: set
) -> None:
    servers = {one: server(one, **record) for one, record in records.items()}
    groups = {"main": {"max_jobs_per_server": 2}, "db": {}, "web": {}}
    snapshot = Fleet(
        servers, groups, load, dict.fromkeys(load, 1), FleetIndex(servers),
        alerts=lambda one: ("Full",) if one in alerting else (),
    )  # fmt: skip
    job = {
        "targets": targets, "algo": algorithm,
        "limits": [{"type": "job", "enabled": True, "amount": 9, "weight": weight}],
    }  # fmt: skip
    placement = place(job, snapshot, robin=5)
    reached = set(expand_targets(targets, snapshot))
    refused = {one.server for one in placement.refused}
    assert all(one.reason for one in placement.refused)
    assert refused <= reached
    if placement.server is None:
        assert refused == reached
        return
    chosen = servers[placement.server]
    most = max_jobs(chosen, groups)
    assert placement.server in reached - refused - alerting
    assert chosen["enabled"]
    assert not most or load.get(placement.server, 0) + weight <= most
