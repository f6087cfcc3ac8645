"""One action that is to run, and what its type works with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from conductor.actions.plugin_process import PluginProcesses
from conductor.actions.ports import Jobs, Ports
from conductor.actions.result import Action, Result
from conductor.actions.surroundings import Surroundings
from conductor.actions.suspensions import Suspensions
from conductor.actions.throttle import Throttle
from conductor.audit import causes
from conductor.live.job import ActiveJob
from shared import ids

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert invocation with its definition and its server's record."""

    invocation: Json
    definition: Mapping[str, Any]
    server: Mapping[str, Any]


@dataclass
class Occasion:
    """An action with what it follows: a job or an alert, never both."""

    action: Action
    condition: str
    key: str
    """Names this one run for ever: who is told of it twice can know it by this."""
    make_data: Callable[[Action], Json]
    job: ActiveJob | None = None
    alert: Alert | None = None
    before_completion: bool = field(default=True)
    """The job has not run yet, or runs still."""
    again: bool = False
    """It was under way when its conductor ended: what it makes may be there."""

    def new_id(self, prefix: str) -> str:
        """The ID of what this action makes: the same whenever it is carried out again."""
        owner = self.alert.invocation if self.alert is not None else self.action
        began = owner.get("began") or owner.get("date")
        moment = began if isinstance(began, int | float) else 0.0
        return ids.keyed_id(prefix, self.key, moment)

    @cached_property
    def data(self) -> Json:
        """The hook data, made when first asked for."""
        return self.make_data(self.action)

    @property
    def story(self) -> str:
        """The correlation ID of what it follows."""
        if self.job is not None:
            return str(self.job.job.get("correlation_id") or "")
        return causes.alerted(str(self.alert.invocation.get("id") or "")) if self.alert else ""

    def part(self, name: str, action: Action) -> "Occasion":
        """A part of this action that is carried out as an action of its own."""
        return Occasion(
            action, self.condition, f"{self.key}-{name}", self.make_data, self.job, self.alert,
            self.before_completion, self.again,
        )  # fmt: skip


@dataclass
class Means:
    """What actions are carried out with, for one term."""

    around: Surroundings
    ports: Ports
    jobs: Jobs
    suspensions: Suspensions
    processes: PluginProcesses
    save: Callable[[ActiveJob], Awaitable[None]]
    """Return when the job's changes are in the book."""
    throttle: Throttle = field(default_factory=Throttle)


Run = Callable[[Occasion, Means], Awaitable[Result]]
