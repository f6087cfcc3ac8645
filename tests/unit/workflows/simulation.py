"""Runs a workflow without a house around it: every command is carried out at once, in a chosen order."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from conductor.workflows.advance import advance
from conductor.workflows.graph import Graph
from conductor.workflows.rerun import plan
from conductor.workflows.run import (
    Abort,
    AbortJobs,
    Act,
    Acted,
    Begin,
    Complete,
    Ended,
    Happening,
    Launch,
    More,
    Note,
    Run,
    Tick,
)
from shared.expressions import compile_expression

Json = dict[str, Any]
TICK = 1.0


@dataclass(frozen=True)
class Outcome:
    """What a simulated sub-job ends with."""

    code: Any = 0
    data: Any = None
    files: tuple[Any, ...] = ()
    tags: tuple[str, ...] = ()
    retries: int = 0
    redirect: str = ""


@dataclass(frozen=True)
class Finished:
    data: Any
    files: tuple[Any, ...]


def conditions(outcome: Outcome) -> frozenset[str]:
    code = outcome.code
    failure = {"error", code if code in ("warning", "critical", "abort") else "user"}
    result = failure if code else {"success"}
    return frozenset({"complete", *result, *(f"tag:{tag}" for tag in outcome.tags)})


def graph_of(*wires: str, **nodes: Any) -> Json:
    """`graph_of("t -> a", "a -success-> b", t="trigger", a="event", …)`; a node is its type or (type, data)."""
    listed = []
    for id, node in nodes.items():
        kind, data = node if isinstance(node, tuple) else (node, {})
        if kind in ("multiplex", "repeat", "split", "join", "decision", "wait"):
            kind, data = "controller", {"controller": kind, **data}
        listed.append({"id": id, "type": kind, "x": 0, "y": 0, "data": data})
    connections = []
    for number, text in enumerate(wires):
        source, arrow, dest = text.split()
        connections.append(
            {
                "id": f"c{number}",
                "source": source,
                "dest": dest,
                "condition": arrow.strip("->"),
            }
        )
    return {"nodes": listed, "connections": connections}


@dataclass
class Simulation:
    """One run. `outcome(node, how many ran before, input)` says how a sub-job ends; `pick` which is next."""

    workflow: Mapping[str, Any]
    outcome: Callable[[str, int, Any], Outcome] = lambda node, number, given: Outcome()
    pick: Callable[[int], int] = lambda waiting: 0
    servers_of: Mapping[str, list[str]] = field(default_factory=dict)
    job: Json = field(default_factory=dict)
    most_jobs: int = 1000
    now: float = 1000.0
    workflow_data: Json = field(default_factory=dict)
    triggers: frozenset[str] | None = None

    def __post_init__(self) -> None:
        self.graph = Graph.read(self.workflow)
        self.run = Run()
        self.waiting: list[Launch | Act] = []
        self.launches: list[Launch] = []
        self.ran: Counter[str] = Counter()
        self.ends: list[Ended] = []
        self.notes: list[Note] = []
        self.complete: list[Complete] = []
        self.steps = 0
        self.most_at_work = 0
        self.finished: dict[str, list[Finished]] = {}
        self.stubs: dict[str, list[Json]] = {}
        self.records: dict[str, Json] = {}
        self.kept: Counter[str] = Counter()

    # Surroundings

    def has_trigger(self, trigger: str) -> bool:
        return self.triggers is None or trigger in self.triggers

    def servers(self, node: str) -> list[str]:
        if node not in self.servers_of:
            raise LookupError(node)
        expression = self.graph.nodes[node].data.get("expression")
        if expression:
            compile_expression(expression)
        return self.servers_of[node]

    def results(self, node: str) -> Iterable[Finished]:
        return self.finished.get(node, ())

    # Driving

    def happen(self, happening: Happening) -> None:
        more = True
        while more:
            before = msgspec.msgpack.encode(self.run)
            step = advance(self.graph, self.run, happening, self)
            assert msgspec.msgpack.encode(self.run) == before, "the old run was changed"
            # What the book stores is what the next primary goes on with.
            self.run = msgspec.msgpack.decode(msgspec.msgpack.encode(step.run), type=Run)
            self.steps += 1
            for command in step.commands:
                match command:
                    case Launch():
                        self.waiting.append(command)
                        self.launches.append(command)
                    case Act():
                        self.waiting.append(command)
                    case Note():
                        self.notes.append(command)
                    case Complete():
                        self.complete.append(command)
                    case AbortJobs():
                        self.aborting = command.reason
            self.most_at_work = max(self.most_at_work, self.run.at_work)
            happening, more = More(), step.more

    def begin(self, start: str, given: Json | None = None) -> None:
        self.happen(Begin(start, given))

    def until_over(self, most_steps: int = 20_000) -> Complete:
        while not self.run.over:
            assert self.steps < most_steps, "the workflow hangs"
            if self.waiting:
                self.end(self.pick(len(self.waiting)))
            else:
                self.now += TICK
                self.happen(Tick())
        assert not self.waiting
        return self.complete[0]

    def end(self, index: int) -> None:
        """End the sub-job or action that stands at `index`."""
        command = self.waiting.pop(index)
        if isinstance(command, Act):
            self.happen(Acted(command.node, {"code": 0, "date": self.now}))
            return
        node = command.node
        outcome = self.outcome(node, self.ran[node], command.flow.input)
        if self.run.aborted:
            outcome = Outcome(code="abort")
        for _ in range(outcome.retries):
            self.happen(Ended(node=node, job="j0", code=1, launcher=command.flow.launcher, retried=True))
        self.ran[node] += 1
        given = {"data": outcome.data, "files": list(outcome.files)}
        self._keep(f"j{self.steps}", command, outcome.code)
        ended = Ended(
            node=node,
            job=f"j{self.steps}",
            code=outcome.code,
            launcher=command.flow.launcher,
            conditions=conditions(outcome),
            output=given,
            record={"code": outcome.code, "tags": list(outcome.tags), **given},
            redirect=outcome.redirect,
        )
        self.finished.setdefault(node, []).append(Finished(outcome.data, outcome.files))
        self.ends.append(ended)
        self.happen(ended)

    def _keep(self, job_id: str, launch: Launch, code: Any) -> None:
        flow = launch.flow
        stub = {"id": job_id, "code": code, "launcher": flow.launcher, "wire": flow.wire}
        self.stubs.setdefault(launch.node, []).append(stub)
        self.records[job_id] = {"input": flow.input, "parent": flow.parent, "targets": launch.targets or []}

    def stubs_of(self, wanted: Callable[[Json], bool]) -> Counter[str]:
        """How many ended sub-jobs of each node are as wanted."""
        counted = {node: sum(map(wanted, stubs)) for node, stubs in self.stubs.items()}
        return Counter({node: count for node, count in counted.items() if count})

    def rerun(self, outcome: Callable[[str, int, Any], Outcome]) -> "Simulation":
        """A new run that goes on from where this one failed."""
        planned = plan(self.graph, self.run, self.stubs, self.records)
        again = replace(self, outcome=outcome)
        again.run = planned.run
        again.finished = {
            node: [one for one, stub in zip(finished, self.stubs[node], strict=True) if not stub["code"]]
            for node, finished in self.finished.items()
        }
        again.kept = Counter(node for node, _ in planned.kept)
        again.happen(planned.restart)
        return again

    def abort(self, reason: str) -> None:
        self.happen(Abort(reason))

    def inputs(self, node: str) -> list[Any]:
        return [launch.flow.input for launch in self.launches if launch.node == node]


def run(
    workflow: Mapping[str, Any], start: str = "t", given: Json | None = None, **options: Any
) -> Simulation:
    """Run to the end."""
    simulation = Simulation(workflow, **options)
    simulation.begin(start, given)
    simulation.until_over()
    return simulation


def ending(**codes: Any) -> Callable[[str, int, Any], Outcome]:
    """Sub-jobs that end with the code, Outcome, or list of them (by run) given for their node."""

    def outcome(node: str, number: int, given: Any) -> Outcome:
        value = codes.get(node, 0)
        if isinstance(value, list):
            value = value[min(number, len(value) - 1)]
        return value if isinstance(value, Outcome) else Outcome(code=value)

    return outcome
