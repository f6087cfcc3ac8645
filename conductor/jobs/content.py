"""What a job wants to show: Markdown and text become HTML, and all HTML is sanitised (contract jobs.md §11.7, §17).

The browser app shows it to whoever may see the job, and mails carry it: nothing of it may run.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

_TAGS = frozenset(
    {
        "h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "span", "pre", "code", "a", "ul", "ol", "li", "dl", "dt", "dd",
        "table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td", "b", "i", "u", "s", "em",
        "strong", "small", "sub", "sup", "del", "ins", "mark", "blockquote", "br", "hr", "kbd", "samp", "var", "abbr",
        "cite", "q", "tt", "center", "details", "summary",
    }
)  # fmt: skip
_ATTRIBUTES: Mapping[str, set[str]] = {
    "*": {"style"}, "a": {"href", "target"}, "div": {"class"}, "pre": {"class"}, "code": {"class"},
    "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"},
}  # fmt: skip
_SCHEMES = frozenset({"http", "https", "mailto"})
_STYLES = frozenset(
    {
        "color", "background-color", "font-weight", "font-style", "font-size", "font-family", "text-align",
        "text-decoration", "white-space", "vertical-align", "width", "height", "max-width", "min-width", "max-height",
        "margin", "margin-top", "margin-bottom", "margin-left", "margin-right", "padding", "padding-top",
        "padding-bottom", "padding-left", "padding-right", "border", "border-collapse", "border-color", "border-radius",
        "border-style", "border-width", "line-height", "list-style", "list-style-type", "opacity", "overflow",
        "display", "letter-spacing", "text-transform",
    }
)  # fmt: skip
"""Nothing that could lay something over the page, or load something from elsewhere."""
_LONGEST = 1024 * 1024


def render(update: dict[str, Any], job: Mapping[str, Any], base_url: str) -> None:
    """Replace `markdown`, `text` or `html` of an update by `html` as it is stored; what is no content goes."""
    given = {name: update.pop(name) for name in ("markdown", "text", "html") if name in update}
    for name in ("markdown", "text", "html"):
        content = given.get(name)
        if isinstance(content, str):
            content = {"content": content}
        if isinstance(content, dict) and isinstance(content.get("content"), str):
            update["html"] = {
                **content,
                "content": safe_html(name, content["content"][:_LONGEST], {**job, **update}, base_url),
            }
            return


def safe_html(kind: str, content: str, job: Mapping[str, Any], base_url: str) -> str:
    """`kind` is markdown, text or html. Macros see the job and the base URL, once, before all is sanitised."""
    if kind == "markdown":
        html = f'<div class="markdown-body">{_from_markdown(content)}</div>'
    elif kind == "text":
        html = f"<pre>{escape(content, quote=False)}</pre>"
    else:
        html = content
    if "{{" in html:
        from shared.expressions import expand  # its grammar is loaded when the first macro is met

        html = expand(html, {"job": job, "config": {"base_app_url": base_url}}, "n/a")
    return sanitised(html)


def sanitised(html: str) -> str:
    import nh3

    return nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags={"script", "style", "iframe", "object", "template", "noscript", "svg", "math"},
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(_SCHEMES),
        filter_style_properties=set(_STYLES),
        link_rel="noopener noreferrer",
    )


def _from_markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
