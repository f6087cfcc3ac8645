"""ECMAScript patterns (no flags) rewritten for the `regex` engine (contract §6, regular expressions).

Every construct is read by ECMAScript's own rules and written out in a form that means the same to the
engine, so nothing of the engine's larger language (possessive quantifiers, fuzzy matches, inline flags, set
arithmetic) can be reached from a pattern. A character beyond the basic plane is one character here, not two
code units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from .charsets import BLANK, DIGITS, LINE_ENDS, WORD, Ranges, class_text, complement, literal
from .errors import ExpressionError
from .limits import MAX_PATTERN_LENGTH, MAX_SUBJECT_LENGTH

MAX_GROUP_DEPTH: Final = 50
MAX_EXPANSION: Final = 20_000
"""Atoms after minimum counts are written out, which is what the engine does with `(?:a{100}){100}`."""

_SETS: Final = {"d": DIGITS, "w": WORD, "s": BLANK}
_CONTROLS: Final = {"n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B, "f": 0x0C}

_QUANTIFIER: Final = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_GROUP_NAME: Final = re.compile(r"[A-Za-z_$À-ɏ][A-Za-z0-9_$À-ɏ]*(?=>)")
_OPENINGS: Final = ("(?:", "(?=", "(?!", "(?<=", "(?<!")


def translate(pattern: str) -> str:
    """The pattern for the engine, to be compiled with its ASCII flag. ExpressionError when it is invalid."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise ExpressionError(f"Pattern is longer than {MAX_PATTERN_LENGTH} characters")
    return _Translator(pattern).translate()


@dataclass(slots=True)
class _Group:
    number: int | None = None
    quantifiable: bool = True
    weight: int = 1


