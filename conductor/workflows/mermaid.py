"""A workflow's graph as a Mermaid flowchart, for documentation and terminals. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from conductor.workflows.graph import Graph, Node, Wire

_SHAPES: Final = {
    "trigger": ("([", "])"),
    "event": ("[", "]"),
    "job": ("[", "]"),
    "action": (">", "]"),
    "limit": ("[/", "/]"),
    "note": ("[[", "]]"),
    "controller": ("{{", "}}"),
}
_LONGEST_LABEL: Final = 60


def flowchart(
    workflow: Any, *, titles: Mapping[str, str] | None = None, state: Mapping[str, Any] | None = None
) -> str:
    """The flowchart's text, one node or wire a line.

    `titles` names events and plugins by their IDs. With the `state` of a run (`job.workflow.state`) nodes
    that ran are marked `done`, `active` or `error`.
    """
    graph = Graph.read(workflow)
    lines = ["flowchart LR"]
    lines += [f"    {_node(node, titles or {})}" for node in graph.nodes.values()]
    lines += [f"    {_wire(wire)}" for wire in graph.wires.values()]
    classes = {id: _class(facts) for id, facts in (state or {}).items() if id in graph.nodes}
    if classes:
        lines += [
            "    classDef done fill:#d4edda,stroke:#28a745",
            "    classDef active fill:#cce5ff,stroke:#0d6efd",
        ]
        lines += ["    classDef error fill:#f8d7da,stroke:#dc3545"]
        lines += [f"    class {_name(id)} {name}" for id, name in classes.items()]
    return "\n".join(lines) + "\n"


def _node(node: Node, titles: Mapping[str, str]) -> str:
    opening, closing = _SHAPES.get(node.type, ("[", "]"))
    return f'{_name(node.id)}{opening}"{_text(_label(node, titles))}"{closing}'


def _label(node: Node, titles: Mapping[str, str]) -> str:
    data = node.data
    named = data.get("label") or data.get("title")
    if node.type == "controller":
        detail = {
            "decision": data.get("decision"),
            "split": data.get("split"),
            "repeat": f"{data.get('repeat', 1)} times",
            "wait": f"{data.get('wait', 0)} s",
        }.get(node.controller)
        return f"{node.controller}: {named or detail}" if named or detail else node.controller
    subject = data.get("event") or data.get("plugin") or data.get("type") or data.get("body") or node.id
    return str(named or titles.get(str(subject)) or subject)


def _wire(wire: Wire) -> str:
    arrow = f"-->|{_text(wire.condition)}|" if wire.condition else "-->"
    return f"{_name(wire.source)} {arrow} {_name(wire.dest)}"


def _name(id: str) -> str:
    """A node's name in the chart; some words (`end`) have a meaning of their own there."""
    return f"n_{id}"


def _text(text: str) -> str:
    """A label without what ends it: Mermaid writes such characters as entities."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= _LONGEST_LABEL else f"{flat[: _LONGEST_LABEL - 1]}…"
    return "".join(f"#{ord(char)};" if char in '"#|<>[]{}()&;`' else char for char in short)


def _class(facts: Any) -> str:
    if not isinstance(facts, Mapping):
        return "done"
    return "error" if facts.get("error") or facts.get("code") else "active" if facts.get("active") else "done"
