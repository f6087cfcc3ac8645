"""The satellite's settings: a JSON file, an environment overlay, and what the conductor merges into it.

Keys are those of contract satellite_agent.md §1; keys that have no effect here are kept in the file. An
environment variable `SATELLITE_<key>` or `XYSAT_<key>` (`__` between levels) overrides the file and is never
written to it. The file holds a bearer token, so it is written with mode 0600, whole or not at all.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from shared.environment import value_of

ENV_PREFIXES = ("SATELLITE_", "XYSAT_")
HIDDEN_PREFIXES = ("XYOPS_", *ENV_PREFIXES)
"""Variables of the satellite's own environment that a job never sees."""

log = structlog.get_logger(__name__)

Json = dict[str, Any]


class SettingsError(Exception):
    """The settings cannot be read; the text names the file or the key."""


class Settings(msgspec.Struct, kw_only=True):
    # Where the conductor is
    hosts: list[str] = msgspec.field(default_factory=lambda: ["localhost"])
    host: str = ""
    """One fixed host, such as a load balancer; `hosts` and redirects are ignored then."""
    masters: str | list[str] = ""
    """Replaces `hosts` at start."""
    port: int = 5522
    secure: bool = False
    socket_opts: Json = msgspec.field(default_factory=lambda: {"rejectUnauthorized": False})
    ca_file: str = ""
    """PEM file of the only authority whose conductors are believed; then names are verified too."""
    ca: str = ""
    """The same as text: given out at the installation, or fetched for `ca_fingerprint`."""
    ca_fingerprint: str = ""
    """SHA-256 of that authority's certificate."""
    require_proof: bool = False
    """Never show the key itself, and accept no conductor that cannot prove to know it. Set by the first join
    in which both sides did; remove it before the satellite moves to a conductor of the original."""

    # Who we are
    server_id: str = ""
    auth_token: str = ""
    secret_key: str = ""
    hostname: str = ""
    ip: str = ""
    initial: Json | None = None
    """Properties of the server for its first hello; removed once the conductor's settings are saved."""
    managed_keys: list[str] | None = None
    """Only these keys may be changed by the conductor; None: all."""

    # Jobs
    job_env: Json = {}
    child_kill_timeout: float = 10.0
    """Seconds from SIGTERM to SIGKILL."""
    airgap: Json = {}
    cronicle: bool = False
    """Accept the messages, and give the environment, of Cronicle's plugins."""
    disable_job_network_io: bool = False
    """No table of connections for jobs."""
    max_output_bytes: int = 10 * 1024**3
    """Output after which a job is aborted although it has no limit of its own; 0: never."""

    # Samples
    monitoring_enabled: bool = True
    quickmon_enabled: bool = True
    docker_enabled: bool = True
    """Containers are in the samples where a docker command is installed."""
    monitor_plugin_concurrency: int = 0
    """Monitor plugins at a time; 0: the number of CPU threads."""

    # Connection, seconds
    connect_timeout_sec: float = 5.0
    ping_timeout_sec: float = 60.0
    socket_reconnect_delay_sec: float = 1.0
    socket_reconnect_delay_max: float = 30.0
    auth_retry_delay_sec: float = 60.0
    """First wait after the conductor refused us; doubles up to ten times itself."""

    upgrade_timeout_sec: float = 60.0
    """An upgrade that has not ended by then is reported as failed."""

    log_level: str = "info"


_FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}


class Config:
    """The settings in effect, and the file behind them."""

    def __init__(self, path: Path, document: Json, overlay: Json) -> None:
        self.path = path
        self._document = document
        self._overlay = overlay
        self.settings = self._effective()

    @classmethod
    def load(cls, path: Path, environment: Mapping[str, str] | None = None) -> "Config":
        """Read `path` (a missing file is empty) under the environment. Raises SettingsError."""
        try:
            document = msgspec.json.decode(path.read_bytes())
        except FileNotFoundError:
            document = {}
        except OSError as error:
            raise SettingsError(f"Cannot read {path}: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise SettingsError(f"Cannot read {path}: {error}") from None
        if not isinstance(document, dict):
            raise SettingsError(f"Cannot read {path}: not an object")
        config = cls(path, document, overlay_of(os.environ if environment is None else environment))
        masters = config.settings.masters
        if masters:
            names = masters.split(",") if isinstance(masters, str) else masters
            config.settings.hosts = [name.strip() for name in names if name.strip()]
        return config

    def merge(self, changes: Mapping[str, Any]) -> None:
        """Take what the conductor sent, as far as `managed_keys` allows, and save it.

        A value of an impossible type is left out and logged: a conductor must not be able to stop us.
        """
        managed = self.settings.managed_keys
        accepted = {}
        for key, value in changes.items():
            if managed is not None and key not in managed:
                continue
            if key in _FIELDS and not _fits(key, value):
                log.warning("setting from the conductor has a wrong type", key=key)
                continue
            accepted[key] = value
        self._store(accepted)

    def keep(self, **values: Any) -> None:
        """Store values of our own (`server_id`, `hosts`) whatever `managed_keys` says."""
        self._store(values)

    def settle(self) -> None:
        """The conductor knows us: forget the one-time properties of the first hello."""
        if "initial" in self._document:
            del self._document["initial"]
            self._apply_and_save()

    def _store(self, values: Mapping[str, Any]) -> None:
        if all(key in self._document and self._document[key] == value for key, value in values.items()):
            return
        self._document.update(values)
        self._apply_and_save()

    def _apply_and_save(self) -> None:
        self.settings = self._effective()
        try:
            write_private(self.path, msgspec.json.format(msgspec.json.encode(self._document), indent=1))
        except OSError as error:
            log.warning("settings were not saved", path=str(self.path), error=str(error))

    def _effective(self) -> Settings:
        try:
            return msgspec.convert(_merged(self._document, self._overlay), Settings, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{self.path}: {error}") from None


def overlay_of(environment: Mapping[str, str]) -> Json:
    """The settings that environment variables name; true, false and numbers are recognised."""
    overlay: Json = {}
    for variable, text in environment.items():
        prefix = next((prefix for prefix in ENV_PREFIXES if variable.startswith(prefix)), None)
        if prefix is None:
            continue
        *steps, last = variable.removeprefix(prefix).split("__")
        place = overlay
        for step in steps:
            deeper = place.setdefault(step, {})
            if not isinstance(deeper, dict):
                raise SettingsError(f"{variable}: {step} has no parts")
            place = deeper
        place[last] = value_of(text)
    return overlay


def write_private(path: Path, content: bytes) -> None:
    """Replace a file with content only its owner may read; after a crash the old or the new one is there."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _merged(base: Json, overlay: Json) -> Json:
    merged = dict(base)
    for key, value in overlay.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _fits(key: str, value: Any) -> bool:
    try:
        msgspec.convert(value, _FIELDS[key].type, strict=False)
    except msgspec.ValidationError:
        return False
    return True
