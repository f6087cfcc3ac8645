"""The controllers besides join: multiplex, repeat, split, decision, wait. Contract workflows.md §6. Pure."""

import math
from typing import Any, Final

import msgspec

from conductor.workflows.graph import Node
from conductor.workflows.run import Batch, Fanout, Flow, Json, Launch, Waiting
from conductor.workflows.step import Step
from shared.expressions import ExpressionError, compile_expression, truthy

MOST_ITEMS: Final = 100_000
"""Sub-jobs that may wait in the fan-outs of a run; more is taken for a mistake."""


def number(value: Any, otherwise: float = 0.0) -> float:
    """A field of a controller as a finite number, given as number or text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return otherwise
    try:
        converted = float(value)
    except ValueError:
        return otherwise
    return converted if math.isfinite(converted) else otherwise


def context_of(step: Step, flow: Flow, record: Json) -> Json:
    """What an expression sees: the finished job that led here, else the input; and the run (§6)."""
    job = step.around.job
    base = record or {"data": {}, "files": [], **(flow.input or {})}
    return {
        "workflow": job,
        "params": job.get("params") or {},
        "workflowData": step.around.workflow_data,
        **base,
    }


# Counting controllers


def fan_out(step: Step, node: Node, flow: Flow, record: Json) -> None:
    """Reach a multiplex, repeat or split: it will launch its node once for each server, time or item."""
    wire = step.only_output(node.id, flow)
    if wire is None:
        return
    if not step.graph.nodes[wire.dest].is_job:
        step.fail(node.id, "Controller must be connected to an event or job.", flow)
        return
    match node.controller:
        case "multiplex":
            batch = _servers(step, node, wire.dest, flow)
        case "repeat":
            batch = Batch(key="", size=max(int(number(node.data.get("repeat"), 1)), 0), input=flow.input)
        case _:
            batch = _items(step, node, flow, record)
    if batch is None:
        return
    waiting = sum(one.size - one.launched for one in step.run.fanouts.values())
    if waiting + batch.size > MOST_ITEMS:
        step.fail(node.id, f"Controller would run {batch.size} jobs; {MOST_ITEMS} may wait in all.", flow)
        return
    if batch.size == 0:
        step.fail(node.id, "Controller has nothing to run.", flow)
        return
    before = step.run.fanouts.get(node.id) or Fanout(node=wire.dest, wire=wire.id, size=0)
    fanout = msgspec.structs.replace(before, size=before.size + batch.size)
    step.run.fanouts[node.id] = fanout
    step.run.batches[node.id] = [*step.run.batches.get(node.id, ()), batch]
    step.mark(node.id, active=True, max=fanout.size, count=fanout.ended)
    step.decided(node.id, str(node.controller), jobs=batch.size)


def _servers(step: Step, node: Node, dest: str, flow: Flow) -> Batch | None:
    try:
        servers = step.around.servers(dest)
    except LookupError:
        step.abort("Multiplex controller has no targets.")
        return None
    except ExpressionError as error:
        step.abort(f"Multiplex expression failed: {error}")
        return None
    if not servers:
        step.note(node.id, "Multiplex controller found no servers.")
        return None
    return Batch(
        key="server",
        size=len(servers),
        items=servers,
        input=flow.input,
        stagger=max(number(node.data.get("stagger")), 0.0),
    )


def _items(step: Step, node: Node, flow: Flow, record: Json) -> Batch | None:
    text = str(node.data.get("split") or "").strip()
    context = context_of(step, flow, record)
    try:
        items = _listed(compile_expression(text).evaluate(context))
        items = _filtered(items, str(node.data.get("filter") or "").strip(), context)
    except ExpressionError as error:
        step.fail(node.id, f"Split expression failed: {error}", flow)
        return None
    chunk = max(int(number(node.data.get("chunk"), 1)), 1)
    if chunk > 1:
        items = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    key = "files" if text == "files" else "items" if chunk > 1 else "item"
    return Batch(key=key, size=len(items), items=items, input=flow.input)


def _listed(value: Any) -> list[Any]:
    """What a split goes over: an array, or the lines of a text; nothing in anything else."""
    if isinstance(value, str):
        return [line.strip() for line in value.strip().splitlines()]
    return list(value) if isinstance(value, list) else []


def _filtered(items: list[Any], text: str, context: Json) -> list[Any]:
    if not text:
        return items
    keep = compile_expression(text)
    return [
        item
        for index, item in enumerate(items)
        if truthy(keep.evaluate({**context, "item": item, "index": index}))
    ]


def launch_next(step: Step, controller: str, room: int) -> int:
    """Ask for the next sub-jobs of a fan-out, `room` at most; answer how many."""
    fanout = step.run.fanouts[controller]
    first, last = fanout.launched, min(fanout.launched + max(room, 0), fanout.size)
    if first == last:
        return 0
    batches = step.run.batches.get(controller, [])
    offset = fanout.size - sum(batch.size for batch in batches)  # those before are launched and forgotten
    for batch in batches:
        for index in range(max(first - offset, 0), min(last - offset, batch.size)):
            if not step.visit(fanout.node):
                return 0
            step.launch(_launch(batch, index, controller, fanout))
        offset += batch.size
    step.run.fanouts[controller] = msgspec.structs.replace(fanout, launched=last)
    if last == fanout.size:
        step.run.batches.pop(controller, None)
    return last - first


def _launch(batch: Batch, index: int, controller: str, fanout: Fanout) -> Launch:
    given = batch.input
    targets = None
    if batch.key == "server":
        targets = [batch.items[index]]
    elif batch.key == "files":
        group = batch.items[index]
        given = {**(given or {}), "files": group if isinstance(group, list) else [group]}
    elif batch.key:
        given = {**(given or {}), "data": {batch.key: batch.items[index]}}
    flow = Flow(input=given, launcher=controller, wire=fanout.wire)
    return Launch(node=fanout.node, flow=flow, targets=targets, delay=batch.stagger * index)


def count_end(step: Step, controller: str, *, succeeded: bool) -> None:
    """A sub-job that `controller` launched is over."""
    fanout = step.run.fanouts.get(controller)
    if fanout is None:
        return  # no counting controller, or one that a redirect or an abort has left behind
    fanout = msgspec.structs.replace(
        fanout, ended=fanout.ended + 1, succeeded=fanout.succeeded + int(succeeded)
    )
    step.run.fanouts[controller] = fanout
    step.mark(controller, count=fanout.ended)
    if not step.run.aborted:
        close_if_ended(step, controller)


def close_if_ended(step: Step, controller: str) -> None:
    """With the last sub-job of a fan-out the `continue` wires fire, if enough of them succeeded."""
    fanout = step.run.fanouts[controller]
    if fanout.ended < fanout.size:
        return
    del step.run.fanouts[controller]
    step.run.batches.pop(controller, None)
    step.mark(controller, active=False, completed=step.around.now)
    percent = math.floor(100 * fanout.succeeded / fanout.size)
    wanted = number(step.graph.nodes[controller].data.get("continue"))
    if percent < wanted:
        step.note(controller, f"Only {percent}% of the jobs succeeded, {wanted:g}% are needed to continue.")
        return
    wires = step.graph.fired(fanout.node, frozenset({"continue"}))
    step.follow(wires, Flow(), {}, mark=True)


# Decision and wait


def decide(step: Step, node: Node, flow: Flow, record: Json) -> None:
    """Go on along the wires when the expression holds, along those of condition `else` when it does not."""
    wires = step.graph.outgoing(node.id)
    context = context_of(step, flow, record)
    context.setdefault("input", flow.input or {"data": context.get("data"), "files": context.get("files")})
    try:
        holds = compile_expression(str(node.data.get("decision") or "")).evaluate_condition(context)
    except ExpressionError as error:
        step.fail(node.id, f"Decision expression failed: {error}", flow)
        return
    step.mark(node.id, completed=step.around.now, decision=holds)
    step.decided(node.id, "decision", holds=holds)
    otherwise = [wire for wire in wires if wire.condition == "else"]
    chosen = [wire for wire in wires if wire.condition != "else"] if holds else otherwise
    if not wires:
        step.fail(node.id, "Decision has no outgoing connections.", flow)
    elif not holds and node.data.get("abort"):
        step.abort(f"Decision was false: {node.data.get('label') or node.data.get('decision')}")
    else:
        step.follow(chosen, msgspec.structs.replace(flow, launcher=node.id), {})


def wait(step: Step, node: Node, flow: Flow) -> None:
    """Hold the flow for some seconds. Each arrival is held for itself."""
    now = step.around.now
    held = Waiting(due=now + max(number(node.data.get("wait")), 0.0), flow=flow)
    others = step.run.waits.get(node.id)
    step.run.waits[node.id] = [*(others or ()), held]
    if not others:
        step.mark(node.id, active=True, start=now)


def end_waits(step: Step) -> None:
    """Let go on what has waited long enough."""
    now = step.around.now
    for node, held in list(step.run.waits.items()):
        due = [one for one in held if one.due <= now]
        if not due:
            continue
        left = [one for one in held if one.due > now]
        if left:
            step.run.waits[node] = left
        else:
            del step.run.waits[node]
            step.mark(node, active=False, completed=now)
        wires = step.graph.outgoing(node)
        if not wires:
            step.fail(node, "Wait has no outgoing connections.")
        for one in due:
            step.follow(wires, msgspec.structs.replace(one.flow, launcher=node), {})
