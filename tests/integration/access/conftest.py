"""The whole room over a real database, once on each engine."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.access.avatars import Avatars
from conductor.access.changes import AccountChanges
from conductor.access.factor_check import FactorCheck
from conductor.access.factor_secrets import FactorSecrets
from conductor.access.post import Post
from conductor.access.recovery import Recovery
from conductor.access.second_factors import SecondFactors
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Sessions
from conductor.access.users import Users
from conductor.announcer import Signals
from conductor.audit.chronicle import described
from conductor.definitions.repository import Definitions
from conductor.definitions.vault import Vault
from conductor.records.files import Files
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.settings_sections import UserSettings
from conductor.signals import Actor, Signal
from tests.databases import database_url, postgres
from tests.databases import records as any_records

__all__ = ["any_records", "database_url", "postgres"]

ADMIN = Actor(kind="user", id="admin", ips=("192.0.2.1",))
PASSWORD = "right horse"
KEY = "the secret key of this house"


@dataclass
class Sent:
    code: int = 0
    description: str = ""


class Outgoing:
    """Where mail leaves the house."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, Mapping[str, Any], list[str]]] = []

    async def send_template(self, template: str, data: Mapping[str, Any], *, to: Sequence[str] = ()) -> Sent:
        self.letters.append((template, data, list(to)))
        return Sent()


class House:
    """Every service of the room, and what it announced."""

    def __init__(self, records: Records, folder: Path, settings: Settings) -> None:
        self.records, self.settings = records, settings
        self.signals, self.seen = Signals(described), []
        self.signals.subscribe("test", self._saw)
        self.definitions = Definitions(records, self.signals)
        self.users = Users(records)
        self.sessions = Sessions(records, settings, self.signals)
        self.security = SecurityLog(records)
        self.vault = Vault(records, KEY)
        secrets = FactorSecrets(self.vault)
        check = FactorCheck(self.users, secrets, self.security, self.signals)
        self.accounts = Accounts(self.users, self.sessions, self.definitions, settings, self.signals, check)
        self.avatars = Avatars(Files.open((folder / "files").as_uri()))
        self.mailer = Outgoing()
        self.post = Post(self.mailer)
        self.changes = AccountChanges(
            self.users, self.sessions, self.accounts.roles, self.accounts.attempts, self.security, self.avatars,
            self.post, self.signals, settings,
        )  # fmt: skip
        self.factors = SecondFactors(self.accounts, self.changes, secrets, check, self.security, self.signals)
        self.recovery = Recovery(records, self.users, self.changes, self.post, settings)

    seen: list[Signal]

    async def _saw(self, signal: Signal) -> None:
        self.seen.append(signal)

    async def user(self, name: str, **fields: Any) -> Account:
        """A new account with `PASSWORD`, logged in."""
        given = {"full_name": name.title(), "email": f"{name}@example.com", **fields}
        await self.changes.create(name, PASSWORD, given, ADMIN, welcome=False)
        return await self.log_in(name)

    async def log_in(
        self, name: str, password: str = PASSWORD, address: str = "192.0.2.7", code: str = ""
    ) -> Account:
        session_id, session, _ = await self.accounts.log_in(name, password, address, "curl/8", code=code)
        return self.accounts.of_session(session, session_id)

    async def mailed(self) -> list[str]:
        """The templates of all letters so far."""
        await self.post._letters.join()
        return [template for template, _, _ in self.mailer.letters]

    async def heard(self, kind: type[Signal]) -> list[Any]:
        await self.signals.settled(5)
        return [one for one in self.seen if isinstance(one, kind)]


@pytest.fixture
async def house(any_records: Records, tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings(User=UserSettings(free_accounts=True, password_min_length=4))
    made = House(any_records, tmp_path, settings)
    await made.definitions.load()
    await made.users.ensure_admin(PASSWORD)
    running = [asyncio.create_task(part.run()) for part in (made.signals, made.post)]
    yield made
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
