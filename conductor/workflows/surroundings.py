"""What the decisions of a step look at besides the run: the house as it is at that moment."""

from collections.abc import Iterable, Mapping
from typing import Any

from conductor.workflows.ledger import Entry, Ledger
from conductor.workflows.ports import Fleet, Library
from shared import clock


class Around:
    """What the decisions of a step may look at."""

    def __init__(self, ledger: Ledger, library: Library, fleet: Fleet, most_jobs: int) -> None:
        self.now = clock.now()
        self.most_jobs = most_jobs
        self._ledger = ledger
        self._library = library
        self._fleet = fleet

    @property
    def job(self) -> Mapping[str, Any]:
        return self._ledger.job.job

    @property
    def workflow_data(self) -> Mapping[str, Any]:
        return self._ledger.shared

    def has_trigger(self, trigger: str) -> bool:
        if self.job.get("test"):
            return True  # a test runs the event as it was sent
        event = self._library("events", str(self.job.get("event")))
        triggers = event.get("triggers") if event else None
        return any(one.get("id") == trigger for one in triggers or () if isinstance(one, Mapping))

    def servers(self, node: str) -> list[str]:
        data = self._ledger.graph.nodes[node].data
        event = self._library("events", str(data.get("event"))) or {}
        targets = data.get("targets") or event.get("targets")
        if not targets:
            raise LookupError(node)
        return self._fleet.eligible(
            [str(target) for target in targets],
            str(data.get("expression") or event.get("expression") or ""),
        )

    def results(self, node: str) -> Iterable[Entry]:
        return self._ledger.results(node)
