"""Who may do what: users, their sessions and their keys."""

from conductor.access.accounts import Accounts
from conductor.access.avatars import Avatars
from conductor.access.changes import AccountChanges
from conductor.access.factor_check import FactorCheck
from conductor.access.factor_secrets import FactorSecrets
from conductor.access.key_usage import KeyUsage
from conductor.access.post import Post
from conductor.access.recovery import Recovery
from conductor.access.second_factors import SecondFactors
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Sessions
from conductor.access.users import Users
from conductor.composition.ground import Ground


class Access:
    """The room of users and credentials."""

    def __init__(self, ground: Ground) -> None:
        settings, signals = ground.settings, ground.signals
        self.users = Users(ground.records)
        self.sessions = Sessions(ground.records, settings, signals)
        self.security = SecurityLog(ground.records)
        factor_secrets = FactorSecrets(ground.vault)
        factor_check = FactorCheck(self.users, factor_secrets, self.security, signals)
        self.accounts = Accounts(
            self.users, self.sessions, ground.definitions, settings, signals, factor_check
        )
        self.avatars = Avatars(ground.files)
        self.post = Post()
        self.changes = AccountChanges(
            self.users,
            self.sessions,
            self.accounts.roles,
            self.accounts.attempts,
            self.security,
            self.avatars,
            self.post,
            signals,
            settings,
        )
        self.second_factors = SecondFactors(
            self.accounts, self.changes, factor_secrets, factor_check, self.security, signals
        )
        self.recovery = Recovery(ground.records, self.users, self.changes, self.post, settings)
        self.key_usage = KeyUsage(self.accounts.keys, ground.definitions, ground.definitions.state)

    def email_of(self, username: str) -> str:
        """A user's address, "" if there is none."""
        return str((self.users.get(username) or {}).get("email") or "")
