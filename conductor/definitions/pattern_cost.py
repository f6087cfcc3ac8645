"""How much work a pattern can make of a text, so that no pattern can hold up the conductor.

`re` tries again after each dead end. Three things make that explode: a loop whose passes can be divided in
more than one way (refused: the work doubles with each character), loops in a row that can take each
other's characters (counted: the work is a power of the length), and alternatives that can match the same
text (counted: each doubles the work). All three are judged from sets of characters, on the safe side.
"""

from dataclasses import dataclass
from math import log2

from conductor.definitions.pattern_tree import CHARS, EVERY, Node, PatternError

_MOST_LOOPS = 4.0
_MOST_FORKS = 12.0
_LONG = 16  # a bounded repetition longer than this can cost like a loop
_OPTIONAL = 0.2  # an optional part that competes with its neighbours, in loops
_OTHERS = 1 << (CHARS - 1)


@dataclass(frozen=True, slots=True)
class Cost:
    """A search of n characters takes up to n^loops * 2^forks steps from each place where it may start."""

    loops: float
    forks: float


@dataclass(frozen=True, slots=True)
class _Shape:
    first: int = 0
    """What a match can begin with."""
    open: int = 0
    """What a loop or an option at the end could still take."""
    nullable: bool = True
    loops: float = 0
    """The most loops in a row that can take each other's characters."""
    tail: float = 0
    """As many of them as still reach the end."""
    body: int = 0
    """Every character that occurs."""
    forks: float = 0


def cost_of(tree: Node) -> Cost:
    """Raises PatternError where the cost has no reasonable bound."""
    shape = _shape(tree)
    if shape.loops > _MOST_LOOPS:
        raise PatternError("Too many overlapping repetitions")
    if shape.forks > _MOST_FORKS:
        raise PatternError("Too many overlapping alternatives")
    return Cost(shape.loops, shape.forks)


def _shape(node: Node) -> _Shape:
    match node.kind:
        case "set":
            return _Shape(node.chars, nullable=False, body=node.chars)
        case "back":
            return _Shape(EVERY, EVERY, loops=1, tail=1, body=EVERY)
        case "empty":
            inner = _shape(node.parts[0]) if node.parts else _Shape()
            return _Shape(loops=inner.loops, forks=inner.forks)
        case "join":
            shape = _Shape()
            for part in node.parts:
                shape = _joined(shape, _shape(part))
            return shape
        case "either":
            return _either(node)
        case "group":
            return _shape(node.parts[0])
    return _repeated(node)


def _joined(left: _Shape, right: _Shape) -> _Shape:
    # What is open on the left competes with the right when the right could be its own characters.
    meets = bool(left.open & right.body)
    carried = left.tail if meets or right.nullable else 0
    return _Shape(
        left.first | right.first if left.nullable else left.first,
        right.open | (left.open if carried else 0),
        left.nullable and right.nullable,
        max(left.loops, right.loops, left.tail + right.loops if meets else 0),
        right.tail + carried if meets else max(right.tail, carried),
        left.body | right.body,
        left.forks + right.forks,
    )


def _either(node: Node) -> _Shape:
    shapes = [_shape(part) for part in node.parts]
    first = open_ = body = 0
    for shape in shapes:
        first |= shape.first
        open_ |= shape.open
        body |= shape.body
    alike = _alike(node.parts, shapes)
    return _Shape(
        first,
        open_,
        any(shape.nullable for shape in shapes),
        max(shape.loops for shape in shapes),
        max(shape.tail for shape in shapes),
        body,
        max(shape.forks for shape in shapes) + (log2(alike) if alike else 0),
    )


def _repeated(node: Node) -> _Shape:
    body = node.parts[0]
    inner = _shape(body)
    nullable = node.least == 0 or inner.nullable
    long = node.most > _LONG
    if node.most > 1 and _divisible(body, inner):
        if long:
            raise PatternError("A repetition inside a repetition can match in too many ways")
        loops, forks = inner.loops * node.most + 1, inner.forks * node.most
        return _Shape(inner.first, inner.body, nullable, loops, loops, inner.body, forks)
    if node.most == node.least and not long:
        forks = inner.forks * node.most
        return _Shape(inner.first, inner.open, nullable, inner.loops, inner.tail, inner.body, forks)
    own = _OPTIONAL if node.most == 1 else 1.0
    loops, tail = max(inner.loops, own), max(inner.tail, own)
    return _Shape(inner.first, inner.body, nullable, loops, tail, inner.body, inner.forks)


def _divisible(node: Node, shape: _Shape) -> bool:
    """Whether two passes of a loop's body in a row could be divided between them in another way."""
    if node.kind == "set":
        return False
    return shape.nullable or bool(shape.open & shape.first) or shape.forks > 0


def _alike(parts: list[Node], shapes: list[_Shape]) -> int:
    """How many alternatives can match the same text as another one, or the beginning of its text."""
    words = [_word(part) for part in parts]
    return sum(
        any(
            _overlap(words[one], words[two], shapes[one], shapes[two])
            for two in range(len(parts))
            if one != two
        )
        for one in range(len(parts))
    )


def _overlap(word: list[int] | None, other: list[int] | None, shape: _Shape, second: _Shape) -> bool:
    if word and other:
        shorter = min(len(word), len(other))
        return word[:shorter] == other[:shorter]
    return shape.nullable or second.nullable or bool(shape.first & second.first)


def _word(node: Node) -> list[int] | None:
    """The characters of an alternative that is plain text, else None."""
    parts = node.parts if node.kind == "join" else [node]
    plain = all(it.kind == "set" and it.chars.bit_count() == 1 and it.chars != _OTHERS for it in parts)
    return [part.chars for part in parts] if plain else None
