"""From a web hook and its data to the request that is sent. Contract platform.md §12, api/web_hooks.yaml. Pure.

Macros are expanded once: what a value yields is never looked at again, so that text out of a job cannot name
a secret.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.expressions import Directory, expand, truthy

MISSING = "N/A"
SIGNING_SECRET = "SIGNING_KEY"  # noqa: S105 - a name
"""A secret of this name, assigned to the hook, signs each request."""
SIGNATURE = "X-OpsOrbit-Signature"
DEFAULT_TIMEOUT = 30.0
MOST_RETRIES = 32
_NO_BODY = ("GET", "HEAD")
_SENT_ENVIRONMENT = ("env",)
"""Never offered to a template: the conductor's environment may hold credentials."""


class HookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request, every macro expanded."""

    method: str
    url: str
    headers: dict[str, str]
    body: str = ""
    timeout: float = DEFAULT_TIMEOUT
    retries: int = 0
    follow: bool = False
    verify: bool = True


class MalformedHook(ValueError):
    """The hook cannot be turned into a request; the text says why."""


def build(
    hook: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    secrets: Mapping[str, str],
    options: Mapping[str, Any],
    idempotency_key: str = "",
    directory: Directory | None = None,
) -> HookRequest:
    """`options` are those of every hook (`web_hook_custom_opts`). Raises MalformedHook."""
    context = {key: value for key, value in data.items() if key not in (*_SENT_ENVIRONMENT, "secrets")}
    if secrets:
        context["secrets"] = dict(secrets)
    missing = str(data.get("_fallback", MISSING))

    def expanded(text: object) -> str:
        return expand(text, context, missing, directory=directory) if isinstance(text, str) else ""

    method = str(hook.get("method") or "").upper()
    headers = _common(options)
    headers |= {name: expanded(value) for name, value in _listed(hook.get("headers")).items()}
    body = expanded(hook.get("body")) if method not in _NO_BODY else ""
    if not body.strip():
        body = ""
    elif "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json" if _is_json(body) else "text/plain; charset=utf-8"
    if idempotency_key:
        headers.setdefault("Idempotency-Key", idempotency_key)
    if key := secrets.get(SIGNING_SECRET):
        headers[SIGNATURE] = signature(key, body.encode(errors="replace"))
    return HookRequest(
        method=method,
        url=expanded(hook.get("url")).strip(),
        headers=headers,
        body=body,
        timeout=_number(hook.get("timeout")) or DEFAULT_TIMEOUT,
        retries=min(int(_number(hook.get("retries"))), MOST_RETRIES),
        follow=truthy(hook.get("follow")),
        verify=not truthy(hook.get("ssl_cert_bypass")) and options.get("rejectUnauthorized") is not False,
    )


def signature(key: str, body: bytes) -> str:
    """`sha256=HEX`: the HMAC of the body as it is sent."""
    return f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"


def _listed(headers: Any) -> dict[str, str]:
    if not headers:
        return {}
    if not isinstance(headers, list):
        raise MalformedHook("Web hook headers are not a list")
    found: dict[str, str] = {}
    for header in headers:
        if not isinstance(header, Mapping) or not isinstance(header.get("name"), str):
            raise MalformedHook("Web hook headers are malformed")
        if header["name"].strip():
            found[header["name"].strip()] = str(header.get("value") or "")
    return found


def _common(options: Mapping[str, Any]) -> dict[str, str]:
    headers = options.get("headers")
    return {str(name): str(value) for name, value in headers.items()} if isinstance(headers, Mapping) else {}


def _number(value: Any) -> float:
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0.0
    )


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True
