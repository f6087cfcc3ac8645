"""Which credentials a request shows. Contract access.md §3.5: cookie, headers, body, query, in that order."""

from typing import Any

from aiohttp import web

from conductor.access.accounts import Credentials
from conductor.api import client
from conductor.api.params import CREDENTIALS
from conductor.errors import BadParameter

COOKIE = "session_id"
EXPIRED = f"{COOKIE}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; HttpOnly; SameSite=Lax"
"""The `Set-Cookie` that ends a browser's session."""


def session_cookie(session_id: str, max_age: int, *, secure: bool) -> str:
    """The `Set-Cookie` of a new session; `max_age` in seconds."""
    marks = f"Max-Age={max_age}; Path=/{'; Secure' if secure else ''}; HttpOnly; SameSite=Lax"
    return f"{COOKIE}={session_id}; {marks}"


def shown(
    request: web.BaseRequest, body: dict[str, Any], query: dict[str, Any], address: str = ""
) -> Credentials:
    """The credentials of a request; the keys that carried them are removed from `body` and `query`."""
    headers = request.headers
    in_body = [_taken(body, key) for key in CREDENTIALS] if body else ("", "", "")
    in_query = [_taken(query, key) for key in CREDENTIALS] if query else ("", "", "")
    cookie = client.cookie(headers["Cookie"], COOKIE) if "Cookie" in headers else ""
    session_id = cookie or headers.get("X-Session-ID", "") or in_body[1]
    if session_id:
        return Credentials(
            session_id=session_id,
            csrf_token=headers.get("X-CSRF-Token", "") or in_body[2],
            by_cookie=bool(cookie),
            address=address,
        )
    api_key = headers.get("X-API-Key", "") or in_body[0] or in_query[0]
    return Credentials(api_key=api_key, address=address)


def _taken(fields: dict[str, Any], key: str) -> str:
    value = fields.pop(key, None)
    if value is None or isinstance(value, str):
        return value or ""
    raise BadParameter(f"Parameter is not type string: {key}")
