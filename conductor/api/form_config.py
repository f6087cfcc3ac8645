"""What the page of a magic link needs (contract api/misc.yaml, form_config).

The link is all that its holder knows: of each bucket that a field's menu is made of, that menu alone is told.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from conductor.api.answer import SERVER
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, NoParams
from conductor.client_settings import client_settings
from conductor.definitions.repository import Definitions
from conductor.definitions.triggers import magic_token
from conductor.errors import BadParameter, Refusal
from conductor.settings import Settings
from shared.clock import now
from shared.protocol.tokens import matches

Json = dict[str, Any]

BucketData = Callable[[str], Awaitable[Mapping[str, Any]]]

_TOKEN = re.compile(r"/([\w\-]{1,256})/?")
_NEVER = {
    "Cache-Control": "no-cache, no-store, must-revalidate, proxy-revalidate",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}

_encode = msgspec.json.Encoder().encode


def endpoints(
    definitions: Definitions,
    settings: Settings,
    version: str,
    bucket_data: BucketData | None = None,
) -> tuple[Endpoint[Any], ...]:
    async def form_config(call: Call, params: NoParams) -> web.Response:
        match = _TOKEN.fullmatch(call.path_rest)
        if match is None:
            raise BadParameter("Invalid URL: it has no token")
        event, trigger = _found(definitions, match[1])
        if not event.get("enabled"):
            raise Refusal("event", f"Event is disabled: {event.get('title', '')}")
        body: Json = {"code": 0, "version": version, "epoch": now(), "port": settings.WebServer.port}
        fields = [field for field in event.get("fields") or () if isinstance(field, dict)]
        if any(field.get("type") == "bucket" for field in fields):
            buckets = definitions.all("buckets") if "buckets" in definitions.kinds else ()
            body["buckets"] = [{"id": bucket["id"]} for bucket in buckets]
            body["bucketMenuItemCache"] = await _menus(fields, bucket_data)
        page = {
            "ID": "Magic",
            "title": event.get("title", ""),
            "icon": event.get("icon", ""),
            "fields": fields,
            "limits": event.get("limits") or [],
            "body": trigger.get("body", ""),
            "token": match[1],
        }
        body["config"] = {
            **client_settings(settings),
            "Page": [page],
            "DefaultPage": "Magic",
            "base_app_url": settings.base_app_url,
            "debug": 0,
            "ui": {},
            "intl": {},
            "tz": settings.tz,
            "https_port": settings.WebServer.port,
        }
        return web.Response(
            body=b"app.receiveConfig(" + _encode(body) + b");\n",
            headers={hdrs.CONTENT_TYPE: "text/javascript", hdrs.SERVER: SERVER, **_NEVER},
        )

    return (
        Endpoint(
            "form_config",
            form_config,
            NoParams,
            "What the page of a magic link needs",
            methods=("GET",),
            auth=Auth.TOKEN,
        ),
    )


def _found(definitions: Definitions, key: str) -> tuple[Json, Json]:
    """The event and trigger of a magic key; one text for every way in which there is none."""
    for event in definitions.all("events"):
        for trigger in event.get("triggers") or ():
            if trigger.get("type") != "magic" or not trigger.get("enabled") or not trigger.get("token"):
                continue
            if matches(magic_token(key, str(event["id"])), str(trigger["token"])):
                return event, trigger
    raise BadParameter("Authentication failure.")


async def _menus(fields: list[Json], bucket_data: BucketData | None) -> Json:
    """Of each bucket that a field names, the part that its menu is made of."""
    menus: Json = {}
    for field in fields:
        bucket_id = field.get("bucket_id")
        if field.get("type") != "bucket" or not isinstance(bucket_id, str) or bucket_data is None:
            continue
        data = await bucket_data(bucket_id)
        path = str(field.get("bucket_path") or "").strip(".")
        first = path.partition(".")[0]
        menus.setdefault(bucket_id, {}).update(
            {first: data[first]} if first in data else {} if first else data
        )
    return menus
