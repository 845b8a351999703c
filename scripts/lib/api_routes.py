"""What no type says of the HTTP API's routes: summaries, parameters, which body and answer is whose, refusals. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from xyfleet.supervisor.api import answers, ask_routes, login_routes, message_routes, send_routes, talk_routes
from xyfleet.supervisor.api.routes import MAX_DIGITS, Names, ReloadOrder
from xyfleet.supervisor.common.event_log import Event
from xyfleet.supervisor.control.status_schema import StatusView
from xyfleet.supervisor.control.types import ACTIONS, Forgotten, Health, Reloaded, SimulatorPlace, WireReport
from xyfleet.supervisor.messages.query import DeadLetter
from xyfleet.supervisor.messages.requests import Delivery
from xyfleet.worker.ipc.talks import MOST_LISTED
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.shop import Item, Order, OrderPage, Shipped
from xyfleet.worker.reasons import TEXTS

Parameters = Mapping[str, tuple[dict[str, Any], str]]
"""Form and description by name."""
ALWAYS: Final = ("bad_request", "unauthorized", "fault")
WITH_BODY: Final = ("request_timeout", "request_entity_too_large")
_ASKED: Final = tuple(sorted(name.removeprefix("ask_") for name in TEXTS if name.startswith("ask_")))
_FLAG: Final = {"type": "string", "default": "0", "examples": ["1"]}
_NAMES: Final[Parameters] = {
    "name": (
        {"type": "array", "items": {"type": "string", "examples": ["shop-001", "shop-0*", "@phones"]}},
        "Only these accounts: names, globs, @tags.",
    )
}
_CONTENT_TYPES: Final = {
    "json": "application/json",
    "lines": "application/x-ndjson",
    "stream": "text/event-stream",
}


class Refusal(NamedTuple):
    """How a request may be refused."""

    status: int
    codes: tuple[str, ...]
    about: str


class Route(NamedTuple):
    """One route."""

    summary: str
    answer: Any
    """The type of its body, or of each of its lines, or several; None = a text."""
    refused: tuple[str, ...] = ()
    """Names of refusals beside those that every route has."""
    body: type | None = None
    bodiless: bool = False
    """Whether the body may be left out."""
    query: Parameters = MappingProxyType({})
    form: str = "json"
    """Or `lines`, `stream`."""
    status: int = 200
    headers: Mapping[str, tuple[str, bool]] = MappingProxyType({})
    """What each says, and whether it is always there."""

    @property
    def answers(self) -> tuple[Any, ...]:
        """All types of answers."""
        return self.answer if isinstance(self.answer, tuple) else () if self.answer is None else (self.answer,)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Names of all refusals."""
        return (*ALWAYS, *(WITH_BODY if self.body is not None else ()), *self.refused)

    @property
    def content_type(self) -> str:
        """The answer's."""
        return _CONTENT_TYPES[self.form]


REFUSALS: Final = {
    "bad_request": Refusal(400, ("bad_request",), "The body or a parameter has the wrong form."),
    "unauthorized": Refusal(401, ("unauthorized",), "On TCP, without the token."),
    "unknown_account": Refusal(404, ("unknown_account",), "A name, glob or tag fits no account."),
    "unknown_action": Refusal(404, ("not_found", "unknown_account"), "No such action, or a name fits no account."),
    "request_timeout": Refusal(408, ("request_timeout",), "The body did not come within 10 s."),
    "not_possible": Refusal(409, ("not_possible", "stopping"), "Not in this state; nothing was changed."),
    "not_confirmed": Refusal(
        409, ("not_confirmed", "not_possible", "stopping"), 'Say `"yes": true` if it is meant, or not in this state.'
    ),
    "not_taken": Refusal(409, ("not_possible", "not_taken", "stopping"), "Nothing was sent, and nothing will be."),
    "not_answered": Refusal(
        409, (*_ASKED, "not_possible", "stopping"), "The platform gave no answer or was not asked: docs/handlers.md."
    ),
    "gone": Refusal(410, ("gone",), "The id is of another feed, or too old."),
    "request_entity_too_large": Refusal(413, ("request_entity_too_large",), "The body is longer than 256 KiB."),
    "bad_cookie": Refusal(422, ("bad_cookie",), "The cookie can't be this account's."),
    "bad_file": Refusal(422, ("bad_file",), "The accounts file has faults; nothing was changed."),
    "fault": Refusal(500, ("fault",), "A fault in xyfleet; its log has more."),
    "service_unavailable": Refusal(503, ("service_unavailable",), "Too many follow already."),
}
"""By the names that routes give them."""

