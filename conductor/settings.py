"""Every setting of the conductor: default, unit, meaning. `settings_reading.py` says where they come from."""

import socket
from typing import Annotated, Any

import msgspec

from conductor.settings_sections import (
    Plugin,
    SsoSettings,
    TicketSettings,
    UserSettings,
    WebServerSettings,
    quick_monitors,
)

Json = dict[str, Any]


class SettingsError(Exception):
    """The settings cannot be read; the text names the file or variable and the key."""


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
    job_link_days: float = 365.0
    """Days after its end for which links to a job's log open it without a login; 0 is without end."""
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
    snapshot_redactions: list[str] = []
    """Regular expressions; what they match in command lines and plugins' outputs is not kept in snapshots."""
    watches_per_user: int = 100
    """Servers and groups that one user may watch at once; 0 = any number."""
    # Alerts
    stale_alert_timeout: float = 90.0
    """Seconds without a sample after which the active alerts of a server are stale."""

    # Searching
    search_file_regex: str = r"\.(txt|log|csv|tsv|xml|json)(\.gz)?$"
    """Files of jobs in which a browser's full-text search looks, by their paths."""

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

    def secret_keys(self) -> tuple[str, ...]:
        """The secret key, and those before it under which tokens are still good."""
        return (self.secret_key, *self.previous_secret_keys)
