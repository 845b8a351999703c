"""Resolves accounts: layers of settings, profiles, the seed's names, and what each must have. Shell (reads secrets)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config import browsers, messaging, secrets
from xyfleet.supervisor.config.cross_checks import Entry
from xyfleet.supervisor.config.reading.account_schema import SEED_NAMES
from xyfleet.supervisor.config.reading.context import Context, good, value
from xyfleet.supervisor.config.reading.problems import BAD, At, Item, Section
from xyfleet.supervisor.settings import Account
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import PROFILES, Cycle


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one with dotted keys."""
    found: dict[str, Any] = {}
    for key, inner in tree.items():
        found.update(_flat(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": inner})
    return found


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Undo `_flat`."""
    tree: dict[str, Any] = {}
    for key, leaf in flat.items():
        *path, last = key.split(".")
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
        branch[last] = leaf
    return tree


_BUILT_IN: Final = _flat(msgspec.to_builtins(Cycle()))


def layer(section: Section, context: Context) -> Section:
    """
    Return the settings of one place (an account or the defaults) under their own names, dotted where nested,
    with its profile filled in below them and its secrets resolved.
    """
    flat = _leaves("", section)
    found = {
        key: item
        for key, item in flat.items()
        if key not in SEED_NAMES and key.removesuffix("_file") not in secrets.SECRETS
    }
    for seed, name in SEED_NAMES.items():
        if seed in section and name in found:
            words = {"name": name, "line": found[name].at.line}
            context.problems.add(
                section[seed].at,
                _("is the same setting as %(name)s in line %(line)s") % words,
                _("remove one of the two"),
            )
        elif seed in section:
            found[name] = section[seed]
    for slot in secrets.SECRETS:
        found.update(secrets.resolve(flat, slot, context))
    profile = good(found, "profile")
    preset = _flat(PROFILES[profile.value]) if profile else {}
    return {**{key: Item(number, profile.at) for key, number in preset.items() if profile}, **found}


def _leaves(prefix: str, section: Section) -> Section:
    found: Section = {}
    for key, item in section.items():
        path = f"{prefix}{key}"
        found.update(_leaves(f"{path}.", item.value) if isinstance(item.value, dict) else {path: item})
    return found


def cycle(layers: Section, context: Context) -> Cycle:
    """Return the cycle's settings over the built-in ones; numbers that contradict each other are noted."""
    given = {key: item for key, item in layers.items() if key in _BUILT_IN}
    if any(item.value is BAD for item in given.values()):
        return Cycle()
    found = msgspec.convert(_nested({**_BUILT_IN, **{key: item.value for key, item in given.items()}}), Cycle)
    interval, timeout, send = found.heartbeat_interval, found.heartbeat_timeout, found.heartbeat_send_timeout
    if timeout < 2 * interval:
        words = {"timeout": timeout, "interval": interval, "double": 2 * interval, "half": timeout / 2}
        context.problems.add(
            _blame(given, "heartbeat_timeout", "heartbeat_interval"),
            _("heartbeat_timeout (%(timeout).12g) is less than twice heartbeat_interval (%(interval).12g)") % words,
            _("set heartbeat_timeout to %(double).12g or more, or heartbeat_interval to %(half).12g or less") % words,
        )
    if send >= interval:
        words = {"send": send, "interval": interval}
        context.problems.add(
            _blame(given, "heartbeat_send_timeout", "heartbeat_interval"),
            _("heartbeat_send_timeout (%(send).12g) is not below heartbeat_interval (%(interval).12g)") % words,
            _("set heartbeat_send_timeout below %(interval).12g") % words,
        )
    return found


def _blame(given: Section, *keys: str) -> At:
    """Return the place to change: an account's rather than the defaults', a setting's rather than a profile's."""
    places = [given[key].at for key in keys if key in given]
    return min(places, key=lambda at: (at.account is None, str(at.key).endswith("profile")))


def build(item: Item, defaults: Section, context: Context, *, hook: bool) -> Entry:
    """
    Return an account: an entry of `accounts:` over the defaults; problems are noted.

    Args:
        defaults: as `layer` gave them.
        hook: whether there is a refresh hook, which can fetch a first cookie.
    """
    own = layer(item.value, context)
    merged = {**defaults, **own}
    answerer = messaging.answerer(own, defaults, context)
    name = _text(own, "name")
    at = item.at._replace(account=name, key=None) if name else item.at
    _check_login(merged, at, context, hook=hook)
    account = Account(
        name=name,
        where=f"{at.file}:{at.line}",
        label=_text(own, "label"),
        tags=tuple(tag.value for tag in value(merged, "tags") or ()),
        cookie=_secret(own, "cookie"),
        cookie_file=value(own, "cookie_file"),
        username=value(own, "username"),
        password=_secret(merged, "password"),
        proxy=None if value(merged, "proxy") == secrets.NO_PROXY else _secret(merged, "proxy"),
        identity=browsers.build(own, defaults, context),
        renew_login=value(merged, "renew_login") is True,
        cycle=cycle(merged, context),
        handler=answerer.handler,
        handler_env=messaging.variables(merged, context),
        webhook=answerer.webhook,
        mail=messaging.build(merged),
        apis=tuple(api.value for api in value(merged, "apis") or ()),
        max_memory=value(merged, "max_memory"),
        enabled=value(merged, "enabled") is not False,
    )
    return Entry(account, at, own.get("cookie"), own)


def _text(section: Section, key: str) -> str:
    return value(section, key) or ""


def _secret(section: Section, key: str) -> Secret | None:
    text = value(section, key)
    return Secret(text) if text else None


def _check_login(merged: Section, at: At, context: Context, *, hook: bool) -> None:
    """Warn of an account that nobody can log in but a person; a disabled one may wait."""
    if "cookie" in merged or value(merged, "enabled") is False or (hook and "username" in merged):
        return
    remedy = _(
        "log it in once the fleet runs (xyfleet login NAME --qr), or add cookie or cookie_file; "
        "a first login by the hook needs username and refresh.command"
    )
    context.problems.warn(at, _("has no cookie"), remedy)
