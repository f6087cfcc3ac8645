"""Looking after the house: state, internal jobs, maintenance, statistics, logs, settings (api/admin.yaml)."""

import asyncio
import platform
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec

from conductor.access.account import Account
from conductor.administration import config_paths, log_search, state_paths
from conductor.administration.house import Administration
from conductor.administration.internal_jobs import BUSY, InternalJob
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes, Text
from conductor.api.search import Flag, flag, listed
from conductor.api.told import activity
from conductor.errors import BadParameter, Refusal
from conductor.settings import Settings
from conductor.signals import Actor

Json = dict[str, Any]

_MOST_ROWS = 1000
_TEST_SECONDS = 3600.0
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Word = Annotated[str, msgspec.Meta(pattern=r"^\w+$(?!\n)", max_length=64)]
Username = Annotated[str, msgspec.Meta(pattern=r"^[\w\-\.]+$(?!\n)", max_length=128)]


class KeyRotation(Protocol):
    """Gives the house a new secret key."""

    async def rotate(
        self, account: Account, password: str, actor: Actor, email: str, grace: float | None, /
    ) -> str:
        """Start it; the internal job's ID. Raises Refusal `admin`."""
        ...


class TestJob(msgspec.Struct, kw_only=True):
    duration: Annotated[float, msgspec.Meta(ge=0, le=_TEST_SECONDS)] = 60.0


class JobId(msgspec.Struct, kw_only=True):
    id: Word


class Broadcast(msgspec.Struct, kw_only=True):
    type: Literal["info", "warning", "error", "critical"]
    message: Text
    sound: str = ""
    lifetime: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    loc: str = ""


class LogQuery(msgspec.Struct, kw_only=True):
    log: Word
    rows: Any
    match: str = ""
    regex: Flag = False
    case: Flag = False
    cols: list[str] | str = ""
    date: str = ""


class LogOut(msgspec.Struct, kw_only=True):
    username: Username


class Rotate(msgspec.Struct, kw_only=True):
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    grace: Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)] | None = None
    """Seconds for which tokens under the present key stay good; 0 when it has leaked."""


