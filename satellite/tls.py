"""How the conductor's certificate is checked: pinned, by the host's authorities, or not at all.

`ca_file` or `ca` (PEM) name the only authority that is believed. `ca_fingerprint` (SHA-256 of the
authority's certificate) is enough to begin with: the certificate itself is then fetched from the conductor and
kept if it is the one. Without any of them `socket_opts.rejectUnauthorized` decides, as for agents of the
original.
"""

import hashlib
import hmac
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from satellite.settings import Config, Settings

_CA_PATH = "/api/app/satellite/ca"
_MOST_BYTES = 256 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class TlsError(Exception):
    """The conductor cannot be trusted as configured; the text says why."""


class Tls:
    """The check of the present settings. Contexts are costly, so one is kept while the settings stay."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._made_of: tuple[str, str] | None = None
        self._context: ssl.SSLContext | None = None

    def check(self) -> ssl.SSLContext | bool:
        """For the `ssl` of aiohttp: a context that believes the pinned authority alone or the host's, or False.

        True on plain connections that would be checked if they were not: where such a one is redirected, nobody
        is believed (see `satellite.slim`). Raises TlsError.
        """
        settings = self._config.settings
        pinned = bool(settings.ca_file or settings.ca)
        if not pinned and settings.ca_fingerprint:
            raise TlsError("the authority of ca_fingerprint has not been fetched yet")
        if not pinned and not settings.socket_opts.get("rejectUnauthorized", True):
            return False
        if not pinned and not settings.secure:
            return True
        made_of = (settings.ca_file, settings.ca)
        if self._context is None or self._made_of != made_of:
            self._context = _context(settings) if pinned else ssl.create_default_context()
            self._made_of = made_of
        return self._context

    async def prepare(self, session: aiohttp.ClientSession, base_url: str) -> None:
        """Fetch the pinned authority from the conductor, if it is not here yet. Raises TlsError."""
        settings = self._config.settings
        wanted = fingerprint_of_text(settings.ca_fingerprint)
        if urlsplit(base_url).scheme != "https" or not wanted or settings.ca_file:
            return
        if settings.ca and _has(settings.ca, wanted):
            return
        try:
            # Unverified: what comes is believed for its fingerprint alone.
            async with session.get(base_url + _CA_PATH, ssl=False, timeout=_TIMEOUT) as response:
                text = (await response.content.read(_MOST_BYTES)).decode("ascii", "replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TlsError(f"the conductor's authority cannot be fetched: {error}") from None
        pinned = [pem for pem in _certificates(text) if hmac.compare_digest(_digest(pem), wanted)]
        if not pinned:
            raise TlsError("the conductor has another authority than ca_fingerprint names")
        self._config.keep(ca=pinned[0])


def fingerprint_of_text(text: str) -> str:
    """`AB:CD:…` or `sha256:abcd…` as 64 lower-case hex characters; empty for an empty one. Raises TlsError."""
    plain = text.lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if plain and (len(plain) != 64 or set(plain) - set("0123456789abcdef")):
        raise TlsError("ca_fingerprint is no SHA-256 fingerprint")
    return plain


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        pem = Path(settings.ca_file).read_text() if settings.ca_file else settings.ca
        wanted = fingerprint_of_text(settings.ca_fingerprint)
        if wanted and not _has(pem, wanted):
            raise TlsError("the certificate that is configured is not the one of ca_fingerprint")
        context = ssl.create_default_context(cadata=pem)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise TlsError(f"the conductor's authority cannot be read: {error}") from None
    # A pinned certificate may be the conductor's own, or an authority between it and the root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _has(pem: str, wanted: str) -> bool:
    return any(hmac.compare_digest(_digest(one), wanted) for one in _certificates(pem))


def _digest(pem: str) -> str:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError:
        return ""


def _certificates(text: str) -> list[str]:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    parts = text.split(begin)[1:]
    return [f"{begin}{part.split(end)[0]}{end}\n" for part in parts if end in part]
