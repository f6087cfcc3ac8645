"""Search equals a filter written plainly in Python, on random small archives and queries."""

import asyncio
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.records import tables
from conductor.records.job_archive import JobArchive
from conductor.records.search import plan
from conductor.records.search.restriction import Restriction
from conductor.records.store import Records, Write

HOUR = 3600

codes = st.sampled_from([0, 1, "warning", "critical"])
tags = st.lists(st.sampled_from(["_success", "_error", "alpha", "Beta"]), max_size=3, unique=True)
ids = st.sampled_from(["e1", "e2", "e3"])
groups = st.lists(st.sampled_from(["main", "east"]), max_size=2, unique=True)
jobs = st.lists(
    st.fixed_dictionaries(
        {
            "code": codes,
            "tags": tags,
            "event": ids,
            "category": st.sampled_from(["general", "ops"]),
            "groups": groups,
            "completed": st.integers(0, 6 * HOUR),
            "elapsed": st.integers(0, 5),
        },
        optional={"type": st.just("workflow"), "server": st.just("s1")},
    ),
    max_size=12,
)

# A query is a tree of our own here: the law must not lean on the parser's.
leaves = st.one_of(
    st.tuples(
        st.just("tags"), st.just("=~"), st.sampled_from(["_success", "_ERROR", "alpha", "beta", "none"])
    ),
    st.tuples(st.just("code"), st.sampled_from(["=", "!~"]), st.sampled_from(["0", "warning"])),
    st.tuples(st.just("event"), st.sampled_from(["==", "!~"]), ids),
    st.tuples(st.just("server"), st.just("="), st.just("s1")),
    st.tuples(
        st.just("date"), st.sampled_from(["=", "!~", "<", "<=", ">", ">="]), st.integers(0, 7 * HOUR).map(str)
    ),
)
queries = st.recursive(
    leaves,
    lambda inner: st.tuples(st.sampled_from("&|"), st.lists(inner, min_size=2, max_size=3)),
    max_leaves=6,
)


def render(node: Any) -> str:
    if len(node) == 2:
        return "(" + f" {node[0]} ".join(map(render, node[1])) + ")"
    field, operator, value = node
    return f'({field} {operator} "{value}")'


def matches(node: Any, job: dict[str, Any]) -> bool:
    if len(node) == 2:
        return (all if node[0] == "&" else any)(matches(part, job) for part in node[1])
    field, operator, value = node
    if field == "date":
        stored, asked = job["completed"] // HOUR, int(value) // HOUR
        return {
            "=": stored == asked,
            "!~": stored != asked,
            "<": stored < asked,
            "<=": stored <= asked,
            ">": stored > asked,
            ">=": stored >= asked,
        }[str(operator)]
    stored_words = job.get(field, [])
    if not isinstance(stored_words, list):
        stored_words = [stored_words]
    return (value.lower() in [str(word).lower() for word in stored_words]) is (operator != "!~")


@pytest.mark.parametrize("rare", [0, 3, 512], ids=["all-common", "some-rare", "all-rare"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jobs,
    queries,
    st.sampled_from(["_id", "completed", "elapsed"]),
    st.sampled_from([1, -1]),
    st.integers(0, 3),
    st.sets(st.sampled_from(["general", "other"]), max_size=1),
    st.sets(st.sampled_from(["east"]), max_size=1),
)
async def test_search_is_a_filter(
    records: Records,
    rare: int,
    stored: list[dict[str, Any]],
    query: Any,
    sort_by: str,
    sort_dir: int,
    offset: int,
    categories: set[str],
    allowed: set[str],
) -> None:
    await records.write(Write(sa.delete(tables.jobs)), Write(sa.delete(tables.terms)))
    archive = JobArchive(records)
    archive_jobs = [{**job, "id": f"j{number:02d}"} for number, job in enumerate(stored)]
    await asyncio.gather(*map(archive.add, archive_jobs))
    expected = [
        job
        for job in archive_jobs
        if matches(query, job)
        and (not categories or job["category"] in categories)
        and (not allowed or allowed & set(job["groups"]) or job.get("type") == "workflow")
    ]
    expected.sort(key=lambda job: (job[sort_by] if sort_by != "_id" else 0, job["id"]), reverse=sort_dir < 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "RARE", max(rare, 1))
        patch.setattr("conductor.records.search.finder.RARE", rare)
        page = await archive.search(
            render(query),
            offset=offset,
            limit=4,
            sort_by=sort_by,
            sort_dir=sort_dir,
            restriction=Restriction(frozenset(categories), frozenset(allowed)),
        )
    assert page.total == len(expected)
    assert [msgspec.json.decode(row) for row in page.rows] == expected[offset : offset + 4]
