"""How what supervisor and worker say to each other becomes bytes on a pipe, and comes back. Pure.

Each message is four bytes of big-endian length and that many bytes of JSON. Going up a whole frame is at most
`PIPE_BUF` (4096) bytes, so that a non-blocking write takes all of it or nothing (pipe(7)). Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from xyfleet.worker.ipc.messages import Down, Go, Message, Up
from xyfleet.worker.secret import Secret

MAX_UP: Final = 4092
"""Most bytes of JSON in a message from a worker."""
MAX_DOWN: Final = 256 * 1024
"""Most bytes of JSON in a message to a worker."""


def _encode_secret(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def _decode_secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"{kind.__name__} must be a text")  # which msgspec makes its own error


_encoder: Final = msgspec.json.Encoder(enc_hook=_encode_secret)
_decode_up: Final[msgspec.json.Decoder[Up]] = msgspec.json.Decoder(Up)
_decode_down: Final[msgspec.json.Decoder[Down]] = msgspec.json.Decoder(Down, dec_hook=_decode_secret)
_decode_go: Final = msgspec.json.Decoder(Go, dec_hook=_decode_secret)


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class BadMessage(Exception):
    """A frame that is too long, not JSON or not one of ours; the stream behind it can't be trusted."""


def encode(message: Message, limit: int) -> bytes:
    """Return the frame of `message`, or raise `BadMessage`: its JSON is longer than `limit` bytes, or there is none."""
    try:
        body = _encoder.encode(message)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # Not the error's own words: they may show the text that can't be encoded.
        raise BadMessage(f"a message that is no JSON: {type(error).__name__}") from None
    if len(body) > limit:
        raise BadMessage(f"message of {len(body)} bytes, at most {limit}")
    return len(body).to_bytes(4, "big") + body


def decode_up(body: bytes) -> Up:
    """Return a worker's message, or raise `BadMessage`."""
    try:
        return _decode_up.decode(body)
    except _UNREADABLE as error:
        raise BadMessage(_why(error)) from None


def decode_down(body: bytes) -> Down:
    """Return a supervisor's message, or raise `BadMessage`."""
    try:
        return _decode_down.decode(body)
    except _UNREADABLE as error:
        raise BadMessage(_why(error)) from None


def _why(error: Exception) -> str:
    """Return msgspec's words, which name places and never values; the others' might show what they stumbled over."""
    return str(error).replace("\n", " ") if isinstance(error, msgspec.MsgspecError) else type(error).__name__


def decode_go(body: bytes) -> Go:
    """Return a worker's first command, or raise `msgspec.ValidationError`."""
    return _decode_go.decode(body)


class FrameDecoder:
    """Turns the bytes of a pipe back into message bodies. Half a frame waits for its rest; nothing blocks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every body that is whole now, or raise `BadMessage` for a length above the limit."""
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if size > self._limit:
                raise BadMessage(f"frame of {size} bytes, at most {self._limit}")
            if len(self._buffer) < 4 + size:
                return
            body = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            yield body
