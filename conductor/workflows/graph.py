"""A workflow's graph as a run reads it. Contract workflows.md §1, structures/workflow.yaml. Pure.

Reading is tolerant: what a run finds was saved at some time, perhaps by another program. What is no node or
no wire is left out; whether that may be saved is a matter of `definitions/workflow_graph.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

JOB_TYPES: Final = frozenset({"event", "job"})
_ATTACHED: Final = frozenset({"action", "limit"})
"""Types that hang on an event or job node and are not run when it has ended."""


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    type: str
    data: Mapping[str, Any]

    @property
    def is_job(self) -> bool:
        """An event or job node: what it runs are sub-jobs."""
        return self.type in JOB_TYPES

    @property
    def controller(self) -> str:
        """Which controller it is; empty for another type of node."""
        return str(self.data.get("controller", "")) if self.type == "controller" else ""


@dataclass(frozen=True, slots=True)
class Wire:
    id: str
    source: str
    dest: str
    condition: str
    """Empty on wires from triggers and controllers, and to limits."""


class Graph:
    """Nodes by ID, and the wires of each in the order in which they were drawn."""

    def __init__(self, nodes: Iterable[Node], wires: Iterable[Wire]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.wires = {
            wire.id: wire for wire in wires if wire.source in self.nodes and wire.dest in self.nodes
        }
        self._out: dict[str, list[Wire]] = {}
        self._in: dict[str, list[Wire]] = {}
        for wire in self.wires.values():
            self._out.setdefault(wire.source, []).append(wire)
            self._in.setdefault(wire.dest, []).append(wire)

        self.loops = _loops(self._flow_graph())
        """The nodes that lie on a circle of wires: what a run might go through without end."""

    @classmethod
    def read(cls, workflow: Any) -> "Graph":
        """The graph of a stored `workflow` object; empty when there is none."""
        doc = workflow if isinstance(workflow, Mapping) else {}
        return cls(_nodes(doc.get("nodes")), _wires(doc.get("connections")))

    def outgoing(self, node: str) -> list[Wire]:
        return self._out.get(node, [])

    def incoming(self, node: str) -> list[Wire]:
        return self._in.get(node, [])

    def fired(self, node: str, conditions: frozenset[str]) -> list[Wire]:
        """The wires along which the run goes on when a sub-job of `node` meets `conditions`.

        Wires to actions and limits belong to the sub-job itself; an action wired by `continue` is run in
        the flow.
        """
        return [
            wire
            for wire in self.outgoing(node)
            if wire.condition in conditions
            and (self.nodes[wire.dest].type not in _ATTACHED or wire.condition == "continue")
        ]

    def _flow_graph(self) -> dict[str, list[str]]:
        return {
            node: [
                wire.dest
                for wire in self.outgoing(node)
                if self.nodes[wire.dest].type not in _ATTACHED and self.nodes[wire.dest].type != "note"
            ]
            for node in self.nodes
        }

    def attached(self, node: str) -> tuple[list[Json], list[Json]]:
        """(limits, actions) of the sub-jobs of `node`, as job documents carry them (workflows.md §4.8)."""
        limits: list[Json] = []
        actions: list[Json] = []
        for wire in self.outgoing(node):
            dest = self.nodes[wire.dest]
            if dest.type == "limit":
                limits.append({**dest.data, "source": "workflow"})
            elif dest.type == "action" and wire.condition and wire.condition != "continue":
                actions.append(
                    {
                        **dest.data,
                        "id": dest.id,
                        "conn": wire.id,
                        "condition": wire.condition,
                        "source": "workflow",
                    }
                )
        return limits, actions


def _loops(following: Mapping[str, list[str]]) -> frozenset[str]:
    """The nodes of a directed graph from which a path leads back to them.

    Tarjan's strongly connected components (SIAM J. Comput. 1, 1972), with a stack of its own: a chain of
    thousands of nodes must not exhaust Python's.
    """
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_nodes: dict[str, None] = {}  # in order of discovery
    found: set[str] = set()
    for root in following:
        if root in numbers:
            continue
        path = [(root, iter(following[root]))]
        numbers[root] = lowest[root] = len(numbers)
        open_nodes[root] = None
        while path:
            node, rest = path[-1]
            for after in rest:
                if after not in numbers:
                    numbers[after] = lowest[after] = len(numbers)
                    open_nodes[after] = None
                    path.append((after, iter(following[after])))
                    break
                if after in open_nodes:
                    lowest[node] = min(lowest[node], numbers[after])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[node])
                if lowest[node] == numbers[node]:
                    found.update(_component(open_nodes, node, following))
    return frozenset(found)


def _component(open_nodes: dict[str, None], root: str, following: Mapping[str, list[str]]) -> list[str]:
    """Take the component that `root` was first found of; it is a loop unless it is one node without one."""
    members: list[str] = []
    while not members or members[-1] != root:
        members.append(open_nodes.popitem()[0])
    return members if len(members) > 1 or root in following[root] else []


def _nodes(value: Any) -> Iterable[Node]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping) and isinstance(one.get("id"), str) and isinstance(one.get("type"), str):
            data = one.get("data")
            yield Node(one["id"], one["type"], data if isinstance(data, Mapping) else {})


def _wires(value: Any) -> Iterable[Wire]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping) and all(
            isinstance(one.get(key), str) for key in ("id", "source", "dest")
        ):
            condition = one.get("condition")
            yield Wire(one["id"], one["source"], one["dest"], condition if isinstance(condition, str) else "")
