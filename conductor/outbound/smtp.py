"""One SMTP conversation, and a record of it without the message and without credentials."""

import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from aiosmtplib import SMTP
    from aiosmtplib.response import SMTPResponse

_TIMEOUT = 30.0
_LOCAL = ("localhost", "127.0.0.1", "::1")


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`mail_settings`, understood (contract platform.md §1.1)."""

    host: str = "localhost"
    port: int = 25
    secure: bool = False
    """TLS from the first byte."""
    require_tls: bool = False
    """No mail without STARTTLS."""
    ignore_tls: bool = False
    verify: bool = True
    username: str = ""
    password: str = ""
    name: str | None = None
    """What this host calls itself."""
    timeout: float = _TIMEOUT

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "SmtpSettings":
        """Raises ValueError for a port that is none."""
        auth, tls = _object(settings.get("auth")), _object(settings.get("tls"))
        secure = bool(settings.get("secure"))
        require = bool(settings.get("requireTLS"))
        username = str(auth.get("user") or "")
        # Who asks for no protection gets what the server offers, and a certificate of its own making is
        # better than none; who asks for some, or sends a password, gets a certificate that is checked.
        verify = tls.get("rejectUnauthorized", secure or require or bool(username)) is not False
        return cls(
            host=str(settings.get("host") or "localhost"),
            port=int(settings.get("port") or (465 if secure else 25)),
            secure=secure,
            require_tls=require,
            ignore_tls=bool(settings.get("ignoreTLS")),
            verify=bool(verify),
            username=username,
            password=str(auth.get("pass") or ""),
            name=str(settings["name"]) if settings.get("name") else None,
            timeout=float(settings["connectionTimeout"]) / 1000
            if settings.get("connectionTimeout")
            else _TIMEOUT,
        )


class SmtpFailed(Exception):
    """The message was not taken. `transient`: another try may succeed."""

    def __init__(self, reason: str, *, transient: bool) -> None:
        super().__init__(reason)
        self.transient = transient


class Transcript:
    """`>` what we said, `<` what the server answered. Credentials and the message are never in it."""

    def __init__(self, *hidden: str) -> None:
        self._lines: list[str] = []
        self._hidden = [one for one in hidden if len(one) > 2]

    def said(self, line: str) -> None:
        self._add("> ", line)

    def heard(self, response: "SMTPResponse") -> None:
        lines = response.message.splitlines() or [""]
        for number, line in enumerate(lines, 1):
            self._add("< ", f"{response.code}{' ' if number == len(lines) else '-'}{line}")

    def note(self, text: str) -> None:
        self._add("", f"({text})")

    def _add(self, mark: str, line: str) -> None:
        for one in self._hidden:
            line = line.replace(one, "********")
        self._lines.append(mark + " ".join(line.split()))

    def __str__(self) -> str:
        return "\n".join(self._lines)


async def converse(
    settings: SmtpSettings, sender: str, recipients: Sequence[str], message: bytes, transcript: Transcript
) -> dict[str, str]:
    """Deliver `message`; returns the recipients that the server refused, with its words.

    Returns when at least one recipient was taken. Raises SmtpFailed.
    """
    import aiosmtplib

    smtp = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        use_tls=settings.secure,
        start_tls=False,  # done below, where it can be told of
        validate_certs=settings.verify,
        local_hostname=settings.name,
        timeout=settings.timeout,
    )
    transcript.note(f"connecting to {settings.host}:{settings.port}{' with TLS' if settings.secure else ''}")
    try:
        transcript.heard(await smtp.connect())
        await _greet(smtp, transcript)
        await _protect(smtp, settings, transcript)
        await _log_in(smtp, settings, transcript)
        refused = await _envelope(smtp, sender, recipients, transcript)
        transcript.said("DATA")
        transcript.note(f"{len(message)} bytes")
        transcript.heard(await smtp.data(message))
    except aiosmtplib.SMTPResponseException as error:
        transcript.heard(aiosmtplib.SMTPResponse(error.code, error.message))
        transient = 400 <= error.code < 500 and not isinstance(error, aiosmtplib.SMTPAuthenticationError)
        raise SmtpFailed(f"{error.code} {' '.join(error.message.split())}", transient=transient) from None
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        transcript.note(reason)
        raise SmtpFailed(reason, transient=_is_transient(error)) from None
    else:
        await _leave(smtp, transcript)
        return refused
    finally:
        smtp.close()


async def _greet(smtp: "SMTP", transcript: Transcript) -> None:
    transcript.said("EHLO")
    transcript.heard(await smtp.ehlo())


async def _protect(smtp: "SMTP", settings: SmtpSettings, transcript: Transcript) -> None:
    if settings.secure or (settings.ignore_tls and not settings.require_tls):
        return
    if smtp.supports_extension("starttls"):
        transcript.said("STARTTLS")
        transcript.heard(await smtp.starttls(validate_certs=settings.verify))
        await _greet(smtp, transcript)
    elif settings.require_tls:
        raise SmtpFailed("The server offers no STARTTLS, and requireTLS is set", transient=False)


async def _log_in(smtp: "SMTP", settings: SmtpSettings, transcript: Transcript) -> None:
    if not settings.username:
        return
    encrypted = smtp.get_transport_info("sslcontext") is not None
    if not encrypted and not settings.ignore_tls and settings.host not in _LOCAL:
        raise SmtpFailed("The password is not sent without TLS (set ignoreTLS to send it)", transient=False)
    transcript.said("AUTH ********")
    transcript.heard(await smtp.login(settings.username, settings.password))


async def _envelope(
    smtp: "SMTP", sender: str, recipients: Sequence[str], transcript: Transcript
) -> dict[str, str]:
    import aiosmtplib

    international = not all(one.isascii() for one in (sender, *recipients))
    options = ["SMTPUTF8"] if international and smtp.supports_extension("smtputf8") else []
    encoding = "utf-8" if options else "ascii"
    transcript.said(f"MAIL FROM:<{sender}>")
    transcript.heard(await smtp.mail(sender, options=options, encoding=encoding))
    refused: dict[str, str] = {}
    last: aiosmtplib.SMTPResponseException | None = None
    for recipient in recipients:
        transcript.said(f"RCPT TO:<{recipient}>")
        try:
            transcript.heard(await smtp.rcpt(recipient, encoding=encoding))
        except aiosmtplib.SMTPResponseException as error:
            transcript.heard(aiosmtplib.SMTPResponse(error.code, error.message))
            refused[recipient] = f"{error.code} {' '.join(error.message.split())}"
            last = error
    if last is not None and len(refused) == len(recipients):
        transient = all(text.startswith("4") for text in refused.values())
        raise SmtpFailed("; ".join(f"{one}: {text}" for one, text in refused.items()), transient=transient)
    return refused


async def _leave(smtp: "SMTP", transcript: Transcript) -> None:
    """The message is delivered: what happens from here on changes nothing."""
    import aiosmtplib

    transcript.said("QUIT")
    try:
        transcript.heard(await smtp.quit())
    except (aiosmtplib.SMTPException, OSError):
        transcript.note("the server left without a word")


def _is_transient(error: BaseException) -> bool:
    import aiosmtplib

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError | UnicodeError):
            return False
        cause = cause.__cause__
    return isinstance(
        error,
        aiosmtplib.SMTPConnectError
        | aiosmtplib.SMTPServerDisconnected
        | aiosmtplib.SMTPTimeoutError
        | OSError,
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
