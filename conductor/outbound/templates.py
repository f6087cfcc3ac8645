"""Mail templates: built in, or an administrator's own copy of one. Contract platform.md §10, §11.

Each macro is expanded once; what is undefined or empty reads `n/a`. The head of a template is taken apart
before, so that no value can add a recipient.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conductor.outbound import stationery
from conductor.outbound.addresses import one_line
from conductor.outbound.directives import steered
from conductor.settings import Settings
from shared.expressions import expand

MISSING = "n/a"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
_LARGEST = 256 * 1024
_WITHHELD = ("env", "secrets")
"""Never offered to a mail: the conductor's environment, and what belongs to web hooks and jobs."""


class Written(NamedTuple):
    """A filled template: its head (`to`, `subject`, `button`… in one line each) and its Markdown."""

    head: Mapping[str, str]
    text: str


class Templates:
    def __init__(self, settings: Settings, folder: Path | None = None) -> None:
        """`folder` holds an administrator's copies; `email_templates` of the settings goes before it."""
        self._settings = settings
        self._folder = folder

    def source(self, name: str) -> str | None:
        """The text of a template; None for an unknown one."""
        if not _NAME.fullmatch(name):
            return None
        return self._own(f"{name}.txt") or stationery.built_in(f"{name}.txt")

    def wrapper(self) -> str:
        """The frame of HTML mails."""
        return self._own("template.html") or stationery.built_in("template.html") or "{{ body }}"

    def fill(
        self, name: str, data: Mapping[str, Any], *, to: Sequence[str] = (), body: str | None = None
    ) -> Written | None:
        """The template with `data`; `body` replaces its text, and the parts of its head that it sets."""
        source = self.source(name)
        if source is None and body is None:
            return None
        directives, text = steered(source or "<!-- To: {{email_to}} -->\n")
        if body is not None and body.strip():
            own, text = steered(body)
            directives = {**directives, **own}
        context = {**self._common(), **{key: value for key, value in data.items() if key not in _WITHHELD}}
        if to:
            context["email_to"] = ", ".join(to)
        head = {key: one_line(_filled(value, context)) for key, value in directives.items()}
        head = {key: "" if value == MISSING else value for key, value in head.items()}
        return Written(head, _filled(text, context))

    def _common(self) -> Mapping[str, Any]:
        settings = self._settings
        client = {"name": "OpsOrbit", **settings.client}
        return {
            "config": {
                "client": client,
                "base_app_url": settings.base_app_url,
                "email_from": settings.email_from,
            },
            "request": {"headers": {}},
        }

    def _own(self, file: str) -> str | None:
        folder = Path(self._settings.email_templates) if self._settings.email_templates else self._folder
        if folder is None:
            return None
        try:
            with (folder / file).open(encoding="utf-8", errors="replace") as stream:
                return stream.read(_LARGEST)
        except OSError:
            return None


def expanded(text: str, context: Mapping[str, Any]) -> str:
    """`text` with its macros expanded as mails have them."""
    return _filled(text, context)


def _filled(text: str, context: Mapping[str, Any]) -> str:
    return expand(text, context, MISSING, value_filter=lambda value: MISSING if value == "" else value)
