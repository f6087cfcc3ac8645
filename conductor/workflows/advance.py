"""What a workflow does next: (graph, run, what just happened) → (run, commands). Contract workflows.md. Pure.

The same arguments give the same answer, and nothing that was passed in is changed: whoever stores the new
run together with what its commands make (sub-jobs in the book) may die at any moment, and the next one
computes the same step again.

A fan-out launches as many sub-jobs as may exist at a time and goes on with `More` as they end, so that a
split of ten thousand items is no burst of ten thousand jobs.
"""

from typing import Final, NamedTuple

from conductor.workflows import completion, controllers, joining
from conductor.workflows.graph import Graph, Node
from conductor.workflows.run import (
    Abort,
    Act,
    Acted,
    Begin,
    Command,
    Ended,
    Flow,
    Happening,
    Json,
    Launch,
    More,
    Restart,
    Run,
    Surroundings,
    Tick,
)
from conductor.workflows.step import Reached, Step

LAUNCHED_TOGETHER: Final = 100
"""Sub-jobs of a fan-out that one step asks for: bounds the script that stores them."""


class Advance(NamedTuple):
    run: Run
    commands: list[Command]
    more: bool
    """Ask again with `More` at once: there is room for further sub-jobs."""


def advance(graph: Graph, run: Run, happening: Happening, around: Surroundings) -> Advance:
    """One step of the run. What happens to a run that is over changes nothing."""
    if run.over:
        return Advance(run, [], more=False)
    step = Step(graph, run.copy(), around)
    match happening:
        case Begin():
            _begin(step, happening)
        case Ended():
            _ended(step, happening)
        case Acted():
            _acted(step, happening)
        case Tick():
            _tick(step)
        case Abort():
            step.abort(happening.reason)
        case Restart():
            _restart(step, happening)
        case More():
            pass
    while step.reached:
        _enter(step, step.reached.popleft())
    more = _launch_waiting(step)
    completion.finish_if_done(step)
    return Advance(step.run, step.commands, more)


def _begin(step: Step, begin: Begin) -> None:
    if not step.graph.nodes:
        step.abort("Workflow has no nodes.")
    elif not begin.start:
        step.abort("Workflow has no start node.")
    elif begin.start not in step.graph.nodes:
        step.abort(f"Workflow start node not found: {begin.start}")
    else:
        step.reached.append(Reached(begin.start, Flow(input=begin.input), {}))


def _enter(step: Step, reached: Reached) -> None:
    """Run one node."""
    node, flow = step.graph.nodes[reached.node], reached.flow
    if step.run.aborted or not step.visit(node.id):
        return
    if node.is_job:
        step.launch(Launch(node=node.id, flow=flow))
    elif node.type == "trigger":
        _fire(step, node, flow)
    elif node.type == "action":
        _act(step, node, flow)
    elif node.type == "controller":
        _control(step, node, flow, reached.record)
    elif node.type not in ("limit", "note"):
        step.abort(f"Unknown workflow node type: {node.type}")


def _fire(step: Step, node: Node, flow: Flow) -> None:
    if not step.around.has_trigger(node.id):
        step.abort(f"Workflow trigger not found: {node.id}")
        return
    wires = step.graph.outgoing(node.id)
    if not wires:
        step.fail(node.id, "Trigger has no outgoing connections.", flow)
        return
    step.mark(node.id, completed=step.around.now)
    step.follow(wires, Flow(input=flow.input, parent=flow.parent, launcher=node.id), {})


def _act(step: Step, node: Node, flow: Flow) -> None:
    wire = step.graph.wires.get(flow.wire)
    condition = wire.condition if wire and wire.condition else "complete"
    allowed = step.around.job.get("test_conditions")
    if not node.data.get("enabled", True):
        return
    if step.around.job.get("test") and isinstance(allowed, list) and condition not in allowed:
        return
    if node.data.get("type") == "suspend":
        step.fail(node.id, "Suspend actions can only follow an event or job node.", flow)
        return
    step.mark(node.id, active=True)
    step.run.actions[node.id] = [*step.run.actions.get(node.id, ()), flow]
    step.commands.append(Act(node=node.id, flow=flow))


def _acted(step: Step, acted: Acted) -> None:
    left = step.run.actions.get(acted.node, [])[1:]
    if left:
        step.run.actions[acted.node] = left
    else:
        step.run.actions.pop(acted.node, None)
    count = int(step.run.state.get(acted.node, {}).get("count", 0)) + 1
    step.mark(
        acted.node, **{**acted.result, "active": bool(left), "completed": step.around.now, "count": count}
    )
    if acted.result.get("code"):
        step.fail(acted.node, f"Action failed: {acted.result.get('description', '')}")


def _control(step: Step, node: Node, flow: Flow, record: Json) -> None:
    match node.controller:
        case "multiplex" | "repeat" | "split":
            controllers.fan_out(step, node, flow, record)
        case "join":
            joining.arrive(step, node, flow)
        case "decision":
            controllers.decide(step, node, flow, record)
        case "wait":
            controllers.wait(step, node, flow)
        case _:
            step.abort(f"Unknown workflow controller: {node.controller}")


def _ended(step: Step, job: Ended) -> None:
    if job.retried:
        return  # the next attempt has taken its place
    run = step.run
    step.job_gone(job.node)
    run.ended[job.node] = run.ended.get(job.node, 0) + 1
    if job.code:
        run.failed += 1
    else:
        run.succeeded += 1
    if run.aborted:
        if job.launcher:
            controllers.count_end(step, job.launcher, succeeded=not job.code)
        return
    flow = Flow(
        input=job.output,
        parent={"job": job.job, "event": job.event, "code": job.code, "description": job.description},
    )
    record = dict(job.record)
    if job.launcher and job.launcher not in step.graph.nodes:
        step.abort(f"Workflow node not found: {job.launcher}")
    elif job.launcher:
        controllers.count_end(step, job.launcher, succeeded=not job.code)
    if job.redirect and job.redirect not in step.graph.nodes:
        step.abort(f"Workflow node not found: {job.redirect}")
    elif job.redirect:
        step.reached.append(Reached(job.redirect, flow, record))
    elif job.node in step.graph.nodes:
        wires = step.graph.fired(job.node, job.conditions - {"continue"})
        step.follow(wires, flow, record, mark=True)
    if job.node in step.graph.nodes:
        step.mark(job.node, completed=step.around.now)


def _restart(step: Step, restart: Restart) -> None:
    for launch in restart.launches:
        step.launch(launch)
    step.reached.extend(Reached(node, flow, {}) for node, flow in restart.nodes)
    for controller in list(step.run.fanouts):
        controllers.close_if_ended(step, controller)


def _tick(step: Step) -> None:
    controllers.end_waits(step)
    joining.end_timeouts(step)


def _launch_waiting(step: Step) -> bool:
    """Sub-jobs of fan-outs as far as there is room; whether there is room for more of them."""
    run = step.run
    room = min(step.around.most_jobs - run.at_work, LAUNCHED_TOGETHER)
    for controller in list(run.fanouts):
        if run.aborted:
            break
        room -= controllers.launch_next(step, controller, room)
    return not run.aborted and run.jobs_to_come and run.at_work < step.around.most_jobs
