"""A mail, and the MIME message made of it."""

import mimetypes
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, make_msgid

import msgspec

from conductor.outbound import stationery
from conductor.outbound.addresses import addresses, breaks_a_header, one_line
from shared.clock import now

_OURS = frozenset(
    {
        "bcc",
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "sender",
        "subject",
        "to",
    }
)
"""Headers that only we write."""
_NOT_IN_IDS = re.compile(r"[^\w.+=-]+", re.ASCII)


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a mail. It is shown inside the text where that refers to it as `cid:NAME`."""

    name: str
    content: bytes
    type: str = ""
    """MIME type; empty: by the name's ending."""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent. `body` is Markdown, which may hold HTML; lists of addresses may hold CSV."""

    to: Sequence[str]
    subject: str
    body: str
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    headers: Mapping[str, str] = {}
    attachments: Sequence[Attachment] = ()
    sender: str = ""
    """Empty: `email_from`."""
    title: str = ""
    """Beside the logo; empty: a leading `# heading` of the body."""
    button: str = ""
    """`Label | URL`."""
    logo_url: str = ""
    footer: str = ""
    message_id: str = ""
    """Empty: a new one. The same one again tells receivers that the mail is the same."""

    def recipients(self) -> list[str]:
        return list(dict.fromkeys((*addresses(self.to), *addresses(self.cc), *addresses(self.bcc))))


class MalformedMail(ValueError):
    """A header of the mail cannot be written; the text names it."""


def check_head(mail: Mail) -> None:
    """Raise MalformedMail for a value that would add a header, or a header that only we write."""
    if breaks_a_header(mail.subject):
        raise MalformedMail("Malformed subject: it has a line break")
    for listed in (*mail.to, *mail.cc, *mail.bcc):
        if breaks_a_header(listed):
            raise MalformedMail("Malformed address: it has a line break")
    for name, value in mail.headers.items():
        usable = name.isascii() and name.replace("-", "").isalnum()
        if not usable or name.lower() in _OURS or breaks_a_header(value):
            raise MalformedMail(f"Malformed mail header: {one_line(name)[:60]}")


def domain_of(sender: str) -> str:
    return sender.rpartition("@")[2] or "localhost"


def new_message_id(sender: str, word: str = "") -> str:
    """`word`: the same word gives the same ID."""
    word = _NOT_IN_IDS.sub("_", word)
    return f"<{word}@{domain_of(sender)}>" if word else make_msgid(domain=domain_of(sender))


def compose(
    mail: Mail, *, sender: str, text: str, page: str = "", logo: bytes = b"", message_id: str
) -> bytes:
    """The message's bytes. `page` is its HTML, empty for a mail of plain text alone."""
    from email.message import EmailMessage  # loaded with the first mail
    from email.policy import SMTP

    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(addresses(mail.to)) or "undisclosed-recipients:;"
    if copies := addresses(mail.cc):
        message["Cc"] = ", ".join(copies)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(now(), UTC))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # or holiday notices come back
    for name, value in mail.headers.items():
        message[name] = value
    message.set_content(text)
    inside = stationery.referred(mail.body) if page else set()
    if page:
        message.add_alternative(page, subtype="html")
        root = message.get_payload()[-1]  # type: ignore[index]
        if logo:
            root.add_related(logo, "image", "png", cid=f"<{stationery.LOGO_CID}>", filename="logo.png")  # type: ignore[union-attr]
        for one in mail.attachments:
            if one.name in inside:
                root.add_related(one.content, *_type(one), cid=f"<{one.name}>", filename=one.name)  # type: ignore[union-attr]
    for one in mail.attachments:
        if one.name not in inside:
            message.add_attachment(one.content, *_type(one), filename=one_line(one.name))
    return message.as_bytes()


def _type(attachment: Attachment) -> tuple[str, str]:
    kind = attachment.type.partition(";")[0].strip() or mimetypes.guess_type(attachment.name)[0] or ""
    main, slash, sub = kind.partition("/")
    if not slash or not main.isalnum() or main in ("multipart", "message"):
        return "application", "octet-stream"
    return main, sub
