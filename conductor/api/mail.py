"""Mail over HTTP: send_email and admin_send_test_email (contract api/misc.yaml, api/admin.yaml)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.api.call import Call, Json, UploadedFile
from conductor.api.endpoint import Auth, Endpoint, Takes, Text
from conductor.api.params import without_tags
from conductor.errors import BadParameter
from conductor.outbound.addresses import addresses, breaks_a_header, is_address
from conductor.outbound.directives import button
from conductor.outbound.mail import Attachment, Mail, Mailer, as_details
from conductor.outbound.templates import expanded
from conductor.settings import Settings
from shared.clock import now

_LARGEST = 25 * 1024**2
"""Bytes of all attachments together; mail servers take no more."""
_LONGEST_BODY = 4 * 1024**2


class SendEmail(msgspec.Struct, kw_only=True):
    """Lists of addresses are comma-separated. File parts become attachments."""

    to: Text
    subject: Text
    body: Text
    cc: str | None = None
    bcc: str | None = None
    title: str | None = None
    button: str | None = None
    """`Label | URL`."""
    headers: Any = None
    """Further headers, name to value."""
    json: Any = None


class TestEmail(msgspec.Struct, kw_only=True):
    to: Text


class Sent(msgspec.Struct, kw_only=True):
    description: str
    details: str


class MailCalls:
    def __init__(self, mailer: Mailer, settings: Settings) -> None:
        self._mailer = mailer
        self._settings = settings

    async def send_email(self, call: Call, params: SendEmail) -> Json:
        """A failed delivery is code `email` in an answer of status 200."""
        headers = _headers(params.headers)
        pressed = params.button or ""
        if pressed and button(pressed) is None:
            raise BadParameter("Malformed parameter: button (LABEL | http://…)")
        for name in ("subject", "title", "button", "cc", "bcc"):
            if breaks_a_header(str(getattr(params, name) or "")):
                raise BadParameter(f"Malformed parameter: {name} (line break)")
        if len(params.body) > _LONGEST_BODY:
            raise BadParameter(f"Malformed parameter: body (at most {_LONGEST_BODY} characters)")
        context = {
            **{
                key: value
                for key, value in call.params.items()
                if isinstance(value, str | int | float | bool)
            },
            "config": {
                "client": {"name": "OpsOrbit", **self._settings.client},
                "base_app_url": self._settings.base_app_url,
            },
        }
        delivery = await self._mailer.send(
            Mail(
                to=_listed(params.to, "to"),
                cc=_listed(params.cc or "", "cc"),
                bcc=_listed(params.bcc or "", "bcc"),
                subject=" ".join(expanded(params.subject, context).split()),
                title=expanded(params.title or "", context),
                button=pressed,
                headers=headers,
                body=expanded(params.body, context),
                attachments=await _attachments(call.files),
            )
        )
        return {"code": delivery.code, "description": delivery.description, "details": delivery.details}

    async def admin_send_test_email(self, call: Call, params: TestEmail) -> Json:
        """The internal-job template as a sample; a failure is told in `err`, code 0."""
        to = _listed(params.to, "to")
        moment = now()
        data = {
            "job": {"id": "test", "title": "Test email", "type": "user", "username": call.account.name},
            "display": {"started": _iso(moment), "completed": _iso(moment), "elapsed": "0 sec"},
            "details": "If you can read this, mail works.",
        }
        delivery = as_details(await self._mailer.send_template("internal_job", data, to=to))
        return {"err": not delivery.ok, "description": delivery.description, "details": delivery.details}

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "send_email",
                self.send_email,
                SendEmail,
                "Send a mail, with attachments",
                methods=("POST",),
                privilege="send_emails",
                takes=Takes.BODY,
                result=Sent,
                mutates=True,
            ),
            Endpoint(
                "admin_send_test_email",
                self.admin_send_test_email,
                TestEmail,
                "Send a sample mail and show the SMTP conversation",
                methods=("POST",),
                auth=Auth.ADMIN,
                takes=Takes.BODY,
                mutates=True,
            ),
        )


def endpoints(mailer: Mailer, settings: Settings) -> tuple[Endpoint[Any], ...]:
    return MailCalls(mailer, settings).endpoints()


def _listed(text: str, name: str) -> list[str]:
    """Plain addresses, every one of which is one."""
    if breaks_a_header(text):
        raise BadParameter(f"Malformed parameter: {name} (line break)")
    listed = [one.strip() for one in text.split(",") if one.strip()]
    for one in listed:
        if not is_address(one) or "." not in one.rpartition("@")[2]:
            raise BadParameter(f"Malformed parameter: {name} ({one[:100]})")
    if not listed and name == "to":
        raise BadParameter("Malformed parameter: to")
    return addresses(listed)


def _headers(headers: Any) -> Mapping[str, str]:
    if headers is None:
        return {}
    if not isinstance(headers, dict):
        raise BadParameter("Parameter is not type object: headers")
    made = {str(name): without_tags(value, "headers") for name, value in headers.items()}
    for name, value in made.items():
        if breaks_a_header(value) or not name.isascii() or not name.replace("-", "").isalnum():
            raise BadParameter(f"Malformed parameter: headers ({name[:60]})")
    return made


async def _attachments(files: list[UploadedFile]) -> list[Attachment]:
    if sum(file.size for file in files) > _LARGEST:
        raise BadParameter(f"Malformed upload: attachments are too large (at most {_LARGEST} bytes)")
    return [
        Attachment(name=file.name, type=file.type, content=await asyncio.to_thread(file.path.read_bytes))
        for file in files
    ]


def _iso(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
