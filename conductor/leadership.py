"""Who is primary: a lease in Redis with a fencing epoch for each term.

At most one conductor holds the lease. The holder stops acting by its own monotonic clock, a margin before
the lease can have ended, and never waits to be told; whatever it still sends carries an epoch that Redis
refuses once another term has begun (durability.md, "The lease").
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from conductor.live.connection import AWAY, script, text
from conductor.live.keys import Keys
from shared import clock

_NO_ANSWER = (*AWAY, RedisError)
"""A Redis that refuses, for want of memory or disk, is no reason to stop standing for election."""

log = structlog.get_logger(__name__)

Office = Callable[[int], Coroutine[None, None, None]]
"""What a primary does during one term, given the epoch; cancelled when the term ends."""


class Leadership:
    """One conductor's part in the election."""

    def __init__(self, redis: Redis, keys: Keys, host: str, *, owner: str, ttl: float, margin: float) -> None:
        """`owner` tells this conductor from all others, and is the same after it was killed and started again."""
        self._redis = redis
        self._keys = keys
        self._host = host
        self._owner = owner
        self._ttl = ttl
        self._margin = margin
        self._until = 0.0
        self._known_host = ""
        self._take = redis.register_script(script("take_lease"))
        self._renew = redis.register_script(script("renew_lease"))
        self._release = redis.register_script(script("release_lease"))
        self._serving = False
        self.epoch = 0

    @property
    def holds_lease(self) -> bool:
        """Whether this conductor may act, by its own clock."""
        return clock.monotonic() < self._until

    @property
    def primary(self) -> bool:
        """Whether this conductor holds the lease and has taken up its office."""
        return self._serving and self.holds_lease

    @property
    def primary_host(self) -> str:
        """Host name of the primary as far as known, else empty."""
        return self._host if self.primary else self._known_host

    def took_office(self) -> None:
        """The office has loaded what it needs and answers from now on."""
        self._serving = True

    async def run(self, office: Office) -> None:
        """Stand for election, hold the office while elected, and again, until cancelled."""
        while True:
            if await self._elected():
                await self._term(office)
            else:
                await asyncio.sleep(self._ttl / 6)

    def give_up(self) -> None:
        """A write was refused as deposed: stop acting now."""
        self._until = 0.0

    async def release(self) -> None:
        """Hand the lease back at a clean stop, so that a standby takes over at once."""
        held, self._until, self._serving = self._until, 0.0, False
        if held:
            with contextlib.suppress(*_NO_ANSWER):
                await self._release(keys=[self._keys.lease], args=[self._owner, self.epoch])

    async def _elected(self) -> bool:
        asked = clock.monotonic()
        try:
            epoch = int(
                await self._take(
                    keys=[self._keys.lease, self._keys.epoch], args=[self._owner, self._host, self._ttl_ms]
                )
            )
            if not epoch:
                host = await self._redis.hget(self._keys.lease, "host")
                self._known_host = text(host) if host else ""
                return False
        except _NO_ANSWER as error:
            log.warning("election: redis is away", error=str(error))
            return False
        self.epoch = epoch
        self._until = asked + self._ttl - self._margin
        log.info("became primary", epoch=epoch)
        return True

    async def _term(self, office: Office) -> None:
        """Run the office beside the renewals; whichever ends first ends the other."""
        serving = asyncio.create_task(office(self.epoch), name="office")
        renewing = asyncio.create_task(self._keep(), name="lease")
        try:
            await asyncio.wait((serving, renewing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._serving = False
            for task in (serving, renewing):
                task.cancel()
            await asyncio.gather(serving, renewing, return_exceptions=True)
        if serving.done() and not serving.cancelled() and (error := serving.exception()):
            log.error("the office failed", error=repr(error), exc_info=error)
            await self.release()
            await asyncio.sleep(1)
        self._until = 0.0
        log.warning("no longer primary", epoch=self.epoch)

    async def _keep(self) -> None:
        """Renew until the lease is lost; return then."""
        while self.holds_lease:
            await asyncio.sleep(min(self._ttl / 3, max(self._until - clock.monotonic(), 0)))
            asked = clock.monotonic()
            try:
                async with asyncio.timeout(max(self._until - asked, 0)):
                    renewed = await self._renew(
                        keys=[self._keys.lease, self._keys.epoch],
                        args=[self._owner, self.epoch, self._ttl_ms, self._host],
                    )
            except (*_NO_ANSWER, TimeoutError) as error:
                log.warning("the lease could not be renewed", error=str(error))
                await asyncio.sleep(min(0.2, self._ttl / 20))
                continue
            if not renewed:
                self._until = 0.0
                return
            self._until = asked + self._ttl - self._margin

    @property
    def _ttl_ms(self) -> int:
        return int(self._ttl * 1000)
