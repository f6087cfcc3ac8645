"""The syntax tree. Nodes are immutable and measure themselves when they are built.

`depth` and `size` hold the tree under its caps without a recursive walk. `relative` says that a leading-dot
name occurs directly in the node, which is what turns a bracket into a filter; `hides` that one occurs where
it does not count (contract §5, detection rule).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import ExpressionError
from .limits import MAX_DEPTH, MAX_NODES

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Node:
    depth: int = field(default=1, init=False)
    size: int = field(default=1, init=False)
    relative: bool = field(default=False, init=False)
    hides: bool = field(default=False, init=False)

    def _measure(self, direct: Iterable[Node], enclosed: Iterable[Node] = ()) -> None:
        """Set the measures from the nodes whose relative names count here, and those whose do not."""
        depth, size, relative, hides = 0, 1, False, False
        for node in direct:
            depth, size = max(depth, node.depth), size + node.size
            relative, hides = relative or node.relative, hides or node.hides
        for node in enclosed:
            depth, size = max(depth, node.depth), size + node.size
            hides = hides or node.relative or node.hides
        if depth >= MAX_DEPTH:
            raise ExpressionError("Expression is nested too deep")
        if size > MAX_NODES:
            raise ExpressionError("Expression has too many parts")
        for name, value in (("depth", depth + 1), ("size", size), ("relative", relative), ("hides", hides)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: Any


@dataclass(frozen=True, slots=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Relative(Node):
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "relative", True)


@dataclass(frozen=True, slots=True)
class Group(Node):
    inner: Node

    def __post_init__(self) -> None:
        self._measure((), (self.inner,))


@dataclass(frozen=True, slots=True)
class Array(Node):
    items: tuple[Node, ...]

    def __post_init__(self) -> None:
        self._measure((), self.items)


@dataclass(frozen=True, slots=True)
class Object(Node):
    members: tuple[tuple[str, Node], ...]

    def __post_init__(self) -> None:
        self._measure((), [value for _, value in self.members])


@dataclass(frozen=True, slots=True)
class Not(Node):
    operand: Node

    def __post_init__(self) -> None:
        self._measure((self.operand,))


@dataclass(frozen=True, slots=True)
class Minus(Node):
    operand: Node

    def __post_init__(self) -> None:
        self._measure((self.operand,))


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """Operators of one level, applied left to right: one level of depth however long it is."""

    first: Node
    rest: tuple[tuple[str, Node], ...]

    def __post_init__(self) -> None:
        self._measure((self.first, *(operand for _, operand in self.rest)))


@dataclass(frozen=True, slots=True)
class Ternary(Node):
    """`then` is None in `test ?: otherwise`."""

    test: Node
    then: Node | None
    otherwise: Node

    def __post_init__(self) -> None:
        branches = (self.otherwise,) if self.then is None else (self.then, self.otherwise)
        self._measure((self.test,), branches)


@dataclass(frozen=True, slots=True)
class Member(Node):
    """One or more dotted names: `base.a.b.c` is a single node."""

    base: Node
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        self._measure((self.base,))
        object.__setattr__(self, "size", self.size + len(self.names) - 1)


@dataclass(frozen=True, slots=True)
class Index(Node):
    base: Node
    key: Node

    def __post_init__(self) -> None:
        self._measure((self.base,), (self.key,))
        if self.key.relative:  # a filter: its relative names are where they belong
            object.__setattr__(self, "hides", self.base.hides)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`name` is None for a call of something that has no name (`list[0](1)`): an evaluation error."""

    name: str | None
    arguments: tuple[Node, ...]

    def __post_init__(self) -> None:
        self._measure((), self.arguments)


@dataclass(frozen=True, slots=True)
class Transform(Node):
    """`base|name(arguments)`: none are defined, so evaluating one is an error."""

    base: Node
    name: str
    arguments: tuple[Node, ...]

    def __post_init__(self) -> None:
        self._measure((self.base,), self.arguments)
