"""What a browser keeps lists of, as one account may see them now. Contract satellite_protocol.md §10.3."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from conductor.access.account import Account
from conductor.access.visibility import KINDS, listed
from conductor.definitions.repository import Definitions
from conductor.fleet.roster import Roster
from conductor.live.job import ActiveJob
from shared.clock import now

Json = dict[str, Any]

_LEFT_OUT = frozenset(("input", "data", "files"))


class Leadership(Protocol):
    @property
    def primary_host(self) -> str: ...


def _nothing() -> Mapping[str, Any]:
    return {}


class Picture:
    """The running state as accounts see it. `jobs` is set during a term; the rest may be given later.

    `alerts` are the active ones by key, `internal_jobs` those of the house by ID, `statistics` today's.
    """

    def __init__(
        self, definitions: Definitions, roster: Roster, leadership: Leadership, version: str
    ) -> None:
        self._definitions = definitions
        self._roster = roster
        self._leadership = leadership
        self._version = version
        self.jobs: Callable[[], Iterable[ActiveJob]] = tuple
        self.alerts: Callable[[], Mapping[str, Mapping[str, Any]]] = _nothing
        self.internal_jobs: Callable[[], Mapping[str, Any]] = _nothing
        self.statistics: Callable[[], Mapping[str, Any]] = _nothing
        self.places: Callable[[], Mapping[str, Any]] = _nothing
        """Where the browsers are: `socketNav`."""

    def everything(self, account: Account) -> Json:
        """Every list of §10.3."""
        return {
            **self.definitions(account, KINDS),
            "masters": self._masters(),
            **self.live(account),
        }

    def live(self, account: Account) -> Json:
        """What a login returns beside the definitions: what is running, who is there."""
        return {
            "activeJobs": {job.id: shown_job(job) for job in self.jobs() if _active(job, account)},
            "internalJobs": self.internal_jobs(),
            "numQueuedJobs": sum(job.state == "queued" and account.sees_job(job.job) for job in self.jobs()),
            "socketNav": self.places(),
            "state": self.state(account),
            "stats": self.statistics(),
            **self.servers(account),
            **self.active_alerts(account),
        }

    def definitions(self, account: Account, kinds: Iterable[str]) -> Json:
        known = self._definitions.kinds
        return {
            kind: listed(account, kind, self._definitions.all(kind)) if kind in known else []
            for kind in kinds
        }

    def limited(self, account: Account) -> Json:
        """The lists that depend on an account's limits."""
        return {
            **self.definitions(account, ("groups", "categories", "events")),
            "activeJobs": {job.id: shown_job(job) for job in self.jobs() if _active(job, account)},
            **self.servers(account),
            **self.active_alerts(account),
        }

    def servers(self, account: Account) -> Json:
        def seen(records: Mapping[str, Json]) -> Json:
            return {key: one for key, one in records.items() if account.sees_groups(one.get("groups") or ())}

        return {"servers": seen(self._roster.online), "serverCache": seen(self._roster.recent)}

    def active_alerts(self, account: Account) -> Json:
        alerts = {
            key: one for key, one in self.alerts().items() if account.sees_groups(one.get("groups") or ())
        }
        return {"activeAlerts": alerts}

    def state(self, account: Account) -> Json:
        """The cluster's state: of events that the account may see; of API keys for administrators alone."""
        state = self._definitions.state
        events = state.under("events")
        if account.limited:
            visible = {one["id"] for one in listed(account, "events", self._definitions.all("events"))}
            events = {key: one for key, one in events.items() if key in visible}
        made: Json = {"scheduler": {"enabled": True, **state.get("scheduler")}, "events": events}
        if watches := state.under("watches"):
            made["watches"] = watches
        if account.admin:
            made["api_keys"] = state.under("api_keys")
        return made

    def state_of_events(self, event_ids: Iterable[str]) -> Json:
        return {event_id: self._definitions.state.get(f"events/{event_id}") for event_id in event_ids}

    def _masters(self) -> Json:
        host = self._leadership.primary_host
        if not host:
            return {}
        about = {"id": host, "online": True, "master": True, "date": int(now()), "version": self._version}
        return {host: {**about, "ping": 0, "stats": {}}}


def shown_job(job: ActiveJob) -> Json:
    """An active job as lists of them show it."""
    return {key: value for key, value in job.job.items() if key not in _LEFT_OUT}


def _active(job: ActiveJob, account: Account) -> bool:
    return job.state != "queued" and account.sees_job(job.job)
