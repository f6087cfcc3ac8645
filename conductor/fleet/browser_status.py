"""The `status` that browsers get each second: what runs, told only as far as it has changed.

Contract satellite_protocol.md §10.3. A browser that asked for `deltas` gets `jobs` (those that changed, by ID)
and `gone` (IDs) instead of the whole of `activeJobs`. Each job is encoded once a second, whoever sees it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.access.account import Account
from conductor.fleet.browser_picture import Picture, shown_job
from shared.clock import now

Json = dict[str, Any]

_LOOKED_AT_TOGETHER = 200

_encode = msgspec.json.Encoder().encode


class Status:
    """One second after the other: `look`, then `packet` for each view."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._jobs: dict[str, bytes] = {}
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._queued: list[Mapping[str, Any]] = []
        self._changed: set[str] = set()
        self._gone: dict[str, Mapping[str, Any]] = {}
        self._entered: set[str] = set()
        self._internal = b"{}"
        self._internal_changed = False
        self._places = b"{}"
        self._places_changed = False

    async def look(self) -> None:
        """Note what has changed since the last look; lets others have the event loop meanwhile."""
        jobs: dict[str, bytes] = {}
        documents: dict[str, Mapping[str, Any]] = {}
        queued: list[Mapping[str, Any]] = []
        for number, job in enumerate(list(self._picture.jobs()), start=1):
            if number % _LOOKED_AT_TOGETHER == 0:
                await asyncio.sleep(0)
            if job.state == "queued":
                queued.append(job.job)
            else:
                jobs[job.id] = _encode(shown_job(job))
                documents[job.id] = job.job
        self._changed = {key for key, encoded in jobs.items() if self._jobs.get(key) != encoded}
        self._entered = jobs.keys() - self._jobs.keys()
        self._gone = {key: self._documents[key] for key in self._jobs.keys() - jobs.keys()}
        self._jobs, self._documents, self._queued = jobs, documents, queued
        internal, places = _encode(self._picture.internal_jobs()), _encode(self._picture.places())
        self._internal_changed, self._internal = internal != self._internal, internal
        self._places_changed, self._places = places != self._places, places

    def packet(self, account: Account, *, deltas: bool) -> Json:
        """What an account with these rights is told of this second. With raw JSON in it, for encoding."""
        seen = account.sees_job
        packet: Json = {
            "epoch": now(),
            "numQueuedJobs": sum(seen(job) for job in self._queued),
        }
        moved = [key for key in self._entered if seen(self._documents[key])]
        left = [key for key, job in self._gone.items() if seen(job)]
        packet["jobsChanged"] = bool(moved or left)
        if deltas:
            packet["jobs"] = {key: self._raw(key) for key in self._changed if seen(self._documents[key])}
            packet["gone"] = left
            events = {str(self._documents[key].get("event")) for key in moved}
            events |= {str(self._gone[key].get("event")) for key in left}
            if events:
                packet["stateEvents"] = self._picture.state_of_events(events)
            if self._internal_changed:
                packet["internalJobs"] = msgspec.Raw(self._internal)
        else:
            packet["activeJobs"] = {key: self._raw(key) for key, job in self._documents.items() if seen(job)}
            packet["internalJobs"] = msgspec.Raw(self._internal)
            if packet["jobsChanged"]:
                packet["state"] = self._picture.state(account)
        if self._places_changed:
            packet["navChanged"] = True
            packet["socketNav"] = msgspec.Raw(self._places)
        return packet

    def _raw(self, job_id: str) -> msgspec.Raw:
        return msgspec.Raw(self._jobs[job_id])
