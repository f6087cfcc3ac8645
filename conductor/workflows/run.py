"""The state of one run of a workflow, what can happen to it, and what it can ask for. Pure values.

The public half (`state`, keyed by node and wire ID) is what clients see as `job.workflow.state`
(contract structures/job_workflow.yaml); the rest is the run's own bookkeeping. Everything is plain data, so
that the job book can store it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

Json = dict[str, Any]


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes to a node along a wire."""

    input: Json | None = None
    """`{data, files}` for the node; None where nothing is handed on."""
    parent: Json | None = None
    """`{job, event, code, description}` of the sub-job that ended."""
    launcher: str | None = None
    """The trigger or controller that fired; None after the wire of a sub-job."""
    wire: str = ""


class Batch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One activation of a counting controller: the sub-jobs it has to launch, some of them perhaps already.

    Sub-job i gets `input`, changed by `key`: `item`/`items` become its data, `files` its files, `server` its
    target, `` (repeat) changes nothing.
    """

    key: str
    size: int
    items: list[Any] = []
    input: Json | None = None
    stagger: float = 0.0


class Fanout(msgspec.Struct, frozen=True, kw_only=True):
    """A counting controller at work: of `size` sub-jobs `launched` were asked for, `ended` are over."""

    node: str
    """The event or job node that it runs."""
    wire: str
    size: int
    launched: int = 0
    ended: int = 0
    succeeded: int = 0


class Arrivals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A join at work: which wires have come in, with the input where the wire is no sub-job's."""

    wires: dict[str, Json | None] = {}
    fired: bool = False
    """Enough have come, and it waits for the others only to begin anew."""
    due: float = 0.0
    """When it stops waiting; 0: never."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    due: float
    flow: Flow


class Complete(msgspec.Struct, frozen=True):
    """The run is over with this result."""

    code: int | str
    description: str


class Run(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run. Never changed in place by `advance`, which makes a new one."""

    state: dict[str, Json] = {}
    running: dict[str, int] = {}
    """Sub-jobs of each node that were asked for and have not ended."""
    ended: dict[str, int] = {}
    """Sub-jobs of each node that ended, retried attempts aside."""
    rounds: int = 0
    """How often nodes that lie on a loop of wires were run: what has to be bounded, or it never ends."""
    succeeded: int = 0
    failed: int = 0
    fanouts: dict[str, Fanout] = {}
    batches: dict[str, list[Batch]] = {}
    """What the fan-outs have to launch. Large, and changed only when a controller is reached."""
    joins: dict[str, Arrivals] = {}
    waits: dict[str, list[Waiting]] = {}
    unmet: dict[str, Arrivals] = {}
    """Joins that the run ended without: what a rerun goes on from."""
    actions: dict[str, list[Flow]] = {}
    """Actions in the flow that are under way, by node."""
    errors: dict[str, Flow] = {}
    """What came to the nodes that could not do their part."""
    aborted: str = ""
    result: Complete | None = None
    """Set with the last step: the run is over."""

    def copy(self) -> "Run":
        """A run whose own containers may be changed; the values in them may not."""
        return msgspec.structs.replace(
            self,
            state=dict(self.state),
            running=dict(self.running),
            ended=dict(self.ended),
            fanouts=dict(self.fanouts),
            batches=dict(self.batches),
            joins=dict(self.joins),
            waits=dict(self.waits),
            unmet=dict(self.unmet),
            actions=dict(self.actions),
            errors=dict(self.errors),
        )

    @property
    def over(self) -> bool:
        return self.result is not None

    @property
    def at_work(self) -> int:
        """Sub-jobs that exist now."""
        return sum(self.running.values())

    @property
    def jobs_to_come(self) -> bool:
        return any(fanout.launched < fanout.size for fanout in self.fanouts.values())


# What happens to a run


class Begin(msgspec.Struct, frozen=True):
    """The workflow job has become active."""

    start: str
    input: Json | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A sub-job is over, or was refused, lost or flushed: then with a failing code and no data."""

    node: str
    job: str
    code: Any
    event: str = ""
    description: str = ""
    launcher: str | None = None
    retried: bool = False
    conditions: frozenset[str] = frozenset()
    """What its result meets (jobs.md §14.6): `complete`, `success`, `tag:…` and so on."""
    output: Json = {}
    """`{data, files}`."""
    record: Mapping[str, Any] = {}
    """The whole finished job, for expressions."""
    redirect: str = ""


class Acted(msgspec.Struct, frozen=True):
    """An action in the flow has been carried out; `result` are the fields that it got."""

    node: str
    result: Json


class Tick(msgspec.Struct, frozen=True):
    """Time has passed."""


class More(msgspec.Struct, frozen=True):
    """There may be room for further sub-jobs of a fan-out."""


class Abort(msgspec.Struct, frozen=True):
    reason: str


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed goes on (`rerun`): these sub-jobs and nodes are run again."""

    launches: "tuple[Launch, ...]" = ()
    nodes: tuple[tuple[str, Flow], ...] = ()


Happening = Begin | Ended | Acted | Tick | More | Abort | Restart


# What a run asks for


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One sub-job of an event or job node; a node with `replay` takes that record for its result."""

    node: str
    flow: Flow
    targets: list[str] | None = None
    delay: float = 0.0


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Carry out the action of a node in the context of the workflow job, and answer with Acted."""

    node: str
    flow: Flow


class Note(msgspec.Struct, frozen=True):
    """A row of the workflow job's activity log."""

    node: str
    text: str


class Decided(msgspec.Struct, frozen=True):
    """A controller has come to a decision: which way the flow goes on, or how many jobs there will be."""

    node: str
    controller: str
    facts: Json


class AbortJobs(msgspec.Struct, frozen=True):
    """Abort every sub-job of the run."""

    reason: str


Command = Launch | Act | Note | Decided | AbortJobs | Complete


class Result(Protocol):
    """What a run keeps of an ended sub-job."""

    @property
    def data(self) -> Any: ...

    @property
    def files(self) -> Sequence[Any]: ...


class Surroundings(Protocol):
    """What the decisions may look at besides the run: a snapshot, the same for the whole step."""

    @property
    def now(self) -> float: ...

    @property
    def most_jobs(self) -> int:
        """`max_jobs_per_workflow`, at least 1: sub-jobs that may exist at a time, and rounds of a loop."""
        ...

    @property
    def job(self) -> Mapping[str, Any]:
        """The workflow job: `params`, `test_conditions`…"""
        ...

    @property
    def workflow_data(self) -> Mapping[str, Any]: ...

    def has_trigger(self, trigger: str) -> bool:
        """The workflow's event exists and still has this trigger."""
        ...

    def servers(self, node: str) -> list[str]:
        """Servers on which a sub-job of this node could run now, each once.

        Raises LookupError when the node has no targets, ExpressionError when its expression fails.
        """
        ...

    def results(self, node: str) -> Iterable[Result]:
        """The ended sub-jobs of a node, in order, without retried attempts."""
        ...
