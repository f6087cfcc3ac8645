"""System hooks: what operators want to follow an activity (contract platform.md §9, actions.md §10).

A follower of the activity log with a queue of its own: whoever caused an activity never waits for a hook, and
what a hook does is told in the log alone.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from conductor.outbound.addresses import addresses
from conductor.outbound.daily import local_time
from conductor.outbound.dates import formatted
from conductor.outbound.delivery import Delivery
from conductor.outbound.hook_request import SIGNATURE, HookRequest, signature
from conductor.outbound.mail import Mailer
from conductor.outbound.web_hooks import WebHooks
from conductor.settings import Settings
from shared.clock import now
from shared.expressions import expand
from shared.expressions.functions import percent_encode

Json = dict[str, Any]

CAUSE = "caused_by"
"""In an activity that a hook itself has caused: no hook follows it, or `*` with a ticket would never end."""
OF_HOOKS = "hook:"
_WAITING = 1_000
_AT_ONCE = 4
_SHELL_SECONDS = 60.0
_SHELL_OUTPUT = 16_384
_URL_RETRIES = 2
_HOOK_ID = re.compile(r"\w+", re.ASCII)
_HIDDEN_VARIABLES = ("OPSORBIT_", "XYOPS_")

log = structlog.get_logger(__name__)


class Firing(NamedTuple):
    name: str
    hook: Any
    data: Json


class TicketMaker(Protocol):
    """Creates a ticket by `system`, remembering what caused it."""

    def __call__(self, doc: Mapping[str, Any], caused_by: str, /) -> Awaitable[Mapping[str, Any]]: ...


async def _no_tickets(doc: Mapping[str, Any], caused_by: str, /) -> Mapping[str, Any]:
    raise LookupError("tickets are not available")


class SystemHooks:
    """`follow` rows of the activity log, `fire` what is no activity (`job_start`…), and `run`."""

    def __init__(
        self,
        settings: Settings,
        web_hooks: WebHooks,
        mailer: Mailer,
        *,
        hook: Callable[[str], Mapping[str, Any] | None],
        secrets: Callable[[str], Mapping[str, str]] = lambda hook_id: {},
        ticket: TicketMaker = _no_tickets,
        version: str = "",
        folder: Path | None = None,
    ) -> None:
        """`hook` is a stored web hook by ID, `secrets` what is assigned to it; `folder` where commands run."""
        self._settings = settings
        self._web_hooks = web_hooks
        self._mailer = mailer
        self._hook = hook
        self._secrets = secrets
        self._ticket = ticket
        self._version = version
        self._folder = folder
        self._queue: asyncio.Queue[Firing] = asyncio.Queue(_WAITING)
        self.dropped = 0

    def follow(self, row: Json) -> None:
        """Take a stored activity row; returns at once."""
        if str(row.get(CAUSE, "")).startswith(OF_HOOKS):
            return
        self.fire(str(row.get("action", "")), row)

    def fire(self, name: str, data: Mapping[str, Any]) -> None:
        """Do what is configured for `name`, or else for `*`; returns at once. A full queue drops and counts."""
        hooks = self._settings.hooks
        wanted = hooks.get(name) or hooks.get("*")
        if not wanted:
            return
        try:
            self._queue.put_nowait(Firing(name, wanted, dict(data)))
        except asyncio.QueueFull:
            self.dropped += 1
            log.warning("system hooks are behind, one is dropped", hook=name, dropped=self.dropped)

    async def run(self) -> None:
        """Carry hooks out until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(_AT_ONCE):
                group.create_task(self._work(), name=f"system hooks {number}")

    async def settled(self, timeout: float) -> None:
        """Return when everything taken so far is done, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._queue.join()

    async def _work(self) -> None:
        while True:
            firing = await self._queue.get()
            try:
                await self._carry_out(firing)
            except Exception:
                log.exception("system hook failed", hook=firing.name)
            finally:
                self._queue.task_done()

    async def _carry_out(self, firing: Firing) -> None:
        hook = firing.hook
        if isinstance(hook, str):
            hook = {"web_hook": hook} if _HOOK_ID.fullmatch(hook) else {"url": hook}
        if not isinstance(hook, Mapping):
            log.warning("system hook is malformed", hook=firing.name)
            return
        data = self._payload(firing)
        ways: Mapping[str, Callable[[Mapping[str, Any], Json], Awaitable[Delivery]]] = {
            "url": self._url,
            "web_hook": self._web_hook,
            "shell_exec": self._shell,
            "email": self._email,
            "ticket": self._make_ticket,
        }
        for way, carry_out in ways.items():
            if not hook.get(way):
                continue
            try:
                delivery = await carry_out(hook, data)
            except Exception as error:  # one way's trouble is not the others'
                log.warning("system hook failed", hook=firing.name, way=way, reason=str(error)[:500])
            else:
                tell = log.info if delivery.ok else log.warning
                tell(
                    "system hook", hook=firing.name, way=way, code=delivery.code, result=delivery.description
                )

    def _payload(self, firing: Firing) -> Json:
        data = {key: value for key, value in firing.data.items() if key not in ("env", "secrets")}
        text = str(data.get("text") or describe(firing.name, data))
        return {
            **data,
            "action": data.get("action", firing.name),
            "epoch": data.get("epoch", int(now())),
            "description": text,
            "text": text,
            "content": text,
            "message": text,
        }

    async def _url(self, hook: Mapping[str, Any], data: Json) -> Delivery:
        """POST the payload. `retries` (2) after passing failures; `hmac_key` signs the body."""
        retries, key = hook.get("retries"), str(hook.get("hmac_key") or "")
        body = msgspec.json.encode(data)
        headers = {"Content-Type": "application/json"}
        if data.get("id"):
            headers["Idempotency-Key"] = str(data["id"])
        if key:
            headers[SIGNATURE] = signature(key, body)
        request = HookRequest(
            method="POST",
            url=expand(str(hook["url"]), data, value_filter=_encoded),
            headers=headers,
            body=body.decode(),
            retries=retries if isinstance(retries, int) else _URL_RETRIES,
        )
        return await self._web_hooks.deliver(request, hidden=[key])

    async def _web_hook(self, hook: Mapping[str, Any], data: Json) -> Delivery:
        hook_id = str(hook["web_hook"])
        stored = self._hook(hook_id)
        if stored is None:
            return Delivery(code="webhook", description=f"Web Hook not found: {hook_id[:80]}")
        return await self._web_hooks.fire(
            stored, data, secrets=self._secrets(hook_id), idempotency_key=str(data.get("id", ""))
        )

    async def _shell(self, hook: Mapping[str, Any], data: Json) -> Delivery:
        """One JSON line on its standard input; the command itself is never expanded."""
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(_HIDDEN_VARIABLES)
        }
        process = await asyncio.create_subprocess_shell(
            str(hook["shell_exec"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env={**environment, "XYOPS": self._version},
            start_new_session=True,
        )
        line = msgspec.json.encode({"xy": 1, **data}) + b"\n"
        try:
            async with asyncio.timeout(_SHELL_SECONDS):
                output = await _conversed(process, line)
                status = await process.wait()
        except TimeoutError:
            return Delivery(code="shell", description=f"Command took longer than {_SHELL_SECONDS:g} seconds")
        finally:
            await _end(process)
        text = " ".join(output.decode(errors="replace").split())
        if status:
            return Delivery(code="shell", description=f"Command ended with status {status}: {text[:500]}")
        return Delivery(description=text[:500] or "Command ended")

    async def _email(self, hook: Mapping[str, Any], data: Json) -> Delivery:
        return await self._mailer.send_template(
            "activity", self._nice(data), to=addresses(str(hook["email"]))
        )

    async def _make_ticket(self, hook: Mapping[str, Any], data: Json) -> Delivery:
        given = hook["ticket"] if isinstance(hook["ticket"], Mapping) else {}
        nice = self._nice(data)
        written = self._mailer.templates.fill("activity", nice)
        doc = {
            "type": "issue",
            "status": "open",
            "subject": f"Activity Report: {data['description']}",
            "body": written.text if written else data["description"],
            **given,
        }
        ticket = await self._ticket(doc, f"{OF_HOOKS}{data['action']}")
        return Delivery(description=f"Ticket #{ticket.get('num')}")

    def _nice(self, data: Json) -> Json:
        when = local_time(float(data["epoch"]), self._settings.tz)
        extras = [
            f"- **{label}:** {data[key]}"
            for key, label in (("username", "User"), ("ip", "Address"), ("hostname", "Server"))
            if data.get(key)
        ]
        return {
            **data,
            "nice_date_time": formatted(self._settings.tickets.date_time_format, when),
            "hostID": self._settings.host_id(),
            "extras": "\n".join(extras),
            "json": msgspec.json.format(msgspec.json.encode(data), indent=2).decode().replace("```", "'''"),
        }


def describe(action: str, data: Mapping[str, Any]) -> str:
    """One line about an activity: what was done to what, by whom."""
    words = action.replace("_", " ").strip().capitalize() or "Activity"
    what = str(data.get("description") or data.get("title") or "")
    who = str(data.get("username") or "")
    return f"{words}{f': {what}' if what else ''}{f' (by {who})' if who else ''}"


async def _conversed(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    """Give `line` and take the output at once; more than a screenful of it is read and thrown away."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        return b""

    async def give() -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read
            stdin.write(line)
            await stdin.drain()
        stdin.close()

    kept = bytearray()
    async with asyncio.TaskGroup() as group:
        group.create_task(give())
        while chunk := await stdout.read(65_536):
            kept += chunk[: max(_SHELL_OUTPUT - len(kept), 0)]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of the command stays behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _encoded(value: Any) -> str:
    """A macro's value inside a URL."""
    return percent_encode(value if isinstance(value, str) else msgspec.json.encode(value).decode())
