"""The mailer against a real SMTP server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import Unavailable
from conductor.outbound.mail import Attachment, Delivery, Mail, Mailer, as_details
from conductor.settings import Settings
from tests.integration.outbound.peers import SmtpPeer, certificate

QUICK = (0.01, 0.01)


@pytest.fixture
def mailer(settings: Settings) -> Mailer:
    return Mailer(settings, version="1.2.3", pauses=QUICK)


def mail(**changes: Any) -> Mail:
    fields: dict[str, Any] = {
        "to": ["ann@example.com"],
        "subject": "Hello",
        "body": "# News\n\nSome **text**.",
    }
    return Mail(**{**fields, **changes})


async def test_a_mail_arrives_as_html_and_text(mailer: Mailer, smtp: SmtpPeer) -> None:
    delivery = await mailer.send(
        mail(cc=["bob@example.com"], bcc=["eve@example.com"], button="Open | https://x.example/")
    )
    assert delivery.code == 0, delivery
    [message] = smtp.mails
    assert smtp.recipients == [["ann@example.com", "bob@example.com", "eve@example.com"]]
    assert (message["From"], message["To"], message["Cc"]) == (
        "OpsOrbit <ops@example.com>",
        "ann@example.com",
        "bob@example.com",
    )
    assert "eve" not in message.as_string()
    page = message.get_body(("html",))
    text = message.get_body(("plain",))
    assert page is not None
    assert text is not None
    assert "<strong>text</strong>" in page.get_content()
    assert "<span>News</span>" in page.get_content()
    assert "cid:xyopslogoimage" in page.get_content()
    assert "Some **text**." in text.get_content()
    assert "OpsOrbit 1.2.3" in text.get_content()


async def test_the_transcript_shows_the_conversation_without_the_message(
    mailer: Mailer, smtp: SmtpPeer
) -> None:
    delivery = await mailer.send(mail())
    lines = delivery.details.splitlines()
    assert "> RCPT TO:<ann@example.com>" in lines
    assert "< 250 taken" in lines
    assert "Some" not in delivery.details
    assert as_details(delivery).details.startswith("```\n(connecting")


async def test_text_format_sends_no_html(mailer: Mailer, smtp: SmtpPeer, settings: Settings) -> None:
    settings.email_format = "text"
    await mailer.send(mail(attachments=[Attachment(name="a.bin", content=b"\0\1")]))
    [message] = smtp.mails
    assert message.get_body(("html",)) is None
    assert [part.get_filename() for part in message.iter_attachments()] == ["a.bin"]


async def test_without_a_sender_mail_is_skipped_and_says_so(
    mailer: Mailer, smtp: SmtpPeer, settings: Settings
) -> None:
    settings.email_from = ""
    delivery = await mailer.send(mail())
    assert delivery.code == 0
    assert "skipped" in delivery.description
    assert "skipped" in delivery.details
    assert smtp.mails == []


async def test_no_recipients_is_no_failure(mailer: Mailer, smtp: SmtpPeer) -> None:
    assert (await mailer.send(mail(to=[]))).code == 0
    assert (await mailer.send_template("ticket_new", {})).code == 0
    assert smtp.mails == []


async def test_actions_3_a_passing_failure_is_tried_again_with_the_same_message(
    mailer: Mailer, smtp: SmtpPeer
) -> None:
    smtp.data_replies = ["451 later", "421 later still"]
    delivery = await mailer.send(mail(message_id="t1.5"))
    assert delivery.code == 0, delivery
    assert delivery.details.count("(trying again in") == 2
    assert [message["Message-ID"] for message in smtp.mails] == ["<t1.5@example.com>"]


async def test_a_lasting_failure_is_told_at_once(mailer: Mailer, smtp: SmtpPeer) -> None:
    smtp.data_replies = ["554 spam"]
    delivery = await mailer.send(mail())
    assert (delivery.code, smtp.mails) == ("email", [])
    assert "554 spam" in delivery.description
    assert "trying again" not in delivery.details


async def test_retries_end_and_nothing_is_raised(mailer: Mailer, settings: Settings) -> None:
    settings.mail_settings = {"host": "127.0.0.1", "port": 1}
    delivery = await mailer.send(mail())
    assert delivery.code == "email"
    assert delivery.details.count("trying again") == 2
    settings.mail_settings = {"port": "a lot"}
    assert (await mailer.send(mail())).code == "email"


async def test_a_refused_recipient_holds_up_nobody_and_a_busy_one_is_tried_again(
    mailer: Mailer, smtp: SmtpPeer
) -> None:
    smtp.rcpt_replies = {"bob@example.com": ["550 unknown"], "cat@example.com": ["450 busy"]}
    delivery = await mailer.send(mail(to=["ann@example.com", "bob@example.com", "cat@example.com"]))
    assert delivery.code == 0
    assert "bob@example.com: 550 unknown" in delivery.description
    assert smtp.recipients == [["ann@example.com"], ["cat@example.com"]]


async def test_the_daily_cap_counts_before_sending(smtp: SmtpPeer, settings: Settings) -> None:
    taken: list[str] = []
    sent: list[int] = []

    async def take(name: str, limit: int) -> bool:
        taken.append(name)
        return len(taken) <= limit

    settings.max_emails_per_day = 1
    mailer = Mailer(settings, take=take, sent=lambda: sent.append(1), pauses=QUICK)
    assert (await mailer.send(mail())).code == 0
    refused = await mailer.send(mail())
    assert refused.code == "email"
    assert "Maximum email daily limit has been reached (1/day)" in refused.description
    assert (len(smtp.mails), sent) == (1, [1])


async def test_a_count_that_cannot_be_kept_sends_nothing(smtp: SmtpPeer, settings: Settings) -> None:
    async def take(name: str, limit: int) -> bool:
        raise Unavailable("database is away")

    settings.max_emails_per_day = 5
    assert (await Mailer(settings, take=take).send(mail())).code == "email"
    assert smtp.mails == []


@pytest.fixture
async def tls_peer(settings: Settings, tmp_path: Path) -> AsyncIterator[SmtpPeer]:
    """A server with STARTTLS and a certificate of its own making, which takes logins under TLS alone."""
    one = SmtpPeer(tls_context=certificate(tmp_path))
    one.options["authenticator"] = one.authenticate
    await one.start()
    settings.email_from = "ops@example.com"
    settings.mail_settings = {"host": "127.0.0.1", "port": one.port}
    yield one
    await one.stop()


async def test_starttls_is_used_where_it_is_offered(mailer: Mailer, tls_peer: SmtpPeer) -> None:
    delivery = await mailer.send(mail())
    assert delivery.code == 0, delivery
    assert "> STARTTLS" in delivery.details
    assert len(tls_peer.mails) == 1


async def test_a_certificate_counts_where_protection_is_asked_for(
    mailer: Mailer, tls_peer: SmtpPeer, settings: Settings
) -> None:
    settings.mail_settings["requireTLS"] = True
    refused = await mailer.send(mail())
    assert refused.code == "email"
    assert "trying again" not in refused.details
    settings.mail_settings["tls"] = {"rejectUnauthorized": False}
    assert (await mailer.send(mail())).code == 0
    assert len(tls_peer.mails) == 1


async def test_no_mail_leaves_in_clear_where_tls_is_required(
    mailer: Mailer, smtp: SmtpPeer, settings: Settings
) -> None:
    settings.mail_settings["requireTLS"] = True
    assert (await mailer.send(mail())).code == "email"
    assert smtp.mails == []


async def test_credentials_are_sent_under_tls_and_never_told(
    mailer: Mailer, tls_peer: SmtpPeer, settings: Settings
) -> None:
    settings.mail_settings |= {
        "tls": {"rejectUnauthorized": False},
        "auth": {"user": "mailer-user", "pass": "correct horse"},
    }
    delivery = await mailer.send(mail())
    assert delivery.code == 0, delivery
    assert tls_peer.logins[-1] == ("mailer-user", "correct horse")
    settings.mail_settings["auth"] = {"user": "mailer-user", "pass": "wrong battery"}
    refused = await mailer.send(mail())
    assert refused.code == "email"
    for told in (delivery, refused):
        for secret in ("correct horse", "wrong battery", "mailer-user"):
            assert secret not in f"{told.details} {told.description}"


def test_a_delivery_is_a_value() -> None:
    assert Delivery() == Delivery(code=0, description="", details="")
    assert Delivery().ok
