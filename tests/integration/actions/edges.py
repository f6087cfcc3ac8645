"""The other rooms as actions see them: each writes down what it was asked, and can hang or fail."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from conductor.actions.ports import Ports
from conductor.errors import Refusal


class Delivered(NamedTuple):
    code: int | str = 0
    description: str = "Sent"
    details: str = ""


class Letter(NamedTuple):
    template: str
    data: Mapping[str, Any]
    to: tuple[str, ...]
    body: str | None
    message_id: str


class Mailer:
    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.answers: list[Delivered] = []
        """What the next ones come to; then all are sent."""
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def send_template(
        self,
        template: str,
        data: Mapping[str, Any],
        *,
        to: Sequence[str] = (),
        body: str | None = None,
        message_id: str = "",
    ) -> Delivered:
        self.sent.append(Letter(template, data, tuple(to), body, message_id))
        await self.hangs.wait()
        return self.answers.pop(0) if self.answers else Delivered()


class Fired(NamedTuple):
    hook: str
    data: Mapping[str, Any]
    secrets: Mapping[str, str]
    key: str


class WebHooks:
    def __init__(self) -> None:
        self.fired: list[Fired] = []
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.answer = Delivered(description="Success (HTTP 200 OK)", details="a request")

    async def fire(
        self,
        hook: Mapping[str, Any],
        data: Mapping[str, Any],
        *,
        secrets: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> Delivered:
        self.fired.append(Fired(str(hook["id"]), data, secrets or {}, idempotency_key))
        await self.hangs.wait()
        return self.answer


class Tickets:
    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.asked: list[str] = []
        """Under which IDs."""
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def create(
        self,
        doc: Mapping[str, Any],
        *,
        actor: Any,
        username: str,
        job_id: str = "",
        alert_id: str = "",
        correlation_id: str = "",
        id: str = "",
        causation_id: str = "",
    ) -> dict[str, Any]:
        self.asked.append(id)
        number = len(self.created) + 1
        ticket = {**doc, "id": f"t{number}", "num": number, "username": username}
        self.created.append(ticket)
        await self.hangs.wait()
        return ticket


class Buckets:
    def __init__(self) -> None:
        self.stored: list[tuple[str, Any, list[Any]]] = []
        self.held: dict[str, Any] = {"data": {}, "files": []}

    async def data(self, bucket_id: str) -> dict[str, Any]:
        return dict(self.held["data"])

    async def files(self, bucket_id: str) -> list[dict[str, Any]]:
        return list(self.held["files"])

    async def store(
        self, bucket_id: str, *, data: Mapping[str, Any] | None, files: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        if len(files) > 2:
            raise Refusal("bucket", "Too many files.")
        self.stored.append((bucket_id, data, list(files)))
        return ["Stored."]


class Secrets:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def of_plugin(self, plugin_id: str) -> dict[str, str]:
        return self.values

    def of_web_hook(self, hook_id: str) -> dict[str, str]:
        return self.values


class Addresses:
    def emails_of(self, usernames: Iterable[str]) -> list[str]:
        return [f"{name}@example.com" for name in usernames if name != "gone"]


class Browsers:
    def __init__(self) -> None:
        self.told: list[tuple[list[str], Mapping[str, Any]]] = []

    def notify(self, usernames: Iterable[str], data: Mapping[str, Any]) -> None:
        self.told.append((list(usernames), data))


class Snapshots:
    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str, str]] = []
        self.asked: list[tuple[str, bool]] = []
        """Under which key, and whether again."""
        self.hangs = asyncio.Event()
        self.hangs.set()

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
        self.taken.append((server_id, source, job_id, alert_id))
        self.asked.append((key, again))
        await self.hangs.wait()
        return "s1"


class Alerts:
    def __init__(self) -> None:
        self.cleared: list[tuple[str, str]] = []

    async def clear(self, alert_id: str, *, job_id: str = "") -> None:
        self.cleared.append((alert_id, job_id))


class Counts:
    def __init__(self) -> None:
        self.day: dict[str, Any] = {}

    def current_day(self) -> Mapping[str, Any]:
        return self.day

    def bump(self, *path: str, amount: int = 1) -> None:
        place = self.day
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = place.get(path[-1], 0) + amount


class Edges:
    """All of them, and the ports that lead to them."""

    def __init__(self) -> None:
        self.mailer = Mailer()
        self.web_hooks = WebHooks()
        self.tickets = Tickets()
        self.buckets = Buckets()
        self.secrets = Secrets()
        self.browsers = Browsers()
        self.snapshots = Snapshots()
        self.alerts = Alerts()
        self.counts = Counts()
        self.ports = Ports(
            mailer=self.mailer,
            web_hooks=self.web_hooks,
            tickets=self.tickets,
            buckets=self.buckets,
            secrets=self.secrets,
            addresses=Addresses(),
            browsers=self.browsers,
            snapshots=self.snapshots,
            alerts=self.alerts,
            counts=self.counts,
        )
