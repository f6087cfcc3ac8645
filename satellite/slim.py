"""Imported before anything else by `satellite.main`, and by nothing else: keeps out what a daemon never needs.

On each host it would be eleven megabytes: rich, which structlog loads where it is installed, for tracebacks on a
terminal; the authorities of the host, which aiohttp reads into a context of its own (`satellite.tls` reads them when
a connection is to be checked by them); the C++ library, for lists of a few callbacks.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """For as long as this lasts; jobs must not inherit them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
with _environment(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull, FROZENLIST_NO_EXTENSIONS="1"):
    import aiohttp  # noqa: F401
