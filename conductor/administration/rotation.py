"""A new secret key while the house runs (contract api/admin.yaml, admin_rotate_secret_key)."""

from collections.abc import Awaitable, Callable
from typing import Any

from conductor.access.account import Account
from conductor.access.changes import AccountChanges
from conductor.administration.internal_jobs import InternalJob, InternalJobs
from conductor.definitions.key_file import KeyFile, Rotating
from conductor.errors import Refusal
from conductor.settings import Settings
from conductor.signals import Actor
from shared.clock import now

Interrupt = Callable[[str, Actor, InternalJob], Awaitable[None]]
Hosts = Callable[[], Any]


class Rotation:
    """Every value of every secret under a new key, or, when it fails, everything as it was.

    Sessions and API keys stay valid. Satellites that are connected get a token under the new one; others, and
    links, may use the old one for a while (`grace`).
    """

    def __init__(
        self,
        key_file: KeyFile,
        vault: Rotating,
        settings: Settings,
        changes: AccountChanges,
        jobs: InternalJobs,
        *,
        interrupt: Interrupt,
        hosts: Hosts,
        retell: Callable[[], int],
        reseal: Callable[[], Awaitable[None]],
    ) -> None:
        """`hosts`: the conductors that are known. `retell` gives satellites their new tokens; how many.

        `reseal` puts whatever else is under the secret key under the new one.
        """
        self._key_file = key_file
        self._vault = vault
        self._settings = settings
        self._changes = changes
        self._jobs = jobs
        self._interrupt = interrupt
        self._hosts = hosts
        self._retell = retell
        self._reseal = reseal
        self._kept = key_file.previous(now())
        """Of `previous_secret_keys` those that rotations have left, which end by themselves."""
        settings.previous_secret_keys = [*settings.previous_secret_keys, *self._kept]

    def forget_previous(self) -> int:
        """Drop earlier keys whose time is over; how many. For maintenance."""
        good = self._key_file.keep_previous(now())
        over = [key for key in self._kept if key not in good]
        self._kept = [key for key in self._kept if key in good]
        self._settings.previous_secret_keys = [
            key for key in self._settings.previous_secret_keys if key not in over
        ]
        return len(over)

    async def rotate(
        self, account: Account, password: str, actor: Actor, email: str, grace: float | None = None
    ) -> str:
        """Start it; returns the internal job's ID. Raises Refusal `admin`.

        Tokens under the present key stay good for `grace` seconds (by default as long as a satellite's own key,
        `satellite_key_grace_seconds`); 0 when the key has leaked.

        For the password of the caller's own account: an API key has none. A key that comes from the settings,
        and one that several conductors share, is not ours to change: `opsorbit rotate-secret-key` says how.
        """
        await self._changes.check_password(account, password, actor, "admin", "Your password is incorrect.")
        if self._key_file.current() != self._settings.secret_key:
            raise Refusal("admin", "The secret key comes from the settings, where it is to be changed.")
        if len(self._hosts()) > 1:
            raise Refusal("admin", "Several conductors share the secret key: stop them to change it.")

        async def work(job: InternalJob) -> None:
            await self._interrupt("The secret key is being changed.", actor, job)
            job.progress(0.5)
            old, moment = self._settings.secret_key, now()
            seconds = self._settings.satellite_key_grace_seconds if grace is None else grace
            fresh, secrets = await self._key_file.change(self._vault, moment=moment, grace=seconds)
            if seconds > 0:
                self._kept = [old, *self._kept]
                self._settings.previous_secret_keys = [old, *self._settings.previous_secret_keys]
            self._settings.secret_key = fresh
            await self._reseal()
            servers = self._retell()
            job.stats |= {"secrets": secrets, "servers": servers}
            told = f"- secrets under the new key: {secrets}\n- satellites with a new token: {servers}"
            job.details = f"{job.details}\n\n{told}".strip()

        return self._jobs.start(
            "Rotate secret key",
            "maint",
            work,
            username=account.name,
            actor=actor,
            exclusive=True,
            email=email,
        )
