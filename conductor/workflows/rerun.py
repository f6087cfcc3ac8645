"""A failed workflow run again from where it failed, with the results of what succeeded kept. Pure.

Sub-jobs that failed are launched again with what they were given; nodes in error and flows that an abort cut
off are run again; joins keep the connections that have come in, fan-outs what they had still to launch.
Beyond the contract (workflows.md, "Where to be better" 3).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from conductor.workflows.graph import Graph
from conductor.workflows.run import Fanout, Flow, Json, Launch, Restart, Run

Stubs = Mapping[str, list[Mapping[str, Any]]]
"""`workflow.jobs` of the failed run: the ended sub-jobs of each node."""


class Rerun(NamedTuple):
    run: Run
    kept: list[tuple[str, Json]]
    """(node, stub) of the sub-jobs whose results stay, in order."""
    restart: Restart


def plan(graph: Graph, failed: Run, stubs: Stubs, records: Mapping[str, Mapping[str, Any]]) -> Rerun:
    """How to go on from a run that ended without success; `records` are those of its failed sub-jobs."""
    kept: list[tuple[str, Json]] = []
    launches: list[Launch] = []
    again: dict[str, int] = {}
    for node, ended in stubs.items():
        for stub in ended:
            if stub.get("retried"):
                continue
            if not stub.get("code"):
                kept.append((node, dict(stub)))
            elif node in graph.nodes:
                launch = _again(graph, node, stub, records.get(str(stub.get("id")), {}))
                launches.append(launch)
                again[launch.flow.launcher or ""] = again.get(launch.flow.launcher or "", 0) + 1
    run = Run(
        state={key: _begun_again(facts) for key, facts in failed.state.items()},
        ended={node: sum(1 for one, _ in kept if one == node) for node in {one for one, _ in kept}},
        rounds=failed.rounds,
        succeeded=len(kept),
        fanouts=dict(failed.fanouts),
        batches=dict(failed.batches),
        joins={**failed.joins, **failed.unmet},
        waits=dict(failed.waits),
    )
    for controller, count in again.items():
        _count_again(graph, run, failed, controller, count, kept)
    for node in (*run.fanouts, *run.joins, *run.waits):
        run.state[node] = {**run.state.get(node, {}), "active": True}
    nodes = tuple((node, flow) for node, flow in failed.errors.items() if node in graph.nodes)
    return Rerun(run, kept, Restart(launches=tuple(launches), nodes=nodes))


def _again(graph: Graph, node: str, stub: Mapping[str, Any], record: Mapping[str, Any]) -> Launch:
    launcher = stub.get("launcher")
    controller = graph.nodes[launcher].controller if launcher in graph.nodes else ""
    flow = Flow(
        input=record.get("input"),
        parent=record.get("parent"),
        launcher=launcher,
        wire=str(stub.get("wire") or ""),
    )
    return Launch(
        node=node,
        flow=flow,
        targets=list(record["targets"]) if controller == "multiplex" and record else None,
    )


def _count_again(
    graph: Graph, run: Run, failed: Run, controller: str, count: int, kept: list[tuple[str, Json]]
) -> None:
    """A fan-out counts only what is over: the sub-jobs that run again are not."""
    fanout = run.fanouts.get(controller)
    if fanout is not None:
        run.fanouts[controller] = msgspec.structs.replace(fanout, ended=fanout.ended - count)
        return
    node = graph.nodes.get(controller)
    wires = graph.outgoing(controller)
    if node is None or node.controller not in ("multiplex", "repeat", "split") or len(wires) != 1:
        return
    going_on = graph.fired(wires[0].dest, frozenset({"continue"}))
    if any(failed.state.get(wire.id, {}).get("completed") for wire in going_on):
        return  # enough had succeeded, and the run went on from there
    size = int(failed.state.get(controller, {}).get("max") or 0)
    run.fanouts[controller] = Fanout(
        node=wires[0].dest,
        wire=wires[0].id,
        size=size,
        launched=size,
        ended=size - count,
        succeeded=sum(1 for _, stub in kept if stub.get("launcher") == controller),
    )


def _begun_again(facts: Json) -> Json:
    return {key: value for key, value in facts.items() if key not in ("error", "active")}
