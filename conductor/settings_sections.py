"""The settings that have parts of their own: the web server, users, single sign-on, tickets, quick monitors.

Keys have the original's names where the meaning is the same (contract platform.md §1).
"""

from typing import Annotated, Any, Literal

import msgspec

Json = dict[str, Any]


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
    require_mfa: bool | Literal["admins"] = False
    """Who needs a second factor to log in with a password: nobody, administrators, or everybody."""
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
