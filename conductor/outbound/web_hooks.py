"""Fires web hooks: counts, sends, tries again, reports. Contract platform.md §12, api/web_hooks.yaml."""

import asyncio
import email.utils
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import structlog

from conductor.announcer import Signals
from conductor.errors import Refusal
from conductor.outbound.delivery import Delivery
from conductor.outbound.hook_report import Redaction, report
from conductor.outbound.hook_request import HookRequest, MalformedHook, build
from conductor.outbound.http import Answer, HttpClient, HttpFailed
from conductor.settings import Settings
from conductor.signals import HookDelivered
from shared.clock import monotonic, now
from shared.expressions import Directory, truthy

WEBHOOK = "webhook"
"""The code of a hook that failed."""
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_PAUSE = 60.0
"""Of a `Retry-After` that is honoured: whoever fires the hook waits for its result."""

log = structlog.get_logger(__name__)

Count = Callable[[str, int], Awaitable[bool]]
"""Count one invocation of a hook; False when it has had as many as the second argument today. 0: unlimited."""


async def _uncounted(hook_id: str, limit: int) -> bool:
    return True


class WebHooks:
    """`fire` a stored hook; `send` one without counting. Neither raises for what the other side does."""

    def __init__(
        self,
        client: HttpClient,
        settings: Settings,
        *,
        count: Count = _uncounted,
        directory: Directory | None = None,
        signals: Signals | None = None,
    ) -> None:
        """`directory` is what `server()` and `event()` look up in a hook's macros. `signals` tell of each delivery."""
        self._client = client
        self._settings = settings
        self._count = count
        self._directory = directory
        self._signals = signals

    async def fire(
        self,
        hook: Mapping[str, Any],
        data: Mapping[str, Any],
        *,
        secrets: Mapping[str, str] = {},
        idempotency_key: str = "",
    ) -> Delivery:
        """Send `hook` with `data`; `secrets` are those assigned to it alone.

        A disabled hook and one that has had its `max_per_day` send nothing: code `webhook`. It is counted
        before it is sent, once, however often it is tried.
        """
        hook_id = str(hook.get("id", ""))
        if not truthy(hook.get("enabled", True)):
            return _failed(f"Web Hook is disabled: {hook_id}")
        limit = hook.get("max_per_day")
        most = int(limit) if isinstance(limit, int | float) and limit > 0 else 0
        try:
            if not await self._count(hook_id, most):
                return _failed(f"Web Hook has reached maximum daily limit: {hook_id} ({most}/day)")
        except Refusal as refusal:
            return _failed(f"Web Hook could not be counted: {refusal.description}")
        return await self.send(hook, data, secrets=secrets, idempotency_key=idempotency_key)

    async def send(
        self,
        hook: Mapping[str, Any],
        data: Mapping[str, Any],
        *,
        secrets: Mapping[str, str] = {},
        idempotency_key: str = "",
    ) -> Delivery:
        """As `fire` for a hook that need not be stored: neither its switch nor its daily limit counts."""
        try:
            request = build(
                hook,
                data,
                secrets=secrets,
                options=self._settings.web_hook_custom_opts,
                idempotency_key=idempotency_key,
                directory=self._directory,
            )
        except MalformedHook as error:
            return _failed(str(error))
        delivery = await self._told(hook, request, Redaction(secrets.values()))
        log.info("web hook", hook=hook.get("id", ""), code=delivery.code, result=delivery.description)
        return delivery

    async def deliver(self, request: HookRequest, *, hidden: Iterable[str] = ()) -> Delivery:
        """Send what is expanded already; values of `hidden` are not in the report."""
        return await self._told({}, request, Redaction(hidden))

    async def _told(self, hook: Mapping[str, Any], request: HookRequest, redact: Redaction) -> Delivery:
        """Send it, and announce what came of it."""
        started = monotonic()
        delivery = await self._exchange(request, redact)
        if self._signals is not None:
            self._signals.publish(
                HookDelivered(
                    hook_id=str(hook.get("id", "")),
                    title=redact(str(hook.get("title", ""))),
                    method=request.method,
                    url=redact(request.url),
                    code=delivery.code,
                    description=delivery.description,
                    details=delivery.details,
                    elapsed_ms=int((monotonic() - started) * 1000),
                )
            )
        return delivery

    async def _exchange(self, request: HookRequest, redact: Redaction) -> Delivery:
        attempt = 0
        while True:
            attempt += 1
            last = attempt > request.retries
            try:
                answer = await self._client.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    body=request.body.encode(errors="replace"),
                    timeout=request.timeout,
                    follow=request.follow,
                    verify=request.verify,
                )
            except HttpFailed as error:
                if error.transient and not last:
                    continue
                return _failed(
                    f"Web Hook failed: {redact(str(error))}",
                    report(request, redact, error=str(error), attempts=attempt),
                )
            if answer.status in _AGAIN and not last:
                await asyncio.sleep(pause_of(answer, now()))
                continue
            return _result(request, answer, redact, attempt)


def _result(request: HookRequest, answer: Answer, redact: Redaction, attempts: int) -> Delivery:
    status = redact(f"HTTP {answer.status} {answer.reason}".rstrip())
    details = report(request, redact, answer=answer, attempts=attempts)
    if answer.ok:
        return Delivery(description=f"Success ({status})", details=details)
    return _failed(f"Web Hook failed: {status}", details)


def pause_of(answer: Answer, moment: float) -> float:
    """Seconds that `Retry-After` asks for (a number or a date), at most a minute; 0 without one."""
    asked = answer.headers.get("Retry-After", "").strip()
    if not asked:
        return 0.0
    if asked.isascii() and asked.isdigit():
        return min(float(asked[:9]), _LONGEST_PAUSE)
    try:
        return min(max(email.utils.parsedate_to_datetime(asked).timestamp() - moment, 0.0), _LONGEST_PAUSE)
    except (ValueError, OverflowError):
        return 0.0


def _failed(description: str, details: str = "") -> Delivery:
    return Delivery(code=WEBHOOK, description=description, details=details)
