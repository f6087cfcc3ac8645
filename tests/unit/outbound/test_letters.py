"""Heads, paper and addresses of mails."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.outbound import stationery
from conductor.outbound.addresses import addresses, is_address, named, one_line
from conductor.outbound.dates import formatted
from conductor.outbound.directives import button, promoted, steered
from conductor.outbound.letter import Attachment, Mail, MalformedMail, check_head, compose
from conductor.outbound.templates import Templates
from conductor.settings import Settings

PAPER = sorted(path.stem for path in Path(stationery.__file__).parent.glob("paper/*.txt"))
CONTRACT = [
    *(
        "activity",
        "alert_cleared",
        "alert_new",
        "changed_password",
        "internal_job",
        "job_fail",
        "job_limited",
    ),
    *("job_progress", "job_start", "job_success", "job_suspended", "logout_all_sessions", "recover_password"),
    *("ticket_new", "ticket_overdue", "ticket_updated", "welcome_new_user"),
]


def test_every_template_of_the_contract_is_there() -> None:
    assert PAPER == CONTRACT


@pytest.mark.parametrize("name", CONTRACT)
def test_a_template_without_data_reads_not_available_and_has_no_error(name: str) -> None:
    written = Templates(Settings()).fill(name, {}, to=["a@example.com"])
    assert written is not None
    assert written.head["subject"]
    assert "(ERROR" not in written.text + str(written.head)
    assert "{{" not in written.text


def test_comments_at_the_beginning_steer() -> None:
    source = (
        "<!-- To: {{email_to}} -->\n<!-- SUBJECT: Hi: there -->\n<!-- just a word -->\nText <!-- To: x -->"
    )
    directives, text = steered(source)
    assert directives == {"to": "{{email_to}}", "subject": "Hi: there"}
    assert text == "Text <!-- To: x -->"


def test_a_value_cannot_add_a_recipient() -> None:
    templates = Templates(Settings())
    evil = "x --> <!-- Bcc: evil@example.com -->\r\nBcc: evil@example.com"
    written = templates.fill("ticket_new", {"ticket": {"num": 1, "subject": evil}}, to=["a@example.com"])
    assert written is not None
    assert written.head["to"] == "a@example.com"
    assert "bcc" not in written.head
    assert "\n" not in written.head["subject"]


def test_an_actions_own_body_keeps_the_templates_head_unless_it_sets_its_own() -> None:
    templates = Templates(Settings())
    data = {"ticket": {"num": 7, "subject": "S"}}
    kept = templates.fill("ticket_new", data, to=["a@example.com"], body="Number {{ticket.num}} of {{none}}")
    assert kept is not None
    assert (kept.text, kept.head["subject"]) == ("Number 7 of n/a", "New ticket #7: S")
    own = templates.fill("ticket_new", data, to=["a@example.com"], body="<!-- Subject: Mine -->\nx")
    assert own is not None
    assert (own.head["subject"], own.head["to"]) == ("Mine", "a@example.com")


def test_an_administrators_copy_goes_before_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "ticket_new.txt").write_text(
        "<!-- To: {{email_to}} -->\n<!-- Subject: Ours -->\nOurs {{empty}}"
    )
    written = Templates(Settings(), tmp_path).fill("ticket_new", {"empty": ""}, to=["a@example.com"])
    assert written is not None
    assert (written.head["subject"], written.text) == ("Ours", "Ours n/a")
    assert Templates(Settings(), tmp_path).fill("../secret", {}) is None


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[x](JavaScript:alert(1))",
        '<a href="javascript:alert(1)">x</a>',
        "<iframe src='https://evil.example'></iframe>",
        "<form action=https://evil.example><input name=p></form>",
        "<style>body{display:none}</style>",
        '<p style="background:url(https://evil.example)">x</p>',
    ],
)
def test_nothing_in_a_mail_acts(evil: str) -> None:
    page = stationery.as_html(
        f"Hello\n\n{evil}\n",
        title="<b>T</b>",
        button=None,
        logo="",
        footer="f",
        wrapper="{{title}}|{{ body }}",
    )
    for word in (
        "<script",
        "onerror",
        "javascript:",
        'href="java',
        "<iframe",
        "<form",
        "<input",
        "<style",
        "url(",
    ):
        assert word not in page
    assert page.startswith("&lt;b&gt;T&lt;/b&gt;|<p>Hello</p>")


def test_tables_links_and_inline_images_are_kept() -> None:
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n\n[l](https://x.example) ![i](cid:chart.png)"
    page = stationery.as_html(
        text,
        title="",
        button=("Go", "https://x.example/?a=1&b=2"),
        logo="",
        footer="",
        wrapper="{{body}}{{button}}",
    )
    assert "<table>" in page
    assert 'src="cid:chart.png"' in page
    assert 'href="https://x.example/?a=1&amp;b=2">Go' in page


@given(st.text(max_size=200))
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a@example.com, B <b@example.com>; a@example.com", ["a@example.com", "b@example.com"]),
        ("admin@localhost", ["admin@localhost"]),
        ("nobody, @x, a@, a b@c", ["b@c"][:0]),
        ("a@x\r\nBcc: e@x", []),
    ],
)
def test_addresses_are_taken_out_of_lists(text: str, found: list[str]) -> None:
    assert [one for one in addresses(text) if is_address(one)] == found


def test_a_sender_keeps_its_name() -> None:
    assert named("Ops Team <ops@example.com>") == "Ops Team <ops@example.com>"
    assert named("") == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "a\r\nBcc: e@x.example"},
        {"headers": {"X-A": "1\nBcc: e@x.example"}},
        {"headers": {"X A": "1"}},
        {"headers": {"Bcc": "e@x.example"}},
        {"to": ["a@x.example\r\nBcc: e@x.example"]},
    ],
)
def test_no_value_begins_another_header(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMail):
        check_head(Mail(**{"to": ["a@x.example"], "subject": "s", "body": "b", **changes}))


def test_attachments_are_inline_where_the_text_shows_them() -> None:
    mail = Mail(
        to=["a@x.example"],
        bcc=["hidden@x.example"],
        subject="Ünïcode ✓",
        body="see cid:chart.png",
        attachments=[
            Attachment(name="chart.png", content=b"\x89PNG"),
            Attachment(name="notes.txt", content=b"\xff\xfe raw"),
        ],
    )
    raw = compose(mail, sender="o@x.example", text="t", page="<p>p</p>", logo=b"L", message_id="<1@x>")
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Subject"] == "Ünïcode ✓"
    assert b"hidden@x.example" not in raw
    inline = [part["Content-ID"] for part in message.walk() if part["Content-ID"]]
    assert inline == ["<xyopslogoimage>", "<chart.png>"]
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_payload(decode=True)) == ("notes.txt", b"\xff\xfe raw")


def test_dates_follow_the_contracts_patterns() -> None:
    when = datetime(2026, 3, 7, 0, 5, tzinfo=UTC)
    pattern = "[dddd], [mmmm] [mday], [yyyy] [hour12]:[mi] [ampm] [what]"
    assert formatted(pattern, when) == "Saturday, March 7, 2026 12:05 am [what]"


def test_headings_and_buttons() -> None:
    assert promoted("# Title #\n\ntext") == ("Title", "text")
    assert promoted("text\n# no") == ("", "text\n# no")
    assert button("Go | https://x.example/a|b") is None
    assert button("Go | https://x.example") == ("Go", "https://x.example")
    assert button("Go | javascript:alert(1)") is None
