"""Which accounts are not well, and what a person should do: for every pair of cause and process state. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from xyfleet.supervisor.common.i18n import N_, tr
from xyfleet.supervisor.control.status_schema import AccountView, MessagesView, StatusView
from xyfleet.supervisor.presentation.reason_text import reason_words
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State

ABOUT_CAUSE: Final[dict[Cause | None, str]] = {
    None: N_("Nothing to do."),
    Cause.CLOSED: N_("The server closed the connection. Nothing to do unless it happens again and again."),
    Cause.RIVAL: N_(
        "Another program is logged in to this account and throws us out. "
        "End that program, then run `xyfleet reconnect %(name)s`."
    ),
    Cause.HEARTBEAT: N_(
        "The server stopped answering heartbeats. If it happens again and again, check the network and the proxy."
    ),
    Cause.NETWORK: N_(
        "The server could not be reached. Check this machine's network, DNS and clock, and the account's proxy."
    ),
    Cause.PROTOCOL: N_(
        "The server said something that this version does not understand. If it goes on, look for a newer xyfleet."
    ),
    Cause.LIMIT: N_(
        "The server says that this account has too many connections. "
        "End other programs that use it; some time later it works again."
    ),
    Cause.AUTH: N_(
        "The login has expired. Without a login hook, log in in a browser, copy the cookie, and run "
        "`xyfleet login %(name)s`."
    ),
    Cause.REFUSED: N_(
        "The server refuses a fresh token. If it goes on, log in in a browser, copy the cookie, and run "
        "`xyfleet login %(name)s`."
    ),
    Cause.REMOVED: N_(
        "The session was ended from elsewhere, for example by logging out on a phone. Find out who did it, "
        "log in in a browser, copy the cookie, and run `xyfleet login %(name)s`."
    ),
    Cause.RISK: N_(
        "Risk control wants a person. Pass the check by hand in the browser that this account shows itself as: "
        "%(browser)s; one that is passed elsewhere does not count for it. "
        "Then copy that browser's cookie, and run `xyfleet login %(name)s`."
    ),
    Cause.PLATFORM: N_(
        "The platform answers, but with an error, or not as this version knows it, or asks to be called less. "
        "The network is well, and a new login would not help. xyfleet tries again by itself, at longer intervals; "
        "if it goes on, look for a newer xyfleet."
    ),
    Cause.BUG: N_("This is a fault in xyfleet. See `xyfleet logs %(name)s`, and please report it."),
    Cause.STORAGE: N_(
        "Messages can't be stored, so the server is not told that they arrived, and ends the connection. "
        "Make room on the disk, or put the file right."
    ),
}
"""What helps against each cause, whatever the supervisor does meanwhile."""

ABOUT_PROCESS: Final[dict[Process, str]] = {
    Process.STARTING: N_("Starting; nothing to do."),
    Process.RUNNING: "",
    Process.WAITING: N_("It waits, and goes on by itself: for a login's turn, the end of an outage, or a rest."),
    Process.STOPPING: N_("Stopping; nothing to do."),
    Process.BACKOFF: N_("Its worker is started again by itself."),
    Process.REFRESHING: N_("The login hook is running; wait for its end."),
    Process.QUARANTINED: N_(
        "Its worker ended too often and is now tried only now and then. To try at once, run `xyfleet restart %(name)s`."
    ),
    Process.NEEDS_LOGIN: N_("xyfleet waits for a new cookie and tries nothing meanwhile."),
    Process.STOPPED: N_("Stopped by an operator. To start it again, run `xyfleet restart %(name)s`."),
    Process.DISABLED: N_("Switched off in the accounts file (enabled: false)."),
}
"""What the supervisor does about it by itself."""

_PROCESS_SAYS_ALL: Final = frozenset(
    {Process.STARTING, Process.STOPPING, Process.REFRESHING, Process.STOPPED, Process.DISABLED}
)
"""States in which the cause of the last loss asks nothing of a person."""

_NEEDS_LOGIN_ANYHOW: Final = N_(
    "Only a person can log in now. Scan a code with the Xianyu app: `xyfleet login %(name)s --qr`; or log in in a "
    "browser, copy the cookie, and run `xyfleet login %(name)s`."
)
_CANNOT_STORE: Final = N_(
    "Messages can't be stored: %(what)s. The server keeps them until that works again; make room on the disk, or put "
    "the file right."
)
_NOTE: Final = N_("About its inbox: %(what)s.")
_STALE: Final = N_("%(what)s has changed since the handler was loaded: xyfleet reload loads it anew.")
_CANNOT_CALL: Final = N_(
    "The handler can't be called: %(what)s. Messages wait in the inbox until that is put right; it is tried again "
    "by itself."
)
_BOUNDED: Final = N_(
    "Conversation %(what)s had more automatic messages than `reply_limit` allows: another program may be answering "
    "there. Further texts of it are dead letters for a person; look at the conversation."
)
_DEAD_LETTERS: Final = N_(
    "Messages that the handler did not answer: %(what)d. `xyfleet messages %(name)s --failed` shows them, `--retry` "
    "gives them to it again."
)
_TO_BE_SHIPPED: Final = N_(
    "Delivered orders that wait to be marked as shipped: %(what)d. That is done when the platform may be asked again, "
    "within a day."
)
_SAYS_HOW_TO_LOG_IN: Final = frozenset({Cause.AUTH, Cause.REFUSED, Cause.REMOVED, Cause.RISK})


_DEAD_LOGIN: Final = N_(
    "The login is dead, the connection still lives: log in before it drops (`xyfleet login %(name)s --qr`, or paste a "
    "cookie: `xyfleet login %(name)s`)."
)
_CHECKED: Final = N_(
    "The renewal of its login was answered with a check by a person, so it is renewed no more. Pass the check in the "
    "browser that it shows itself as: %(browser)s; then copy the cookie, and run `xyfleet login %(name)s`."
)
_SOME_BROWSER: Final = N_("the one whose cookie it has")


def advice(cause: Cause | None, process: Process, *, name: str, language: str, browser: str | None = None) -> str:
    """
    Return what a person should do about account `name`: one or two sentences, never empty.

    `browser` is the one that it shows itself as.
    """
    space = "" if language == "zh" else " "  # Chinese sentences end in a full stop that brings its own space
    return space.join(tr(language, part) for part in _parts(cause, process)) % {
        "name": name,
        "browser": browser or tr(language, _SOME_BROWSER),
    }


def _parts(cause: Cause | None, process: Process) -> list[str]:
    if process in _PROCESS_SAYS_ALL:
        return [ABOUT_PROCESS[process]]
    first = ABOUT_CAUSE[cause]
    if process is Process.NEEDS_LOGIN and cause not in _SAYS_HOW_TO_LOG_IN:
        first = _NEEDS_LOGIN_ANYHOW
    elif cause is None and process is not Process.RUNNING:
        return [ABOUT_PROCESS[process]]
    return [first, ABOUT_PROCESS[process]] if ABOUT_PROCESS[process] else [first]


def message_advice(account: AccountView, language: str) -> list[str]:
    """Return what a person should know of an account's messages: a sentence for each thing that is not well."""
    said = _troubles(account.messages, language)
    if account.to_be_shipped:
        said.append((_TO_BE_SHIPPED, account.to_be_shipped))
    return [tr(language, text) % {"name": account.name, "what": what} for text, what in said]


