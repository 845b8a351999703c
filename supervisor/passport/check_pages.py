"""The pages that ask for a second code after the first one was confirmed: what they hold and say. Pure.

Read in two clients (docs/protocol.md, "The login page"); untested against the live service.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any, Final, Literal
from urllib.parse import urljoin

import msgspec

from xyfleet.supervisor.tokens import answer_words

LONGEST_CODE: Final = 1000
"""Characters; a QR code that a terminal has room for holds no more."""
_TOKEN: Final = re.compile(r"htoken=([\w-]{1,500})", re.ASCII)
_MODES: Final = re.compile(r'location\.href\s{0,9}=\s{0,9}("[^"\n]{0,2000}")')
_CODE: Final = re.compile(r'new\s{1,9}Qrcode\(\{\s{0,99}text:\s{0,9}("(?:\\.|[^"\\\n]){1,2000}")')
_PASSED: Final = "3"


def token_of(page: str) -> str | None:
    """Return what the questions about the second code carry."""
    found = _TOKEN.search(page)
    return None if found is None else found[1]


def modes_address(page: str, at: str) -> str | None:
    """Return where the first page, opened at `at`, sends a browser on; its script fills in `_umidfg`."""
    for found in _MODES.finditer(page):
        address = _text(found[1])
        if "/iv/mini/verify_modes.htm?" in address:
            return urljoin(at, f"{address}1" if address.endswith("_umidfg=") else address)
    return None


def second_code(page: str) -> str | None:
    """Return what the last page draws as a code."""
    found = _CODE.search(page)
    text = "" if found is None else _text(found[1]).strip()
    return text if 0 < len(text) <= LONGEST_CODE else None


def passed_at(body: bytes) -> str | Literal["wait", "check"]:
    """Return the address at which a passed check ends in a login; `wait` until then, `check` for another one."""
    if answer_words.check_page(body):
        return "check"
    try:
        content: Any = msgspec.json.decode(body)["content"]
        code, address = str(content["code"]), content.get("url")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError, AttributeError):
        return "wait"
    return address if code == _PASSED and isinstance(address, str) and address else "wait"


def _text(literal: str) -> str:
    """Return a script's text literal; what can't be read is empty."""
    try:
        return html.unescape(json.loads(literal))
    except ValueError:
        return ""
