"""One step under way: the run that it changes, and the commands that it gathers."""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from conductor.workflows.graph import Graph, Wire
from conductor.workflows.run import AbortJobs, Command, Decided, Flow, Json, Launch, Note, Run, Surroundings


class Reached(NamedTuple):
    """A node that the flow has come to."""

    node: str
    flow: Flow
    record: Json
    """The finished sub-job that led here, empty after anything else."""


class Step:
    """Belongs to one call of `advance`."""

    def __init__(self, graph: Graph, run: Run, around: Surroundings) -> None:
        self.graph = graph
        self.run = run
        self.around = around
        self.commands: list[Command] = []
        self.reached: deque[Reached] = deque()
        """Nodes still to be run in this step, in the order in which the flow came to them."""

    def visit(self, node: str) -> bool:
        """Note when a node was first reached; whether it may be run, loops being bounded."""
        if node not in self.run.state:
            self.run.state[node] = {"started": self.around.now}
        return self._may_go_round(node)

    def _may_go_round(self, node: str) -> bool:
        if node not in self.graph.loops:
            return True
        self.run.rounds += 1
        if self.run.rounds > self.around.most_jobs:
            self.abort(
                f"Workflow went round in a loop and reached its maximum of {self.around.most_jobs} jobs."
            )
            return False
        return True

    def mark(self, key: str, **facts: Any) -> None:
        """Set properties in the state of a node or wire."""
        self.run.state[key] = {**self.run.state.get(key, {}), **facts}

    def note(self, node: str, text: str) -> None:
        self.commands.append(Note(node, text))

    def decided(self, node: str, controller: str, **facts: Any) -> None:
        self.commands.append(Decided(node, controller, facts))

    def fail(self, node: str, text: str, flow: Flow | None = None) -> None:
        """The node could not do its part: the flow ends there, and the run ends with a warning.

        `flow` is what came to it, for a rerun.
        """
        self.mark(node, error=True, active=False)
        if flow is not None:
            self.run.errors[node] = flow
        self.note(node, text)

    def abort(self, reason: str) -> None:
        """Nothing is launched any more; the run ends when its last sub-job has.

        What was still to come is kept, so that a rerun can go on from it.
        """
        if self.run.aborted:
            return
        self.run.aborted = reason
        for reached in self.reached:
            self.run.errors[reached.node] = reached.flow
        self.reached.clear()
        for key, facts in self.run.state.items():
            if facts.get("active") and key not in self.run.actions:
                self.mark(key, active=False)
        self.note("", f"Workflow is aborted: {reason}")
        if self.run.at_work:
            self.commands.append(AbortJobs(reason))

    def follow(self, wires: Iterable[Wire], flow: Flow, record: Json, *, mark: bool = False) -> None:
        """Go on to the nodes at the ends of `wires`, in order. `mark`: the wires of a sub-job show that they fired."""
        for wire in wires:
            if mark:
                self.mark(wire.id, completed=self.around.now)
            self.reached.append(Reached(wire.dest, msgspec.structs.replace(flow, wire=wire.id), record))

    def launch(self, launch: Launch) -> None:
        """Ask for a sub-job; from now on it counts as running."""
        self.run.running[launch.node] = self.run.running.get(launch.node, 0) + 1
        self.commands.append(launch)

    def job_gone(self, node: str) -> None:
        left = self.run.running.get(node, 0) - 1
        if left > 0:
            self.run.running[node] = left
        else:
            self.run.running.pop(node, None)

    def only_output(self, node: str, flow: Flow | None = None) -> Wire | None:
        """The single wire that leaves a controller; any other number is an error of the node."""
        wires = self.graph.outgoing(node)
        if len(wires) == 1:
            return wires[0]
        self.fail(node, f"Controller needs exactly one outgoing connection, and has {len(wires)}.", flow)
        return None
