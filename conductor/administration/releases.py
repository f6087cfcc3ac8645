"""Which releases of the conductor there are, as far as anybody tells (contract api/multi.yaml)."""

from pathlib import Path
from typing import Any

from conductor.administration.kept import Kept
from conductor.administration.ports import NoWeb, Web
from conductor.errors import Refusal
from conductor.settings import Settings

Json = dict[str, Any]


class Releases:
    def __init__(self, settings: Settings, folder: Path) -> None:
        self.web: Web = NoWeb()
        self._settings = settings
        self._kept = Kept(folder / "releases.json", _usable)

    @property
    def ttl(self) -> int:
        """Seconds that an answer stays good."""
        ttl = self._settings.multi.get("cache_ttl", 3600)
        return int(ttl) if isinstance(ttl, int | float) else 3600

    async def all(self) -> list[Json]:
        """The upstream's release objects, newest first, without pre-releases; none where nobody is asked.

        Raises Refusal `multi`.
        """
        url = self._settings.multi.get("list_url")
        if not url or not self._settings.multi.get("enable_version_checks", True):
            return []
        try:
            found = await self._kept.get(self.web, str(url), self.ttl)
        except Refusal as refusal:
            raise Refusal("multi", f"Cannot fetch the releases: {refusal.description}") from None
        return [
            one
            for one in found
            if isinstance(one, dict) and one.get("tag_name") and not one.get("prerelease")
        ]


def _usable(document: Any) -> bool:
    return isinstance(document, list) and bool(document)
