"""Secrets of the settings file: in place, from the environment, or from a file of their own. Shell (reads files)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common.i18n import _, said
from xyfleet.supervisor.config import addresses
from xyfleet.supervisor.config.reading import source
from xyfleet.supervisor.config.reading.context import Context, value
from xyfleet.supervisor.config.reading.problems import BAD, At, BadFile, Item, Problems, Section, problem
from xyfleet.supervisor.credentials import cookies
from xyfleet.worker.secret import Secret

SECRETS: Final = ("cookie", "username", "password", "proxy", "webhook.url", "webhook.secret")
"""Settings of an account, dotted where nested, that may come from the environment or from a file."""
NO_PROXY: Final = "none"
MAX_BYTES: Final = 65_536
_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def resolve(section: Section, slot: str, context: Context) -> Section:
    """
    Return what `slot` (one of `SECRETS`) comes to: nothing, or `{slot: …}`, and `{slot_file: path}` if it is in a file.

    A bad one is `BAD`; its problem is noted.
    """
    inline, named = section.get(slot), section.get(f"{slot}_file")
    if inline and named:
        words = {"slot": slot, "file": f"{slot}_file"}
        remedy = _("keep one of %(slot)s and %(file)s") % words
        return {slot: Item(context.problems.add(named.at, _("%(slot)s is given too") % words, remedy), named.at)}
    if inline:
        return {slot: _checked(slot, _substituted(inline, context), context)}
    if named:
        written = _substituted(named, context)
        if written.value is BAD:
            return {slot: written}
        path = Item(context.path(written), named.at)
        return {slot: _checked(slot, _read(path, context), context), f"{slot}_file": path}
    return {}


def read_cookie_file(path: Path) -> Secret:
    """Return the clean cookie of a `cookie_file` (for those who watch it), or raise `BadFile`."""
    at = At(str(path))
    try:
        return cookies.checked(Secret(_text(path, at).text))
    except cookies.InvalidCookie as error:
        raise BadFile([problem(at, *_said(error))]) from None


def is_inline(section: Section) -> bool:
    """Whether a section holds a secret itself: a cookie, a password, or an address with a password in it."""
    webhook = value(section, "webhook")
    nested = webhook if isinstance(webhook, dict) else {}
    places = ((section, "cookie", ""), (section, "password", ""), (section, "proxy", "@"))
    for holder, slot, mark in (*places, (nested, "secret", ""), (nested, "url", "@")):
        text = value(holder, slot)
        if text and "${" not in text and mark in text:
            return True
    return False


def _substituted(item: Item, context: Context) -> Item:
    """Return the item with every `${NAME}` replaced."""
    if item.value is BAD or "${" not in item.value:
        return item
    found = Problems()
    text = _VARIABLE.sub(lambda match: _variable(match, item.at, context.env, found), item.value)
    context.problems.extend(found.all())
    return Item(BAD, item.at) if found else Item(text, item.at)


def _variable(match: re.Match[str], at: At, env: Mapping[str, str], problems: Problems) -> str:
    if match[0] == "$${":
        return "${"
    if not match[2] or not _NAME.fullmatch(match[1]):
        problems.add(at, _("holds a “${” that is not ${NAME}"), _("write $${ where ${ itself is meant"))
        return ""
    return from_environment(match[1], at, env, problems)


def from_environment(name: str, at: At, env: Mapping[str, str], problems: Problems) -> str:
    """Return the value of a variable; one that is not set, empty or no text is noted as a problem."""
    found = env.get(name, "").strip("\r\n")
    if not found:
        message = _("the environment variable %(name)s is not set, or empty") % {"name": name}
        problems.add(at, message, _("set it before the start; write $${ where ${ itself is meant"))
    if not _is_utf8(found):
        message = _("the environment variable %(name)s is not in UTF-8") % {"name": name}
        problems.add(at, message, _("set it anew, in a terminal that speaks UTF-8"))
    return found


def _is_utf8(text: str) -> bool:
    """Say whether all of a variable was readable: Python keeps other bytes as half characters, which no JSON takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(path: Item, context: Context) -> Item:
    try:
        found = _text(path.value, path.at)
    except BadFile as error:
        context.problems.extend(error.problems)
        return Item(BAD, path.at)
    if found.shared:
        context.exposed.append(path.at)
    return Item(found.text.strip("\r\n"), path.at)


def _text(path: Path, at: At) -> source.Source:
    found = source.read(path, at, MAX_BYTES)
    if not found.text.strip():
        raise BadFile([problem(at, _("the file is empty"), _("write the secret into it"))])
    return found


def _checked(slot: str, item: Item, context: Context) -> Item:
    """Return the item when it can be what it is said to be; else note why not."""
    if item.value is BAD:
        return item
    if slot == "cookie":
        return _cookie(item, context)
    if "\n" in item.value:
        return Item(context.problems.add(item.at, _("has more than one line"), _("write it on one line")), item.at)
    wrong = _wrong_address(slot, item.value)
    return Item(context.problems.add(item.at, *wrong), item.at) if wrong else item


def _cookie(item: Item, context: Context) -> Item:
    try:
        return Item(cookies.checked(Secret(item.value)).reveal(), item.at)
    except cookies.InvalidCookie as error:
        return Item(context.problems.add(item.at, *_said(error)), item.at)


def _said(error: cookies.InvalidCookie) -> tuple[str, str]:
    return said(error.message), said(error.remedy)


def _wrong_address(slot: str, text: str) -> addresses.Wrong | None:
    if slot == "webhook.url":
        return addresses.check_webhook(text)
    return addresses.check_proxy(text) if slot == "proxy" and text != NO_PROXY else None
