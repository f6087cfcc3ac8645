"""Avatars: a user's picture as two square PNGs in the file store. Contract api/users.yaml, upload_avatar.

What was uploaded is decoded within bounds, drawn anew and never served itself: nothing but pixels survives.
"""

import asyncio
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from conductor.access.users import normalised
from conductor.errors import Refusal
from conductor.records.files import Files

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES = (256, 64)
MAX_BYTES = 10 * 1024**2
"""Of an uploaded picture."""
_MAX_PIXELS = 16_000_000
"""Of a decoded one: 64 MB while it is shrunk. JPEGs are shrunk as they are read, and may be larger."""
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
_DRAWN_SECONDS = 20.0


class Avatars:
    """Stores, serves and removes them. One picture is worked on at a time."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._drawing = asyncio.Semaphore(1)

    async def store(self, username: str, picture: Path) -> None:
        """Keep squares of `picture`, cut to cover. Raises Refusal `avatar` when it is no picture of ours."""
        try:
            async with self._drawing, asyncio.timeout(_DRAWN_SECONDS):
                squares = await asyncio.to_thread(squared, picture)
        except TimeoutError:
            raise Refusal("avatar", "The picture takes too long to read") from None
        for size, data in squares.items():
            await self._files.put(_key(username, size), data)

    async def get(self, username: str, size: int) -> bytes | None:
        """The PNG of the fitting size; None when there is none."""
        name = normalised(username)
        return await self._files.get(_key(name, 64 if size <= 64 else 256)) if name else None

    async def remove(self, username: str) -> bool:
        """Whether there was one."""
        there = await self._files.size(_key(username, SIZES[0])) is not None
        await self._files.delete(*(_key(username, size) for size in SIZES))
        return there


def squared(picture: Path) -> dict[int, bytes]:
    """PNG squares by size. Raises Refusal `avatar`. For a worker thread: it takes its time."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if picture.stat().st_size > MAX_BYTES:
        raise Refusal("avatar", f"The picture is larger than {MAX_BYTES // 1024**2} MB")
    try:
        with Image.open(picture, formats=_FORMATS) as opened:
            opened.draft("RGB", (2 * SIZES[0], 2 * SIZES[0]))
            _check_pixels(opened.width * opened.height)
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
            largest = ImageOps.fit(upright, (SIZES[0], SIZES[0]), Image.Resampling.LANCZOS)
    except Refusal:
        raise
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,  # what Pillow makes of a broken PNG
        EOFError,
        IndexError,
        TypeError,
        OverflowError,
        MemoryError,
    ):
        raise Refusal("avatar", "The picture cannot be read: PNG, JPEG, GIF, WebP or BMP is needed") from None
    smaller = largest.resize((SIZES[1], SIZES[1]), Image.Resampling.LANCZOS)
    return {SIZES[0]: _png(largest), SIZES[1]: _png(smaller)}


def _check_pixels(count: int) -> None:
    if count > _MAX_PIXELS:
        raise Refusal("avatar", f"The picture has more than {_MAX_PIXELS:,} pixels")


@cache
def default(size: int) -> bytes:
    """What is shown for those who have none."""
    chosen = 64 if size <= 64 else 256
    return (Path(__file__).parent / f"avatar_{chosen}.png").read_bytes()


def _png(image: "Image") -> bytes:
    into = io.BytesIO()
    image.save(into, "PNG")
    return into.getvalue()


def _key(username: str, size: int) -> str:
    return f"users/{normalised(username)}/avatar/{size}.png"
