"""A scripted conductor: the far end of the satellite's wire, in both of its encodings.

It accepts one satellite at a time, records what it hears, and acknowledges as a conductor would unless told
not to. Tests wait on `until`, never on a clock.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from shared.ids import short_id
from shared.protocol.frames import SUBPROTOCOL, Encoding, encoding_for

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

PATIENCE = 30.0
TOKEN = "f" * 64


class Peer:
    def __init__(self, *, acknowledged: bool) -> None:
        self.acknowledged = acknowledged
        self.port = 0
        self.frames: list[tuple[str, Any]] = []
        self.logs: dict[str, bytes] = {}
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.resumes: list[dict[str, Any]] = []
        self.joins = 0
        self.protocols: list[str | None] = []
        self.ack_results = True
        self.finish_statuses: list[int] = []
        """HTTP statuses for the next `finish_job` calls; afterwards 200."""
        self.routes: dict[str, Handler] = {}
        """Further HTTP calls by path; a path that ends in a slash stands for all that is below it."""
        self.features: dict[str, Any] = {"api_finish_job": True}
        self.answer_hello: tuple[str, Any] | None = None
        self._encoding: Encoding | None = None
        self._socket: web.WebSocketResponse | None = None
        self._changed = asyncio.Condition()
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> "Peer":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def reset(self) -> None:
        """As new, but for the connection."""
        self.ack_results = True
        self.finish_statuses.clear()

    async def stop(self) -> None:
        await self.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def drop(self) -> None:
        """Break the connection without a farewell."""
        if self._socket is not None and self._socket._req is not None:
            transport = self._socket._req.transport
            if transport is not None:
                transport.abort()
        self._socket = None

    async def send(self, cmd: str, data: Any) -> None:
        assert self._socket is not None
        assert self._encoding is not None
        message = self._encoding.encode(cmd, data)
        if self._encoding.binary:
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_str(message.decode())

    async def send_raw(self, message: bytes | str) -> None:
        assert self._socket is not None
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def until(self, condition: Callable[[], Any]) -> Any:
        """The condition's value as soon as it is true."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)
            return condition()

    async def until_later(self, condition: Callable[[], Any]) -> Any:
        """As `until`, for what no frame tells of."""
        async with asyncio.timeout(PATIENCE):
            while not (value := condition()):
                await asyncio.sleep(0.01)
            return value

    async def joined(self, times: int = 1) -> None:
        await self.until(lambda: self.joins >= times)

    def of(self, cmd: str) -> list[Any]:
        return [data for name, data in self.frames if name == cmd]

    async def result(self, job_id: str) -> dict[str, Any]:
        """The job of its first result, once the whole log is here too."""

        def complete() -> dict[str, Any] | None:
            results = self.results.get(job_id)
            if not results:
                return None
            size = results[-1].get("log_size", 0)
            return results[-1] if len(self.logs.get(job_id, b"")) >= size else None

        job: dict[str, Any] = (await self.until(complete))["job"]
        return job

    def meta(self, job_id: str) -> list[str]:
        """Texts of the job's meta rows, each row once."""
        rows = {}
        for cmd, data in self.frames:
            if cmd in ("job_update", "job_result") and data["id"] == job_id:
                rows.update({row["id"]: row["msg"] for row in data["meta"]})
            elif cmd == "job_meta" and data["id"] == job_id:
                rows[f"{len(rows)}"] = data["text"]
        return list(rows.values())

    async def launch(self, source: str = "", **changes: Any) -> str:
        job_id = changes.pop("id", None) or short_id("j")
        params = changes.pop("params", {"script": source})
        extra = {"details": changes.pop("details", {}), "sec": changes.pop("sec", {})}
        if "plugin_script" in changes:
            extra["script"] = changes.pop("plugin_script")
        if self.acknowledged:
            extra["attempt"] = changes.pop("attempt", 1)
        job = {
            "id": job_id, "event": "e1", "plugin": "shellplug", "command": "[shell-plugin]", "script": "",
            "state": "active", "server": "s1", "kill": "all", "params": params, "env": {},
            "uid": "", "gid": "", "started": 1761051600.2, "now": 1761051600, "limits": [], "type": "adhoc",
        } | changes  # fmt: skip
        await self.send("launch_job", {"job": job, **extra})
        return job_id

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/health":
            return web.json_response({"code": 0, "master": True})
        if request.path == "/api/app/finish_job":
            return await self._finish(request)
        for path, handler in self.routes.items():
            if request.path == path or (path.endswith("/") and request.path.startswith(path)):
                return await handler(request)
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,) if self.acknowledged else (), max_msg_size=100 * 1024**2
        )
        await socket.prepare(request)
        self._socket = socket
        self._encoding = encoding_for(socket.ws_protocol)
        self.protocols.append(socket.ws_protocol)
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                frame = self._encoding.decode(message.data)
                await self._hear(frame.cmd, frame.data)
        return socket

    async def _finish(self, request: web.BaseRequest) -> web.Response:
        if self.finish_statuses:
            return web.Response(status=self.finish_statuses.pop(0))
        body = msgspec.json.decode(await request.read())
        async with self._changed:
            self.frames.append(("finish_job", body))
            self.results.setdefault(body["id"], []).append(body)
            self._changed.notify_all()
        return web.json_response({"code": 0})

    async def _hear(self, cmd: str, data: Any) -> None:
        match cmd:
            case "hello":
                if self.answer_hello:
                    await self.send(*self.answer_hello)
                else:
                    await self.send("hello", {"nonce": "a" * 64, "id": data["id"] or "s1"})
            case "join":
                await self.send(
                    "joined",
                    {
                        "config": {"child_kill_timeout": 0.5},
                        "masterData": {"masters": ["127.0.0.1"]},
                        "groups": ["main"],
                        "plugins": [],
                        "commands": [],
                        "numServers": 1,
                        "features": self.features,
                    },
                )
            case "job_log":
                await self._log(data)
            case "job_result":
                self.results.setdefault(data["id"], []).append(data)
                if len(self.logs.get(data["id"], b"")) < data["log_size"]:
                    await self._ask_rest(data)
                elif self.ack_results:
                    await self.send("result_ack", {"id": data["id"], "attempt": data["attempt"]})
            case "late_samples" if self.ack_results:
                await self.send("late_ack", {"batch": data["batch"]})
            case "resume":
                self.resumes.append(data)
        async with self._changed:
            self.frames.append((cmd, data))
            self.joins = len(self.of("join"))
            self._changed.notify_all()

    async def _log(self, data: dict[str, Any]) -> None:
        log = self.logs.get(data["id"], b"")
        if not self.acknowledged:
            self.logs[data["id"]] = log + data["text"].encode()
            return
        if data["offset"] != len(log):
            await self._ask_rest(data)
            return
        self.logs[data["id"]] = log + data["data"]
        await self.send(
            "log_ack", {"id": data["id"], "attempt": data["attempt"], "size": len(self.logs[data["id"]])}
        )
        results = self.results.get(data["id"])
        if results and self.ack_results and len(self.logs[data["id"]]) >= results[-1]["log_size"]:
            await self.send("result_ack", {"id": data["id"], "attempt": data["attempt"]})

    async def _ask_rest(self, data: dict[str, Any]) -> None:
        size = len(self.logs.get(data["id"], b""))
        await self.send(
            "log_ack", {"id": data["id"], "attempt": data["attempt"], "size": size, "rewind": True}
        )
