"""Every setting of the conductor: default, unit, meaning.

Sources, later wins: the defaults here, a TOML or JSON file, `OPSORBIT_…` variables. Keys have the
original's names where the meaning is the same (contract platform.md §1). A variable names a key in upper
case, with `__` between levels: `OPSORBIT_WEBSERVER__PORT=80`, `OPSORBIT_TTL=60`. Keys of the original that
are not listed here are accepted and have no effect.
"""

import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from shared.environment import value_of

ENV_PREFIX = "OPSORBIT_"

Json = dict[str, Any]


class SettingsError(Exception):
    """The settings cannot be read; the text names the file or variable and the key."""


class WebServerSettings(msgspec.Struct, kw_only=True):
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 5522
    bind: str = "0.0.0.0"  # noqa: S104 - satellites on other hosts dial in
    max_upload_size: int = 1024**3
    """Bytes of a request body."""
    max_json_size: int = 32 * 1024**2
    """Bytes of a JSON or form body without files."""
    timeout: float = 30.0
    """Seconds a client may take for a request."""
    https: bool = False
    """Listen on `https_port` too; needs `https_cert_file` and `https_key_file`."""
    https_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 5523
    https_cert_file: str = ""
    """PEM: the certificate, then those that lead to its authority."""
    https_key_file: str = ""
    https_ca_file: str = ""
    """PEM of the authority, given to new satellites to pin; empty: none is given."""
    max_connections: int = 2048
    public_ip_offset: int | None = None
    whitelist: list[str] = []
    """Addresses or networks that may connect; empty: all."""
    blacklist: list[str] = []
    allow_hosts: list[str] = []
    """Names that a request may ask for in its Host header; empty: any."""
    hsts_seconds: int = 0
    """Browsers that came by HTTPS are told to do so for this long; 0: they are not told."""


class UserSettings(msgspec.Struct, kw_only=True):
    session_expire_days: int = 365
    session_idle_days: int = 0
    """A session that nobody used for so long is over; 0: it lasts until it expires."""
    max_failed_logins_per_hour: int = 5
    """Of one account; beyond them it is locked for all but the addresses it was used from."""
    max_failed_logins_per_address: int = 200
    """An hour, on any account."""
    max_failed_keys_per_address: int = 1_000
    """Wrong API keys a minute."""
    max_forgot_passwords_per_hour: int = 3
    use_csrf: bool = True
    free_accounts: bool = False
    """Anybody may make an account for himself."""
    self_delete: bool = True
    sort_global_users: bool = False
    default_privileges: Json = {}
    """Privileges of new accounts that are given none."""
    password_min_length: int = 1
    """Characters of a new password."""
    valid_username_match: str = r"^[\w\-\.]+$"
    block_username_match: str = (
        r"^(self|system|abuse|admin|administrator|localhost|127\.0\.0\.1|nobody|noreply|root|support|sysadmin"
        r"|webmaster|www|god|staff|null|0|constructor|__defineGetter__|__defineSetter__|hasOwnProperty"
        r"|__lookupGetter__|__lookupSetter__|isPrototypeOf|propertyIsEnumerable|toString|valueOf|__proto__"
        r"|toLocaleString)$"
    )
    """Names that nobody may give himself, whatever their case."""


class SsoSettings(msgspec.Struct, kw_only=True):
    """Who a trusted proxy in front says that a caller is (contract access.md §9)."""

    enabled: bool = False
    hybrid: bool = False
    """Without the headers the local login is offered."""
    whitelist: list[str] | str | bool = msgspec.field(
        default_factory=lambda: [
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::1",
            "fc00::/7",
        ]
    )
    """Addresses or networks of the proxy's own socket; false: any, for a `command` that vouches itself."""
    header_map: dict[str, str] = msgspec.field(
        default_factory=lambda: {
            "username": "x-forwarded-user",
            "full_name": "x-forwarded-user",
            "email": "x-forwarded-email",
            "groups": "x-forwarded-groups",
        }
    )
    cleanup_username: bool = False
    cleanup_full_name: bool = False
    group_role_map: dict[str, str | list[str]] = {}
    group_privilege_map: dict[str, str | list[str]] = {}
    group_role_separator: str = ","
    replace_roles: bool = False
    replace_privileges: bool = False
    admin_bootstrap: str = ""
    """Exact username that becomes an administrator at login."""
    logout_url: str = ""
    command: str = ""
    preset: str = ""
    ts_cap_id: str = "xyops.io/cap/ts"
    oidc: Json = {}
    """Passed on to the command."""