@dataclass(slots=True)
class _Translator:
    pattern: str
    position: int = 0
    pieces: list[str] = field(default_factory=list)
    open_groups: list[_Group] = field(default_factory=lambda: [_Group()])
    captures: int = 0
    atom: int | None = None
    """Index in `pieces` where the atom that a quantifier would repeat starts; None where there is none."""
    atom_weight: int = 1
    starts: list[int] = field(default_factory=list)
    total_captures: int = 0
    names: dict[str, int] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)

    def translate(self) -> str:
        self._count_captures()
        while self.position < len(self.pattern):
            self._next()
        if len(self.open_groups) > 1:
            raise self._invalid("Unterminated group")
        return "".join(self.pieces)

    def _invalid(self, reason: str) -> ExpressionError:
        return ExpressionError(f"Invalid pattern: {reason}", self.position)

    def _count_captures(self) -> None:
        """Groups may be referred to before they open, so they are counted first."""
        position, in_class = 0, False
        while position < len(self.pattern):
            char = self.pattern[position]
            if char == "\\":
                position += 1
            elif in_class:
                in_class = char != "]"
            elif char == "[":
                in_class = True
            elif char == "(":
                if self.pattern[position + 1 : position + 2] != "?":
                    self.total_captures += 1
                elif name := self._name_at(position + 1):
                    self.total_captures += 1
                    if name in self.names:
                        raise self._invalid("Duplicate capture group name")
                    self.names[name] = self.total_captures
            position += 1

    def _name_at(self, position: int) -> str:
        if not self.pattern.startswith("?<", position):
            return ""
        found = _GROUP_NAME.match(self.pattern, position + 2)
        return found.group() if found else ""

    def _next(self) -> None:
        char = self.pattern[self.position]
        if char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char in "*+?{":
            self._quantify(char)
        elif char == "[":
            self._emit(class_text(*self._character_class()))
        elif char == "\\":
            self._escape()
        else:
            self.position += 1
            if char == "|":
                self._assert("|")
            elif char in "^$":
                self._assert(r"\A" if char == "^" else r"\Z")
            elif char == ".":
                self._emit(class_text(LINE_ENDS, negated=True))
            else:
                self._emit(literal(ord(char)))

    def _emit(self, piece: str, weight: int = 1) -> None:
        self.atom, self.atom_weight = len(self.pieces), weight
        self.pieces.append(piece)
        self._weigh(weight)

    def _assert(self, piece: str) -> None:
        """Add something that a quantifier cannot repeat."""
        self.atom = None
        self.pieces.append(piece)

    def _weigh(self, weight: int) -> None:
        self.open_groups[-1].weight += weight
        if self.open_groups[-1].weight > MAX_EXPANSION:
            raise self._invalid("Counted repeats are too large")

    def _open(self) -> None:
        if len(self.open_groups) > MAX_GROUP_DEPTH:
            raise self._invalid("Groups are nested too deep")
        for opening in _OPENINGS:
            if self.pattern.startswith(opening, self.position):
                group = _Group(quantifiable=not opening.startswith("(?<"))
                # A lookahead may be repeated in ECMAScript, so it stands in a group of its own.
                emitted = opening if opening == "(?:" else "(?:" + opening
                self.position += len(opening)
                break
        else:
            name = self._name_at(self.position + 1)
            if self.pattern.startswith("(?", self.position) and not name:
                raise self._invalid("Invalid group")
            self.captures += 1
            group, emitted = _Group(number=self.captures), "("
            self.position += len(f"(?<{name}>") if name else 1
        self.starts.append(len(self.pieces))
        self.open_groups.append(group)
        self._assert(emitted)

    def _close(self) -> None:
        if len(self.open_groups) == 1:
            raise self._invalid("Unmatched ')'")
        self.position += 1
        group, start = self.open_groups.pop(), self.starts.pop()
        wrapped = self.pieces[start] not in ("(", "(?:")
        self.pieces.append("))" if wrapped else ")")
        if group.number is not None:
            self.closed.add(group.number)
        self.atom, self.atom_weight = (start if group.quantifiable else None), group.weight
        self._weigh(group.weight)

    def _quantify(self, char: str) -> None:
        low, high, length = (0, "", 1) if char == "*" else (1, "", 1) if char == "+" else (0, "1", 1)
        if char == "{":
            found = _QUANTIFIER.match(self.pattern, self.position)
            if found is None:
                self.position += 1
                self._emit(r"\{")
                return
            low, length = int(found[1]), len(found[0])
            high = found[1] if found[2] is None else found[3]
            if high and int(high) < low:
                raise self._invalid("Numbers out of order in quantifier")
        if self.atom is None:
            raise self._invalid("Nothing to repeat")
        self.position += length
        lazy = self.pattern.startswith("?", self.position)
        self.position += lazy
        self._weigh(self.atom_weight * max(0, low - 1))
        # No subject is long enough to tell such an upper count from none.
        upper = "" if not high or int(high) > MAX_SUBJECT_LENGTH else str(int(high))
        self.pieces.insert(self.atom, "(?:")
        self.pieces.append(f"){{{low},{upper}}}{'?' if lazy else ''}")
        self.atom = None

    def _escape(self) -> None:
        self.position += 1
        char = self._peek("\\ at end of pattern")
        if char in "bB":
            self.position += 1
            self._assert(f"\\{char}")
        elif char.lower() in _SETS:
            self.position += 1
            self._emit(class_text(_SETS[char.lower()], negated=char.isupper()))
        elif char in "123456789" and (number := self._reference()):
            self._refer(number)
        elif char == "k" and self.names:
            found = _GROUP_NAME.match(self.pattern, self.position + 2)
            if not self.pattern.startswith("k<", self.position) or not found or found[0] not in self.names:
                raise self._invalid("Invalid named reference")
            self.position = found.end() + 1
            self._refer(self.names[found[0]])
        else:
            self._emit(literal(self._character_escape(in_class=False)))

    def _peek(self, otherwise: str) -> str:
        if self.position >= len(self.pattern):
            raise self._invalid(otherwise)
        return self.pattern[self.position]

    def _reference(self) -> int:
        """The number of the group that a decimal escape refers to; 0 when there is no such group."""
        found = re.compile("[0-9]+").match(self.pattern, self.position)
        number = int(found[0]) if found else 0
        if found is None or number > self.total_captures:
            return 0
        self.position = found.end()
        return number

    def _refer(self, number: int) -> None:
        # A group that took no part matches the empty text here, where the engine would fail.
        self._emit(f"(?:(?({number})\\{number}|))" if number in self.closed else "(?:)")

    def _character_escape(self, *, in_class: bool) -> int:
        """The code point of an escape that stands for one character; the backslash is already read."""
        char = self._peek("\\ at end of pattern")
        self.position += 1
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "c":
            letter = self.pattern[self.position : self.position + 1]
            if letter.isascii() and (letter.isalpha() or (in_class and (letter.isdigit() or letter == "_"))):
                self.position += 1
                return ord(letter) % 32
            self.position -= 1  # a lone \c is a backslash followed by c
            return ord("\\")
        if char in "xu":
            code = self._hexadecimal(2 if char == "x" else 4)
            return ord(char) if code is None else code
        if char in "01234567":
            found = re.compile("[0-3][0-7]{0,2}|[4-7][0-7]?").match(self.pattern, self.position - 1)
            assert found is not None  # noqa: S101 - it starts with the digit just read
            self.position = found.end()
            return int(found[0], 8)
        return ord(char)

    def _hexadecimal(self, digits: int) -> int | None:
        text = self.pattern[self.position : self.position + digits]
        if len(text) != digits or not re.fullmatch("[0-9a-fA-F]+", text):
            return None
        self.position += digits
        code = int(text, 16)
        if 0xD800 <= code < 0xDC00 and self.pattern.startswith("\\u", self.position):
            low = self.pattern[self.position + 2 : self.position + 6]
            if re.fullmatch("[dD][c-fC-F][0-9a-fA-F]{2}", low):
                self.position += 6
                return 0x10000 + ((code - 0xD800) << 10) + (int(low, 16) - 0xDC00)
        return code

    def _character_class(self) -> tuple[Ranges, bool]:
        self.position += 1
        negated = self.pattern.startswith("^", self.position)
        self.position += negated
        ranges: Ranges = []
        while (char := self._peek("Unterminated character class")) != "]":
            start = self._class_atom(char)
            if not self.pattern.startswith("-", self.position) or self.pattern.startswith(
                "-]", self.position
            ):
                ranges += start if isinstance(start, list) else [(start, start)]
                continue
            self.position += 1
            end = self._class_atom(self._peek("Unterminated character class"))
            if isinstance(start, list) or isinstance(end, list):
                for atom in (start, ord("-"), end):
                    ranges += atom if isinstance(atom, list) else [(atom, atom)]
            elif start > end:
                raise self._invalid("Range out of order in character class")
            else:
                ranges.append((start, end))
        self.position += 1
        return ranges, negated

    def _class_atom(self, char: str) -> int | Ranges:
        self.position += 1
        if char != "\\":
            return ord(char)
        escaped = self._peek("\\ at end of pattern")
        if escaped.lower() in _SETS:
            self.position += 1
            ranges = _SETS[escaped.lower()]
            return complement(ranges) if escaped.isupper() else list(ranges)
        if escaped == "b":
            self.position += 1
            return 0x08
        return self._character_escape(in_class=True)