class Admin:
    """The endpoints of this page."""

    def __init__(
        self, house: Administration, sockets: Callable[[], list[Json]], rotation: KeyRotation
    ) -> None:
        self._house = house
        self._sockets = sockets
        self._rotation = rotation

    # State

    async def get_global_state(self, call: Call, params: NoParams) -> Json:
        return {"state": state_paths.as_one(self._house.definitions.state.documents().items())}

    async def update_global_state(self, call: Call, params: NoParams) -> Json:
        """All paths are checked before the first is stored; values go to SQL before the answer."""
        state = self._house.definitions.state
        given = {path: value for path, value in call.params.items() if path not in _CREDENTIALS}
        steps = {path: state_paths.check(path) for path in given}
        for path, value in given.items():
            key, rest, whole = state_paths.placed(steps[path], value, state.documents())
            told = activity(call, "state_update", path, {"key": path, "value": value}, keywords=(path,))
            changes = state_paths.changed(state.latest(key), rest, whole)
            await state.merge(key, changes, events=self._house.signals.events(told))
            self._house.signals.publish_logged(told)
        return {}

    # Internal jobs

    async def get_internal_jobs(self, call: Call, params: NoParams) -> Json:
        rows = [job.shown() for job in self._house.jobs.all()]
        return {"rows": rows, "list": {"length": len(rows)}}

    async def test_internal_job(self, call: Call, params: TestJob) -> Json:
        duration = params.duration

        async def work(job: InternalJob) -> None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            while (passed := loop.time() - began) < duration:
                job.progress(passed / duration)
                await asyncio.sleep(min(1.0, duration - passed))

        title = "Test job that does nothing"
        id = self._house.jobs.start(title, "maint", work, username=call.account.name, actor=call.actor)
        return {"id": id}

    async def abort_internal_job(self, call: Call, params: JobId) -> Json:
        self._house.jobs.abort(params.id)
        return {}

    # Maintenance

    async def run_maintenance(self, call: Call, params: NoParams) -> Json:
        title = "Daily maintenance manual run"
        return {"id": self._house.maintenance.start(title, call.account.name, call.actor)}

    async def run_optimization(self, call: Call, params: NoParams) -> Json:
        id = self._house.jobs.start(
            "Database optimization",
            "maint",
            self._house.upkeep.optimize,
            username=call.account.name,
            actor=call.actor,
            exclusive=True,
        )
        return {"id": id}

    # Statistics

    async def reset_daily_stats(self, call: Call, params: NoParams) -> Json:
        await self._house.statistics.reset()
        self._house.jobs.browsers.broadcast("update", {"stats": self._house.statistics.shown()})
        return {}

    async def dash_stats(self, call: Call, params: NoParams) -> Json:
        statistics = self._house.statistics
        return {
            "stats": {
                "day": statistics.current_day(),
                "mem": statistics.process["mem"],
                "cpu": statistics.process["cpu"],
                "unbase": self._engine(),
                "cache": {},
            }
        }

    async def admin_stats(self, call: Call, params: NoParams) -> Json:
        house = self._house
        call.headers["Cache-Control"] = "no-cache, no-store, must-revalidate"
        return {
            "stats": {
                "version": house.version,
                "node": {"version": platform.python_version()},
                "db": {"sqlite": await house.upkeep.size(), "records": await house.upkeep.counts()},
                "unbase": self._engine(),
                "cache": None,
                "sockets": self._sockets(),
                "storage_engine": "SQL",
                "hybrid_config": {},
            }
        }

    def _engine(self) -> Json:
        jobs = len(self._house.jobs.all())
        return {
            "version": self._house.version,
            "engine": "SQL",
            "concurrency": 1,
            "transactions": True,
            "last_second": {},
            "last_minute": {},
            "recent_events": [],
            "queue": {"active": jobs, "pending": 0},
            "locks": 0,
            "jobs": jobs,
        }

    # People

    async def broadcast_message(self, call: Call, params: Broadcast) -> Json:
        known = {"type", "message", "sound", "lifetime", "loc"}
        shown = {key: value for key, value in call.params.items() if key in known}
        self._house.jobs.browsers.broadcast("notify", shown)
        return {}

    async def logout_all(self, call: Call, params: LogOut) -> Json:
        username = params.username

        async def work(job: InternalJob) -> None:
            ended = await self._house.sessions.end_all(username, actor=call.actor)
            job.stats["sessions"] = ended
            job.details = f"- sessions ended: {ended}"

        id = self._house.jobs.start(
            f"Logging out user sessions for: {username}",
            "user",
            work,
            username=call.account.name,
            actor=call.actor,
        )
        return {"id": id}

    async def rotate_secret_key(self, call: Call, params: Rotate) -> Json:
        if self._house.jobs.exclusive:
            raise Refusal("admin", BUSY)
        user = self._house.users.get(call.account.name) if call.account.kind == "user" else None
        email = str(user.get("email", "")) if user else ""
        return {
            "id": await self._rotation.rotate(call.account, params.password, call.actor, email, params.grace)
        }

    # Logs and settings

    async def search_logs(self, call: Call, params: LogQuery) -> Json:
        if isinstance(params.rows, bool) or not isinstance(params.rows, int):
            raise BadParameter("Parameter is not type number: rows")
        if not 1 <= params.rows <= _MOST_ROWS:
            raise BadParameter(f"Malformed parameter: rows (1 to {_MOST_ROWS})")
        if params.date and not _DATE.fullmatch(params.date):
            raise BadParameter("Malformed parameter: date")
        query = log_search.LogQuery(
            log=params.log,
            rows=params.rows,
            match=params.match,
            regex=flag(params.regex),
            case=flag(params.case),
            columns=tuple(listed(params.cols)) or log_search.COLUMNS,
            date=params.date,
        )
        rows, total = await asyncio.to_thread(log_search.search, self._house.log_folder, query)
        return {"rows": rows} if total is None else {"rows": rows, "list": {"length": total}}

    async def get_config(self, call: Call, params: NoParams) -> Json:
        overrides = self._house.overrides
        return {
            "config": config_paths.shown(overrides.document()),
            "overrides": config_paths.overrides_shown(overrides.all()),
            "sample": config_paths.shown(msgspec.to_builtins(Settings())),
            "markdown": config_paths.described(),
        }

    async def update_config(self, call: Call, params: NoParams) -> Json:
        changes = {path: value for path, value in call.params.items() if path not in _CREDENTIALS}
        shown = config_paths.overrides_shown(changes)
        told = activity(call, "config_update", "", {"params": shown}, keywords=("config", *changes))
        restart = await self._house.overrides.update(changes, self._house.signals.events(told))
        self._house.signals.publish_logged(told)
        return {"restart": restart} if restart else {}

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        reads: dict[str, Any] = {"auth": Auth.ADMIN, "takes": Takes.NONE}
        writes: dict[str, Any] = {
            "methods": ("POST",),
            "auth": Auth.ADMIN,
            "takes": Takes.BODY,
            "mutates": True,
        }
        does: dict[str, Any] = {"auth": Auth.ADMIN, "takes": Takes.NONE, "mutates": True}
        state, update = self.get_global_state, self.update_global_state
        return (
            Endpoint("get_global_state", state, NoParams, "The cluster's state", takes=Takes.NONE),
            Endpoint("get_master_state", state, NoParams, "As get_global_state", takes=Takes.NONE),
            Endpoint("update_global_state", update, NoParams, "Set paths of the state", **writes),
            Endpoint("update_master_state", update, NoParams, "As update_global_state", **writes),
            Endpoint("get_internal_jobs", self.get_internal_jobs, NoParams, "Background work", **reads),
            Endpoint(
                "test_internal_job", self.test_internal_job, TestJob, "Do nothing for a while", **writes
            ),
            Endpoint("abort_internal_job", self.abort_internal_job, JobId, "End background work", **writes),
            Endpoint("admin_run_maintenance", self.run_maintenance, NoParams, "Maintenance now", **does),
            Endpoint("admin_run_optimization", self.run_optimization, NoParams, "Check the database", **does),
            Endpoint("admin_reset_daily_stats", self.reset_daily_stats, NoParams, "Close the day", **does),
            Endpoint("dash_stats", self.dash_stats, NoParams, "Today's counters", takes=Takes.NONE),
            Endpoint("admin_stats", self.admin_stats, NoParams, "How the conductor is doing", **reads),
            Endpoint(
                "admin_broadcast_message", self.broadcast_message, Broadcast, "Tell all users", **writes
            ),
            Endpoint("admin_logout_all", self.logout_all, LogOut, "End all sessions of a user", **writes),
            Endpoint("admin_rotate_secret_key", self.rotate_secret_key, Rotate, "A new secret key", **writes),
            Endpoint(
                "admin_search_logs",
                self.search_logs,
                LogQuery,
                "The last matching lines of the log",
                methods=("POST",),
                auth=Auth.ADMIN,
            ),
            Endpoint("admin_get_config", self.get_config, NoParams, "The settings, without secrets", **reads),
            Endpoint("admin_update_config", self.update_config, NoParams, "Change settings", **writes),
        )


_CREDENTIALS = ("api_key", "session_id", "csrf_token", "cachebust", "pretty")
