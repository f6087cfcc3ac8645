"""Deleting a category that is in use: its events can be moved to another one first. Contract api/categories.yaml."""

from collections.abc import Awaitable, Callable
from typing import Any

from conductor.api.call import Call, Json
from conductor.api.definitions import DefinitionCalls, Delete, Particulars
from conductor.api.endpoint import DefinitionId, Endpoint
from conductor.definitions.kinds import KINDS
from conductor.definitions.repository import Definitions
from conductor.definitions.workflow_graph import data_of, nodes_of
from conductor.errors import BadParameter, Refusal


class DeleteCategory(Delete, kw_only=True):
    move_to: DefinitionId | None = None
    """Category that takes its events, the jobs of workflows in it, and its tickets."""


MoveTickets = Callable[[str, str, Call], Awaitable[None]]
"""Moves the tickets of one category to another."""


async def _no_tickets(source: str, target: str, call: Call) -> None:
    """Nobody keeps tickets."""


class CategoryCalls(DefinitionCalls):
    """The calls of the kind `categories`."""

    def __init__(self, definitions: Definitions, move_tickets: MoveTickets) -> None:
        self._move_tickets = move_tickets
        particulars = Particulars(reorders=True, delete_params=DeleteCategory)
        super().__init__(KINDS["categories"], definitions, particulars)

    async def delete(self, call: Call, params: Any) -> Json:
        """Each event is moved by an ordinary update: what is broken off can be asked for again."""
        if params.move_to:
            await self._move(call, params.id, params.move_to)
            await self._move_tickets(params.id, params.move_to, call)
        return await super().delete(call, params)

    async def _move(self, call: Call, source: str, target: str) -> None:
        if target == source:
            raise BadParameter("Malformed parameter: move_to (the category itself)")
        for id in (source, target):
            if self._definitions.get("categories", id) is None:
                raise Refusal("category", f"Category not found: {id}")
            call.account.require_category(id)
        call.account.require("edit_events")
        for event in list(self._definitions.all("events")):
            if changes := moved(event, source, target):
                await self._definitions.update(
                    "events",
                    event["id"],
                    changes,
                    actor=call.actor,
                    by=call.account,
                    correlation_id=call.correlation_id,
                )


def moved(event: Json, source: str, target: str) -> Json:
    """The changes that take an event and the jobs in its workflow from one category to another."""
    changes: Json = {}
    if event.get("category") == source:
        changes["category"] = target
    workflow = event.get("workflow")
    if any(data_of(node).get("category") == source for node in nodes_of(workflow)):
        changes["workflow"] = {
            **(workflow or {}),
            "nodes": [
                {**node, "data": {**node["data"], "category": target}}
                if isinstance(node, dict) and data_of(node).get("category") == source
                else node
                for node in (workflow or {})["nodes"]
            ],
        }
    return changes


def endpoints(definitions: Definitions, move_tickets: MoveTickets = _no_tickets) -> tuple[Endpoint[Any], ...]:
    return CategoryCalls(definitions, move_tickets).endpoints()
