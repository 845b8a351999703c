"""The API's routes that act on messages: send a text, run dead letters again, forget an account. Shell."""

from __future__ import annotations

from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct

from xyfleet.supervisor.api.answers import Redone
from xyfleet.supervisor.api.login_routes import Named
from xyfleet.supervisor.api.requests import CONTROL, BadRequest, body, json_answer, language, one, operator
from xyfleet.supervisor.common.i18n import sentences
from xyfleet.supervisor.messages.requests import SendRequest

DEFAULT_WAIT: Final = 20.0
MAX_WAIT: Final = 300.0
MAX_TEXT: Final = 4000
"""Characters of a text to be sent."""
MAX_IDS: Final = 1000
DOMAIN: Final = "@goofish"
"""Behind ids on the wire; ours go without, and who copies one with it means the same."""

Id = Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]
"""An id of the server's: printable ASCII without blanks."""


class Letter(Struct):
    """A text or an image to be sent."""

    name: str
    conversation: Id
    text: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    image: Annotated[str, Meta(pattern=r"^/[^\x00-\x1f\x7f]{1,1000}\Z")] | None = None
    to: Id | None = None
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT)] = DEFAULT_WAIT


class DeadLetters(Struct):
    """Which dead letters are handed over again; no ids: all."""

    names: list[str]
    ids: Annotated[list[Id], Meta(max_length=MAX_IDS)] = []


async def _send(request: web.Request) -> web.StreamResponse:
    asked = await body(request, Letter)
    if asked.image is None and not asked.text.strip():
        raise BadRequest("the text is blank")
    if asked.image is not None and asked.text:
        raise BadRequest("a text or an image, not both")
    letter = SendRequest(
        account=one(asked.name),
        conversation=asked.conversation.removesuffix(DOMAIN),
        text=asked.text,
        image=asked.image,
        receiver=None if asked.to is None else asked.to.removesuffix(DOMAIN),
    )
    return json_answer(await request.app[CONTROL].send(letter, asked.wait))


async def _retry(request: web.Request) -> web.StreamResponse:
    asked = await body(request, DeadLetters)
    if not asked.names:
        raise BadRequest('no names; ["*"] means all accounts')
    retried = await request.app[CONTROL].retry(asked.names, asked.ids)
    return json_answer(Redone(retried.done, sentences(retried.refused, language(request))))


async def _forget(request: web.Request) -> web.StreamResponse:
    asked = await body(request, Named)
    return json_answer(await request.app[CONTROL].forget(one(asked.name), await operator(request)))


SEND_ROUTES: Final = (
    web.post("/v1/send", _send),
    web.post("/v1/messages/retry", _retry),
    web.post("/v1/forget", _forget),
)
