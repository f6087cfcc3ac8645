"""The query language, as contract search.md §3 has it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import Refusal
from conductor.records.search.index import ACTIVITY, JOBS, SERVERS, Field, FieldType, Index
from conductor.records.search.language import parse
from conductor.records.search.restriction import Restriction, restricted
from conductor.records.search.tree import (
    EVERYTHING,
    NOTHING,
    And,
    Not,
    OneRecord,
    Or,
    SearchError,
    Span,
    Tree,
    Word,
)
from conductor.records.search.words import NUMBER_LIMIT

NOW = time.mktime((2026, 5, 17, 15, 30, 0, 0, 0, -1))
HOUR = 3600


def midnight(year: int, month: int, day: int) -> int:
    return int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)))


def jobs(query: str) -> Tree:
    return parse(query, JOBS, NOW)


def tag(word: str) -> Word:
    return Word("tags", word)


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("*", EVERYTHING),
        ("", EVERYTHING),
        ("  * ", EVERYTHING),
        ("#id:jabc", OneRecord("jabc")),
        ("tags:_error", tag("_error")),
        ("warning", Word("code", "warning")),
        ("tags:flag important", And((tag("flag"), tag("important")))),
        ("tags : flag", tag("flag")),
        ("tags:\tflag", tag("flag")),
        ("tags:flag tags:flag", tag("flag")),
        ("tags:+flag", tag("flag")),
        ("tags:a -b", And((tag("a"), Not(tag("b"))))),
        ("tags:-b a", And((tag("a"), Not(tag("b"))))),
        ("-tags:b code:0", And((Word("code", "0"), Not(tag("b"))))),
        ("-abort", NOTHING),
        ("tags:-a -b", NOTHING),
        ("nonsense:x", NOTHING),
        ("nonsense:x y tags:a", tag("a")),
        ("type:workflow", NOTHING),
        ("code:warning|critical", Or((Word("code", "warning"), Word("code", "critical")))),
        ("code:warning | critical", Or((Word("code", "warning"), Word("code", "critical")))),
        ("code:a-b|c", Or((Word("code", "a"), Word("code", "b"), Word("code", "c")))),
        ('tags:"a b"|c', Or((tag("a"), tag("b"), tag("c")))),
        ("tags:-a|b", Or((tag("a"), tag("b")))),
        ("tags:|", NOTHING),
        ('tags:"x y"', And((tag("x"), tag("y")))),
        ('"x y"', And((Word("code", "x"), Word("code", "y")))),
        ('tags:-"x y" a', And((tag("a"), Not(And((tag("x"), tag("y"))))))),
        ('tags:"not : tight"', And((tag("not"), tag("tight")))),
        ('tags:"open', tag("open")),
        ("tags:foo-bar", And((tag("foo"), tag("bar")))),
        ("tags:!!!", NOTHING),
        ("TAGS:x", NOTHING),
        ("tags:ÉCLAIR", tag("eclair")),
        ("event: tags:a", And((Word("event", "tags"), Word("event", "a")))),
        (":", NOTHING),
        ('"', NOTHING),
        ("+ -", NOTHING),
    ],
)
def test_simple_queries(query: str, tree: Tree) -> None:
    assert jobs(query) == tree


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("date:7200", Span("date", 2 * HOUR, 3 * HOUR)),
        ("date:=7200", Span("date", 2 * HOUR, 3 * HOUR)),
        ("date:>7200", Span("date", 3 * HOUR, None)),
        ("date:>=7201", Span("date", 2 * HOUR, None)),
        ("date:<7200.9", Span("date", None, 2 * HOUR)),
        ("date:<=7200", Span("date", None, 3 * HOUR)),
        ("date:3600..7200", Span("date", HOUR, 3 * HOUR)),
        ("date:7200..3600", NOTHING),
        ("date:today", Span("date", midnight(2026, 5, 17), midnight(2026, 5, 17) + HOUR)),
        ("date:>=now", Span("date", midnight(2026, 5, 17), None)),
        ("date:>=2026-01-01", Span("date", midnight(2026, 1, 1), None)),
        ("date:2026/01/01..2026.01.31", Span("date", midnight(2026, 1, 1), midnight(2026, 1, 31) + HOUR)),
        ("date:<99999999999", Span("date", None, 99999999999 // HOUR * HOUR)),
        ("date:<9999999999999999", Span("date", None, NUMBER_LIMIT * HOUR)),
        ("date:soon", NOTHING),
        ("date:2026-13-40", NOTHING),
        ("date:..", NOTHING),
        ("date:", NOTHING),
        ("date:0|3600", Or((Span("date", 0, HOUR), Span("date", HOUR, 2 * HOUR)))),
        ("event:e date:-0", And((Word("event", "e"), Not(Span("date", 0, HOUR))))),
    ],
)
def test_hours(query: str, tree: Tree) -> None:
    assert jobs(query) == tree


DUE = Index("x", "", {"due": Field("due", ("due",), FieldType.DATE, column="due")})


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("due:2026", (2026, 1, 1), (2027, 1, 1)),
        ("due:2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("due:2026-02-28", (2026, 2, 28), (2026, 3, 1)),
        ("due:02/28/2026", (2026, 2, 28), (2026, 3, 1)),
        ("due:today", (2026, 5, 17), (2026, 5, 18)),
        ("due:now", (2026, 5, 17), (2026, 5, 18)),
        ("due:yesterday", (2026, 5, 16), (2026, 5, 17)),
        (f"due:{int(NOW)}", (2026, 5, 17), (2026, 5, 18)),
        ("due:<today", None, (2026, 5, 17)),
        ("due:<=2026-02", None, (2026, 2, 2)),
        ("due:>2026", (2026, 1, 2), None),
        ("due:2026..2026-03", (2026, 1, 1), (2026, 3, 2)),
    ],
)
def test_days(query: str, start: tuple[int, int, int] | None, end: tuple[int, int, int] | None) -> None:
    span = Span("due", start and midnight(*start), end and midnight(*end))
    assert parse(query, DUE, NOW) == span


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ('(tags = "a")', tag("a")),
        ('( tags=~"A b" )', And((tag("a"), tag("b")))),
        ("(code == 0)", Word("code", "0")),
        ('(tags !~ "a")', Not(tag("a"))),
        ('(tags !~ "!")', EVERYTHING),
        ('(tags = "!")', NOTHING),
        (
            '(tags =~ "_error" & (category = "general" | event = "abc"))',
            And((tag("_error"), Or((Word("category", "general"), Word("event", "abc"))))),
        ),
        ('(tags="a" && tags="b" & tags="c")', And((tag("a"), tag("b"), tag("c")))),
        ('(tags="a" || tags="b")', Or((tag("a"), tag("b")))),
        ('(tags="a") | (tags="b")', Or((tag("a"), tag("b")))),
        ("(date >= 7200)", Span("date", 2 * HOUR, None)),
        ('(date < "today")', Span("date", None, midnight(2026, 5, 17))),
        ("(date !~ 7200)", Not(Span("date", 2 * HOUR, 3 * HOUR))),
        (r'(tags = "a\"b")', And((tag("a"), tag("b")))),
    ],
)
def test_structured_queries(query: str, tree: Tree) -> None:
    assert jobs(query) == tree


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ('(tags="a" & tags="b" | tags="c")', "Ambiguous logic operator"),
        ('(nonsense = "a")', "Unknown field: nonsense"),
        ('(type = "workflow")', "Unknown field: type"),
        ('(tags > "a")', "cannot be compared"),
        ("(tags = a)", "Syntax error"),
        ("(tags =)", "Syntax error"),
        ('(tags "a")', "Syntax error"),
        ('((tags = "a")', "closing parenthesis"),
        ('(tags = "a"))', "Syntax error"),
        ("()", "Syntax error"),
        ('(tags = "a" tags = "b")', "Syntax error"),
        (r'(tags = "\x")', "Not a text"),
        ("(" * 1000 + ")" * 1000, "nested"),
        ("#summary:tags", "no summary"),
        (" ".join(f"w{n}" for n in range(300)), "too many words"),
        ("|".join(f"w{n}" for n in range(300)), "too many words"),
        ("x" * 100_000, "too long"),
    ],
)
def test_errors_are_search_errors(query: str, reason: str) -> None:
    with pytest.raises(SearchError, match=reason) as refusal:
        jobs(query)
    assert refusal.value.code == "db"
    assert refusal.value.description == f"Failed DB search: {refusal.value.reason}"


def test_words_before_a_field_are_dropped_without_a_default() -> None:
    assert parse("lost due:2026-01-01", DUE, NOW) == parse("due:2026-01-01", DUE, NOW)


def test_other_indexes() -> None:
    assert parse("10.1.2.3", ACTIVITY, NOW) == Word("keywords", "10_1_2_3")
    assert parse('os_distro:"Debian GNU/Linux"', SERVERS, NOW) == Word("os_distro", "debian_gnu_linux")


@given(st.one_of(st.text(max_size=60), st.text(alphabet='ab:|"-+() .0=<&*tags', max_size=40)))
def test_any_text_gives_a_tree_or_a_refusal(text: str) -> None:
    for query in (text, f"({text})", f"tags:{text}", f"date:{text}", f'(date < "{text}")'):
        try:
            parse(query, JOBS, NOW)
        except Refusal:
            continue


@pytest.mark.parametrize(
    "query", ["*", "tags:a", "tags:a|", '(tags = "a" | tags = "b")', "-tags:a", "#id:j1"]
)
def test_a_restriction_is_a_condition_beside_any_query(query: str) -> None:
    limits = Restriction(frozenset({"general"}), frozenset({"main", "east"}))
    tree = restricted(jobs(query), JOBS, limits)
    if jobs(query) == NOTHING:
        assert tree == NOTHING
        return
    assert isinstance(tree, And)
    assert Word("category", "general") in tree.parts
    assert Or((Word("groups", "east"), Word("groups", "main"), Word("type", "workflow"))) in tree.parts


def test_no_restriction_changes_nothing() -> None:
    for nothing in (None, Restriction()):
        assert restricted(jobs("tags:a"), JOBS, nothing) == tag("a")
