"""Pictures into avatars: within bounds, and never as they came."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from conductor.access import avatars
from conductor.access.avatars import default, squared
from conductor.errors import Refusal


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png(side: int) -> bytes:
    """A PNG that says it is `side` × `side` pixels; there is next to nothing in it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1_000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_any_picture_becomes_two_squares(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "picture"
    Image.new("RGB", (300, 80), (200, 10, 10)).save(file, kind)
    made = squared(file)
    assert sorted(made) == [64, 256]
    for size, data in made.items():
        with Image.open(BytesIO(data)) as image:
            assert (image.format, image.size) == ("PNG", (size, size))
            pixel = image.convert("RGB").getpixel((size // 2, size // 2))
            assert isinstance(pixel, tuple)
            assert pixel[0] > 150


@pytest.mark.parametrize("side", [5_000, 10_000, 60_000])
def test_a_decompression_bomb_is_not_decoded(side: int, tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    file.write_bytes(huge_png(side))
    with pytest.raises(Refusal) as refused:
        squared(file)
    assert refused.value.code == "avatar"


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", huge_png(1_000), b"\x89PNG\r\n\x1a\n"],
)
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(Refusal, match="cannot be read"):
        squared(file)


def test_a_file_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avatars, "MAX_BYTES", 100)
    file = tmp_path / "file"
    file.write_bytes(b"x" * 101)
    with pytest.raises(Refusal, match="larger"):
        squared(file)


@pytest.mark.parametrize(("asked", "size"), [(1, 64), (64, 64), (65, 256), (4_000, 256)])
def test_the_default_picture(asked: int, size: int) -> None:
    with Image.open(BytesIO(default(asked))) as image:
        assert image.size == (size, size)
