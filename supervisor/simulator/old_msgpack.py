"""MessagePack as the real gateway writes it: only the string forms of the old specification. Pure.

All captures known have texts of 32 to 255 bytes behind 0xda, never 0xd9: their writer knows no `str8` and no `bin`, and
readers among the public clients know no more than it.
"""

from __future__ import annotations

import struct

import msgspec

_other = msgspec.msgpack.Encoder().encode


def pack(value: object) -> bytes:
    """Return a value in this form. Raises `TypeError` for what JSON could not hold either (but bytes are texts)."""
    out = bytearray()
    _pack(value, out)
    return bytes(out)


def _pack(value: object, out: bytearray) -> None:
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        out += _head(len(value), 0xA0, 32, 0xDA) + value
    elif isinstance(value, dict):
        out += _head(len(value), 0x80, 16, 0xDE)
        for key, each in value.items():
            _pack(key, out)
            _pack(each, out)
    elif isinstance(value, list | tuple):
        out += _head(len(value), 0x90, 16, 0xDC)
        for each in value:
            _pack(each, out)
    else:
        out += _other(value)


def _head(length: int, small: int, most: int, medium: int) -> bytes:
    """Return what stands before a text, list or map: in one byte, or with 16 or 32 bits of length."""
    if length < most:
        return bytes((small | length,))
    return struct.pack("!BH", medium, length) if length < 1 << 16 else struct.pack("!BI", medium + 1, length)