PATH_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "action": {"schema": {"enum": list(ACTIONS)}},
    "name": {"description": "One account's name.", "schema": {"type": "string", "minLength": 1}},
    "id": {"description": "Of the item or the order.", "schema": {"type": "string", "pattern": "^[0-9]{1,32}$"}},
    "conversation": {"description": "Its id.", "schema": {"type": "string", "pattern": "^[!-.0-~]{1,128}$"}},
}


def _number(most: int, usual: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": usual}


ROUTES: Final = {
    "GET /v1/health": Route("Is somebody there, and how far is the fleet? Cheap.", Health),
    "GET /v1/status": Route(
        "The whole state: docs/status.md lists the fields.",
        StatusView,
        ("unknown_account",),
        query=_NAMES,
        headers={"X-Xyfleet-Down": ("Accounts not connected that should be, and those that should be: `1/2`.", True)},
    ),
    "POST /v1/accounts/{action}": Route(
        "Do what the command of this name does.", answers.Acted, ("unknown_action", "not_confirmed"), Names
    ),
    "POST /v1/reload": Route(
        "Read the accounts file again; only accounts whose settings or handler changed are touched.",
        Reloaded,
        ("not_possible", "bad_file"),
        ReloadOrder,
        bodiless=True,
    ),
    "POST /v1/stop": Route("Begin to end the whole fleet.", answers.Ending, ("not_possible",), status=202),
    "GET /v1/events": Route(
        "The last events; with `follow=1` all that come too.",
        Event,
        ("service_unavailable",),
        query={
            "since": (
                {"type": "string", "pattern": f"^[0-9]{{1,{MAX_DIGITS}}}$", "default": "0"},
                "Only those after this id.",
            ),
            "follow": (_FLAG, "1: go on with new ones until one side leaves."),
        },
        form="lines",
    ),
    "GET /v1/logs/{name}": Route("Where an account's log file is.", answers.LogFile, ("unknown_account",)),
    "GET /v1/trace/{name}": Route(
        "What the supervision of an account saw and decided; its fields follow the code and may change.",
        dict[str, Any],
        ("unknown_account",),
        form="lines",
    ),
    "GET /v1/wire/{name}": Route(
        "What the platform sent that this version does not know.", WireReport, ("unknown_account",)
    ),
    "GET /v1/simulator": Route(
        "Where the built-in gateway of a fleet with `endpoint: simulator` has an account.",
        SimulatorPlace,
        ("unknown_account", "not_possible"),
        query={"name": ({"type": "string"}, "One account's name.")},
    ),
    "GET /v1/items/{name}/{id}": Route("Ask the platform for an item.", Item, ("unknown_account", "not_answered")),
    "GET /v1/orders/{name}/{id}": Route("Ask the platform for an order.", Order, ("unknown_account", "not_answered")),
    "GET /v1/orders/{name}": Route(
        "Orders that wait for shipment.",
        OrderPage,
        ("unknown_account", "not_answered"),
        query={"page": ({"type": "integer", "minimum": 1, "maximum": 9999, "default": 1}, "30 orders each.")},
    ),
    "POST /v1/ship": Route(
        "Mark an order as shipped, once.", Shipped, ("unknown_account", "not_answered"), ask_routes.Ship
    ),
    "POST /v1/call": Route(
        "Call an API that is named under `apis` of the account, once; its `data` is the answer.",
        Any,
        ("unknown_account", "not_answered"),
        ask_routes.Call,
    ),
    "POST /v1/login": Route(
        "Give one account a new cookie.",
        answers.LoggedIn,
        ("unknown_account", "not_possible", "bad_cookie"),
        login_routes.Login,
    ),
    "POST /v1/login/qr": Route(
        "Log one account in by a code that its owner scans; the login ends with the connection.",
        answers.QrLine,
        ("unknown_account", "not_possible"),
        login_routes.Named,
        form="lines",
    ),
    "POST /v1/login/browser": Route(
        "What a browser needs in which a person logs the account in; on the Unix socket only.",
        answers.BrowserLogin,
        ("unknown_account", "not_possible"),
        login_routes.Named,
    ),
    "GET /v1/messages": Route(
        "The newest messages of all accounts, the newest last; dead letters with `state` and `reason`.",
        (DeadLetter, Message),
        ("unknown_account",),
        query={
            **_NAMES,
            "since": ({"type": "string", "examples": ["30m", "2026-01-02T03:04:05Z"]}, "A time or a span."),
            "conversation": ({"type": "string"}, "Only of this conversation."),
            "failed": (_FLAG, "1: only dead letters."),
            "limit": (_number(message_routes.MAX_LIMIT, message_routes.DEFAULT_LIMIT), "So many at most."),
        },
        form="lines",
        headers={
            "X-Xyfleet-Next": ("The id with which the stream brings all that comes after this answer.", True),
            "X-Xyfleet-Unreadable": ("Inboxes that can't be read, with the reason: a JSON object.", False),
        },
    ),
    "GET /v1/messages/stream": Route(
        "All new messages as they come.",
        None,
        ("unknown_account", "gone", "service_unavailable"),
        query={**_NAMES, "after": ({"type": "string"}, "The last id that was seen; or the header Last-Event-ID.")},
        form="stream",
    ),
    "POST /v1/messages/retry": Route(
        "Give dead letters to the handlers again.",
        answers.Redone,
        ("unknown_account", "not_possible"),
        send_routes.DeadLetters,
    ),
    "POST /v1/send": Route(
        "Send a text or an image to a conversation.", Delivery, ("unknown_account", "not_taken"), send_routes.Letter
    ),
    "POST /v1/forget": Route(
        "Delete all that is stored about one account.",
        Forgotten,
        ("unknown_account", "not_possible"),
        login_routes.Named,
    ),
    "GET /v1/talks/{name}": Route(
        "The account's conversations as the platform lists them now, newest first.",
        answers.Talks,
        ("unknown_account", "not_possible"),
        query={"limit": (_number(MOST_LISTED, talk_routes.DEFAULT_TALKS), "So many at most.")},
    ),
    "GET /v1/talks/{name}/{conversation}": Route(
        "The newest messages of a conversation, the newest last.",
        answers.History,
        ("unknown_account", "not_possible"),
        query={"limit": (_number(MOST_LISTED, talk_routes.DEFAULT_MESSAGES), "So many at most.")},
    ),
    "POST /v1/talks/open": Route(
        "Open a conversation with a user about an item.",
        answers.Opened,
        ("unknown_account", "not_possible"),
        talk_routes.OpenOrder,
    ),
    "POST /v1/talks/read": Route(
        "Mark a conversation as read.",
        answers.MarkedRead,
        ("unknown_account", "not_possible"),
        talk_routes.ReadOrder,
    ),
    "POST /v1/talks/recall": Route(
        "Recall a message that the account sent.",
        answers.Recalled,
        ("unknown_account", "not_possible"),
        talk_routes.RecallOrder,
    ),
}
"""By method and path; a test compares them with the application's."""
