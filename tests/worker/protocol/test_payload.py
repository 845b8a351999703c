"""Payloads are read whatever they hold: odd values, broken bytes, no bottom and no end."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given

from support.pushes import chat, values
from xyfleet.worker.protocol.payload import MOST_DEPTH, MOST_VALUES, plain, read_msgpack, unpack


def test_base64_with_line_breaks() -> None:
    """Line breaks of old encoders do no harm."""
    assert unpack(base64.encodebytes(msgspec.msgpack.encode(chat())).decode()) == chat()


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":"\\ud83d"}', {"a": "?"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a":"\xe5\x90"}', {"a": "�"}),
        (b'{"a":NaN,"b":1e999,"c":-1e999}', {"a": "nan", "b": "inf", "c": "-inf"}),
        (b'{"a":18446744073709551615,"b":18446744073709551616}', {"a": 2**64 - 1, "b": str(2**64)}),
        (b'{"\\udc00":1}', {"?": 1}),
        (b" [1.5, true, null]", [1.5, True, None]),
        (b"{", 0x7B),
        (b"\x81\x01\xca\x7f\x80\x00\x00", {"1": "inf"}),
        (b"\x82\xc3\x01\xc0\x02", {"true": 1, "null": 2}),
        (b"\x92\xd6\xff\x00\x00\x00\x41\xc7\x01\x05\xff", [65.0, {"ext": 5, "data": "�"}]),
        (b"\xdc\x00\x01\xde\x00\x01\xd9\x01a\xc2", [{"a": False}]),
        (b"\xdd\x00\x00\x00\x01\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x01a\xda\x00\x01b", [{"a": "b"}]),
        (b"\x93\xc5\x00\x01a\xc6\x00\x00\x00\x01b\xc8\x00\x00\x01", ["a", "b", {"ext": 1, "data": ""}]),
    ],
)
def test_odd_values(raw: bytes, value: object) -> None:
    """Whatever the payload holds can be written as JSON, and is as near to what came as that allows."""
    found = unpack(base64.b64encode(raw).decode())

    assert found == value
    assert msgspec.json.decode(msgspec.json.encode(found)) == value


def test_bounds_are_wide() -> None:
    """Real payloads are far from the bounds, and a value at a bound is read."""
    assert len(plain(list(range(MOST_VALUES - 1)))) == MOST_VALUES - 1
    assert read_msgpack(b"\x91" * MOST_DEPTH + b"\x01") is not None


@given(values)
def test_msgpack_is_read_like_msgspec_reads_it(value: object) -> None:
    """Where msgspec can read a payload, the result is the same."""
    raw = msgspec.msgpack.encode(value)

    assert read_msgpack(raw) == msgspec.msgpack.decode(raw)
