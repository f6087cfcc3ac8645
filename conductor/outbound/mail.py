"""The mailer: templates, daily cap, delivery with retries. Contract platform.md §11."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from conductor.errors import Refusal
from conductor.outbound import stationery
from conductor.outbound.addresses import addresses, named, one_line
from conductor.outbound.delivery import Delivery
from conductor.outbound.directives import button, promoted
from conductor.outbound.letter import Attachment, Mail, MalformedMail, check_head, compose, new_message_id
from conductor.outbound.smtp import SmtpFailed, SmtpSettings, Transcript, converse
from conductor.outbound.templates import Templates
from conductor.settings import Settings

__all__ = ["Attachment", "Delivery", "Mail", "Mailer"]

EMAIL = "email"
"""The code of a mail that was not delivered."""
PAUSES = (1.0, 4.0, 15.0)
"""Seconds before each further try after a passing failure."""

log = structlog.get_logger(__name__)

Take = Callable[[str, int], Awaitable[bool]]
"""Count one of a name today; False when there have been as many as the second argument."""


async def _uncapped(name: str, limit: int) -> bool:
    return True


def _untold() -> None:
    return None


class Mailer:
    """Sends mail by the settings as they are at that moment. Never raises for what the other side does."""

    def __init__(
        self,
        settings: Settings,
        *,
        version: str = "",
        templates: Path | None = None,
        take: Take = _uncapped,
        sent: Callable[[], None] = _untold,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """`take` counts towards the daily cap; `sent` is told of each mail that was delivered."""
        self._settings = settings
        self._version = version
        self.templates = Templates(settings, templates)
        self._take = take
        self._sent = sent
        self._pauses = tuple(pauses)

    async def send(self, mail: Mail) -> Delivery:
        """Deliver `mail`, with retries after passing failures. Code 0: sent, or nothing to do."""
        settings = self._settings
        recipients = mail.recipients()
        if not recipients:
            return Delivery(description="Email skipped: no recipients")
        shown = ", ".join(recipients)
        sender = named(mail.sender) or named(settings.email_from)
        if not sender:
            skipped = "Email skipped: email_from is not set, so that no mail is sent"
            return Delivery(description=skipped, details=f"({skipped})")
        try:
            check_head(mail)
            smtp = SmtpSettings.of(settings.mail_settings)
        except MalformedMail as error:
            return _failed(shown, str(error))
        except (TypeError, ValueError):
            return _failed(shown, "the setting mail_settings is malformed")
        limit = settings.max_emails_per_day
        try:
            if limit > 0 and not await self._take("mail", limit):
                return _failed(shown, f"Maximum email daily limit has been reached ({limit}/day)")
        except Refusal as refusal:
            return _failed(shown, f"the mail could not be counted: {refusal.description}")
        message = self._written(mail, sender)
        return await self._deliver(smtp, addresses(sender)[0], recipients, message)

    async def send_template(
        self,
        template: str,
        data: Mapping[str, Any],
        *,
        to: Sequence[str] = (),
        body: str | None = None,
        attachments: Sequence[Attachment] = (),
        message_id: str = "",
    ) -> Delivery:
        """Send a template filled with `data`; `body` replaces its text, and where it sets them its head.

        `to` is `email_to` for the template. An unknown template without a `body` is code `email`.
        """
        written = self.templates.fill(template, data, to=to, body=body)
        if written is None:
            return Delivery(code=EMAIL, description=f"No such mail template: {one_line(template)[:60]}")
        return await self.send(
            Mail(
                to=addresses(written.head.get("to", "")),
                cc=addresses(written.head.get("cc", "")),
                bcc=addresses(written.head.get("bcc", "")),
                subject=written.head.get("subject", ""),
                sender=written.head.get("from", ""),
                title=written.head.get("title", ""),
                button=written.head.get("button", ""),
                logo_url=written.head.get("logo_url", ""),
                footer=" ".join(filter(None, (written.head.get("version"), written.head.get("copyright")))),
                body=written.text,
                attachments=attachments,
                message_id=message_id,
            )
        )

    def _written(self, mail: Mail, sender: str) -> bytes:
        settings = self._settings
        heading, text = promoted(mail.body) if not mail.title else ("", mail.body)
        title = one_line(mail.title or heading)
        pressed = button(mail.button)
        name = str(settings.client.get("name") or "OpsOrbit")
        footer = mail.footer or f"{name} {self._version}".strip()
        plain = stationery.as_text(text, title=title, button=pressed, footer=footer)
        message_id = new_message_id(addresses(sender)[0], mail.message_id)
        if settings.email_format == "text":
            return compose(mail, sender=sender, text=plain, message_id=message_id)
        logo, image = self._logo(mail.logo_url)
        page = stationery.as_html(
            text,
            title=title or name,
            button=pressed,
            logo=logo,
            footer=footer,
            wrapper=self.templates.wrapper(),
        )
        return compose(mail, sender=sender, text=plain, page=page, logo=image, message_id=message_id)

    def _logo(self, own: str) -> tuple[str, bytes]:
        url = own or str(self._settings.client.get("logo_url") or "")
        if self._settings.email_logo == "none":
            return "", b""
        if own.startswith(("http://", "https://")):
            return own, b""
        if self._settings.email_logo == "link":
            if url.startswith("/"):
                url = self._settings.base_app_url + url
            return (url, b"") if url.startswith(("http://", "https://")) else ("", b"")
        return f"cid:{stationery.LOGO_CID}", stationery.logo_bytes()

    async def _deliver(
        self, smtp: SmtpSettings, sender: str, recipients: list[str], message: bytes
    ) -> Delivery:
        transcript = Transcript(smtp.username, smtp.password)
        open_, refused = list(recipients), dict[str, str]()
        pauses = iter(self._pauses)
        taken: list[str] = []
        while open_:
            try:
                refusals = await converse(smtp, sender, open_, message, transcript)
                refused |= refusals
                taken += [one for one in open_ if one not in refusals]
                open_ = [one for one, text in refusals.items() if text.startswith("4")]
                failure = SmtpFailed("; ".join(refusals.values()), transient=bool(open_))
            except SmtpFailed as error:
                failure = error
            if not open_ or not failure.transient:
                break
            pause = next(pauses, None)
            if pause is None:
                break
            transcript.note(f"trying again in {pause:g} seconds")
            await asyncio.sleep(pause)
        log.info("mail", recipients=len(recipients), taken=len(taken))
        if not taken:
            return _failed(", ".join(recipients), str(failure), str(transcript))
        self._sent()
        text = f"Email sent successfully to: {', '.join(taken)}"
        if left := [one for one in recipients if one not in taken]:
            text += f" (refused: {', '.join(f'{one}: {refused.get(one, failure)}' for one in left)})"
        return Delivery(description=text, details=str(transcript))


def as_details(delivery: Delivery) -> Delivery:
    """The same with its conversation as Markdown, for who shows it as such."""
    if not delivery.details:
        return delivery
    fence = "```"
    while fence in delivery.details:
        fence += "`"
    return msgspec.structs.replace(delivery, details=f"{fence}\n{delivery.details}\n{fence}")


def _failed(recipients: str, reason: str, details: str = "") -> Delivery:
    return Delivery(
        code=EMAIL, description=f"Failed to send email to: {recipients}: {reason}", details=details
    )
