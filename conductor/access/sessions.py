"""Sessions of logged-in users. Contract access.md §3.1.

Stored by the SHA-256 of the session ID: a leaked table is no login, and `key_of` is what logs may name.
Expiry and idleness are checked on every read; a session that has ended is never found again, not even by a
read that was under way.
"""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import sqlalchemy as sa

from conductor.announcer import Signals
from conductor.errors import Unavailable
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import sessions as table
from conductor.settings import Settings
from conductor.signals import SYSTEM, Actor, EventRow, SessionsEnded, Signal
from shared.clock import now
from shared.ids import hex_id

_SESSION_ID = re.compile(r"[0-9a-f]{64}")
_CACHED = 2_000  # sessions kept in memory; others cost one read
_TOUCHED_SECONDS = 3_600  # `modified` of a session in use is this old at most

_REMOVE = sa.delete(table).where(table.c.id == sa.bindparam("key"))
_REMOVE_ALL = sa.delete(table).where(
    table.c.username == sa.bindparam("owner"), table.c.id != sa.bindparam("kept")
)
_TOUCH = sa.update(table).where(table.c.id == sa.bindparam("key")).values(doc=sa.bindparam("touched"))
_PURGE = sa.delete(table).where(table.c.expires <= sa.bindparam("moment"))
_ADD = insert_new(table)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    username: str
    ip: str
    useragent: str
    created: int
    modified: int
    """When it was last used, to the hour."""
    expires: int
    csrf_token: str = ""
    enrolling: bool = False
    """Opened by an account that had no second factor and needs one: good for setting it up until it has."""


_decode = msgspec.json.Decoder(Session).decode


def key_of(session_id: str) -> str:
    """What stands for a session in records and logs: nobody gets in with it."""
    return hashlib.sha256(session_id.encode(errors="surrogatepass")).hexdigest()


def expiry(moment: float, days: int) -> int:
    """The local midnight at or before `moment` + `days`."""
    day = time.localtime(moment + days * 86_400)
    return int(time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1)))


class _Lookup:
    """A read of one session that is under way; `void` once that session has ended meanwhile."""

    __slots__ = ("key", "void")

    def __init__(self, key: str) -> None:
        self.key = key
        self.void: list[Callable[[str, Session], bool]] = []


