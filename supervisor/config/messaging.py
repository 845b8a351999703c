"""Resolves what happens to an account's messages: who answers them, and the numbers. Pure but for `doubt`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config import addresses, secrets
from xyfleet.supervisor.config.reading.context import Context, good, value
from xyfleet.supervisor.config.reading.problems import BAD, Item, Section
from xyfleet.supervisor.config.reading.value_types import OFF
from xyfleet.supervisor.settings import READY, Mail, Webhook
from xyfleet.worker.secret import Secret

_TAKEN: Final = sys.stdlib_module_names | {"xyfleet", "msgpack", "msgspec", "python_socks", "uvloop", "websockets"}
"""Names of modules that a worker has imported, or that what it has imported may import."""
_WEBHOOK: Final = "webhook."
"""What the keys of a webhook begin with in a layer."""


class Answerer(NamedTuple):
    """Who answers an account's messages: at most one of the two."""

    handler: str | None
    webhook: Webhook | None


def answerer(own: Section, defaults: Section, context: Context) -> Answerer:
    """
    Return who answers; both in one place is noted as a problem.

    An account's own handler or webhook replaces whatever the defaults have, as a whole. `none` takes back one of the
    two: `handler: none` leaves a webhook of the defaults in place.
    """
    _check_one(defaults, context)
    _check_one(own, context)
    if _names_handler(own) or _has_webhook(own):
        return Answerer(_handler(own), _webhook(own))
    return Answerer(
        None if "handler" in own else _handler(defaults),
        None if "webhook" in own else _webhook(defaults),
    )


def _check_one(layer: Section, context: Context) -> None:
    if _names_handler(layer) and _has_webhook(layer):
        message, remedy = _("a webhook is given too"), _("choose one: remove handler or webhook")
        context.problems.add(layer["handler"].at, message, remedy)


def _names_handler(layer: Section) -> bool:
    return "handler" in layer and layer["handler"].value != OFF


def _specs(handler: Item) -> list[Item]:
    """Return the handlers that are asked in turn."""
    if not isinstance(handler.value, list):
        return [handler]
    return [one for one in handler.value if one.value is not BAD]


def _has_webhook(layer: Section) -> bool:
    return any(key.startswith(_WEBHOOK) for key in layer)


def _handler(layer: Section) -> str | None:
    if not _names_handler(layer) or layer["handler"].value is BAD:
        return None
    return ",".join(one.value for one in _specs(layer["handler"])) or None


def _webhook(layer: Section) -> Webhook | None:
    url, secret = (value(layer, f"{_WEBHOOK}{key}") for key in ("url", "secret"))
    return Webhook(url=Secret(url), secret=Secret(secret) if secret else None) if url else None


def variables(merged: Section, context: Context) -> dict[str, Secret]:
    """Return the environment variables that a handler gets; one that is not set is noted as a problem."""
    found: dict[str, Secret] = {}
    for item in value(merged, "handler_env") or ():
        if item.value is not BAD:
            text = secrets.from_environment(item.value, item.at, context.env, context.problems)
            found[item.value] = Secret(text)
    return found


def build(merged: Section) -> Mail:
    """Return the numbers over the built-in ones."""
    given = {key: _plain(value(merged, key)) for key in Mail.__struct_fields__}
    return msgspec.convert({key: found for key, found in given.items() if found is not None}, Mail)


def _plain(found: Any) -> Any:
    """Return a setting's value; of a list its items'."""
    return tuple(item.value for item in found if item.value is not BAD) if isinstance(found, list) else found


def doubt(layers: Iterable[Section], folder: Path, context: Context) -> None:
    """
    Warn about webhooks whose messages others can read, and about handlers whose module is not to be found.

    Args:
        layers: the defaults and each account's own settings, as `accounts.layer` gave them.
        folder: the accounts file's, the first place that workers look in.
    """
    seen: set[str] = set()
    for layer in layers:
        url, handler = good(layer, f"{_WEBHOOK}url"), good(layer, "handler")
        if url and addresses.is_readable_on_the_way(url.value):
            message = _("sends messages over the network in clear text")
            context.problems.warn(url.at, message, _("use https://, or an address of this machine"))
        if handler and handler.value != OFF:
            if not seen:
                _doubt_names(handler, folder, context)
            for one in _specs(handler):
                _doubt_module(one, folder, seen, context)


def _doubt_names(handler: Item, folder: Path, context: Context) -> None:
    """Warn about files beside the accounts file that bear the name of a module which is there before them."""
    try:
        names = {entry.name.removesuffix(".py") for entry in os.scandir(folder) if entry.name.endswith(".py")}
    except OSError:
        return  # who can't look into the folder can't load a handler from it: that is said by the worker
    for name in sorted(names & _TAKEN):
        words = {"file": f"{name}.py", "name": name}
        message = _("%(file)s has the name of a module that is in use already: %(name)s") % words
        context.problems.warn(handler.at, message, _("give the file another name; handlers may get the other module"))


def _doubt_module(handler: Item, folder: Path, seen: set[str], context: Context) -> None:
    """Warn, once for each module, when its outermost package is nowhere. Nothing is imported."""
    module = handler.value.partition(":")[0]
    package = module.partition(".")[0]
    if module in seen or module in READY:
        return
    seen.add(module)
    PathFinder.invalidate_caches()  # It may have been put there since the last reading.
    if package in sys.builtin_module_names or PathFinder.find_spec(package, [str(folder), *sys.path]):
        return
    words = {"package": package, "folder": str(folder)}
    message = _("there is no module %(package)s in %(folder)s, nor where Python looks for modules") % words
    context.problems.warn(handler.at, message, _("put %(package)s.py there, or correct the name") % words)
