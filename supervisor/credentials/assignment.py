"""Which account of a file is which user: renames are found, and what would be two of one user or a mixture. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from xyfleet.supervisor.common.i18n import N_, Text


class Clash(NamedTuple):
    """An account that can't be who its cookie says."""

    name: str
    holder: str | None
    """The account that is this user; None: nobody is, but this account is another user already."""

    @property
    def text(self) -> Text:
        """What is wrong, and the way out."""
        if self.holder is not None:
            text = N_("the new cookie of %(name)s is of the user that account %(holder)s is: they can't be both")
            return Text(text, {"name": self.name, "holder": self.holder})
        return Text(
            N_(
                "the new cookie of %(name)s is of another user than %(name)s is: give him an account of his own, with"
                " another name, or begin %(name)s anew: xyfleet forget %(name)s"
            ),
            {"name": self.name},
        )


class Assignment(NamedTuple):
    """What a file makes of the accounts."""

    users: dict[str, str]
    """Names that are given to a user, new ones and those that another user had."""
    clashes: list[Clash]


def assign(wanted: Mapping[str, str | None], names: Mapping[str, str], knows: Callable[[str], bool]) -> Assignment:
    """
    Say who is who.

    Args:
        wanted: The accounts of the file, with the users of their cookies; None: the file has no cookie of it.
        names: The users of accounts as they are.
        knows: Says whether a user was an account of the fleet before.
    """
    clashes: list[Clash] = []
    is_user: dict[str, str] = {}
    known = set(names.values())
    for name, user in wanted.items():
        before = names.get(name)
        if before is not None and user not in (None, before) and not (user in known or knows(user or "")):
            clashes.append(Clash(name, None))
        elif (found := user or before) is not None:
            is_user[name] = found
    return Assignment(
        {name: user for name, user in is_user.items() if names.get(name) != user}, clashes + _twice(is_user, names)
    )


def _twice(is_user: Mapping[str, str], names: Mapping[str, str]) -> list[Clash]:
    """Return the accounts whose user another account is: who is it already stays."""
    holders: dict[str, str] = {}
    clashes = []
    for name in sorted(is_user, key=lambda each: names.get(each) != is_user[each]):
        holder = holders.setdefault(is_user[name], name)
        if holder != name:
            clashes.append(Clash(name, holder))
    return clashes
