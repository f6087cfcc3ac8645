from typing import Any

import pytest

from conductor.definitions.json_values import copied
from conductor.definitions.locked import in_workflow
from conductor.definitions.workflow_graph import check_workflow, replayed_jobs
from conductor.errors import BadParameter
from tests.unit.definitions.samples import WORKFLOW, Books


def _graph(*, node: dict[str, Any] | None = None, wire: dict[str, Any] | None = None, at: int = 1) -> Any:
    graph = copied(WORKFLOW["workflow"])
    if node is not None:
        graph["nodes"][at].update(node)
    if wire is not None:
        graph["connections"][at].update(wire)
    return graph


def test_the_sample_is_valid() -> None:
    check_workflow(_graph(), Books())
    check_workflow({"nodes": [], "connections": []}, Books())


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (None, "no workflow object"),
        ("x", "invalid workflow object"),
        ([1], "invalid workflow object"),
        ({}, "no workflow nodes"),
        ({"nodes": {}, "connections": []}, "invalid workflow nodes"),
        ({"nodes": []}, "no workflow connections"),
        ({"nodes": [5], "connections": []}, "node #1 is not an object"),
        ({"nodes": [{}], "connections": []}, "node #1 has no ID"),
        ({"nodes": [], "connections": [5]}, "connection #1 is not an object"),
        ({"nodes": [], "connections": [{}]}, "connection #1 has no ID"),
        (_graph(node={"id": 5}), "#5: Node ID is not a string"),
        (_graph(node={"id": "a b"}), "not alphanumeric"),
        (_graph(node={"id": "toString"}), "Invalid ID parameter"),
        (_graph(node={"id": "n1"}), "Duplicate Node ID"),
        (_graph(node={"type": ""}), "missing a type"),
        (_graph(node={"type": ["job"]}), "type is not a string"),
        (_graph(node={"type": "nope"}), "type is invalid"),
        (_graph(node={"x": "1"}), "X coordinate"),
        (_graph(node={"y": None}), "Y coordinate"),
        (_graph(node={"data": []}), "data is not an object"),
        (_graph(node={"data": None}), "data is not an object"),
        (_graph(node={"data": {"plugin": "plain", "label": "<b>"}}), "data.label"),
        (_graph(node={"data": {"plugin": "plain", "title": 5}}), "data.title"),
        (_graph(node={"data": {"plugin": "plain", "icon": "a b"}}), "data.icon"),
        (_graph(node={"data": {"plugin": "gone"}}), "Unknown Plugin ID: gone"),
        (_graph(node={"data": {"plugin": ["plain"]}}), "Unknown Plugin ID"),
        (_graph(node={"data": {"plugin": "plain", "params": {"level": 99}}}), "'level' value is invalid"),
        (_graph(node={"data": {"plugin": "plain", "params": {"_xy_override_cwd": "/"}}}), "reserved"),
        (_graph(node={"data": {"plugin": "plain", "params": []}}), "params is not an object"),
        (_graph(node={"data": {"plugin": "plain", "algo": "multiplex"}}), "multiplex"),
        (_graph(node={"data": {"plugin": "plain", "targets": "main"}}), "data.targets"),
        (_graph(node={"data": {"event": "gone"}}, at=2), "Unknown Event ID: gone"),
        (_graph(node={"data": {"event": "e1"}}, at=2), "'who' is required"),
        (_graph(node={"data": {"controller": "loop"}}, at=3), "Unknown controller: loop"),
        (
            _graph(node={"type": "action", "data": {"type": "plugin", "plugin_id": "x"}}),
            "Unknown Action Plugin",
        ),
        (_graph(wire={"id": "c1"}), "Duplicate Connection ID"),
        (_graph(wire={"source": "n9"}), "source node is invalid"),
        (_graph(wire={"dest": 5}), "destination node is invalid"),
        (_graph(wire={"source": "n1", "dest": "n2"}), "Duplicate source/destination"),
    ],
)
def test_bad_graphs(graph: Any, text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        check_workflow(graph, Books())


def test_a_job_node_without_params_is_checked_as_if_empty() -> None:
    check_workflow(_graph(node={"data": {"plugin": "plain"}}), Books())
    with pytest.raises(BadParameter, match="'script' is required"):
        check_workflow(_graph(node={"data": {"plugin": "shellplug"}}), Books())


def test_replayed_jobs() -> None:
    assert replayed_jobs(_graph(node={"data": {"plugin": "plain", "replay": "j1"}})) == ["j1"]
    assert replayed_jobs("nonsense") == []


def _node(type_: str, **data: Any) -> dict[str, Any]:
    return {"nodes": [{"id": "n", "type": type_, "x": 0, "y": 0, "data": data}], "connections": []}


def _params(workflow: Any) -> Any:
    return workflow["nodes"][0]["data"]["params"]


def test_locked_params_of_job_nodes_go_back_to_what_was_stored() -> None:
    books = Books()
    default = books.kinds["plugins"]["shellplug"]["params"][0]["value"]
    sent = _node("job", plugin="shellplug", params={"script": "mine", "annotate": True})
    stored = _node("job", plugin="shellplug", params={"script": "approved"})
    other = _node("job", plugin="plain", params={"script": "approved"})
    assert _params(in_workflow(sent, stored, books)) == {"script": "approved", "annotate": True}
    assert _params(in_workflow(sent, None, books)) == {"script": default, "annotate": True}
    assert _params(in_workflow(sent, other, books)) == {"script": default, "annotate": True}


def test_locked_params_of_event_nodes_are_restored_or_inherited() -> None:
    books = Books()
    books.kinds["events"]["e1"]["fields"] = [{"id": "who", "type": "text", "locked": True, "value": "all"}]
    sent = _node("event", event="e1", params={"script": "mine", "who": "me", "x": 1})
    stored = _node("event", event="e1", params={"script": "approved", "who": "ann"})
    elsewhere = _node("event", event="e2", params={"script": "approved", "who": "ann"})
    assert _params(in_workflow(sent, stored, books)) == {"script": "approved", "who": "ann", "x": 1}
    assert _params(in_workflow(sent, None, books)) == {"who": "all", "x": 1}
    assert _params(in_workflow(sent, elsewhere, books)) == {"who": "all", "x": 1}
    assert _params(in_workflow(_node("event", event="e1"), None, books)) == {"who": "all"}
