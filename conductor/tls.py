"""The TLS of our own listener (docs/security.md)."""

import ssl

from conductor.settings import SettingsError
from conductor.settings_sections import WebServerSettings


def server_context(settings: WebServerSettings) -> ssl.SSLContext:
    """TLS 1.2 and newer with the configured certificate. Reads files. Raises SettingsError."""
    if not settings.https_cert_file or not settings.https_key_file:
        raise SettingsError("WebServer.https needs https_cert_file and https_key_file")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.https_cert_file, settings.https_key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"The certificate of WebServer.https cannot be used: {error}") from None
    return context