class Plugin(msgspec.Struct, kw_only=True):
    """Run-as defaults of one plugin type; empty means the agent's own user."""

    uid: str | int = ""
    gid: str | int = ""


class TicketSettings(msgspec.Struct, kw_only=True):
    email_enabled: bool = True
    email_debounce_sec: float = 30.0
    """Seconds without a further change after which a ticket's changes are mailed."""
    overdue_schedule: str = "04:30"
    """Local HH:MM of the daily reminder of overdue tickets."""
    overdue_query: str = "status:open due:<today"
    due_date_format: str = "[dddd], [mmmm] [mday], [yyyy]"
    date_time_format: str = "[dddd], [mmmm] [mday], [yyyy] [hour12]:[mi] [ampm]"


def quick_monitors() -> list[Json]:
    """The stock quick monitors."""
    rate = {
        "suffix": "/sec",
        "min_vert_scale": 1024,
        "delta": True,
        "delta_min_value": 0,
        "divide_by_delta": True,
    }
    rows: tuple[tuple[str, str, str, str, Json], ...] = (
        ("_qm_cpu_load", "CPU Load Average", "cpu.avgLoad", "float", {"suffix": "", "min_vert_scale": 1.0}),
        ("_qm_cpu_usage", "CPU Usage %", "cpu.currentLoad", "float", {"suffix": "%", "min_vert_scale": 100}),
        ("_qm_mem_used", "Memory in Use", "mem.used", "bytes", {"suffix": ""}),
        ("_qm_mem_avail", "Memory Available", "mem.available", "bytes", {"suffix": ""}),
        ("_qm_disk_read_sec", "Disk Read (Bytes)", "fs.rx", "bytes", rate),
        ("_qm_disk_write_sec", "Disk Write (Bytes)", "fs.wx", "bytes", rate),
        ("_qm_net_in_sec", "Network In (Bytes)", "net.rx", "bytes", rate),
        ("_qm_net_out_sec", "Network Out (Bytes)", "net.tx", "bytes", rate),
    )
    return [
        {"id": id, "title": title, "source": source, "type": kind, **more}
        for id, title, source, kind, more in rows
    ]


