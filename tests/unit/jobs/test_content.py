"""What a job shows is safe to show (contract jobs.md §11.7, §17)."""

from typing import Any

import pytest

from conductor.jobs.content import render, safe_html

JOB = {"id": "j1", "label": "<b>x</b>", "params": {"bad": "<script>alert(1)</script>"}}
BASE = "https://ops.example"


def shown(kind: str, content: str) -> str:
    return safe_html(kind, content, JOB, BASE)


def test_markdown_becomes_html_in_its_frame() -> None:
    html = shown("markdown", "# Hi\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n~~no~~")
    assert html.startswith('<div class="markdown-body"><h1>Hi</h1>')
    assert "<td>1</td>" in html
    assert "<s>no</s>" in html


def test_text_is_escaped() -> None:
    assert shown("text", "a < b & <i>c</i>") == "<pre>a &lt; b &amp; &lt;i&gt;c&lt;/i&gt;</pre>"


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<iframe src='//evil'></iframe>",
        "<form action=/x><input name=a></form>",
        '<a href="javascript:alert(1)">x</a>',
        '<p onclick="alert(1)">x</p>',
        '<p style="background:url(//evil/x); position:fixed">x</p>',
        "<svg><script>alert(1)</script></svg>",
        "{{params.bad}}",
    ],
)
@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_nothing_of_it_runs_or_loads(kind: str, content: str) -> None:
    html = shown(kind, content)
    for evil in (
        "<script",
        "<img",
        "<iframe",
        "<form",
        "<input",
        "javascript:",
        "onclick",
        "url(",
        "position",
        "<svg",
    ):
        assert evil not in html.lower()


def test_macros_see_the_job_once() -> None:
    job = {**JOB, "label": "{{id}}"}
    assert safe_html(
        "html", "{{label}} {{job.label}} {{job.id}} {{config.base_app_url}} {{job.no}}", job, BASE
    ) == ("n/a {{id}} j1 https://ops.example n/a")


def test_an_update_has_html_afterwards_and_keeps_title_and_caption() -> None:
    update: dict[str, Any] = {"markdown": {"title": "T", "content": "*x*", "caption": "C"}, "progress": 0.5}
    render(update, JOB, BASE)
    assert update["html"]["title"] == "T"
    assert "<em>x</em>" in update["html"]["content"]
    assert "markdown" not in update


@pytest.mark.parametrize("content", [5, None, {"content": 5}, {"title": "x"}, []])
def test_what_is_no_content_is_dropped(content: Any) -> None:
    update = {"html": content, "status": "x"}
    render(update, JOB, BASE)
    assert update == {"status": "x"}
