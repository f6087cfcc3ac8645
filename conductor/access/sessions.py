"""Sessions of logged-in users. Contract access.md §3.1.

Stored by the SHA-256 of the session ID: a leaked table is no login. Expiry is checked on every read.
"""

import hashlib
import re
import time
from collections import OrderedDict

import msgspec
import sqlalchemy as sa

from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import sessions as table
from conductor.settings import Settings
from shared.clock import now
from shared.ids import hex_id

_SESSION_ID = re.compile(r"[0-9a-f]{64}")
_CACHED = 2_000  # sessions kept in memory; others cost one read

_REMOVE = sa.delete(table).where(table.c.id == sa.bindparam("key"))
_REMOVE_OTHERS = sa.delete(table).where(
    table.c.username == sa.bindparam("owner"), table.c.id != sa.bindparam("kept")
)
_PURGE = sa.delete(table).where(table.c.expires <= sa.bindparam("moment"))
_ADD = insert_new(table)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    username: str
    ip: str
    useragent: str
    created: int
    modified: int
    expires: int
    csrf_token: str = ""


_decode = msgspec.json.Decoder(Session).decode


def _key(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


def expiry(moment: float, days: int) -> int:
    """The local midnight at or before `moment` + `days`."""
    day = time.localtime(moment + days * 86_400)
    return int(time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1)))


class Sessions:
    """Opens, finds and ends sessions; a bounded cache spares the read."""

    def __init__(self, records: Records, settings: Settings) -> None:
        self._records = records
        self._expire_days = settings.User.session_expire_days
        self._cache: OrderedDict[str, Session] = OrderedDict()

    @property
    def max_age(self) -> int:
        """Seconds that the cookie lives."""
        return self._expire_days * 86_400

    async def open(self, username: str, ip: str, useragent: str) -> tuple[str, Session]:
        """A stored session and its ID, which is known to the caller alone."""
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
        )
        key = _key(session_id)
        await self._records.write(
            Write(
                _ADD,
                {
                    "id": key,
                    "username": username,
                    "expires": session.expires,
                    "doc": msgspec.json.encode(session),
                },
            )
        )
        self._keep(key, session)
        return session_id, session

    async def get(self, session_id: str) -> Session | None:
        """The session, or None when the ID is malformed, unknown or expired."""
        if not _SESSION_ID.fullmatch(session_id):
            return None
        key = _key(session_id)
        session = self._cache.get(key)
        if session is None:
            doc = await self._records.read(
                lambda sql: sql.execute(sa.select(table.c.doc).where(table.c.id == key)).scalar()
            )
            if doc is None:
                return None
            session = _decode(doc)
            self._keep(key, session)
        else:
            self._cache.move_to_end(key)
        return session if session.expires > now() else None

    async def end(self, session_id: str) -> None:
        key = _key(session_id)
        self._cache.pop(key, None)
        await self._records.write(Write(_REMOVE, {"key": key}))

    async def end_all(self, username: str, *, but: str = "") -> int:
        """End every session of a user except `but`; how many were ended."""
        kept = _key(but) if but else ""
        for key in [key for key, one in self._cache.items() if one.username == username and key != kept]:
            del self._cache[key]
        return await self._records.write(Write(_REMOVE_OTHERS, {"owner": username, "kept": kept}))

    def forget(self) -> None:
        """Another conductor may have ended sessions: what is remembered counts no more."""
        self._cache.clear()

    async def purge(self) -> int:
        """Delete the expired ones; how many there were."""
        return await self._records.write(Write(_PURGE, {"moment": int(now())}))

    def _keep(self, key: str, session: Session) -> None:
        self._cache[key] = session
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
