from typing import Any

import pytest

from conductor.administration.marketplace import Listings, select

ROWS: list[dict[str, Any]] = [
    {
        "id": "a/one",
        "title": "One",
        "license": "MIT",
        "author": "A. B.",
        "tags": ["Net Work"],
        "requires": ["npx"],
    },
    {"id": "b/two", "title": "two", "license": "GPL", "author": "C", "tags": [], "requires": []},
    {
        "id": "c/three",
        "title": "Three",
        "license": "mit",
        "author": "ab",
        "tags": ["x"],
        "requires": ["npx", "git"],
    },
]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, ["a/one", "c/three", "b/two"]),
        ({"sort_dir": -1}, ["b/two", "c/three", "a/one"]),
        ({"license": "MIT"}, ["a/one", "c/three"]),
        ({"author": "A B"}, ["a/one", "c/three"]),
        ({"requires": ["git", "npx"]}, ["c/three"]),
        ({"tags": ["network"]}, ["a/one"]),
        ({"query": "TWO"}, ["b/two"]),
        ({"status": "installed"}, ["b/two"]),
        ({"status": "not"}, ["a/one", "c/three"]),
        ({"offset": 1, "limit": 1}, ["c/three"]),
        ({"sort_by": "none"}, ["a/one", "b/two", "c/three"]),
    ],
)
def test_listings_are_selected(asked: dict[str, Any], ids: list[str]) -> None:
    rows, total = select(ROWS, Listings(**asked), {"b/two"})
    assert [row["id"] for row in rows] == ids
    assert total == (3 if "limit" in asked else len(ids))