def _troubles(messages: MessagesView, language: str) -> list[tuple[str, object]]:
    said: list[tuple[str, object]] = []
    if messages.trouble is not None:
        said.append((_CANNOT_STORE, _sentence(messages.trouble, messages.trouble_because, language)))
    if messages.note is not None:
        said.append((_NOTE, _sentence(messages.note, messages.note_because, language)))
    if messages.handler_stale is not None:
        said.append((_STALE, messages.handler_stale))
    if messages.handler_trouble is not None:
        said.append((_CANNOT_CALL, _sentence(messages.handler_trouble, messages.handler_trouble_because, language)))
    if messages.bounded is not None:
        said.append((_BOUNDED, messages.bounded))
    if messages.dead:
        said.append((_DEAD_LETTERS, messages.dead))
    return said


def _sentence(raw: str, because: Reason | None, language: str) -> str:
    """Return a reason in the reader's language; a fleet of an older version gives its raw words only."""
    return raw if because is None else reason_words(because, language)


def login_advice(account: AccountView, language: str) -> list[str]:
    """Return what a person should do about a login while its connection lives."""
    if account.state is not State.CONNECTED:
        return []
    said = [_DEAD_LOGIN] if account.login.state == "dead" else [_CHECKED] if account.login.over is not None else []
    browser = account.browser or tr(language, _SOME_BROWSER)
    return [tr(language, text) % {"name": account.name, "browser": browser} for text in said]


def down(view: StatusView) -> tuple[int, int]:
    """Return how many accounts of a view are not CONNECTED though they should be, and how many should be."""
    wanted = [
        account for account in view.accounts if account.process is not Process.DISABLED and account.desired == "running"
    ]
    return sum(account.state is not State.CONNECTED for account in wanted), len(wanted)


def is_well(account: AccountView) -> bool:
    """Say whether an account needs no advice: CONNECTED, with a worker that is left alone."""
    return account.state is State.CONNECTED and account.process is Process.RUNNING


def advised(view: StatusView, language: str) -> StatusView:
    """Return the view with `advice` filled in, in `zh` or `en`, for every account that needs any."""
    return msgspec.structs.replace(view, accounts=[_with_advice(account, language) for account in view.accounts])


def _with_advice(account: AccountView, language: str) -> AccountView:
    texts = []
    if not is_well(account):
        name, browser = account.name, account.browser
        texts = [advice(account.cause, account.process, name=name, language=language, browser=browser)]
    texts += login_advice(account, language)
    texts += message_advice(account, language)
    if not texts:
        return account
    return msgspec.structs.replace(account, advice=("" if language == "zh" else " ").join(texts))
