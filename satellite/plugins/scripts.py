"""Event plugins as the conductor sent them, with their scripts as files (contract satellite_agent.md §1)."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_ID = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class PluginScripts:
    """Files `temp/plugins/ID`: read by jobs of any user, written by the satellite alone, replaced whole.

    They are kept over a restart, so that a job taken before it can still be started.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts: dict[str, str] = {}

    def open(self) -> None:
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)

    def replace(self, plugins: Iterable[Any]) -> None:
        """Take the full list of plugins; files of vanished ones are deleted, unchanged ones are left."""
        texts = {
            plugin["id"]: plugin["script"]
            for plugin in plugins
            if isinstance(plugin, dict)
            and isinstance(plugin.get("script"), str)
            and plugin["script"]
            and isinstance(plugin.get("id"), str)
            and plugin["id"]
            and _ID.issuperset(plugin["id"])
        }
        for plugin_id, text in texts.items():
            if self._texts.get(plugin_id) != text:
                self._write(plugin_id, text)
        for path in self._folder.iterdir():
            if path.name not in texts:
                path.unlink(missing_ok=True)
        self._texts = texts

    def path_of(self, plugin_id: Any) -> Path | None:
        """The script's file; None for a plugin that has none here."""
        if not isinstance(plugin_id, str) or not plugin_id or not _ID.issuperset(plugin_id):
            return None
        path = self._folder / plugin_id
        return path if path.is_file() else None

    def _write(self, plugin_id: str, text: str) -> None:
        path = self._folder / plugin_id
        temporary = self._folder / f".{plugin_id}.new"
        try:
            temporary.write_text(text + "\n")
            temporary.chmod(0o644)
            os.replace(temporary, path)
        except (OSError, UnicodeError) as error:
            log.warning("plugin script was not written", plugin=plugin_id, error=str(error))
