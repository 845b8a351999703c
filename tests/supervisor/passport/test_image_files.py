"""Image files: known by their bytes, whatever their name; nothing else is opened for long, or sent."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from xyfleet.supervisor.passport.image_files import MOST_BYTES, BadImage, of_bytes, read

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30, 40) + b"rest"
JPEG = b"\xff\xd8\xff\xe0" + struct.pack(">H", 6) + b"JFIF" + b"\xff\xff\xc0" + struct.pack(">HBHH", 17, 8, 40, 30)
WEBPS = (
    b"RIFF0000WEBPVP8X" + bytes(8) + (29).to_bytes(3, "little") + (39).to_bytes(3, "little"),
    b"RIFF0000WEBPVP8L" + bytes(4) + b"\x2f" + (29 | 39 << 14).to_bytes(4, "little") + bytes(5),
    b"RIFF0000WEBPVP8 " + bytes(10) + struct.pack("<HH", 30, 40),
)


@pytest.mark.parametrize(("data", "kind"), [(PNG, "png"), (JPEG, "jpeg"), *((data, "webp") for data in WEBPS)])
def test_known_by_their_bytes(tmp_path: Path, data: bytes, kind: str) -> None:
    """JPEG, PNG and WebP are known by their bytes, with their size."""
    file = tmp_path / "x.txt"
    file.write_bytes(data)

    assert read(str(file)) == (data, kind, 30, 40)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"<html>", PNG[:20], JPEG[:12], WEBPS[0][:29], b"\xff\xd8\xff", PNG[:16] + bytes(8)]
)
def test_what_is_no_image(data: bytes) -> None:
    """Other bytes, and images that are cut off or have no size, are refused."""
    with pytest.raises(BadImage, match="no JPEG, PNG or WebP"):
        of_bytes(data)


def test_too_large(tmp_path: Path) -> None:
    """More than 10 MiB are refused, and not read to their end."""
    file = tmp_path / "x.png"
    file.write_bytes(PNG)
    os.truncate(file, MOST_BYTES + 1)

    with pytest.raises(BadImage, match="10 MiB"):
        read(str(file))


def test_other_things_than_files(tmp_path: Path) -> None:
    """A pipe that nobody writes, a folder, a device, a missing file and a relative path are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "none", Path("x.png")):
        with pytest.raises(BadImage):
            read(str(path))
