"""Browsers on the websocket: who is there, what they show, what they are told. Contract satellite_protocol.md §10.

An observer of the signals and a follower of the activity log; `notify`, `broadcast` and `page_update` are for
the rest of the house. Nothing here waits for a browser: each has a bounded outbox, and one that does not
read is disconnected. What several of them may see alike is encoded once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import web

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.access.users import normalised, public, stub
from conductor.access.visibility import KINDS, LIMITED, listed, shown, view
from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.fleet.browser import Browser, close
from conductor.fleet.browser_door import BrowserDoor
from conductor.fleet.browser_jobs import follow_job
from conductor.fleet.browser_pages import Location, located, reaches
from conductor.fleet.browser_picture import Picture
from conductor.fleet.browser_status import Status
from conductor.fleet.connection import Connection
from conductor.jobs.engine import JobEngine
from conductor.signals import (
    AlertCleared,
    AlertFired,
    AlertsShifted,
    DefinitionChanged,
    ServerAdded,
    ServerChanged,
    ServerRemoved,
    SessionsEnded,
    Signal,
    TicketChanged,
    UserChanged,
)
from shared.protocol.frames import Frame, JsonEncoding

Json = dict[str, Any]
Sees = Callable[[Account], bool]
FileSearch = Callable[[Account, Mapping[str, Any], Callable[[str, Any], None]], Awaitable[None]]
"""(who asks, what for, tell): tells `search_started`, `search_result`… as page events (contract §10.3)."""

OUTBOX_BYTES = 16 * 1024 * 1024
"""A browser that leaves more than this unread is disconnected."""
_TICK_SECONDS = 1.0
_CHECK_TICKS = 30
"""Each so many ticks every browser's session is looked at: it may have expired."""

log = structlog.get_logger(__name__)