class Settings(msgspec.Struct, kw_only=True):
    # Identity and stores
    base_app_url: str = "http://localhost:5522"
    """Where people reach the primary; no trailing slash."""
    hostname: str = ""
    """This conductor's name towards the others; empty: the system's host name."""
    secret_key: str = ""
    """Signs tokens; empty: generated into the data directory. All conductors of a cluster share it."""
    admin_password: str = ""
    """First password of `admin` on a new database; empty: generated and shown once."""
    redis_url: str = ""
    """Empty: an own Redis in the data directory. Else redis://, rediss:// or unix://."""
    redis_prefix: str = "opsorbit"
    """First part of every key, so that several clusters can share a Redis."""
    database_url: str = ""
    """Empty: SQLite in the data directory. Else an SQLAlchemy URL such as postgresql://user@host/name."""
    files_url: str = ""
    """Empty: a folder in the data directory. Else file://, s3://, gs:// or az://."""
    durability: str = "standard"
    """`standard`, or `strict`: each accepted job is on disk before the API answers."""

    # Leadership
    lease_seconds: float = 10.0
    """Length of the leader's lease; fail-over takes at most three of them."""
    lease_margin_seconds: float = 1.0
    """The primary stops acting this long before its lease can end."""
    redirect_master_requests: bool = False
    """A standby answers 302 to the primary instead of the `master` error."""
    masters: str = ""
    """Comma-separated hosts of all conductors, told to satellites; empty: this one."""

    # Jobs
    dead_job_timeout: float = 120.0
    """Seconds without a sign of life after which a job counts as dead."""
    max_inline_job_log_size: int = 1024**2
    """Bytes of output kept in the job's record; larger logs are stored as files."""
    max_job_log_size: int = 4 * 1024**3
    """Bytes kept of one job's output; what comes beyond is counted and let go."""
    max_jobs_per_min: int = 0
    """Launches a minute; 0 is off."""
    scheduler_grace_sec: float = 300.0
    """Seconds after which a minute that was missed (a stall, a fail-over) is not made up for any more."""
    scheduler_stagger_ms: float = 0.0
    """Milliseconds between the starts of jobs that are due in the same minute; 0: all at once."""
    min_startup_trigger_uptime: str | float = "5 minutes"
    """Startup triggers fire only in a conductor that has run for less; a number of seconds or a text."""
    local_api_hostname: str = "localhost"
    """Under which name plugins on the conductor's host reach its API."""
    max_jobs_per_workflow: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Sub-jobs of one workflow at a time; rounds of a loop in it."""
    job_env: Json = {}
    job_universal_limits: Json = msgspec.field(default_factory=lambda: {"default": [], "workflow": []})
    job_universal_actions: Json = msgspec.field(
        default_factory=lambda: {
            "default": [{"enabled": True, "hidden": False, "condition": "error", "type": "snapshot"}],
            "workflow": [],
        }
    )
    alert_universal_actions: list[Json] = msgspec.field(
        default_factory=lambda: [
            {"enabled": True, "hidden": True, "condition": "alert_new", "type": "snapshot"}
        ]
    )
    default_plugin_credentials: dict[str, Plugin] = {}
    action_timeout: float = 120.0
    """Seconds that one action may take; a plugin's own timeout counts as well."""
    action_phase_timeout: float = 300.0
    """Seconds that all actions of a job's end, or of an alert, may take together; a suspension is not counted."""
    action_processes: int = 16
    """Action plugins that run at a time."""
    max_action_chain: int = 50
    """Jobs in a chain of events that run each other by actions; 0 is no bound."""
    event_log_days: int = 365
    """How long the causal event log is kept; 0 = for ever."""
    max_failed_actions: int = 1_000
    """Failed actions that are kept for the list of them."""
    hook_text_templates: dict[str, str] = {}
    """Over the stock texts: job_start, job_success, job_error, job_progress, job_suspended, job_limited, alert_new,
    alert_cleared."""
    hostname_display_strip: str = r"\.[\w\-]+\.\w+$"
    """What texts leave out of a host name."""
    ip_display_strip: str = "^::ffff:"
    idempotency_seconds: float = 86_400.0
    """How long a repeated `Idempotency-Key` returns the first job."""

    # Fleet
    ping_freq_sec: float = 5.0
    ping_timeout_sec: float = 30.0
    max_sockets_per_ip: int = 1_000
    """Unauthenticated websockets of one address at a time."""
    max_sockets_waiting: int = 5_000
    """Unauthenticated websockets of all addresses together."""
    max_failed_joins_per_address: int = 300
    """Wrong credentials of satellites a minute; beyond them the address's new sockets are refused."""
    join_by_token: bool = True
    """Satellites may show their key, as agents of the original do; false: they must prove it (ours do)."""
    join_by_secret_key: bool = True
    """Agents that hold the cluster's secret key itself may join under any ID."""
    previous_secret_keys: list[str] = []
    """Earlier secret keys under which satellites may still join; they are given their key under the new one."""
    satellite_key_grace_seconds: float = 7 * 86_400.0
    """How long a satellite that is away may come back with the key before its newest."""
    satellite: Json = {}
    """`satellite.config`: keys pushed to every satellite, over the stock ones."""
    airgap: Json = msgspec.field(default_factory=lambda: {"enabled": False, "whitelist": [], "blacklist": []})

    # Mail, hooks and tickets
    email_from: str = "admin@localhost"
    """Sender of every mail; empty: no mail is sent."""
    email_format: str = "html"
    """`html` or `text`."""
    email_logo: str = "inline"
    """The logo of HTML mails: `inline` (attached), `link` (of `client.logo_url`) or `none`."""
    email_templates: str = ""
    """Folder of templates NAME.txt that replace the built-in ones; empty: `emails` in the data directory."""
    mail_settings: Json = msgspec.field(default_factory=lambda: {"host": "localhost", "port": 25})
    """The SMTP server: host, port, secure, requireTLS, ignoreTLS, tls.rejectUnauthorized, auth.user, auth.pass."""
    max_emails_per_day: int = 0
    """0 is unlimited."""
    hooks: Json = {}
    """What follows an activity: by its action's name, or `*` (contract platform.md §9)."""
    web_hook_custom_opts: Json = {}
    """For every web hook: `headers` (name to value), `rejectUnauthorized`."""
    tickets: TicketSettings = msgspec.field(default_factory=TicketSettings)
    client: Json = {}
    """What a browser is told; of it mails and tickets use `name`, `company`, `logo_url`, `new_ticket_template`."""
    # Files
    file_expiration: str | int = "5 years"
    """How long uploaded files and those of tickets are kept: `5 years`, or seconds."""
    file_access: str = "path"
    """Who may fetch a file by its unguessable path: `path`, whoever knows it; `browsers`, a browser needs a
    login as well; `signed`, everybody needs a login or a signed URL, which satellites get with their job."""
    # The browser, and what we ask of others
    marketplace: Json = {}
    """`enabled`, `metadata_url`, `repo_url_template`, `ttl` in seconds, over the stock ones."""
    multi: Json = {}
    """`list_url`, `cache_ttl`, `enable_version_checks`, `upgrade_command` of conductors."""
    # Monitoring
    quick_monitors: list[Json] = msgspec.field(default_factory=quick_monitors)
    """One number each of every quick sample (contract monitoring.md §6)."""
    quick_max: int = 60
    """Quick samples kept of each server, one a second."""
    timeline_expiration: str = "10 years"
    """How long the history of monitors is kept: a number and a unit from minutes to years."""
    metrics_monitors: bool = True
    """`/metrics` shows the monitors of all online servers to whoever may read it; false: the conductor's own."""
    # Alerts
    stale_alert_timeout: float = 90.0
    """Seconds without a sample after which the active alerts of a server are stale."""

    # Answers
    ttl: int = 300
    """Seconds a client may keep a search result."""
    WebServer: WebServerSettings = msgspec.field(default_factory=WebServerSettings)
    User: UserSettings = msgspec.field(default_factory=UserSettings)
    SSO: SsoSettings = msgspec.field(default_factory=SsoSettings)
    default_user_privileges: dict[str, bool] = msgspec.field(
        default_factory=lambda: dict.fromkeys(
            ("create_events", "edit_events", "run_jobs", "tag_jobs", "create_tickets", "edit_tickets"), True
        )
    )
    """What an account made by SSO may do."""
    default_user_prefs: Json = {}
    """Preferences of new accounts, over the stock ones."""

    # Records
    db_maint: Json = {}
    """`db_maint.INDEX.max_rows`, and `.max_days`: what maintenance leaves of a collection; 0 = everything."""
    maintenance: str = "04:00"
    """When maintenance runs each day, local time."""
    tz: str = ""
    log_level: str = "info"
    log_keep_days: int = 30
    """Days that the log's archives are kept."""
    log_format: str = "auto"
    """`json`, `console`, or `auto`: console on a terminal."""

    def host_id(self) -> str:
        return (self.hostname or socket.gethostname()).lower()


