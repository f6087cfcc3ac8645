"""Laws of every workflow: it ends, and each node runs as often as the wires and outcomes before it say."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.workflows.simulation import Outcome, Simulation, conditions

MOST_JOBS = 40
_CONDITIONS = ("complete", "success", "error", "warning", "critical", "abort", "user", "tag:x", "continue")


@st.composite
def graphs(draw: st.DrawFn, *, loops: bool) -> dict[str, Any]:
    """Any graph that can be saved: up to ten nodes of every type, wired at random."""
    kinds = draw(
        st.lists(
            st.sampled_from(
                [
                    "event",
                    "job",
                    "action",
                    "limit",
                    "note",
                    "multiplex",
                    "repeat",
                    "split",
                    "join",
                    "decision",
                    "wait",
                ]
            ),
            min_size=1,
            max_size=9,
        )
    )
    nodes = [{"id": "n0", "type": "trigger", "x": 0, "y": 0}]
    for number, kind in enumerate(kinds, 1):
        nodes.append({"id": f"n{number}", "x": 0, "y": 0, **_node(draw, kind)})
    ids = [node["id"] for node in nodes]
    pairs = [(a, b) for i, a in enumerate(ids) for j, b in enumerate(ids) if (loops or i < j) and j > 0]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14))
    wires = []
    for number, (source, dest) in enumerate(chosen):
        of_job = nodes[int(source[1:])]["type"] in ("event", "job")
        condition = draw(st.sampled_from(_CONDITIONS)) if of_job else draw(st.sampled_from(["", "", "else"]))
        wires.append({"id": f"c{number}", "source": source, "dest": dest, "condition": condition})
    return {"nodes": nodes, "connections": wires}


def _node(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    if kind in ("event", "job", "limit", "note"):
        return {"type": kind, "data": {}}
    if kind == "action":
        return {"type": "action", "data": {"enabled": draw(st.booleans()), "type": "email"}}
    fields: dict[str, Any] = {"controller": kind, "continue": draw(st.sampled_from([0, 50, 100]))}
    fields["repeat"] = draw(st.integers(0, 4))
    fields["split"] = draw(st.sampled_from(["data.list", "files", "data.none", "(("]))
    fields["decision"] = draw(st.sampled_from(["true", "false", "code == 0", "(("]))
    fields["wait"] = draw(st.integers(0, 3))
    fields["need"] = draw(st.integers(0, 2))
    fields["timeout"] = draw(st.sampled_from([0, 2]))
    return {"type": "controller", "data": fields}


_OUTCOMES = st.builds(
    Outcome,
    code=st.sampled_from([0, 0, 1, "warning", "critical", "abort", "other"]),
    data=st.sampled_from([None, {"list": [1, 2]}, {"list": []}, 5]),
    files=st.sampled_from([(), ("f",)]),
    tags=st.sampled_from([(), ("x",)]),
    retries=st.integers(0, 2),
)


def _simulation(workflow: dict[str, Any], data: st.DataObject) -> Simulation:
    job_nodes = [node["id"] for node in workflow["nodes"] if node["type"] in ("event", "job")]
    return Simulation(
        workflow,
        outcome=lambda node, number, given: data.draw(_OUTCOMES),
        pick=lambda waiting: data.draw(st.integers(0, waiting - 1)),
        servers_of={node: ["s1", "s2"] for node in job_nodes},
        most_jobs=MOST_JOBS,
    )


_SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@_SETTINGS
@given(graphs(loops=True), st.data())
def test_every_workflow_ends_once_and_leaves_nothing_behind(
    workflow: dict[str, Any], data: st.DataObject
) -> None:
    simulation = _simulation(workflow, data)

    simulation.begin("n0", {"data": {"list": [1, 2, 3]}, "files": []})
    simulation.until_over()

    run = simulation.run
    assert len(simulation.complete) == 1
    assert not run.running
    assert not run.actions
    if not run.aborted:  # then what was still to come is kept for a rerun
        for left in (run.fanouts, run.batches, run.joins, run.waits):
            assert not left
    assert not [key for key, facts in run.state.items() if facts.get("active")]
    assert len(simulation.launches) == sum(simulation.ran.values())
    assert simulation.most_at_work <= MOST_JOBS + len(workflow["connections"]) * MOST_JOBS


@_SETTINGS
@given(graphs(loops=False), st.data())
def test_each_node_ran_as_often_as_the_wires_into_it_fired(
    workflow: dict[str, Any], data: st.DataObject
) -> None:
    simulation = _simulation(workflow, data)

    simulation.begin("n0", {"data": {"list": [1, 2, 3]}, "files": []})
    simulation.until_over()

    if simulation.run.aborted:
        return
    for node, low, high in _expected(workflow, simulation):
        assert low <= simulation.ran[node] <= high, (node, low, high)


def _expected(workflow: dict[str, Any], simulation: Simulation) -> list[tuple[str, int, int]]:
    """(job node, least, most runs) by counting along the wires, in the graph's order (it has no loops).

    Exact where every outcome is seen from outside; joins, splits and decisions on a job's record give bounds.
    """
    nodes = {node["id"]: node for node in workflow["nodes"]}
    ends: dict[str, Counter[str]] = {}
    for ended in simulation.ends:
        ends.setdefault(ended.node, Counter()).update(ended.conditions)
    least: Counter[str] = Counter({"n0": 1})
    most: Counter[str] = Counter({"n0": 1})
    for id, node in nodes.items():
        kind = node.get("data", {}).get("controller") or node["type"]
        out = [wire for wire in workflow["connections"] if wire["source"] == id]
        for wire in out:
            low, high = _fired(kind, wire, out, nodes, ends.get(id, Counter()), least[id], most[id])
            least[wire["dest"]] += low
            most[wire["dest"]] += high
    return [(id, least[id], most[id]) for id, node in nodes.items() if node["type"] in ("event", "job")]


def _fired(
    kind: str,
    wire: dict[str, Any],
    out: list[Any],
    nodes: dict[str, Any],
    ends: Counter[str],
    low: int,
    high: int,
) -> tuple[int, int]:
    if kind in ("event", "job"):
        if wire["condition"] == "continue":
            return 0, 10**6  # once for each fan-out that got enough successes
        return ends[wire["condition"]], ends[wire["condition"]]
    if kind == "trigger":
        return low, high
    fields = nodes[wire["source"]].get("data", {})
    single_job = len(out) == 1 and nodes[wire["dest"]]["type"] in ("event", "job")
    if kind == "repeat":
        return (low * fields["repeat"], high * fields["repeat"]) if single_job else (0, 0)
    if kind == "multiplex":
        return (low * 2, high * 2) if single_job else (0, 0)
    if kind == "split":
        return (0, high * 3) if single_job else (0, 0)
    if kind == "decision":
        if fields["decision"] == "((":
            return 0, 0
        if fields["decision"] in ("true", "false"):
            taken = (fields["decision"] == "true") == (wire["condition"] != "else")
            return (low, high) if taken else (0, 0)
        return 0, high
    if kind == "wait":
        return low, high
    if kind == "join":
        return 0, high if len(out) == 1 else 0
    return 0, 0


@_SETTINGS
@given(graphs(loops=False), st.data())
def test_a_rerun_runs_what_failed_again_and_nothing_that_succeeded(
    workflow: dict[str, Any], data: st.DataObject
) -> None:
    first = _simulation(workflow, data)
    first.begin("n0", {"data": {"list": [1, 2, 3]}, "files": []})
    if data.draw(st.booleans()) and first.waiting:
        first.abort("enough")
    first.until_over()
    succeeded = first.stubs_of(lambda stub: not stub["code"])
    failed = first.stubs_of(lambda stub: bool(stub["code"]))

    again = first.rerun(outcome=lambda node, number, given: Outcome(data={"list": [1]}))
    again.until_over()

    assert again.kept == succeeded
    for node, count in failed.items():
        assert again.ran[node] >= count
    assert again.run.failed == 0
    assert again.run.succeeded == sum(succeeded.values()) + sum(again.ran.values())
    if first.complete[0].code == 0:
        assert not again.ran


def test_the_simulation_knows_the_conditions_of_the_contract() -> None:
    assert conditions(Outcome(code=0, tags=("x",))) == {"complete", "success", "tag:x"}
    assert conditions(Outcome(code="critical")) == {"complete", "error", "critical"}
    assert conditions(Outcome(code=7)) == {"complete", "error", "user"}
