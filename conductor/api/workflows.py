"""`rerun_workflow`: a failed workflow run again from where it failed. Beyond the contract (docs/workflows.md)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import Endpoint, WordId
from conductor.api.office import Office
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.jobs.compose import Order
from conductor.records.job_archive import JobArchive


class RerunWorkflow(msgspec.Struct, kw_only=True):
    id: WordId
    """A finished workflow job that did not succeed."""


class Started(msgspec.Struct, kw_only=True):
    id: str
    """ID of the new workflow job."""


def endpoints(office: Office, archive: JobArchive, definitions: Definitions) -> tuple[Endpoint[Any], ...]:
    async def rerun_workflow(call: Call, params: RerunWorkflow) -> Mapping[str, Any]:
        record = await archive.get(params.id)
        if record is None or not call.account.sees_job(record):
            raise Refusal("job", f"Failed to locate job: {params.id}")
        call.account.require_job(record)
        workflow = record.get("workflow")
        if record.get("type") != "workflow" or not isinstance(workflow, dict) or "run" not in workflow:
            raise Refusal("job", f"Job is no workflow, or did not fail: {params.id}")
        event = definitions.get("events", str(record.get("event")))
        if event is None:
            raise Refusal("event", f"Event not found: {record.get('event')}")
        order = Order(
            event=_again(event, record),
            source="key" if call.account.kind == "api_key" else "user",
            username=call.account.name,
            correlation_id=call.correlation_id,
            start=str(workflow.get("start") or ""),
        )
        return {"id": await office.engine.launch(order, call.actor)}

    return (
        Endpoint(
            name="rerun_workflow",
            handler=rerun_workflow,
            params=RerunWorkflow,
            result=Started,
            summary="Run a failed workflow again from its failed nodes, keeping the results of the others.",
            privilege="run_jobs",
            mutates=True,
        ),
    )


def _again(event: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """The event's document for the new run: the graph, parameters and input are those of the failed one."""
    workflow = record["workflow"]
    graph = {key: workflow[key] for key in ("nodes", "connections") if key in workflow}
    again = {**event, "workflow": {**graph, "rerun": record["id"]}, "params": record.get("params") or {}}
    again.update(
        {key: record[key] for key in ("input", "test", "label", "targets", "tickets") if key in record}
    )
    return again
