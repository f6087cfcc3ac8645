"""The scripts that hosts run as root: what a request may put into them, and how. Pure.

Whatever comes from a request is checked against a narrow alphabet first; nothing is quoted and hoped for.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from conductor.errors import BadParameter

_SCRIPTS = Path(__file__).parent / "scripts"
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-_.]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PEM = re.compile(r"[A-Za-z0-9+/=\s\-]*")
_SAFE_URL = re.compile(r"https?://[A-Za-z0-9\-_.:\[\]/~]+")
_PLACES = re.compile(r"@([A-Z_]+)@")


def base_url(host: str, *, secure: bool, configured: str) -> str:
    """The URL by which the client reached us; the configured one where its Host header is no host.

    Raises BadParameter when neither can stand in a script.
    """
    if _HOST.fullmatch(host):
        return f"{'https' if secure else 'http'}://{host}"
    if _SAFE_URL.fullmatch(configured):
        return configured
    raise BadParameter("Malformed header: Host")


def install(
    *, token: str, base: str, checksums: Mapping[str, str], ca: str, extra: Mapping[str, str], server_id: str
) -> str:
    """The script for a new satellite; `extra` are properties for its first hello."""
    query = "".join(f"&{quote(name, safe='')}={quote(value, safe='')}" for name, value in extra.items())
    server = f"&s={server_id}" if server_id else ""
    return _filled(
        "install.sh", TOKEN=token, BASE=base, QUERY=server + query, SERVER=server, **_trust(checksums, ca)
    )


def upgrade(*, token: str, base: str, checksums: Mapping[str, str], ca: str, server_id: str) -> str:
    return _filled("upgrade.sh", SERVER_ID=server_id, TOKEN=token, BASE=base, **_trust(checksums, ca))


def windows(*, token: str, base: str) -> str:
    return _filled("windows.ps1", TOKEN=token, BASE=base)


def initial_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """The server's first properties among the parameters of an install URL, in their types.

    `groups` is a comma-separated list. Anything else in the URL is left out.
    """
    found: dict[str, Any] = {}
    for name in ("title", "icon"):
        if isinstance(query.get(name), str) and query[name]:
            found[name] = query[name]
    groups = query.get("groups")
    if groups:
        names = groups if isinstance(groups, list) else str(groups).split(",")
        found["groups"] = [str(name).strip() for name in names if str(name).strip()]
    if "enabled" in query:
        found["enabled"] = str(query["enabled"]).lower() not in ("false", "0", "no", "")
    return found


def _trust(checksums: Mapping[str, str], ca: str) -> dict[str, str]:
    if not _PEM.fullmatch(ca):
        ca = ""
    return {"CHECKSUMS": " ".join(f"{name}={value}" for name, value in checksums.items()), "CA": ca.strip()}


def _filled(name: str, **values: str) -> str:
    values["COMMON"] = (_SCRIPTS / "common.sh").read_text()
    # In one pass: what is put in is not looked at again.
    return _PLACES.sub(lambda match: values[match[1]], (_SCRIPTS / name).read_text())
