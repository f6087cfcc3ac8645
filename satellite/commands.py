"""What a joined conductor's commands do (contract satellite_protocol.md §3, docs/satellite-wire.md).

Nothing here trusts the bytes: a payload that does not fit is logged in one line and dropped.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog

from satellite.jobs.held import HeldJobs
from satellite.jobs.launch import AttemptKey, LaunchError, parse_launch
from satellite.monitors.backlog import Backlog
from satellite.plugins.scripts import PluginScripts
from satellite.reports.acknowledged import AcknowledgedReports
from satellite.settings import Config
from satellite.upgrade import Upkeep
from shared.protocol.frames import Frame
from shared.protocol.messages import LATE_SAMPLES, JobCopy, LateAck, LogAck, ResultAck, SendCopy

log = structlog.get_logger(__name__)


class MonitorPlugins(Protocol):
    """Who runs the plugins of the samples."""

    def replace(self, *, groups: Any = None, commands: Any = None, servers: Any = None) -> None: ...

    def request_test(self, request: dict[str, Any]) -> None: ...

    def request_sample(self, request: dict[str, Any]) -> None: ...

    @property
    def backlog(self) -> Backlog: ...


class _Abort(msgspec.Struct):
    id: str
    reason: str = ""
    attempt: int = 0


class Commands:
    """Commands of one joined connection."""

    def __init__(
        self,
        config: Config,
        jobs: HeldJobs,
        scripts: PluginScripts,
        monitors: MonitorPlugins,
        reports: AcknowledgedReports | None,
        send: Callable[[str, Any], None],
        upkeep: Upkeep,
    ) -> None:
        self._config = config
        self._jobs = jobs
        self._scripts = scripts
        self._monitors = monitors
        self._reports = reports
        self._send = send
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "launch_job": self._launch,
            "abort_job": self._abort,
            "masterData": self._masters,
            "update": self.update,
            "updateConfig": self._config.merge,
            "testMonitorPlugin": self._monitors.request_test,
            "takeSample": self._monitors.request_sample,
            "upgrade": upkeep.upgrade,
            "uninstall": upkeep.uninstall,
        }
        if reports is not None:
            self._handlers |= {
                "log_ack": self._log_ack,
                "result_ack": self._result_ack,
                "send_copy": self._send_copy,
                "late_ack": self._late_ack,
                "draining": lambda _: self._jobs.draining.heard(),
            }

    def joined(self, data: dict[str, Any]) -> None:
        """`joined`: settings, conductors and lists."""
        config = data.get("config")
        if isinstance(config, dict):
            self._safely("joined", self._config.merge, config)
        masters = data.get("masterData")
        if isinstance(masters, dict):
            self._safely("joined", self._masters, masters)
        self._config.settle()
        self._safely("joined", self.update, data)
        features = data.get("features")
        late = self._reports is not None and isinstance(features, dict) and features.get(LATE_SAMPLES) is True
        self._monitors.backlog.joined(wanted=late)

    def handle(self, frame: Frame) -> None:
        handler = self._handlers.get(frame.cmd)
        if handler is None:
            log.info("unknown command from the conductor", cmd=frame.cmd[:64])
            return
        self._safely(frame.cmd, handler, frame.body())

    @staticmethod
    def _safely(cmd: str, handler: Callable[[dict[str, Any]], None], data: dict[str, Any]) -> None:
        try:
            handler(data)
        except (msgspec.ValidationError, LaunchError) as error:
            log.warning("command from the conductor was dropped", cmd=cmd, error=str(error))
        except Exception:
            # Whatever the conductor sends, the jobs of this host must not suffer.
            log.exception("command from the conductor failed", cmd=cmd)

    def update(self, data: dict[str, Any]) -> None:
        if isinstance(data.get("plugins"), list):
            self._scripts.replace(data["plugins"])
        self._monitors.replace(
            groups=data.get("groups"), commands=data.get("commands"), servers=data.get("numServers")
        )

    def _masters(self, data: dict[str, Any]) -> None:
        masters = data.get("masters")
        if isinstance(masters, list) and masters and all(isinstance(host, str) and host for host in masters):
            managed = self._config.settings.managed_keys
            if managed is None or "hosts" in managed:
                self._config.keep(hosts=masters)

    def _launch(self, data: dict[str, Any]) -> None:
        launch = parse_launch(data)
        known = self._jobs.get(launch.key)
        if known is None:
            self._jobs.launch(launch)
        elif self._reports is not None:
            log.info("launch of a known job", job=launch.key.id, attempt=launch.key.attempt)
            self._reports.repeat(known)

    def _abort(self, data: dict[str, Any]) -> None:
        abort = msgspec.convert(data, _Abort)
        attempt = (
            self._jobs.get(AttemptKey(abort.id, abort.attempt))
            if abort.attempt
            else self._jobs.latest(abort.id)
        )
        if attempt is None:
            log.info("abort of an unknown job", job=abort.id)
        else:
            attempt.stop(abort.reason)

    def _log_ack(self, data: dict[str, Any]) -> None:
        ack = msgspec.convert(data, LogAck)
        attempt = self._jobs.get(AttemptKey(ack.id, ack.attempt))
        if attempt is not None and self._reports is not None:
            self._reports.acknowledged(attempt, ack)

    def _result_ack(self, data: dict[str, Any]) -> None:
        ack = msgspec.convert(data, ResultAck)
        attempt = self._jobs.get(AttemptKey(ack.id, ack.attempt))
        if attempt is None or self._reports is None:
            return
        if attempt.result is None:
            log.warning("result of a running job was acknowledged", job=ack.id, attempt=ack.attempt)
            return
        self._jobs.discard(attempt)
        self._reports.forget(attempt.key)

    def _late_ack(self, data: dict[str, Any]) -> None:
        self._monitors.backlog.acknowledged(msgspec.convert(data, LateAck).batch)

    def _send_copy(self, data: dict[str, Any]) -> None:
        wanted = msgspec.convert(data, SendCopy)
        attempt = self._jobs.get(AttemptKey(wanted.id, wanted.attempt))
        if attempt is not None:
            launch = attempt.launch
            copy = JobCopy(id=wanted.id, attempt=wanted.attempt, job=launch.job, details=launch.details)
            self._send("job_copy", copy)
