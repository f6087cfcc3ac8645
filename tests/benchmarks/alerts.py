"""What alerts cost: a minute of samples of a thousand servers against thirty definitions, without any I/O."""

import time
from itertools import count
from typing import Any

from conductor.cli.fleet.sample import minute_sample
from conductor.monitoring.alerts.evaluation import AlertState, evaluate
from conductor.monitoring.alerts.history import History
from conductor.monitoring.alerts.rules import Rules
from tests.benchmarks.report import Figure

SERVERS = 1000
ALERTS = 30
_GROUPS = 10
_EXPRESSIONS = (
    "monitors.load_avg >= (cpu.cores + 1)",
    "memory.available < (memory.total * 0.05)",
    "monitors.io_wait >= 75",
    "cpu.currentLoad > 95 && load[1] > cpu.cores",
    "jobs >= 50 || process.mem > 9000000000",
    "count(processes.list[.cpu > 90]) > 3",
)
_OFTEN_TRUE = "load[0] > 0"


class Catalogue:
    """Thirty definitions: two thirds for every server, a third for some groups; one is active everywhere."""

    def __init__(self) -> None:
        self._alerts = tuple(_definition(number) for number in range(ALERTS))

    def all(self, kind: str) -> tuple[dict[str, Any], ...]:
        return self._alerts

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        return None

    def version(self, kind: str) -> int:
        return 1


def one_minute(rules: Rules, history: History, states: dict[str, dict[str, AlertState]], now: int) -> float:
    """Processor seconds for one sample of each server; `states` are carried on."""
    numbers = count()
    data = minute_sample()["data"]
    data["monitors"] = {"load_avg": 0.41, "io_wait": 0.1}
    began = time.process_time()
    for number in range(SERVERS):
        server_id = f"s{number}"
        own = rules.of(("main", f"g{number % _GROUPS}"))
        outcome = evaluate(
            own,
            states.get(server_id, {}),
            data,
            server_id=server_id,
            now=now,
            new_id=lambda: f"a{next(numbers)}",
        )
        history.add(server_id, now, own, outcome.results)
        states[server_id] = dict(outcome.states)
    return time.process_time() - began


async def evaluation() -> list[Figure]:
    rules, history = Rules(Catalogue()), History()
    states: dict[str, dict[str, AlertState]] = {}
    one_minute(rules, history, states, 0)
    spent = min(one_minute(rules, history, states, 60 * minute) for minute in range(1, 4))
    note = f"{SERVERS} servers, {ALERTS} definitions"
    return [Figure("alerts, CPU per minute", spent, "s", lower_is_better=True, note=note)]


def _definition(number: int) -> dict[str, Any]:
    groups = [f"g{number % _GROUPS}"] if number % 3 == 0 else []
    expression = _EXPRESSIONS[number % len(_EXPRESSIONS)]
    return {
        "id": f"a{number}",
        "enabled": True,
        # A number of its own makes every text one that has to be compiled.
        "expression": _OFTEN_TRUE if number == 1 else f"({expression}) && {number} >= 0",
        "message": "load is {{float(load[0])}} on {{cpu.cores}} cores",
        "groups": groups,
        "samples": 1 + number % 3,
    }
