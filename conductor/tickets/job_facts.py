"""Jobs and alerts as a ticket's text describes them. Contract structures/job_hook_data.yaml, as far as needed."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conductor.definitions.json_values import Json, is_number
from conductor.outbound.daily import local_time
from conductor.outbound.dates import formatted
from conductor.settings import Settings
from conductor.tickets.fields import Library
from shared.protocol.tokens import log_token

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_EXCERPT_LINES = 20
_LONGEST_EXCERPT = 16_384

Load = Callable[[str], Awaitable[Json | None]]


async def _none(id: str) -> Json | None:
    return None


class StoredFacts:
    """`Happenings` from what is stored: `job` and `alert` load a record, `server` an online or known server."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        *,
        job: Load,
        alert: Load = _none,
        server: Callable[[str], Mapping[str, Any] | None] = lambda id: None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._job = job
        self._alert = alert
        self._server = server

    async def job(self, job_id: str, /) -> Mapping[str, Any] | None:
        job = await self._job(job_id)
        if job is None:
            return None
        base = self._settings.base_app_url
        server = self._server(str(job.get("server") or ""))
        return {
            "job": job,
            "event": self._library.get("events", str(job.get("event"))),
            "category": self._library.get("categories", str(job.get("category"))),
            "plugin": self._library.get("plugins", str(job.get("plugin"))),
            "server": server,
            "nice_server": nice_server(server, self._settings.host_id()),
            "links": {
                "job_details": f"{base}/#Job?id={job_id}",
                "job_log": f"{base}/api/app/download_job_log?id={job_id}"
                f"&t={log_token(job_id, self._settings.secret_key)}",
                "job_files": _files(job, base),
            },
            "display": self._display(job),
            "log_excerpt": excerpt(job.get("output")),
            "user_content": "",
        }

    async def alert(self, alert_id: str, /) -> Mapping[str, Any] | None:
        alert = await self._alert(alert_id)
        if alert is None:
            return None
        base = self._settings.base_app_url
        server = self._server(str(alert.get("server") or ""))
        definition = self._library.get("alerts", str(alert.get("alert"))) or {}
        return {
            "alert": alert,
            "def": definition,
            "server": server,
            "nice_server": nice_server(server, str(alert.get("hostname") or alert.get("server") or "")),
            "nice_hostname": str((server or {}).get("hostname") or ""),
            "nice_ip": str((server or {}).get("ip") or ""),
            "nice_groups": ", ".join(map(str, alert.get("groups") or ())) or "(None)",
            "nice_notes": str(definition.get("notes") or "(None)"),
            "date_time": self._date_time(alert.get("date")),
            "links": {
                "alert_url": f"{base}/#Alerts?id={alert_id}",
                "server_url": f"{base}/#Server?id={alert.get('server', '')}",
            },
        }

    def _display(self, job: Mapping[str, Any]) -> Mapping[str, str]:
        return {
            "elapsed": f"{_number(job.get('elapsed')):g} sec",
            "log_size": f"{_number(job.get('log_file_size')):.0f} bytes",
            "perf": "(No metrics provided)",
            "mem": _usage(job.get("mem"), " bytes"),
            "cpu": _usage(job.get("cpu"), "%"),
            "date_time": self._date_time(job.get("completed") or job.get("started")),
        }

    def _date_time(self, moment: Any) -> str:
        if not is_number(moment):
            return ""
        return formatted(self._settings.tickets.date_time_format, local_time(moment, self._settings.tz))


def nice_server(server: Mapping[str, Any] | None, otherwise: str) -> str:
    """`Title (hostname)`, or the hostname alone."""
    if not server:
        return otherwise
    hostname = str(server.get("hostname") or server.get("id", ""))
    title = str(server.get("title") or "")
    return f"{title} ({hostname})" if title and title != hostname else hostname


def excerpt(output: Any) -> str:
    """The output without escape codes; of more than 20 lines the first and the last 10. It ends no code block."""
    if not isinstance(output, str) or not output.strip():
        return ""
    lines = _ANSI.sub("", output).replace("```", "'''").replace("\r\n", "\n").rstrip().split("\n")
    if len(lines) > _EXCERPT_LINES:
        half = _EXCERPT_LINES // 2
        lines = [*lines[:half], f"… ({len(lines) - 2 * half} lines) …", *lines[-half:]]
    text = "\n".join(lines)
    return text if len(text) <= _LONGEST_EXCERPT else text[:_LONGEST_EXCERPT] + "…"


def _files(job: Mapping[str, Any], base: str) -> str:
    files = [file for file in job.get("files") or () if isinstance(file, dict)]
    return (
        "\n".join(f"- [{file.get('filename', '')}]({base}/{file.get('path', '')})" for file in files)
        or "(None)"
    )


def _usage(measured: Any, unit: str) -> str:
    if not isinstance(measured, dict) or not is_number(measured.get("count")) or not measured["count"]:
        return "(Unknown)"
    average = _number(measured.get("total")) / measured["count"]
    return f"{average:.0f}{unit} (Peak: {_number(measured.get('max')):.0f}{unit})"


def _number(value: Any) -> float:
    return float(value) if is_number(value) else 0.0
