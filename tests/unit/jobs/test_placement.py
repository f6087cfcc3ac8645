"""Which server gets a job, and why another does not (contract jobs.md §7)."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs.placement import NO_SERVER, Fleet, Refused, expand_targets, max_jobs, place


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
