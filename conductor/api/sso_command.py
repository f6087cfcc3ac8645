"""The operator's own command that says who a caller is. Contract access.md §9, `command`."""

import asyncio
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from aiohttp import web

from conductor.api import client, query
from conductor.api.call import Call
from conductor.errors import Refusal
from conductor.settings import Settings
from shared.ids import short_id

COMMAND_SECONDS = 60.0
_MOST_AT_ONCE = 8
_MAX_OUTPUT = 1024 * 1024
_PRIVATE = ("OPSORBIT_", "XYOPS_")

log = structlog.get_logger(__name__)


class SsoAnswer(msgspec.Struct, kw_only=True):
    xy: int
    code: Any = 0
    description: str = ""
    headers: dict[str, str] = {}
    redirect: str = ""


_decode = msgspec.json.Decoder(SsoAnswer).decode


class SsoCommand:
    """Runs `SSO.command` for one visit: the request as JSON on its standard input, the last line is its answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._words = shlex.split(settings.SSO.command)
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)

    async def run(self, request: web.BaseRequest, call: Call, headers: Mapping[str, str]) -> SsoAnswer:
        """Its answer, with headers that may be sent. Raises Refusal `sso` for a refusal, a failure or silence."""
        async with self._slots:
            line = await self._last_line(self._asked(request, call, headers))
        try:
            answer = _decode(line)
        except (msgspec.MsgspecError, ValueError):
            raise Refusal("sso", "The login command gave no answer that can be read.") from None
        if answer.xy != 1 or answer.code not in (0, "0", "", None, False):
            raise Refusal("sso", answer.description or "The login command refused.")
        if not answer.headers and not answer.redirect:
            raise Refusal("sso", "The login command named nobody.")
        unfit = any(mark in text for pair in answer.headers.items() for text in pair for mark in "\r\n\0")
        if unfit or any(mark in answer.redirect for mark in "\r\n\0"):
            raise Refusal("sso", "The login command gave no answer that can be read.")
        return answer

    def _asked(self, request: web.BaseRequest, call: Call, headers: Mapping[str, str]) -> bytes:
        sso = self._settings.SSO
        target = request.raw_path
        return msgspec.json.encode(
            {
                "xy": 1,
                "type": "sso",
                "config": msgspec.to_builtins(sso),
                "base_app_url": self._settings.base_app_url,
                "method": request.method,
                "url": target,
                "headers": headers,
                "cookies": client.cookies(request.headers.get("Cookie", "")),
                "query": query.parse(target.partition("?")[2]),
                "id": short_id("r"),
                "ip": call.ip,
                "ips": call.ips,
            }
        )

    async def _last_line(self, asked: bytes) -> bytes:
        run_as = self._settings.default_plugin_credentials.get("sso")
        identity: dict[str, Any] = {}
        if run_as and run_as.uid != "":
            identity["user"] = run_as.uid
        if run_as and run_as.gid != "":
            identity["group"] = run_as.gid
        environment = {key: value for key, value in os.environ.items() if not key.startswith(_PRIVATE)}
        try:
            child = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
                limit=_MAX_OUTPUT,
                **identity,
            )
        except (OSError, ValueError) as error:
            log.error("the SSO command cannot be started", reason=str(error))
            raise Refusal("sso", "The login command cannot be started.") from None
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                output, _ = await child.communicate(asked + b"\n")
        except TimeoutError:
            raise Refusal("sso", "The login command took too long.") from None
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        lines = output.strip().splitlines()
        return lines[-1] if lines else b""
