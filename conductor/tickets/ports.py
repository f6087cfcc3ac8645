"""What tickets need of other parts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from conductor.outbound.delivery import Delivery


class People(Protocol):
    """The accounts."""

    def get(self, username: str, /) -> Mapping[str, Any] | None:
        """The stored user; its `ticket_emails` false: wants no mail about tickets."""

    def emails_of(self, usernames: Iterable[str], /) -> list[str]:
        """Addresses of existing, active users, once each."""


class Letters(Protocol):
    """The mailer."""

    async def send_template(
        self, template: str, data: Mapping[str, Any], *, to: Sequence[str] = (), message_id: str = ""
    ) -> Delivery: ...


class Happenings(Protocol):
    """Jobs and alerts as mails describe them: hook data (contract structures/*_hook_data.yaml)."""

    async def job(self, job_id: str, /) -> Mapping[str, Any] | None:
        """With `job` in it; None for an unknown one."""

    async def alert(self, alert_id: str, /) -> Mapping[str, Any] | None:
        """With `alert` in it; None for an unknown one."""


class Bonds(Protocol):
    """The lists of tickets that jobs and alerts keep."""

    async def bind(self, ticket_id: str, *, job_id: str = "", alert_id: str = "") -> None: ...

    async def forget(self, ticket_id: str, /) -> None:
        """Take the ticket out of every list."""


class Intent(NamedTuple):
    """What is to be mailed: a document of the global state, stored with the change that it tells of."""

    path: str
    doc: Mapping[str, Any]


class Notified(Protocol):
    """Who mails what is in the global state."""

    def created(self, ticket: Mapping[str, Any], by: str, /) -> Sequence[Intent]:
        """What a new ticket has to tell."""

    def changed(
        self, ticket: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], by: str, /
    ) -> Sequence[Intent]:
        """What these entries of its history have to tell."""

    def stir(self) -> None:
        """Something is to be mailed: its intent is stored."""

    async def deleted(self, ticket_id: str, /) -> None: ...
