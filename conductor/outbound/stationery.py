"""A mail's text on the house's paper: Markdown to safe HTML in a frame, or plain text.

Contract platform.md §11. Whatever the text holds, what leaves is free of scripts, forms, frames and event
handlers: values of macros come from jobs and users.
"""

import html
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from shared.expressions import expand

LOGO_CID = "xyopslogoimage"
"""The Content-ID of an inline logo; own wrappers refer to it."""
_SCHEMES = {"http", "https", "mailto", "cid"}
_STYLES = {
    "background-color",
    "border",
    "color",
    "font-family",
    "font-size",
    "font-weight",
    "height",
    "margin",
    "padding",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
    "width",
}
_CID = re.compile(r"cid:([\w\-.%]+)")


def as_html(
    text: str,
    *,
    title: str,
    button: tuple[str, str] | None,
    logo: str,
    footer: str,
    wrapper: str,
) -> str:
    """The whole page. `logo`: address of an image (`cid:…` or a URL), empty for none; `wrapper` its frame."""
    context: Mapping[str, Any] = {
        "title": html.escape(title),
        "body": cleaned(_markdown().render(text)),
        "logo": f'<img src="{html.escape(logo)}" alt="" height="32">' if logo else "",
        "button": _button(*button) if button else "",
        "footer": html.escape(footer),
    }
    return expand(wrapper, context)


def as_text(text: str, *, title: str, button: tuple[str, str] | None, footer: str) -> str:
    parts = [title] if title else []
    parts.append(text.strip())
    if button:
        parts.append(f"{button[0]}: {button[1]}")
    parts.append(f"-- \n{footer}")
    return "\n\n".join(parts) + "\n"


def cleaned(markup: str) -> str:
    """HTML without anything that acts."""
    return _cleaner().clean(markup)  # type: ignore[no-any-return]


def referred(text: str) -> set[str]:
    """Names that `text` shows as `cid:NAME`."""
    return set(_CID.findall(text))


@lru_cache(maxsize=64)
def built_in(name: str) -> str | None:
    """The text of a built-in template or frame; None for an unknown name."""
    try:
        return resources.files("conductor.outbound").joinpath("paper", name).read_text("utf-8")
    except (FileNotFoundError, IsADirectoryError):
        return None


@cache
def logo_bytes() -> bytes:
    """The built-in logo, a PNG."""
    return resources.files("conductor.outbound").joinpath("paper", "logo.png").read_bytes()


def _button(label: str, url: str) -> str:
    return f'<p><a class="button" href="{html.escape(url)}">{html.escape(label)}</a></p>'


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt  # loaded with the first mail

    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@cache
def _cleaner() -> Any:
    import nh3

    attributes = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
    for tag in ("td", "th", "tr", "table", "div", "span", "p"):
        attributes.setdefault(tag, set()).update({"style", "align"})
    return nh3.Cleaner(attributes=attributes, url_schemes=_SCHEMES, filter_style_properties=_STYLES)