class Sessions:
    """Opens, finds and ends sessions; a bounded cache spares the read."""

    def __init__(self, records: Records, settings: Settings, signals: Signals | None = None) -> None:
        self._records = records
        self._signals = signals
        self._expire_days = settings.User.session_expire_days
        self._idle_seconds = settings.User.session_idle_days * 86_400
        self._cache: OrderedDict[str, Session] = OrderedDict()
        self._lookups: set[_Lookup] = set()

    @property
    def max_age(self) -> int:
        """Seconds that the cookie lives."""
        return self._expire_days * 86_400

    async def open(
        self,
        username: str,
        ip: str,
        useragent: str,
        told: Callable[[str], Signal] | None = None,
        *,
        enrolling: bool = False,
    ) -> tuple[str, Session]:
        """A stored session and its ID, which is known to the caller alone.

        `told` makes of its key what is announced: the event log has it with the session. `enrolling`: it is good
        for setting up a second factor alone.
        """
        session_id = hex_id()
        moment = now()
        session = Session(
            username=username,
            ip=ip,
            useragent=useragent,
            created=int(moment),
            modified=int(moment),
            expires=expiry(moment, self._expire_days),
            csrf_token=hex_id(),
            enrolling=enrolling,
        )
        key = key_of(session_id)
        doc = msgspec.json.encode(session)
        begun = told(key) if told is not None else None
        await self._records.write(
            Write(_ADD, {"id": key, "username": username, "expires": session.expires, "doc": doc}),
            events=self._events(begun),
        )
        self._keep(key, session)
        if begun is not None and self._signals is not None:
            self._signals.publish_logged(begun)
        return session_id, session

    async def get(self, session_id: str) -> Session | None:
        """The session, or None when the ID is malformed, unknown, ended, expired or idle for too long."""
        return await self.find(key_of(session_id)) if _SESSION_ID.fullmatch(session_id) else None

    async def find(self, key: str) -> Session | None:
        """As `get`, by the session's key."""
        session = self._cache.get(key)
        if session is None:
            session = await self._read(key)
            if session is None:
                return None
        else:
            self._cache.move_to_end(key)
        moment = now()
        if session.expires <= moment or (
            self._idle_seconds and session.modified + self._idle_seconds <= moment
        ):
            return None
        if moment - session.modified > _TOUCHED_SECONDS:
            session = await self._touch(key, session, int(moment))
        return session

    async def of_user(self, username: str) -> list[tuple[str, Session]]:
        """The sessions of a user that are still good, with their keys, newest first."""
        query = sa.select(table.c.id, table.c.doc).where(
            table.c.username == username, table.c.expires > int(now())
        )
        rows = await self._records.read(lambda sql: [tuple(row) for row in sql.execute(query)])
        found = [(key, self._cache.get(key) or _decode(doc)) for key, doc in rows]
        return sorted(found, key=lambda one: one[1].created, reverse=True)

    async def end(self, session_id: str, actor: Actor = SYSTEM) -> None:
        await self.end_key(key_of(session_id), actor)

    async def end_key(self, key: str, actor: Actor = SYSTEM) -> None:
        """End this session; an unknown one is fine. It is not found once this has returned."""

        def ends(other: str, session: Session) -> bool:
            return other == key

        session = self._cache.get(key)
        self._drop(ends)
        username = session.username if session else await self._owner(key)
        over = SessionsEnded(username=username, keys=(key,), actor=actor)
        await self._records.write_if(Write(_REMOVE, {"key": key}), events=self._events(over))
        self._drop(ends)
        self._announce(over)

    async def end_all(self, username: str, *, but: str = "", actor: Actor = SYSTEM) -> list[Session]:
        """End every session of a user except the one with ID `but`; those that were ended."""
        kept = key_of(but) if but else ""
        self._drop(_others(username, kept))
        ended = [session for key, session in await self.of_user(username) if key != kept]
        over = self.over(username, but=but, actor=actor)
        await self._records.write_if(self.removal(username, but=but), events=self._events(over))
        self.removed(over)
        return ended

    @staticmethod
    def over(username: str, *, but: str = "", actor: Actor = SYSTEM) -> SessionsEnded:
        """What a `removal` is announced as: its event belongs into the same transaction."""
        return SessionsEnded(username=username, but=key_of(but) if but else "", actor=actor)

    @staticmethod
    def removal(username: str, *, but: str = "") -> Write:
        """The end of a user's sessions for somebody else's transaction, with `over`; `removed` comes after it."""
        return Write(_REMOVE_ALL, {"owner": username, "kept": key_of(but) if but else ""})

    def removed(self, over: SessionsEnded) -> None:
        """A `removal` is committed, with its event."""
        self._drop(_others(over.username, over.but))
        self._announce(over)

    def forget(self) -> None:
        """Another conductor may have ended sessions: what is remembered counts no more."""
        self._cache.clear()

    async def purge(self) -> int:
        """Delete the expired ones; how many there were."""
        return await self._records.write(Write(_PURGE, {"moment": int(now())}))

    async def _owner(self, key: str) -> str:
        query = sa.select(table.c.username).where(table.c.id == key)
        return str(await self._records.read(lambda sql: sql.execute(query).scalar()) or "")

    async def _read(self, key: str) -> Session | None:
        lookup = _Lookup(key)
        self._lookups.add(lookup)
        try:
            doc = await self._records.read(
                lambda sql: sql.execute(sa.select(table.c.doc).where(table.c.id == key)).scalar()
            )
        finally:
            self._lookups.discard(lookup)
        session = _decode(doc) if doc else None
        if session is None or any(ends(key, session) for ends in lookup.void):
            return None
        self._keep(key, session)
        return session

    async def _touch(self, key: str, session: Session, moment: int) -> Session:
        touched = msgspec.structs.replace(session, modified=moment)
        if key in self._cache:
            self._cache[key] = touched
        # An update finds no row of a session that has ended meanwhile, and so cannot bring it back.
        write = Write(_TOUCH, {"key": key, "touched": msgspec.json.encode(touched)})
        with suppress(Unavailable):  # the session is good all the same
            await self._records.write(write)
        return touched

    def _drop(self, ends: Callable[[str, Session], bool]) -> None:
        for key in [key for key, session in self._cache.items() if ends(key, session)]:
            del self._cache[key]
        for lookup in self._lookups:
            lookup.void.append(ends)

    def _keep(self, key: str, session: Session) -> None:
        self._cache[key] = session
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def _events(self, told: Signal | None) -> Sequence[EventRow]:
        return self._signals.events(told) if self._signals is not None and told is not None else ()

    def _announce(self, over: SessionsEnded) -> None:
        if self._signals is not None:
            self._signals.publish_logged(over)


def _others(username: str, kept: str) -> Callable[[str, Session], bool]:
    return lambda key, session: session.username == username and key != kept
