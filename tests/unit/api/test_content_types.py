import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.api.content_types import attachment, content_type, is_active


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text/plain"), ("a.PNG", "image/png"), ("files/x/a.csv", "text/csv"),
        ("a.tar.gz", "application/gzip"),
        ("a", "application/octet-stream"), ("a.unheard", "application/octet-stream"), ("a.log", "text/plain"),
        (".png", "application/octet-stream"), ("a.json", "application/json"), ("a.html", "text/html"),
        ("a.js", "text/plain"), ("a.mjs", "text/plain"),
    ],
)  # fmt: skip
def test_types_come_from_a_table_by_extension(name: str, kind: str) -> None:
    assert content_type(name) == kind


@pytest.mark.parametrize(
    ("name", "active"),
    [("a.html", True), ("a.HTM", True), ("a.svg", True), ("a.xml", True), ("a.xhtml", True), ("a.xsl", True),
     ("a.js", True), ("a.png", False), ("a.pdf", False), ("a.csv", False), ("a", False)],
)  # fmt: skip
def test_what_a_browser_would_run_is_a_download(name: str, active: bool) -> None:
    """files.yaml: SVG, XML and XHTML are served inline on the app origin (stored XSS)."""
    assert is_active(name) is active


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ('a"; x="y.txt', "attachment; filename=\"a_; x=_y.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22y.txt"),
        ("ä.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%A4.txt"),
        ("a\r\nSet-Cookie: x.txt", None),
    ],
)
def test_download_names_are_encoded(name: str, header: str | None) -> None:
    """files.yaml: download=NAME is placed in the header unescaped."""
    made = attachment(name)
    assert "\r" not in made
    assert "\n" not in made
    assert header is None or made == header


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    made = attachment(name)
    assert made.isascii()
    assert made.isprintable()
    assert made.count('"') == 2
