"""What actions ask of other rooms. Each port may be absent: then the action says that it cannot be done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from conductor.live.job import ActiveJob

Doc = Mapping[str, Any]


class Delivery(Protocol):
    """What came of a mail or a request. `code` 0: it was sent, or there was good reason not to."""

    @property
    def code(self) -> int | str: ...

    @property
    def description(self) -> str: ...

    @property
    def details(self) -> str: ...


class Mailer(Protocol):
    async def send_template(
        self,
        template: str,
        data: Doc,
        *,
        to: Sequence[str] = (),
        body: str | None = None,
        message_id: str = "",
    ) -> Delivery:
        """Send one mail. Never raises for trouble with the mail server.

        `message_id` is the same for the same mail, so that who gets it twice can tell.
        """
        ...


class WebHooks(Protocol):
    async def fire(
        self, hook: Doc, data: Doc, *, secrets: Mapping[str, str] = ..., idempotency_key: str = ""
    ) -> Delivery:
        """Expand and send a hook's request, with its retries; `idempotency_key` goes along as a header."""
        ...


class Tickets(Protocol):
    async def create(
        self,
        doc: Doc,
        *,
        actor: Any,
        username: str,
        job_id: str = "",
        alert_id: str = "",
        correlation_id: str = "",
        id: str = "",
        causation_id: str = "",
    ) -> dict[str, Any]:
        """The stored ticket with its number; it lists the job or alert it is of. Raises Refusal.

        Under the same `id` it is made once, however often it is asked for.
        """
        ...


class Buckets(Protocol):
    async def data(self, bucket_id: str) -> dict[str, Any]: ...

    async def files(self, bucket_id: str) -> list[dict[str, Any]]: ...

    async def store(self, bucket_id: str, *, data: Doc | None, files: Sequence[Doc]) -> list[str]:
        """Merge data and copy a job's files into a bucket; returns the steps as text. Raises Refusal."""
        ...


class Secrets(Protocol):
    """Values that are given away. Asking is using: it is announced by who answers."""

    def of_plugin(self, plugin_id: str) -> dict[str, str]: ...

    def of_web_hook(self, hook_id: str) -> dict[str, str]: ...


class Addresses(Protocol):
    def emails_of(self, usernames: Iterable[str]) -> list[str]:
        """Addresses of those who exist and are active, each once."""
        ...


class Browsers(Protocol):
    def notify(self, usernames: Iterable[str], data: Doc) -> None: ...


class Snapshots(Protocol):
    async def take_server(
        self,
        server_id: str,
        *,
        source: str,
        job_id: str = "",
        alert_id: str = "",
        key: str = "",
        again: bool = False,
    ) -> str:
        """ID of the new snapshot. Raises Refusal when there is nothing to take it of.

        `key` names this one wish; when it is expressed `again`, the snapshot that was taken for it is the answer.
        """
        ...


class Alerts(Protocol):
    async def clear(self, alert_id: str, *, job_id: str = "") -> None:
        """Clear an active alert early; one that is not active is left as it is."""
        ...


class Samples(Protocol):
    async def latest(self, server_id: str) -> dict[str, Any] | None:
        """A server's latest minute sample."""
        ...


class DayCounts(Protocol):
    """Counters of today."""

    def current_day(self) -> Mapping[str, Any]: ...

    def bump(self, *path: str, amount: int = 1) -> None: ...


class Jobs(Protocol):
    """The jobs room of this term."""

    async def launch(
        self,
        event: Doc,
        *,
        source: str,
        idempotency_key: str,
        start_delay: float = 0.0,
        start_trigger: str = "",
        correlation_id: str = "",
        causation_id: str = "",
    ) -> str:
        """Run an event's document with overrides laid over it; the same key never makes a second job.

        Raises Refusal (code `event`).
        """
        ...

    def abort(self, job_id: str, reason: str) -> None: ...

    def note(self, job: ActiveJob, text: str) -> None:
        """Add a row to the job's meta log."""
        ...

    def changed(self, job_id: str) -> None:
        """Tell those who follow the job."""
        ...

    def merge_params(self, job: ActiveJob, params: Doc) -> None:
        """Set parameters of a job that has not run, with their macros and overrides. Raises Refusal."""
        ...

    def output(self, job: ActiveJob) -> str:
        """The end of what the job has printed so far; empty when it is not at hand."""
        ...


@dataclass(slots=True, kw_only=True)
class Ports:
    """The ports that exist in this house."""

    mailer: Mailer | None = None
    web_hooks: WebHooks | None = None
    tickets: Tickets | None = None
    buckets: Buckets | None = None
    secrets: Secrets | None = None
    addresses: Addresses | None = None
    browsers: Browsers | None = None
    snapshots: Snapshots | None = None
    alerts: Alerts | None = None
    samples: Samples | None = None
    counts: DayCounts | None = None
