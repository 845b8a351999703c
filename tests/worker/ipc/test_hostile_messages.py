"""Bytes on a pipe that no supervisor and no worker of ours writes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xyfleet.worker.ipc.codec import MAX_UP, BadMessage, decode_down, decode_up


@pytest.mark.parametrize("decode", [decode_up, decode_down])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * MAX_UP,
        b'{"t":"ask","request":1,"later":' + b"[" * (MAX_UP - 40),
        b'{"t":"sec\xffret"}',
        b"\xff",
    ],
)
def test_what_cannot_be_decoded_is_a_bad_message(decode: Callable[[bytes], object], body: bytes) -> None:
    """Depth and broken UTF-8 raise nothing else, and the reason shows nothing of the bytes (B19)."""
    with pytest.raises(BadMessage) as caught:
        decode(body)

    assert "ret" not in str(caught.value)
