"""The memory of one run: its state, what ended in it, and how both are stored in the job book.

Fields of the workflow job's hash: `run`, the bookkeeping; `batches`, what fan-outs have still to launch,
rewritten only when it grows or is used up; `e0`, `e1`…, one for each sub-job that ended. A step writes the
fields it changed, so that a thousand sub-jobs cost a thousand small writes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from conductor.live.job import ActiveJob
from conductor.workflows.completion import merged
from conductor.workflows.graph import Graph
from conductor.workflows.run import Batch, Json, Run
from shared.protocol.packing import packed


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An ended sub-job as the run remembers it."""

    node: str
    stub: Json
    """As clients see it in `workflow.jobs` (contract structures/job_workflow.yaml)."""
    data: Any = None
    shared: Any = None
    """Its workflowData."""
    table: Any = None
    html: Any = None

    @property
    def files(self) -> Sequence[Any]:
        files = self.stub.get("files")
        return files if isinstance(files, list) else ()

    @property
    def retried(self) -> bool:
        return bool(self.stub.get("retried"))


_decode_run = msgspec.msgpack.Decoder(Run).decode
_decode_entry = msgspec.msgpack.Decoder(Entry).decode
_decode_batches = msgspec.msgpack.Decoder(dict[str, list[Batch]]).decode


class Ledger:
    """Of one workflow job while it is active. Changed by its driver alone."""

    def __init__(self, job: ActiveJob) -> None:
        self.job = job
        self.graph = Graph.read(job.job.get("workflow"))
        self.run = Run()
        self._entries = 0
        self._results: dict[str, list[Entry]] = {}
        self._shared: Json = dict(job.details.get("workflowData") or {})
        self.begun = "run" in job.fields
        if self.begun:
            self._read(job.fields)
        self._show()

    def results(self, node: str) -> list[Entry]:
        """The ended sub-jobs of a node, retried attempts aside, in order."""
        return self._results.get(node, [])

    def all_results(self) -> list[Entry]:
        """Of every node, in the order in which the nodes ended first."""
        return [entry for entries in self._results.values() for entry in entries]

    @property
    def shared(self) -> Json:
        """The run's workflowData."""
        return self._shared

    def record(self, ended: Entry) -> dict[str, bytes]:
        """A sub-job is over: from now on decisions see it. The fields that the book has to change."""
        name = f"e{self._entries}"
        self._enter(ended)
        return {name: packed(ended)}

    def take(self, run: Run) -> dict[str, bytes]:
        """The run goes on as `run`: the fields that the book has to change."""
        fields: dict[str, bytes] = {}
        if run.batches != self.run.batches:
            fields["batches"] = packed(run.batches) if run.batches else b""
        fields["run"] = packed(msgspec.structs.replace(run, batches={}))
        self.run = run
        self.begun = True
        self._show()
        return fields

    def _read(self, fields: Mapping[str, bytes]) -> None:
        self.run = _decode_run(fields["run"])
        if "batches" in fields:
            self.run.batches = _decode_batches(fields["batches"])
        while (entry := fields.get(f"e{self._entries}")) is not None:
            self._enter(_decode_entry(entry))

    def _enter(self, entry: Entry) -> None:
        self._entries += 1
        workflow = self.job.job["workflow"]
        workflow.setdefault("jobs", {}).setdefault(entry.node, []).append(entry.stub)
        if entry.retried:
            return
        self._results.setdefault(entry.node, []).append(entry)
        self._shared = merged(self._shared, entry.shared)
        tags = [tag for tag in entry.stub.get("tags") or () if not str(tag).startswith("_")]
        known = self.job.job.get("tags") or []
        if new := [tag for tag in tags if tag not in known]:
            self.job.set(tags=[*known, *new])
        for key in ("table", "html"):
            if value := getattr(entry, key):
                self.job.set(**{key: value})
        if entry.shared:
            self.job.details["workflowData"] = self._shared

    def _show(self) -> None:
        """The public half of the run stands on the job; it is stored with the run, not twice."""
        workflow = self.job.job.get("workflow")
        if isinstance(workflow, dict):
            workflow["state"] = self.run.state
            workflow.setdefault("jobs", {})
            if self.run.aborted:
                workflow["aborted"] = self.run.aborted
