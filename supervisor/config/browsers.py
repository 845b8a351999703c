"""Resolves which browser an account is: `identity` (one line of the table) or `user_agent` (a text). Pure."""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor import identity
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.reading.context import Context, value
from xyfleet.supervisor.config.reading.problems import Section

_KEYS: Final = ("browser", "version", "os", "language")
_IDENTITY: Final = "identity."


def build(own: Section, defaults: Section, context: Context) -> identity.Identity | None:
    """
    Return the account's identity, None where nothing is said; both in one place is noted as a problem.

    An account's own `user_agent` replaces an `identity` of the defaults as a whole; its `identity` is filled up by
    theirs.
    """
    for layer in (own, defaults):
        if "user_agent" in layer and (keys := _given(layer)):
            message, remedy = _("an identity is given too"), _("choose one: remove user_agent or identity")
            context.problems.add(layer[keys[0]].at, message, remedy)
    if agent := value(own, "user_agent"):
        return identity.raw(agent)
    if not _given(own) and (agent := value(defaults, "user_agent")):
        return identity.raw(agent)
    merged = {**defaults, **own}
    found = {key: value(merged, f"{_IDENTITY}{key}") for key in _KEYS}
    given = {key: each for key, each in found.items() if each is not None}
    return identity.made(**given) if given else None


def _given(layer: Section) -> list[str]:
    return [key for key in layer if key.startswith(_IDENTITY)]
