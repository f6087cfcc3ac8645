"""The join controller: it waits for its wires and hands on what came along them. Contract workflows.md §6. Pure.

Distinct wires count, not arrivals: a branch that fires twice does not stand for another one. Beyond the
contract a join may be content with `need` wires, and may give up waiting after `timeout` seconds.
"""

from typing import Any

import msgspec

from conductor.workflows.controllers import number
from conductor.workflows.graph import Node
from conductor.workflows.run import Arrivals, Flow, Json
from conductor.workflows.step import Step


def arrive(step: Step, node: Node, flow: Flow) -> None:
    """Something has come to the join along `flow.wire`."""
    step_wires = [wire.id for wire in step.graph.incoming(node.id)]
    wanted = _wanted(node, len(step_wires))
    arrivals = step.run.joins.get(node.id)
    if arrivals is None:
        timeout = number(node.data.get("timeout"))
        arrivals = Arrivals(due=step.around.now + timeout if timeout > 0 else 0.0)
    wire = step.graph.wires.get(flow.wire)
    own = wire is None or not step.graph.nodes[wire.source].is_job
    arrivals = msgspec.structs.replace(
        arrivals, wires={**arrivals.wires, flow.wire: flow.input if own else None}
    )
    step.run.joins[node.id] = arrivals
    if not arrivals.fired:
        step.mark(node.id, active=True, max=wanted, count=len(arrivals.wires))
        if len(arrivals.wires) >= wanted:
            _fire(step, node, arrivals)
            arrivals = msgspec.structs.replace(arrivals, fired=True)
    if len(arrivals.wires) >= len(step_wires):
        step.run.joins.pop(node.id, None)  # the next arrival begins anew
    elif not step.run.aborted:
        step.run.joins[node.id] = arrivals


def end_timeouts(step: Step) -> None:
    """Joins that have waited long enough go on with what has come, if anything did."""
    for node_id, arrivals in list(step.run.joins.items()):
        if not arrivals.fired and 0 < arrivals.due <= step.around.now:
            step.note(node_id, "Join went on without all its connections: its time was over.")
            del step.run.joins[node_id]
            _fire(step, step.graph.nodes[node_id], arrivals)


def give_up(step: Step) -> None:
    """Nothing can come any more: joins that still wait are in error, and the run can end."""
    for node_id, arrivals in list(step.run.joins.items()):
        if not arrivals.fired:
            step.run.unmet[node_id] = arrivals
            state = step.run.state[node_id]
            step.fail(
                node_id,
                f"Join was reached by {len(arrivals.wires)} of {state.get('max')} connections and never went on.",
            )
    step.run.joins = {}


def _wanted(node: Node, wires: int) -> int:
    need = int(number(node.data.get("need")))
    return min(need, wires) if need > 0 else max(wires, 1)


def _fire(step: Step, node: Node, arrivals: Arrivals) -> None:
    step.mark(node.id, active=False, completed=step.around.now)
    step.decided(node.id, "join", connections=len(arrivals.wires))
    wire = step.only_output(node.id)
    if wire is not None:
        step.follow([wire], Flow(input=_joined(step, node, arrivals), launcher=node.id), {})


def _joined(step: Step, node: Node, arrivals: Arrivals) -> Json:
    """The data of every sub-job behind the join in wire order, and all of it in one; their files together."""
    items: list[Any] = []
    combined: Json = {}
    files: list[Any] = []
    for wire in step.graph.incoming(node.id):
        if step.graph.nodes[wire.source].is_job:
            for result in step.around.results(wire.source):
                _add(items, combined, files, result.data, result.files)
        elif (given := arrivals.wires.get(wire.id)) is not None:
            _add(items, combined, files, given.get("data"), given.get("files"))
    return {"data": {"items": items, "combined": combined}, "files": files}


def _add(items: list[Any], combined: Json, files: list[Any], data: Any, more_files: Any) -> None:
    items.append(data if data is not None else {})
    if isinstance(data, dict):
        combined.update(data)
    if isinstance(more_files, list | tuple):
        files += more_files
