"""A MessagePack reader as old as those of some public clients: it knows the string forms of the old specification."""

from __future__ import annotations

import struct
from typing import Any, Final

_NUMBERS: Final = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_WORDS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
_LONG: Final = {0xDA: ("text", ">H"), 0xDB: ("text", ">I"), 0xDC: ("list", ">H"), 0xDD: ("list", ">I")} | {
    0xDE: ("map", ">H"),
    0xDF: ("map", ">I"),
}


class Unknown(Exception):
    """A form that such a reader does not know, such as 0xd9 (str8) and 0xc4 (bin8)."""


class OldReader:
    """Reads one value."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self) -> Any:
        """Return the next value."""
        head = self._take(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 0x100
        if head in _WORDS:
            return _WORDS[head]
        if head in _NUMBERS:
            return self._number(_NUMBERS[head])
        if head in _LONG:
            kind, form = _LONG[head]
            return self._many(kind, int(self._number(form)))
        if head >= 0xC0:
            raise Unknown(hex(head))
        if head >= 0xA0:
            return self._many("text", head & 0x1F)
        return self._many("list" if head >= 0x90 else "map", head & 0x0F)

    def _number(self, form: str) -> float:
        found: float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return found

    def _many(self, kind: str, count: int) -> Any:
        if kind == "text":
            return self._take(count).decode()
        if kind == "list":
            return [self.read() for _ in range(count)]
        return {self.read(): self.read() for _ in range(count)}

    def _take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise Unknown("end")
        return self._data[self._at - count : self._at]
