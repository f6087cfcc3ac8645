"""`opsorbit plugin install FILE`: a portable object file into a running conductor."""

import sys
from pathlib import Path

import aiohttp

from conductor.cli.client import ApiError, Client
from conductor.cli.portable import PortableError, apply, read_portable


async def install(file: Path, url: str, api_key: str, sha256: str = "") -> int:
    """Returns the exit status: 0 installed, 1 refused; says what was done and what went wrong."""
    try:
        items = read_portable(file, sha256)
        async with Client(url, api_key) as client:
            await apply(client, items, print)
    except OSError as error:
        return _failed(f"{file}: {error.strerror or error}")
    except PortableError as error:
        return _failed(f"{file}: {error}")
    except ApiError as error:
        return _failed(error.description or str(error))
    except (aiohttp.ClientError, TimeoutError) as error:
        return _failed(f"{url}: {error or 'no answer'}")
    return 0


def _failed(text: str) -> int:
    print(f"opsorbit: {text}", file=sys.stderr)
    return 1
