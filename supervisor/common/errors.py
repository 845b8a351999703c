"""How the fleet refuses what it was asked for: each error carries facts and knows its sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from xyfleet.supervisor.common.i18n import N_, Text


class Refused(Exception):
    """The fleet does not do what was asked; nothing was changed."""

    status: ClassVar[int] = 409
    """HTTP status of the answer."""
    code: str = "refused"
    """For programs: stable."""

    def __init__(self, text: Text, **facts: Any) -> None:
        self.text = text
        self.facts = facts
        """Further fields of the error in the answer; never a secret."""
        super().__init__(text.say("en"))


class UnknownName(Refused):
    """Names, globs or tags that fit no account."""

    status = 404
    code = "unknown_account"

    def __init__(self, names: Sequence[str], similar: Sequence[str] = ()) -> None:
        template = N_("no account fits: %(names)s")
        if similar:
            template = N_("no account fits: %(names)s (did you mean %(similar)s?)")
        values = {"names": ", ".join(names), "similar": ", ".join(similar)}
        super().__init__(Text(template, values), names=list(names), similar=list(similar))


class NotPossible(Refused):
    """The account or the fleet is not in a state for this."""

    code = "not_possible"


class NotConfirmed(Refused):
    """What was asked may be a mistake: it is done when it is said to be meant."""

    code = "not_confirmed"


class BadCookie(Refused):
    """The given cookie can't be this account's."""

    status = 422
    code = "bad_cookie"


class BadFile(Refused):
    """The accounts file has faults; the fleet goes on with what it has."""

    status = 422
    code = "bad_file"

    def __init__(self, problems: Sequence[str]) -> None:
        text = Text(N_("the file is not good, nothing was changed:\n%(problems)s"), {"problems": "\n".join(problems)})
        super().__init__(text, problems=list(problems))


class NotAnswered(Refused):
    """The platform gave no answer, or was not asked; `code` says why (docs/api.md)."""

    def __init__(self, code: str, text: Text, **facts: Any) -> None:
        super().__init__(text, **facts)
        self.code = code


class Stopping(Refused):
    """The supervisor is on its way out."""

    code = "stopping"

    def __init__(self) -> None:
        super().__init__(Text(N_("the fleet is stopping")))


class NotTaken(Refused):
    """A text will not be sent: that is certain, so it may be given again."""

    code = "not_taken"
