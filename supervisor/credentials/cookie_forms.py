"""The forms in which people and programs hand over a cookie, taken apart into `name=value`. Pure.

A header line, with what was copied around it; a curl command; the exports of browser extensions (JSON, Netscape).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

_PREFIX: Final = re.compile(r"(?:set-)?cookie\s*:\s*", re.IGNORECASE)
_QUOTES: Final = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"))
_ATTRIBUTE: Final = re.compile(
    r"(?:path|domain|expires|max-age|samesite|priority)\s*=.*|httponly|secure|partitioned", re.IGNORECASE | re.DOTALL
)
"""What a `Set-Cookie` line has behind its cookie; no browser sends it back."""
_CURL: Final = re.compile(r"curl(?:\.exe)?\s|-H|-b|--header|--cookie")
_ESCAPE: Final = re.compile(r"\\u([0-9A-Fa-f]{4})|\\(.)")
_SITE: Final = "goofish.com"
_NETSCAPE_FIELDS: Final = 7


class NoCookie(ValueError):
    """A text that begins like one of the forms and does not go on like it; `code` says how."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class _Exported(NamedTuple):
    pair: str
    domain: str


def parts(text: str) -> list[str]:
    """Return the parts of a cookie, each meant to be `name=value`, in their order. Raises `NoCookie`."""
    text = _unwrapped(text)
    if _CURL.match(text):
        text = _unwrapped(_of_curl(text))
    if text.startswith(("[", "{")):
        return _of_site(_exported(text))
    lines = text.splitlines()
    if lines and (lines[0].startswith("#") or lines[0].count("\t") >= _NETSCAPE_FIELDS - 2):
        return _of_site(_netscape(lines))
    found = (part.strip() for part in text.split(";"))
    return [part for part in found if part and not _ATTRIBUTE.fullmatch(part)]


def _unwrapped(text: str) -> str:
    """Return the text without byte order mark, `Cookie:` and quotes around it, in whatever order they stand."""
    before = None
    while text != before:
        before = text = text.strip().removeprefix("\ufeff").strip()
        text = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
        for left, right in _QUOTES:
            if len(text) > 1 and text.startswith(left) and text.endswith(right):
                text = text[1:-1]
    return text


def _of_curl(text: str) -> str:
    """Return the Cookie header of a curl command, or of its one option alone."""
    try:
        words = shlex.split(text.rstrip("\\ \n"))  # one line of several ends so
    except ValueError:  # a quote that is never closed
        raise NoCookie("cookie_curl_cut") from None
    for option, value in _options(words):
        value = _plain(value)
        if option in ("-b", "--cookie") or (option in ("-H", "--header") and _PREFIX.match(value)):
            return value
    raise NoCookie("cookie_curl_bare")


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield options and their values, also where they are one word: `-Hvalue`, `--header=value`."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--") and "=" in word:
            option, _, value = word.partition("=")
            yield option, value
        elif not word.startswith("--") and len(word) > 2:
            yield word[:2], word[2:]
        else:
            yield word, following


def _plain(word: str) -> str:
    """Return what a shell makes of `$'…'`, of which `shlex` leaves the dollar and the escapes."""
    if not word.startswith("$"):
        return word
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], word[1:])


def _exported(text: str) -> Iterator[_Exported]:
    """Yield the cookies of a JSON export: a list of objects, alone or under `cookies`, or one object of names."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NoCookie("cookie_json_cut") from None
    if isinstance(found, dict) and isinstance(found.get("cookies"), list):
        found = found["cookies"]
    if isinstance(found, dict):
        found = [{"name": name, "value": value} for name, value in found.items()]
    for one in found:
        yield _one(one)


def _one(found: Any) -> _Exported:
    each = found if isinstance(found, dict) else {}
    name, value, domain = each.get("name"), each.get("value"), each.get("domain")
    if not isinstance(name, str) or not isinstance(value, str):
        raise NoCookie("cookie_json_other")
    return _Exported(f"{name}={value}", domain if isinstance(domain, str) else "")


def _netscape(lines: Iterable[str]) -> Iterator[_Exported]:
    """Yield the cookies of a `cookies.txt`: seven fields with tabs between them, comments after `#`."""
    for line in lines:
        line = line.removeprefix("#HttpOnly_")
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) == _NETSCAPE_FIELDS - 1:  # an empty value at the end of the text
            fields.append("")
        if len(fields) != _NETSCAPE_FIELDS:
            raise NoCookie("cookie_txt")
        yield _Exported(f"{fields[5]}={fields[6].strip()}", fields[0])


def _of_site(found: Iterable[_Exported]) -> list[str]:
    """Return the parts that a browser sends to goofish.com; all of them when the export names no such site."""
    known = list(found)
    ours = [one.pair for one in known if f".{one.domain.strip().lower().lstrip('.')}".endswith(f".{_SITE}")]
    return ours or [one.pair for one in known]
