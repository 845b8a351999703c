"""Rules that span several accounts, or accounts and fleet. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from xyfleet.supervisor.common.i18n import N_, Text, _, said
from xyfleet.supervisor.config.reading.problems import At, Item, Problems, Section
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.settings import SIMULATOR, Account
from xyfleet.worker.settings import DEFAULT_ENDPOINT
from xyfleet.worker.telemetry.account_log import BEATS_END

SIMULATOR_FIRST: Final = 2200000000001
SIMULATOR_LAST: Final = 2200000099999
"""The user ids of the built-in gateway: a file that uses it holds no cookie of a real account."""
SIDE_LOGS: Final = (".hook", ".stack", BEATS_END)
"""What the names of an account's further log files have before `.log`."""
RESERVED: Final = frozenset(("supervisor", "events"))
"""Names of the program's own files."""
RESERVED_ENDS: Final = SIDE_LOGS


LIKE_AN_OPTION: Final = (
    N_("begins with “-”: commands take it for an option"),
    N_("begin the name with a letter or a digit"),
)
"""What is wrong with a name, of an account or of a fleet, and what would be right."""


class Entry(NamedTuple):
    """An account with the places to blame."""

    account: Account
    at: At
    cookie: Item | None
    own: Section
    """What the account says itself, as `accounts.layer` gave it."""


def check_names(entries: Iterable[Entry], problems: Problems) -> None:
    """Note names used twice, and names whose log files would be one file."""
    seen: dict[str, Entry] = {}
    for entry in entries:
        name = entry.account.name
        first = seen.setdefault(name.lower(), entry)
        if not name or first is entry:
            continue
        where = {"name": first.account.name, "where": first.account.where}
        if first.account.name == name:
            problems.add(_name(entry), _("the name is used already at %(where)s") % where, _("choose another name"))
        else:
            message = _("differs only in upper and lower case from %(name)s at %(where)s") % where
            problems.add(_name(entry), message, _("choose another name: log files must not clash"))
    for folded, entry in seen.items():
        for suffix in SIDE_LOGS:
            other = seen.get(folded.removesuffix(suffix)) if folded.endswith(suffix) else None
            if other:
                where = {"name": other.account.name, "where": other.account.where}
                message = _("its log file would be a log file of %(name)s at %(where)s") % where
                problems.add(_name(entry), message, _("choose another name: log files must not clash"))


def check_reserved(entries: Iterable[Entry], goes_on: Callable[[str], bool], problems: Problems) -> None:
    """
    Note accounts with a name that new ones may not have.

    Args:
        goes_on: Whether an account runs or ran under this name: older versions took it, so it is only warned about.
    """
    for entry in entries:
        name = entry.account.name
        if name.startswith("-"):
            message, remedy = map(_, LIKE_AN_OPTION)
        elif name.lower() in RESERVED or name.lower().endswith(RESERVED_ENDS):
            message, remedy = _("is a name of xyfleet's own files"), _("choose another name: log files must not clash")
        else:
            continue
        if goes_on(name):
            problems.warn(_name(entry), message, _("it goes on as before; choose another name when you can"))
        else:
            problems.add(_name(entry), message, remedy)


def check_users(entries: Iterable[Entry], problems: Problems) -> None:
    """Note accounts whose cookies are of one user: two connections of one user kick each other out."""
    seen: dict[str, Entry] = {}
    for entry in entries:
        unb = _user(entry)
        first = seen.setdefault(unb, entry) if unb else entry
        if first is not entry and entry.cookie:
            where = {"name": first.account.name, "where": first.account.where}
            problems.add(
                entry.cookie.at,
                _("is of the same user (unb) as %(name)s at %(where)s") % where,
                _("remove one of the two: they would kick each other out"),
            )


def check_simulator(entries: Iterable[Entry], endpoint: str, problems: Problems) -> None:
    """Note real cookies in a file that uses the built-in gateway; warn once about made-up ones for the real gateway."""
    span = {"first": SIMULATOR_FIRST, "last": SIMULATOR_LAST}
    made_up: list[At] = []
    for entry in entries:
        unb = _user(entry)
        if unb is None or entry.cookie is None:
            continue
        if SIMULATOR_FIRST <= int(unb) <= SIMULATOR_LAST:
            made_up.append(entry.cookie.at)
        elif endpoint == SIMULATOR:
            problems.add(
                entry.cookie.at,
                _("may be of a real account, and the endpoint is the built-in gateway"),
                _("use made-up cookies with unb=%(first)s to %(last)s, or remove fleet.endpoint") % span,
            )
    if made_up and endpoint == DEFAULT_ENDPOINT:
        message = _("looks like an example's cookie (unb %(first)s to %(last)s)") % span
        problems.warn(made_up[0], message, _("put a real cookie here, or set fleet.endpoint: simulator"))


def check_proofs(entries: Iterable[Entry], endpoint: str, problems: Problems) -> None:
    """Warn once about cookies that lack what proves the login; the built-in gateway asks for none."""
    found = [(entry.cookie.at, doubt) for entry in entries if entry.cookie and (doubt := _doubt(entry))]
    if found and endpoint != SIMULATOR:
        at, doubt = found[0]
        words = {"count": len(found), "why": said(doubt)}
        problems.warn(at, _("is one of %(count)s doubtful cookies: %(why)s") % words if len(found) > 1 else said(doubt))


def _doubt(entry: Entry) -> Text | None:
    return cookies.doubt(entry.account.cookie) if entry.account.cookie else None


def _user(entry: Entry) -> str | None:
    return cookies.unb(entry.account.cookie) if entry.account.cookie else None


def _name(entry: Entry) -> At:
    return entry.at._replace(key="name")
