"""The counter of one alert on one server, and one sample of a server against its alerts (alerts.md §2). Pure.

(rules, states, sample) → (states, fired, cleared). A true sample counts up to `samples`, a false one down to 0;
at the top it fires once, at the bottom it clears if it had fired and is forgotten.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from conductor.monitoring.alerts.rules import Rule
from shared.expressions import ExpressionError, expand

NOT_EVALUATED, FALSE, TRUE, FAILED = range(4)
"""What one evaluation gave; `history` keeps them as two bits each. A failed one counts as false."""


class Values(msgspec.Struct, frozen=True, array_like=True):
    """A monitor over the time of an invocation."""

    first: float
    last: float
    least: float
    most: float

    def then(self, value: float) -> "Values":
        return Values(self.first, value, min(self.least, value), max(self.most, value))


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """How far an alert has counted on a server. `id` is that of the invocation it makes or has made."""

    id: str
    server: str
    alert: str
    date: int
    """Of the first true sample: that of the invocation."""
    exp: str
    message: str = ""
    """As of the last true sample."""
    count: int = 0
    notified: bool = False
    """It has fired."""
    stale: bool = False
    """It had fired when its server fell silent: neither active nor cleared."""
    values: Values | None = None
    """What the monitor of its definition has been since the first true sample."""


class Outcome(NamedTuple):
    """What one sample changed. `states` are all states of the server after it, by alert."""

    states: Mapping[str, AlertState]
    fired: tuple[AlertState, ...] = ()
    cleared: tuple[AlertState, ...] = ()
    resumed: tuple[AlertState, ...] = ()
    """They were stale and have not counted down: the same invocation goes on."""
    results: tuple[int, ...] = ()
    """Of each rule, in order."""


def evaluate(
    rules: Sequence[Rule],
    states: Mapping[str, AlertState],
    data: Mapping[str, Any],
    *,
    server_id: str,
    now: int,
    new_id: Callable[[], str],
) -> Outcome:
    """Take one sample. States without a rule (the server left the alert's groups) are cleared or dropped."""
    results: list[int] = []
    for rule in rules:
        try:
            results.append(TRUE if rule.expression.evaluate_condition(data) else FALSE)
        except ExpressionError:
            results.append(FAILED)
    if not states and TRUE not in results:
        return Outcome(states, results=tuple(results))
    after: dict[str, AlertState] = {}
    fired: list[AlertState] = []
    resumed: list[AlertState] = []
    cleared: list[AlertState] = []
    for rule, result in zip(rules, results, strict=True):
        before = states.get(rule.id)
        if before is None and result != TRUE:
            continue
        state = before or AlertState(
            id=new_id(), server=server_id, alert=rule.id, date=now, exp=rule.expression.text
        )
        state = counted(state, rule, true=result == TRUE)
        if result == TRUE:
            message = expand(rule.message, data)
            if message != state.message:
                state = msgspec.structs.replace(state, message=message)
        if rule.monitor:
            state = _measured(state, data, rule.monitor)
        if state.count >= rule.samples and not state.notified:
            state = msgspec.structs.replace(state, notified=True, count=_top(rule, fired=True))
            fired.append(state)
        elif state.count == 0:
            if state.notified:
                cleared.append(state)
            continue
        elif state.stale:
            state = msgspec.structs.replace(state, stale=False)
            resumed.append(state)
        after[rule.id] = state
    known = {rule.id for rule in rules}
    cleared += [state for key, state in states.items() if key not in known and state.notified]
    return Outcome(after, tuple(fired), tuple(cleared), tuple(resumed), tuple(results))


def counted(state: AlertState, rule: Rule, *, true: bool) -> AlertState:
    """One step of the counter."""
    top = _top(rule, fired=state.notified)
    count = state.count + 1 if true else state.count - 1
    if rule.consecutive and true is state.notified:
        count = top if true else 0
    count = max(0, min(count, top))
    return state if count == state.count else msgspec.structs.replace(state, count=count)


def _measured(state: AlertState, data: Mapping[str, Any], monitor: str) -> AlertState:
    monitors = data.get("monitors")
    value = monitors.get(monitor) if isinstance(monitors, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return state
    values = state.values.then(value) if state.values else Values(value, value, value, value)
    return state if values == state.values else msgspec.structs.replace(state, values=values)


def _top(rule: Rule, *, fired: bool) -> int:
    return rule.clear_samples if fired else rule.samples
