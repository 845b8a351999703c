"""Image files to be sent: opened so that nothing odd in their place does harm, and known by their bytes. Shell.

A worker, that is the owner's own code, or a person names the file.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import Final, NamedTuple

MOST_BYTES: Final = 10 * 2**20
_WEBP_HEAD: Final = 30
_START_OF_FRAME: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a JPEG's segments that have its size."""


class BadImage(Exception):
    """It can't be sent; `str()` is why, for people."""


class Image(NamedTuple):
    """An image's bytes."""

    data: bytes
    kind: str
    """`jpeg`, `png` or `webp`."""
    width: int
    """Pixels."""
    height: int


def read(path: str) -> Image:
    """Return the image in a file, or raise `BadImage`. Blocks: not for the loop."""
    if not os.path.isabs(path):
        raise BadImage("the image's path is not absolute")
    try:
        # Not blocking: a pipe or a device in its place would wait for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise BadImage(f"the image can't be opened: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadImage("the image is not a regular file")
        with open(handle, "rb", closefd=False) as file:
            return of_bytes(file.read(MOST_BYTES + 1))
    except OSError as error:
        raise BadImage(f"the image can't be read: {error.strerror}") from None
    finally:
        os.close(handle)


def check(path: str) -> None:
    """Raise `BadImage` if there is no image in a file; its bytes are gone when the thread says so. Blocks, too."""
    read(path)


def of_bytes(data: bytes) -> Image:
    """Return the image that these bytes are, or raise `BadImage`."""
    if len(data) > MOST_BYTES:
        raise BadImage(f"the image has more than {MOST_BYTES // 2**20} MiB")
    try:
        found = _jpeg(data) or _png(data) or _webp(data)
    except (struct.error, IndexError):
        found = None  # cut off
    if found is None or not all(found[1:]):
        raise BadImage("it is no JPEG, PNG or WebP image")
    return Image(data, *found)


def _png(data: bytes) -> tuple[str, int, int] | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return "png", width, height


def _jpeg(data: bytes) -> tuple[str, int, int] | None:
    """Go from segment to segment until one has the size."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return "jpeg", width, height
        at += 2 + struct.unpack_from(">H", data, at + 2)[0] if marker != 0xFF else 1
    return None


def _webp(data: bytes) -> tuple[str, int, int] | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < _WEBP_HEAD:
        return None
    match data[12:16]:
        case b"VP8X":
            return "webp", 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return "webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return "webp", width & 0x3FFF, height & 0x3FFF
    return None
