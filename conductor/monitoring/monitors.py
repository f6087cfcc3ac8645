"""Monitors: one number each of a server's minute sample (contract monitoring.md §4). Pure."""

import math
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from shared.expressions import ExpressionError, compile_expression
from shared.expressions.limits import Allowance
from shared.expressions.measures import monitor_value
from shared.expressions.values import settle

Number = int | float
Json = dict[str, Any]

MOST_STEPS = 100_000
"""Steps of one monitor on one sample, some 10 ms: a filter over ten thousand processes fits."""

SLOW = 0.005
"""Seconds from which an evaluation is counted against its monitor's budget."""
BUDGET = 2.0
"""Seconds a minute that slow evaluations of one monitor may take together, on all servers."""

MOST_STORED = 1e300
"""Beyond it a value is 0: sums of years must stay finite."""


class Catalogue(Protocol):
    """What monitors need of the definitions."""

    def all(self, kind: str) -> Sequence[Json]: ...

    def version(self, kind: str) -> int: ...


class Reading(NamedTuple):
    """The monitors of a server's last accepted sample."""

    date: int
    values: Mapping[str, Number]


@dataclass(frozen=True, slots=True)
class Monitor:
    """One definition, as far as values depend on it."""

    id: str
    source: str
    data_type: str
    data_match: str
    groups: frozenset[str]
    delta: bool
    divide_by_delta: bool
    least_delta: Number | None
    factor: float

    def applies_to(self, groups: Iterable[str]) -> bool:
        """Without groups it is for all servers."""
        return not self.groups or not self.groups.isdisjoint(groups)

    def value(self, data: Mapping[str, Any]) -> Number:
        """What is stored of a sample. Raises ExpressionError."""
        found = compile_expression(self.source).evaluate_within(Allowance(steps=MOST_STEPS), data)
        number = monitor_value(found, self.data_type, self.data_match)
        return stored(number * self.factor if self.factor != 1 else number)

    def change(self, now: Number, before: Number | None, seconds: float) -> Number:
        """The delta between two absolute values. A counter's first value has none."""
        if not before:
            return 0
        delta = now - before
        if self.least_delta is not None and delta < self.least_delta:
            delta = self.least_delta
        if self.divide_by_delta:
            delta = delta / max(seconds, 1)
        return stored(delta if self.data_type == "float" else math.floor(delta))


class Monitors:
    """All monitors, read anew when a definition has changed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._version: int | None = None
        self._monitors: Sequence[Monitor] = ()

    def all(self) -> Sequence[Monitor]:
        """In definition order."""
        version = self._catalogue.version("monitors")
        if version != self._version:
            self._version = version
            self._monitors = tuple(map(monitor_of, self._catalogue.all("monitors")))
        return self._monitors


class Evaluation(NamedTuple):
    values: dict[str, Number]
    deltas: dict[str, Number]
    increases: dict[str, Number]
    """By how much each counter grew since the last sample; one that fell has started again at 0."""
    faults: dict[str, str]
    """Why, of monitors that could not be evaluated and count as 0."""
    slow: dict[str, float]
    """Seconds, of monitors that took long."""


class Budget:
    """How long slow monitors have taken in the present minute: a formula that takes fifty milliseconds on each of
    a thousand servers would take the conductor's minute for itself."""

    def __init__(self) -> None:
        self._minute = -1
        self._spent: dict[str, float] = {}
        self.exhausted: set[str] = set()

    def begin(self, minute: int) -> None:
        if minute != self._minute:
            self._minute = minute
            self._spent.clear()
            self.exhausted.clear()

    def spend(self, slow: Mapping[str, float]) -> None:
        for id, seconds in slow.items():
            self._spent[id] = self._spent.get(id, 0.0) + seconds
            if self._spent[id] > BUDGET:
                self.exhausted.add(id)


def evaluate(
    monitors: Sequence[Monitor],
    groups: Iterable[str],
    data: Json,
    before: Reading | None,
    date: int,
    exhausted: Container[str] = (),
) -> Evaluation:
    """Put `monitors` and `deltas` into `data` and answer with both.

    Monitors are evaluated in order, and a later one sees the values of earlier ones. One that fails is 0, and so
    is one that has `exhausted` its budget.
    """
    member_of = tuple(groups)
    values: dict[str, Number] = {}
    deltas: dict[str, Number] = {}
    increases: dict[str, Number] = {}
    faults: dict[str, str] = {}
    slow: dict[str, float] = {}
    data["monitors"], data["deltas"] = values, deltas
    earlier = before.values if before else {}
    seconds = date - before.date if before else 0
    for monitor in monitors:
        if not monitor.applies_to(member_of):
            continue
        id = monitor.id
        started = time.perf_counter()
        number, fault = _evaluated(monitor, data) if id not in exhausted else (0, "It takes too long")
        values[id] = number
        if fault:
            faults[id] = fault
        if (took := time.perf_counter() - started) >= SLOW:
            slow[id] = took
        if monitor.delta:
            old = earlier.get(id)
            deltas[id] = monitor.change(number, old, seconds) if seconds >= 0 else 0
            if old is not None and id not in faults:
                increases[id] = number - old if number >= old else max(number, 0)
    return Evaluation(values, deltas, increases, faults, slow)


def _evaluated(monitor: Monitor, data: Json) -> tuple[Number, str]:
    """The value, or 0 and why there is none."""
    try:
        return monitor.value(data), ""
    except ExpressionError as error:
        return 0, error.reason


def stored(number: Number) -> Number:
    """The number as it is kept: finite, whole ones as integers."""
    return settle(number) if -MOST_STORED < number < MOST_STORED else 0


def monitor_of(doc: Mapping[str, Any]) -> Monitor:
    """A definition, read without trust: it may have been imported from anywhere."""
    least = doc.get("delta_min_value")
    return Monitor(
        id=str(doc["id"]),
        source=str(doc.get("source", "")),
        data_type=str(doc.get("data_type", "")),
        data_match=str(doc.get("data_match") or ""),
        groups=frozenset(map(str, doc.get("groups") or ())),
        delta=bool(doc.get("delta")),
        divide_by_delta=bool(doc.get("divide_by_delta")),
        least_delta=least if _is_number(least) else None,
        factor=_factor(doc),
    )


def _factor(doc: Mapping[str, Any]) -> float:
    multiply, divide = doc.get("multiply"), doc.get("divide")
    if multiply and _is_number(multiply):
        return float(multiply)
    return 1 / divide if divide and _is_number(divide) else 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
