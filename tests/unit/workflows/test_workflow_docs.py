"""The example in docs/workflows.md can be saved, and its picture is what the command prints."""

import json
import re
from pathlib import Path
from typing import Any

from conductor.definitions.workflow_graph import check_workflow
from conductor.workflows.mermaid import flowchart

TEXT = (Path(__file__).parents[3] / "docs" / "workflows.md").read_text()


class Library:
    """Knows every definition that the example names."""

    def get(self, kind: str, id: str) -> dict[str, Any]:
        return {"id": id, "type": "event", "params": [], "fields": []}

    def all(self, kind: str) -> list[dict[str, Any]]:
        return []


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_can_be_saved_and_is_drawn_as_shown() -> None:
    event = json.loads(block("json"))

    check_workflow(event["workflow"], Library())

    titles = {"eexport": "Export data", "epublish": "Publish"}
    assert flowchart(event["workflow"], titles=titles) == block("mermaid")
