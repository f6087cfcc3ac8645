"""When a run is over, and with what result. Contract workflows.md §7. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from conductor.workflows import joining
from conductor.workflows.graph import Graph
from conductor.workflows.run import Complete, Json, Result, Run
from conductor.workflows.step import Step


def finish_if_done(step: Step) -> None:
    """End the run when nothing of it is under way and nothing waits for time to pass."""
    run = step.run
    if run.at_work or run.actions:
        return
    if not run.aborted:
        if run.fanouts or run.waits:
            return
        if any(not arrivals.fired and arrivals.due for arrivals in run.joins.values()):
            return
        joining.give_up(step)
    run.result = _result(step.graph, run)
    step.commands.append(run.result)


def _result(graph: Graph, run: Run) -> Complete:
    if run.aborted:
        return Complete("abort", run.aborted)
    if run.failed and not run.succeeded:
        return Complete(1, "All workflow jobs failed.")
    if run.failed:
        return Complete("warning", f"{run.failed} of {run.failed + run.succeeded} workflow jobs failed.")
    if any(facts.get("error") for key, facts in run.state.items() if key in graph.nodes):
        return Complete("warning", "Some workflow nodes reported warnings.")
    return Complete(0, "Workflow completed successfully.")


def progress(run: Run, running: Mapping[str, Iterable[float]]) -> float:
    """Mean over the nodes that have sub-jobs; `running` holds the progress (0 to 1) of those under way."""
    parts: list[float] = []
    for node in {*run.ended, *run.running}:
        under_way = list(running.get(node, ()))
        done = run.ended.get(node, 0)
        if done + len(under_way):
            parts.append((done + sum(under_way)) / (done + len(under_way)))
    return sum(parts) / len(parts) if parts else 0.0


def merged(first: Mapping[str, Any], second: Any) -> Json:
    """Shared data after one more sub-job: arrays are joined, objects merged, anything else replaced."""
    result = dict(first)
    for key, value in second.items() if isinstance(second, Mapping) else ():
        before = result.get(key)
        if isinstance(before, list) and isinstance(value, list):
            result[key] = [*before, *value]
        elif isinstance(before, Mapping) and isinstance(value, Mapping):
            result[key] = {**before, **value}
        else:
            result[key] = value
    return result


def output(results: Iterable[Result], workflow_data: Mapping[str, Any]) -> Json:
    """The workflow job's own `{data, files}`: those of all sub-jobs, with the shared data over it."""
    data: Json = {}
    files: list[Any] = []
    for result in results:
        data = merged(data, result.data)
        files += result.files
    return {"data": {**data, **workflow_data}, "files": files}