class Browsers:
    """The logged-in browsers. `run` it beside the sockets; `engine` is set during a term."""

    def __init__(
        self,
        accounts: Accounts,
        definitions: Definitions,
        picture: Picture,
        door: BrowserDoor,
        signals: Signals,
    ) -> None:
        self._accounts = accounts
        self._definitions = definitions
        self._picture = picture
        self._door = door
        self._signals = signals
        self._status = Status(picture)
        self._encoding = JsonEncoding()
        self._browsers: dict[str, Browser] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._arrived = asyncio.Event()
        self._stale: set[str] = set()
        self._cachebust = False
        self._dropped = 0
        self.engine: JobEngine | None = None
        self.file_search: FileSearch | None = None
        """Searches the files of jobs for a browser; until there is one, that command is ignored."""
        picture.places = self._places

    # A socket

    async def log_in(self, connection: Connection, request: web.BaseRequest, frame: Frame) -> Browser | None:
        """Answer `authenticate`; None when the socket is not let in."""
        asked = frame.body()
        admitted = await self._door.admit(connection, request, len(self._browsers), self._count_of)
        if admitted is None:
            return None
        account, session_key = admitted
        connection.outbox_limit = OUTBOX_BYTES
        browser = Browser(connection, account, session_key, bool(asked.get("deltas")))
        self._browsers[connection.id] = browser
        connection.send("login", {"version": self._door.version})
        attempt = asked.get("attempt")
        if isinstance(attempt, int) and attempt > 1:
            connection.send("update", self._picture.everything(account))
        self._arrived.set()
        return browser

    def take(self, browser: Browser, frame: Frame) -> None:
        """A frame of a logged-in browser; others than these are ignored."""
        if frame.cmd == "user_nav" and browser.connection.id in self._browsers:
            here = browser.location
            browser.location = located(frame.body().get("loc"))
            if browser.search is not None and browser.location != here:
                browser.search.cancel()  # nobody looks at its results any more
            if browser.location.id == "Job":
                self._watch(browser.location.query.get("id", ""), browser.account)

        elif frame.cmd == "search_job_files" and browser.connection.id in self._browsers:
            self._search(browser, frame.body())

    def left(self, connection: Connection) -> None:
        """Its socket has closed."""
        browser = self._browsers.pop(connection.id, None)
        if browser is not None and browser.search is not None:
            browser.search.cancel()

    # For the rest of the house

    def notify(self, usernames: Iterable[str] | None, data: Mapping[str, Any]) -> None:
        """A toast (`type`, `message`, …) for these users' browsers; for all of them with None."""
        names = None if usernames is None else {normalised(name) for name in usernames}
        frame = self._encoding.encode("notify", data)
        for browser in self._everyone():
            if names is None or normalised(browser.account.name) in names:
                browser.connection.send_encoded(frame)

    def broadcast(self, cmd: str, data: Any, *, sees: Sees | None = None) -> None:
        """One message to every browser whose account `sees` accepts."""
        frame = self._encoding.encode(cmd, data)
        for browser in self._everyone():
            if sees is None or sees(browser.account):
                browser.connection.send_encoded(frame)

    def page_update(self, loc: str, page_cmd: str, page_data: Any, *, sees: Sees | None = None) -> None:
        """An event for those who show the page `loc` (§10.2) and whose account `sees` accepts."""
        target = located(loc)
        frames: dict[str, bytes] = {}
        for browser in self._everyone():
            at = browser.location
            if not reaches(target, at) or (sees is not None and not sees(browser.account)):
                continue
            if at.loc not in frames:
                data = {"page_cmd": page_cmd, "page_data": page_data, "loc": at.loc}
                frames[at.loc] = self._encoding.encode("page_update", data)
            browser.connection.send_encoded(frames[at.loc])

    def followed(self, row: Json) -> None:
        """A row of the activity log was stored."""
        if not self._browsers:
            return
        self._cachebust = True
        self.broadcast("activity", row, sees=_is_admin)
        self.page_update("ActivityLog", "activity", {"data": row}, sees=_is_admin)

    def state_changed(self) -> None:
        """The cluster's state is not what it was, beyond what follows from jobs."""
        self._stale.add("state")

    async def observe(self, signal: Signal) -> None:
        """A signal of the house."""
        if not self._browsers:
            return
        match signal:
            case SessionsEnded():
                self._end(signal)
            case UserChanged():
                self._user_changed(signal)
            case DefinitionChanged():
                self._definition_changed(signal)
            case ServerAdded() | ServerRemoved() | ServerChanged():
                self._stale.add("servers")
            case AlertFired() | AlertCleared() | AlertsShifted():
                self._stale.add("alerts")
            case TicketChanged():
                self._ticket_changed(signal)

    # Time

    async def run(self) -> None:
        """Each second while there are browsers, tell them what has changed. Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            ticks = 0
            while True:
                if not self._browsers:
                    self._arrived.clear()
                    await self._arrived.wait()
                await asyncio.sleep(_TICK_SECONDS)
                ticks += 1
                try:
                    await self._tick()
                    if ticks % _CHECK_TICKS == 0:
                        await self._check_sessions()
                except Exception:
                    log.exception("browsers could not be told")

    async def _tick(self) -> None:
        await self._status.look()
        if self._signals.dropped != self._dropped:  # something was not heard of: tell all
            self._dropped = self._signals.dropped
            self._by_view(lambda account: ("update", self._picture.everything(account)))
        stale, self._stale = self._stale, set()
        if "servers" in stale:
            self._by_view(lambda account: ("update", self._picture.servers(account)))
        if "alerts" in stale:
            self._by_view(lambda account: ("update", self._picture.active_alerts(account)))
        if "state" in stale:
            self._by_view(lambda account: ("update", {"state": self._picture.state(account)}))
        if self._cachebust:
            self._cachebust = False
            self.broadcast("cachebust", {})
        everyone = self._everyone()
        whole = [one for one in everyone if one.fresh or not one.deltas]
        parts = [one for one in everyone if one.deltas and not one.fresh]
        self._by_view(lambda account: ("status", self._status.packet(account, deltas=False)), whole)
        self._by_view(lambda account: ("status", self._status.packet(account, deltas=True)), parts)
        for one in whole:
            one.fresh = False

    async def _check_sessions(self) -> None:
        for browser in self._everyone():
            with suppress(Refusal):  # the database is away: it is looked at again
                session = await self._accounts.sessions.find(browser.session_key)
                user = self._accounts.users.get(browser.account.name)
                if session is None or user is None or not user.get("active"):
                    self._dismiss(browser)

    # Signals

    def _definition_changed(self, signal: DefinitionChanged) -> None:
        kind, item = signal.kind, dict(signal.item)
        if kind not in KINDS:
            return

        def told(account: Account) -> tuple[str, Json]:
            if signal.verb == "multi_update" or (account.limited and kind in LIMITED):
                # Whether a limited account knew the item before is not known: it gets its whole list.
                return "update", {kind: listed(account, kind, self._definitions.all(kind))}
            if signal.verb == "delete":
                return "single", {"list": kind, "item": {"id": item.get("id")}, "delete": True}
            return "single", {"list": kind, "item": shown(account, kind, item)}

        self._by_view(told)
        if kind == "roles":
            for browser in self._everyone():
                self._reconsider(browser)

    def _user_changed(self, signal: UserChanged) -> None:
        user = self._accounts.users.get(signal.username)
        if signal.deleted or user is None:
            self.broadcast("single", {"list": "users", "item": {"username": signal.username}, "delete": True})
        else:
            self.broadcast("single", {"list": "users", "item": stub(user)})
        key = normalised(signal.username)
        for browser in self._everyone():
            if normalised(browser.account.name) == key:
                self._reconsider(browser)

    def _reconsider(self, browser: Browser) -> None:
        """The account, or a role, has changed: what may the socket know now?"""
        user = self._accounts.users.get(browser.account.name)
        if user is None or not user.get("active"):
            self._dismiss(browser)
            return
        before, after = browser.account, self._accounts.of_user(user, browser.account.session_id)
        browser.account = after
        browser.connection.send("self_update", {"user": public(user)})
        if view(before) != view(after) or before.privileges != after.privileges:
            kinds = ("api_keys", "roles", "web_hooks")
            lists = {**self._picture.limited(after), **self._picture.definitions(after, kinds)}
            browser.connection.send("update", lists)

    def _end(self, signal: SessionsEnded) -> None:
        key = normalised(signal.username)
        for browser in self._everyone():
            if signal.keys:
                over = browser.session_key in signal.keys
            else:
                over = normalised(browser.account.name) == key and browser.session_key != signal.but
            if over:
                self._dismiss(browser)

    def _ticket_changed(self, signal: TicketChanged) -> None:
        ticket = dict(signal.ticket)
        category = ticket.get("category") or ""

        def allowed(account: Account) -> bool:
            return account.sees_category(category)

        data = {"ticket": ticket, "username": signal.actor.id}
        for loc in (f"Tickets?id={ticket.get('id')}", f"Tickets?num={ticket.get('num')}"):
            self.page_update(loc, "ticket_updated", data, sees=allowed)

    # Pieces

    def _everyone(self) -> list[Browser]:
        return list(self._browsers.values())

    def _by_view(
        self, made: Callable[[Account], tuple[str, Any]], browsers: Iterable[Browser] | None = None
    ) -> None:
        """Send each what `made` says for its account; made and encoded once for all with the same view."""
        frames: dict[tuple[object, ...], bytes] = {}
        for browser in self._everyone() if browsers is None else browsers:
            key = view(browser.account)
            if key not in frames:
                frames[key] = self._encoding.encode(*made(browser.account))
            browser.connection.send_encoded(frames[key])

    def _dismiss(self, browser: Browser) -> None:
        """Its session is over: from now on it is told nothing but that, and its socket closes."""
        self.left(browser.connection)
        browser.connection.send("logout", {})
        if self._tasks is not None:
            self._tasks.create_task(close(browser.connection), name=f"close {browser.connection.id}")
        else:
            browser.connection.terminate()

    def _watch(self, job_id: str, account: Account) -> None:
        engine, tasks = self.engine, self._tasks
        if engine is None or tasks is None or job_id in self._watched:
            return
        job = engine.book.get(job_id)
        if job is None or not account.sees_job(job.job):
            return

        async def follow() -> None:
            try:
                await follow_job(engine, job_id, self._is_shown, self._tell_of_job)
            except Exception:
                log.exception("a job's page could not be kept up", job=job_id)
            finally:
                self._watched.pop(job_id, None)

        self._watched[job_id] = tasks.create_task(follow(), name=f"page of {job_id}")

    def _search(self, browser: Browser, asked: Json) -> None:
        """One search at a time of each browser: a new one takes the place of the last."""
        search, tasks = self.file_search, self._tasks
        if search is None or tasks is None:
            return
        if browser.search is not None:
            browser.search.cancel()
        loc = asked.get("loc")

        def tell(page_cmd: str, page_data: Any) -> None:
            data = {"page_cmd": page_cmd, "page_data": page_data, "loc": loc}
            browser.connection.send("page_update", data)

        async def run() -> None:
            try:
                await search(browser.account, asked, tell)
            except Exception:
                log.exception("a search in files failed", socket=browser.connection.id)

        browser.search = tasks.create_task(run(), name=f"search of {browser.connection.id}")

    def _is_shown(self, job_id: str) -> bool:
        target = Location("", "Job", {"id": job_id})
        return any(reaches(target, browser.location) for browser in self._browsers.values())

    def _tell_of_job(self, job: Mapping[str, Any], job_id: str, page_cmd: str, data: Any) -> None:
        self.page_update(f"Job?id={job_id}", page_cmd, data, sees=lambda account: account.sees_job(job))

    def _places(self) -> Json:
        return {
            key: {"username": one.account.name, "loc": one.location.shown()}
            for key, one in self._browsers.items()
        }

    def _count_of(self, username: str) -> int:
        return sum(one.account.name == username for one in self._browsers.values())


def _is_admin(account: Account) -> bool:
    return account.admin