_DURABILITIES = ("standard", "strict")
_FILE_ACCESS = ("path", "browsers", "signed")
_LONGEST_LEASE = 3600.0


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    port: int | None = None,
    overrides: Path | None = None,
) -> Settings:
    """The settings from `file` (TOML, or JSON by its ending), the environment, `port` where it is given, and
    the file of `overrides` that administrators have made.

    Raises SettingsError.
    """
    document = _read(file) if file else {}
    variables = dict(os.environ if environment is None else environment)
    if port is not None:
        variables[f"{ENV_PREFIX}WEBSERVER__PORT"] = str(port)
    _overlay(document, variables)
    for path, value in read_overrides(overrides).items() if overrides else ():
        place = document
        *steps, last = path.split(".")
        for step in steps:
            inner = place.get(step)
            place[step] = inner = inner if isinstance(inner, dict) else {}
            place = inner
        place[last] = value
    try:
        settings = msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"Settings: {error}") from None
    if settings.durability not in _DURABILITIES:
        raise SettingsError(f"Settings: durability must be one of {', '.join(_DURABILITIES)}")
    if settings.file_access not in _FILE_ACCESS:
        raise SettingsError(f"Settings: file_access must be one of {', '.join(_FILE_ACCESS)}")
    if not 0 <= 2 * settings.lease_margin_seconds < settings.lease_seconds <= _LONGEST_LEASE:
        raise SettingsError(
            "Settings: lease_seconds must be more than twice lease_margin_seconds "
            f"and at most {_LONGEST_LEASE:g}"
        )
    return settings


def read_overrides(file: Path) -> Json:
    """The overrides by dotted path; none without a file. Raises SettingsError."""
    return _read(file) if file.exists() else {}


def _read(file: Path) -> Json:
    try:
        text = file.read_text()
        document = msgspec.json.decode(text) if file.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"Cannot read {file}: {error.strerror}") from None
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read {file}: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"Cannot read {file}: not an object")
    return document


def _overlay(document: Json, environment: Mapping[str, str]) -> None:
    names = {field.name.upper(): field.name for field in msgspec.structs.fields(Settings)}
    for variable, text in environment.items():
        if not variable.startswith(ENV_PREFIX):
            continue
        first, *rest = variable.removeprefix(ENV_PREFIX).split("__")
        name = names.get(first.upper())
        if name is None:
            continue
        place, key = document, name
        for step in rest:
            deeper = place.setdefault(key, {})
            if not isinstance(deeper, dict):
                raise SettingsError(f"{variable}: {key} has no parts")
            place, key = deeper, step.lower()
        place[key] = value_of(text) if rest else text
