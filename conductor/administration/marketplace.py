"""The catalogue of plugins that others publish (contract compat.md §2). Nothing is installed from here."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from conductor.administration.kept import Kept
from conductor.administration.ports import NoWeb, Web
from conductor.errors import Refusal
from conductor.settings import Settings

Json = dict[str, Any]

DEFAULTS: Mapping[str, Any] = {
    "enabled": True,
    "metadata_url": "",
    "repo_url_template": "https://raw.githubusercontent.com/[id]/refs/tags/[version]/[filename]",
    "ttl": 3600,
}

_SEARCHED = ("title", "description", "id", "license", "type")
_NOT_WORD = re.compile(r"\W+")
_ID = re.compile(r"[\w\-.]+/[\w\-.]+")
_VERSION = re.compile(r"[\w\-.+]+")
_IMAGE = re.compile(
    r"(<img\b[^>]*?\bsrc=)([\"'])(?![a-zA-Z][a-zA-Z0-9+.\-]*:|//|/|#)([^\"']*)\2", re.IGNORECASE
)
_MOST_FILE = 8 * 1024**2
_TIMEOUT = 15.0


class Listings(msgspec.Struct, frozen=True, kw_only=True):
    """What a search asks for; empty: anything."""

    query: str = ""
    type: str = ""
    plugin_type: str = ""
    license: str = ""
    author: str = ""
    tags: Sequence[str] = ()
    requires: Sequence[str] = ()
    status: str = ""
    sort_by: str = "title"
    sort_dir: int = 1
    offset: int = 0
    limit: int = 1000


class Marketplace:
    def __init__(self, settings: Settings, folder: Path, installed: Callable[[], set[str]]) -> None:
        """`installed`: the IDs of listings whose plugins are here."""
        self.web: Web = NoWeb()
        self._settings = settings
        self._installed = installed
        self._kept = Kept(folder / "marketplace.json", _usable)

    async def search(self, asked: Listings) -> tuple[list[Json], int]:
        """One page of the matching listings, and how many there are. Raises Refusal `marketplace`."""
        return select(await self._rows(), asked, self._installed())

    async def fields(self) -> Json:
        """The distinct values that listings have."""
        rows = await self._rows()
        return {
            "types": _distinct(rows, "type"),
            "plugin_types": _distinct(rows, "plugin_type"),
            "requires": _distinct(rows, "requires"),
            "tags": _distinct(rows, "tags"),
            "licenses": _distinct(rows, "license"),
            "authors": _distinct(rows, "author"),
        }

    async def listing(self, id: str, version: str) -> tuple[Json, str]:
        """A listing, and the version wanted: its newest where none is named. Raises Refusal `marketplace`."""
        item = next((row for row in await self._rows() if row["id"] == id), None)
        if item is None:
            raise Refusal("marketplace", f"Marketplace item not found: {id[:80]}")
        wanted = version or next(iter(item["versions"]), "")
        if not _VERSION.fullmatch(wanted):
            raise Refusal("marketplace", f"Marketplace item has no such version: {wanted[:40]}")
        return item, wanted

    async def file(self, item: Json, version: str, name: str) -> bytes:
        """A file of a listing's repository. Raises Refusal `marketplace`."""
        return await self._get(self._url(item, version, name))

    async def readme(self, item: Json, version: str) -> str:
        """The README; its pictures are addressed from anywhere."""
        text = (await self.file(item, version, "README.md")).decode(errors="replace")
        return _IMAGE.sub(
            lambda match: f"{match[1]}{match[2]}{self._url(item, version, match[3])}{match[2]}", text
        )

    async def data(self, item: Json, version: str, wanted: str = "") -> tuple[Json, str]:
        """The portable data of the plugin (XYPDF), and its SHA-256. A version is a tag, which its owner can move:
        with `wanted`, another content is refused. Raises Refusal `marketplace`."""
        body = await self.file(item, version, "xyops.json")
        digest = hashlib.sha256(body).hexdigest()
        if wanted and not hmac.compare_digest(wanted.strip().lower().encode(), digest.encode()):
            raise Refusal(
                "marketplace", f"Marketplace item has changed since: {item['id']} (SHA-256 {digest})"
            )
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Refusal("marketplace", f"Marketplace item has no data: {item['id']}")
        return found, digest

    def _url(self, item: Json, version: str, name: str) -> str:
        url = str(self._setting("repo_url_template"))
        return url.replace("[id]", item["id"]).replace("[version]", version).replace("[filename]", name)

    def _setting(self, name: str) -> Any:
        return self._settings.marketplace.get(name, DEFAULTS[name])

    async def _rows(self) -> list[Json]:
        if not self._setting("enabled"):
            raise Refusal("marketplace", "The marketplace is disabled.")
        ttl = self._setting("ttl")
        try:
            document = await self._kept.get(
                self.web,
                str(self._setting("metadata_url")),
                float(ttl) if isinstance(ttl, int | float) else 3600,
            )
        except Refusal as refusal:
            raise Refusal("marketplace", f"Cannot fetch the marketplace: {refusal.description}") from None
        return [
            _listing(row)
            for row in document["rows"]
            if isinstance(row, dict) and _ID.fullmatch(str(row.get("id")))
        ]

    async def _get(self, url: str) -> bytes:
        try:
            return await self.web.get(url, most=_MOST_FILE, timeout=_TIMEOUT)
        except Refusal as refusal:
            raise Refusal("marketplace", f"Cannot fetch {url}: {refusal.description}") from None


def select(rows: Sequence[Json], asked: Listings, installed: set[str]) -> tuple[list[Json], int]:
    """The page that is asked for. Pure."""
    found = [row for row in rows if _matches(row, asked, installed)]
    found.sort(
        key=lambda row: (str(row.get(asked.sort_by, "")).lower(), row["id"]), reverse=asked.sort_dir < 0
    )
    start = max(asked.offset, 0)
    return found[start : start + max(asked.limit, 0)], len(found)


def _matches(row: Json, asked: Listings, installed: set[str]) -> bool:
    if asked.query:
        texts = [str(row.get(name, "")) for name in _SEARCHED] + row["tags"] + row["requires"]
        if asked.query.lower() not in " ".join(texts).lower():
            return False
    if asked.status in ("installed", "not") and (row["id"] in installed) is (asked.status == "not"):
        return False
    return (
        (not asked.type or row.get("type") == asked.type)
        and (not asked.plugin_type or row.get("plugin_type") == asked.plugin_type)
        and (not asked.license or str(row.get("license", "")).lower() == asked.license.lower())
        and (not asked.author or _plain(str(row.get("author", ""))) == _plain(asked.author))
        and {_plain(tag) for tag in asked.tags} <= {_plain(tag) for tag in row["tags"]}
        and {_plain(one) for one in asked.requires} <= {_plain(one) for one in row["requires"]}
    )


def _listing(row: Json) -> Json:
    """A row in which every list is one: rows without would break searches."""
    lists = {
        name: [str(one) for one in row[name]] if isinstance(row.get(name), list) else []
        for name in ("tags", "requires", "versions")
    }
    return {**row, "id": str(row["id"]), **lists}


def _distinct(rows: Sequence[Json], name: str) -> list[str]:
    found: set[str] = set()
    for row in rows:
        value = row.get(name)
        found.update(value if isinstance(value, list) else [str(value)] if value else [])
    return sorted(found)


def _plain(text: str) -> str:
    return _NOT_WORD.sub("", text.lower())


def _usable(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("rows"), list)
