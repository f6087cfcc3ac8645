"""Alert definitions as they are evaluated: compiled once per version, chosen by a server's groups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from conductor.monitoring.alerts.context import NAMES
from shared.expressions import Expression, ExpressionError, compile_expression
from shared.expressions.explain import names_of

Json = dict[str, Any]

OFFLINE = "offline"
"""Seconds since the server's last sample, for expressions: the one name that is not of the sample."""

_MOST_GROUPINGS = 2000
"""Sets of groups whose rules are remembered."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """One enabled definition. `source` is the stored document."""

    id: str
    expression: Expression
    message: str
    samples: int
    """How high it counts before it fires."""
    clear_samples: int
    """How far it counts down before it clears; as `samples` unless the definition says otherwise."""
    consecutive: bool
    """One sample the other way starts the count anew (of ours; else the contract's up and down)."""
    reads_offline: bool
    """It can be true of a server that sends nothing."""
    reads: frozenset[str]
    """What it reads beside the sample, of `context.NAMES`."""
    groups: frozenset[str]
    """Empty: every server."""
    monitor: str
    """Whose values an active invocation carries; empty for none."""
    source: Mapping[str, Any]


class Definitions(Protocol):
    def all(self, kind: str) -> Sequence[Json]: ...

    def get(self, kind: str, id: str) -> Json | None: ...

    def version(self, kind: str) -> int: ...


class Rules:
    """The rules of the present definitions."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._version: int | None = None
        self._rules: tuple[Rule, ...] = ()
        self._by_groups: dict[tuple[str, ...], tuple[Rule, ...]] = {}
        self._by_id: dict[str, Rule] = {}
        self._reads: frozenset[str] = frozenset()

    @property
    def reads(self) -> frozenset[str]:
        """What any of them reads beside the sample."""
        self._refresh()
        return self._reads

    @property
    def version(self) -> int:
        return self._definitions.version("alerts")

    def of(self, groups: Iterable[str]) -> tuple[Rule, ...]:
        """What is evaluated on a server with these groups, in the order of the definitions."""
        self._refresh()
        key = tuple(groups)
        found = self._by_groups.get(key)
        if found is None:
            own = set(key)
            found = tuple(rule for rule in self._rules if not rule.groups or rule.groups & own)
            if len(self._by_groups) >= _MOST_GROUPINGS:
                self._by_groups.clear()
            self._by_groups[key] = found
        return found

    def get(self, alert_id: str) -> Rule | None:
        """None where there is none, or it is disabled."""
        self._refresh()
        return self._by_id.get(alert_id)

    def reading_offline(self) -> bool:
        """Whether any rule looks at servers that send nothing."""
        self._refresh()
        return any(rule.reads_offline for rule in self._rules)

    def _refresh(self) -> None:
        version = self.version
        if version == self._version:
            return
        self._version = version
        made = (compiled(definition) for definition in self._definitions.all("alerts"))
        self._rules = tuple(rule for rule in made if rule is not None)
        self._by_id = {rule.id: rule for rule in self._rules}
        self._reads = frozenset[str]().union(*(rule.reads for rule in self._rules))
        self._by_groups = {}


def compiled(definition: Mapping[str, Any]) -> Rule | None:
    """The rule of a definition, or None: disabled, or imported with an expression that does not compile."""
    if not definition.get("enabled"):
        return None
    text = str(definition.get("expression") or "")
    try:
        expression, names = compile_expression(text), names_of(text)
    except ExpressionError as error:
        log.warning("an alert cannot be evaluated", alert=definition.get("id"), error=str(error))
        return None
    samples = _height(definition.get("samples"), 1)
    groups = definition.get("groups")
    return Rule(
        id=str(definition["id"]),
        expression=expression,
        message=str(definition.get("message") or ""),
        samples=samples,
        clear_samples=_height(definition.get("clear_samples"), samples),
        consecutive=definition.get("consecutive") is True,
        reads_offline=OFFLINE in names,
        reads=names & NAMES,
        groups=frozenset(map(str, groups)) if isinstance(groups, list) else frozenset(),
        monitor=str(definition.get("monitor_id") or ""),
        source=definition,
    )


def _height(value: Any, default: int) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and value >= 1 else default
