"""The catalogue of plugins (contract compat.md §2.1, api/search.yaml)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from conductor.administration.marketplace import Listings, Marketplace
from conductor.api.answer import SERVER
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint
from conductor.api.search import MOST_ROWS, Flag, Offset, flag, listed
from conductor.errors import BadParameter

_PNG = b"\x89PNG\r\n\x1a\n"
_YEAR = "public, max-age=31536000"


class MarketQuery(msgspec.Struct, kw_only=True):
    fields: Flag = False
    id: str = ""
    version: str = ""
    readme: Flag = False
    data: Flag = False
    logo: Flag = False
    sha256: str = ""
    """With `data`: nothing but this content is wanted."""
    query: str = ""
    type: str = ""
    plugin_type: str = ""
    license: str = ""
    author: str = ""
    tags: list[str] | str = ""
    requires: list[str] | str = ""
    status: str = ""
    sort_by: str = "title"
    sort_dir: int = 1
    offset: Offset = 0
    limit: int = 1000


def endpoints(marketplace: Marketplace) -> tuple[Endpoint[Any], ...]:
    async def call_marketplace(call: Call, params: MarketQuery) -> Mapping[str, Any] | web.StreamResponse:
        if flag(params.fields):
            return {"fields": await marketplace.fields()}
        if not params.id:
            rows, total = await marketplace.search(
                Listings(
                    query=params.query,
                    type=params.type,
                    plugin_type=params.plugin_type,
                    license=params.license,
                    author=params.author,
                    tags=listed(params.tags),
                    requires=listed(params.requires),
                    status=params.status,
                    sort_by=params.sort_by or "title",
                    sort_dir=params.sort_dir,
                    offset=params.offset,
                    limit=min(params.limit or 1000, MOST_ROWS),
                )
            )
            return {"rows": rows, "list": {"length": total}}
        wanted = [name for name in ("readme", "data", "logo") if flag(getattr(params, name))]
        if len(wanted) != 1:
            raise BadParameter("Invalid API request")
        item, version = await marketplace.listing(params.id, params.version)
        match wanted[0]:
            case "readme":
                return {"item": item, "version": version, "text": await marketplace.readme(item, version)}
            case "data":
                data, digest = await marketplace.data(item, version, params.sha256)
                return {"item": item, "version": version, "data": data, "sha256": digest}
            case _:
                return _picture(await marketplace.file(item, version, "logo.png"))

    return (
        Endpoint(
            "marketplace", call_marketplace, MarketQuery, "Plugins that others publish", auth=Auth.ADMIN
        ),
    )


def _picture(body: bytes) -> web.Response:
    if not body.startswith(_PNG):
        raise BadParameter("The logo is no PNG")
    return web.Response(
        body=body,
        headers={
            hdrs.CONTENT_TYPE: "image/png",
            hdrs.CACHE_CONTROL: _YEAR,
            "X-Content-Type-Options": "nosniff",
            hdrs.SERVER: SERVER,
        },
    )
