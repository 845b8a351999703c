"""What all commands share: the fleet they mean, the language they speak, how they fail. Shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from xyfleet.supervisor.api.client import ANSWER_TIMEOUT, Client, NoAnswer, OtherFleet, OtherUser, Peer, Refused
from xyfleet.supervisor.api.registry import NoFleet, Record, SeveralFleets, find, users
from xyfleet.supervisor.common import i18n
from xyfleet.supervisor.common.i18n import _

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
"""Wrong command line, unknown account, or bad file."""
NOT_CONNECTED: Final = 3
"""Some accounts that should be connected are not."""
NO_ANSWER: Final = 4
"""The fleet runs, but its socket does not answer."""
NO_FLEET: Final = 7
INTERRUPTED: Final = 130

_USAGE_CODES: Final = frozenset({"unknown_account", "bad_request", "bad_file"})

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Failure(Exception):
    """The command ends with this sentence and this exit code."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(code, text)


class Setup:
    """What was asked for before the command itself: `--lang` and `--fleet`."""

    def __init__(self, language: str | None) -> None:
        self.explicit = language
        """`--lang`."""
        self.fleet: str | None = None
        """`--fleet`."""
        self.environment = dict(os.environ)
        """What other programs that we start inherit: without what is set for click's sake."""
        self.language = "en"
        """What texts are in now."""
        self.speak(None)

    def speak(self, fleet_language: str | None) -> None:
        """Choose the language: `--lang`, else the fleet's, else the environment's."""
        self.language = self.explicit or fleet_language or i18n.from_locale()
        i18n.use(self.language)

    def record(self) -> Record:
        """Return the running fleet that is meant. Raises `Failure`."""
        wanted = self.fleet or os.environ.get("XYFLEET_FLEET") or None
        try:
            record = find(wanted)
        except NoFleet:
            raise Failure(NO_FLEET, _no_fleet(wanted)) from None
        except SeveralFleets as error:
            names = ", ".join(record.name for record in error.records)
            text = _("several fleets run here: %(names)s; say which with --fleet NAME")
            raise Failure(USAGE, text % {"names": names}) from None
        self.speak(record.language)
        return record

    def client(self, timeout: float = ANSWER_TIMEOUT) -> Client:
        """Return a client of the running fleet that is meant. Raises `Failure`."""
        return self.client_of(self.record(), timeout)

    def client_of(self, record: Record, timeout: float = ANSWER_TIMEOUT) -> Client:
        """Return a client of this fleet, which says nothing to another one or to another user."""
        return Client(record.socket, self.language, timeout, peer=Peer(record.name, users()))


def _no_fleet(wanted: str | None) -> str:
    if wanted is None:
        return _("no fleet is running; start one: xyfleet start accounts.yml")
    return _("no fleet %(name)s is running") % {"name": wanted}


def no_answer(error: NoAnswer) -> Failure:
    """Return the failure that a silent socket means."""
    if isinstance(error, OtherFleet):
        text = _("on %(path)s another fleet answers: %(name)s; nothing was done")
        return Failure(NO_ANSWER, text % {"path": error.path, "name": error.name})
    if isinstance(error, OtherUser):
        text = _("on %(path)s a program of another user (uid %(uid)d) answers; nothing was said to it")
        return Failure(NO_ANSWER, text % {"path": error.path, "uid": error.uid})
    text = _("the fleet does not answer on %(path)s (%(why)s); if it was started just now, try again in a moment")
    return Failure(NO_ANSWER, text % {"path": error.path, "why": error.why})


def refused(error: Refused) -> Failure:
    """Return the failure that the fleet's refusal means."""
    return Failure(USAGE if error.code in _USAGE_CODES else FAILURE, error.message)


def common(command: _Command) -> _Command:
    """Let a command take `--lang` and `--fleet` behind its name too."""
    options = (language_option(hidden=True), fleet_option(hidden=True))
    for option in options:
        command = option(command)
    return command


def language_option(*, hidden: bool) -> Callable[[_Command], _Command]:
    """Return the option `--lang`; its value was read before click began (`main`), so that help texts have it too."""
    return click.option(
        "--lang",
        type=click.Choice(i18n.LANGUAGES),
        expose_value=False,
        hidden=hidden,
        help=_("Language of all texts; default: fleet.language, else the environment's."),
    )


def fleet_option(*, hidden: bool) -> Callable[[_Command], _Command]:
    """Return the option `--fleet`."""
    return click.option(
        "--fleet",
        metavar="NAME|FILE",
        callback=_keep_fleet,
        expose_value=False,
        hidden=hidden,
        help=_("The fleet, by its name or its accounts file; default: XYFLEET_FLEET, else the only one running."),
    )


def _keep_fleet(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj.fleet = value
