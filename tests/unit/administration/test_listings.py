from pathlib import Path
from typing import Any

import pytest

from conductor.administration.marketplace import Listings, Marketplace, select
from conductor.errors import Refusal
from conductor.settings import Settings

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


class _Repository:
    """Stands in for the network: a catalogue, and one file whose tag its owner moves."""

    def __init__(self) -> None:
        self.content = b'{"type": "xypdf"}'

    async def get(self, url: str, /, *, most: int, timeout: float) -> bytes:
        return (
            self.content if url.endswith("xyops.json") else b'{"rows": [{"id": "a/one", "versions": ["v1"]}]}'
        )


async def test_a_plugin_of_the_marketplace_is_pinned_by_its_digest(tmp_path: Path) -> None:
    """Better (plugins 3): a version is a tag that can be moved."""
    settings = Settings(marketplace={"metadata_url": "http://a.test/catalogue"})
    market = Marketplace(settings, tmp_path, set)
    market.web = repository = _Repository()
    item, version = await market.listing("a/one", "")
    _, digest = await market.data(item, version)
    assert await market.data(item, version, digest.upper()) == ({"type": "xypdf"}, digest)
    repository.content = b'{"type": "xypdf", "items": []}'
    with pytest.raises(Refusal, match="has changed since"):
        await market.data(item, version, digest)
