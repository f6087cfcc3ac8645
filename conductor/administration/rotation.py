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

Interrupt = Callable[[str, Actor, InternalJob], Awaitable[None]]
Hosts = Callable[[], Any]


class Rotation:
    """Every value of every secret under a new key, or, when it fails, everything as it was.

    Sessions and API keys stay valid. Links and tokens that were signed with the old key do not; satellites
    that are connected get a token under the new one, others must be enrolled again.
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
    ) -> None:
        """`hosts`: the conductors that are known. `retell` gives satellites their new tokens; how many."""
        self._key_file = key_file
        self._vault = vault
        self._settings = settings
        self._changes = changes
        self._jobs = jobs
        self._interrupt = interrupt
        self._hosts = hosts
        self._retell = retell

    async def rotate(self, account: Account, password: str, actor: Actor, email: str) -> str:
        """Start it; returns the internal job's ID. Raises Refusal `admin`.

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
            fresh, secrets = await self._key_file.change(self._vault)
            self._settings.secret_key = fresh
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
