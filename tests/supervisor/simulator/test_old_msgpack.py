"""S5: the gateway writes MessagePack as the real one, in the old specification's string forms."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.simulator.old_msgpack import pack

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers(-5, 300) | st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_is_read_as_it_was(value: object) -> None:
    """A reader of the new forms reads the old ones."""
    assert msgspec.msgpack.decode(pack(value), strict=False) == value


@pytest.mark.parametrize(
    ("length", "head"), [(31, b"\xbf"), (32, b"\xda\x00\x20"), (255, b"\xda\x00\xff"), (65536, b"\xdb\x00\x01\x00\x00")]
)
def test_texts_have_the_old_heads(length: int, head: bytes) -> None:
    """From 32 bytes on 0xda; 0xd9, which all captures lack, never."""
    assert pack("x" * length) == head + b"x" * length


def test_bytes_are_texts_and_long_maps_are_maps() -> None:
    """The old form knows no binary; 16 keys and more have a long head."""
    many = {number: [number] * number for number in range(20)}
    assert pack(b"ab") == b"\xa2ab"
    assert json.dumps(msgspec.msgpack.decode(pack(many))) == json.dumps(many)
