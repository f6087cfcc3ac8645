"""The first contents pass our own rules and have the IDs that clients rely on."""

import pytest

from conductor.definitions import drafts
from conductor.definitions.defaults import contents
from conductor.definitions.kinds import KINDS
from tests.unit.definitions.samples import ADMIN, NOW, Books, context

CONTENTS = contents(NOW)


def test_ids() -> None:
    assert {kind: [doc["id"] for doc in docs] for kind, docs in CONTENTS.items()} == {
        "groups": ["main"],
        "plugins": ["testplug", "shellplug", "httpplug", "dockerplug", "hookplug", "open_files"],
        "categories": ["general"],
        "tags": ["important", "flag"],
    }


@pytest.mark.parametrize(
    ("kind", "doc"),
    [(kind, doc) for kind, docs in CONTENTS.items() for doc in docs],
    ids=lambda it: str(it)[:20],
)
def test_valid(kind: str, doc: dict[str, object]) -> None:
    stored = drafts.new(KINDS[kind], doc, context(Books(), ADMIN), NOW).doc
    assert stored == doc


def test_the_script_of_the_shell_plugin_is_locked() -> None:
    shell = next(doc for doc in CONTENTS["plugins"] if doc["id"] == "shellplug")
    assert shell["params"][0]["id"] == "script"
    assert shell["params"][0]["locked"] is True
    assert shell["params"][0]["required"] is True
