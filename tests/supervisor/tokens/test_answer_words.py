"""Tests of `xyfleet.supervisor.tokens.answer_words` and of what becomes of each word: every known form of an answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import pytest

from support.places import VECTORS_FILE
from support.tokens import FREE, RENEWED, SHOP, refused, service
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens import answer_words, mtop
from xyfleet.worker.causes import Cause

ANSWERS: Final[list[dict[str, Any]]] = json.loads((VECTORS_FILE.parent / "token_answers.json").read_text())
MEANINGS: Final = {
    "risk": mtop.Risk,
    "dead": mtop.SessionExpired,
    "sign": mtop.SignExpired,
    "unsure": mtop.Unsure,
    "slower": mtop.Unknown,
    "unknown": mtop.Unknown,
    "no_answer": mtop.Transient,
    "token": mtop.Ok,
}
CAUSES: Final = {
    "risk": Cause.RISK,
    "dead": Cause.AUTH,
    "unsure": Cause.AUTH,
    "slower": Cause.PLATFORM,
    "unknown": Cause.PLATFORM,
    "no_answer": Cause.PLATFORM,
}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["name"])
def test_every_known_form_of_an_answer(answer: dict[str, Any]) -> None:
    """D5, X17: risk, a dead login, an old signature, a wish for less and unknown words are told apart, in any case."""
    found = mtop.classify(answer["status"], answer["body"].encode(), 1e9, answer["location"])

    assert isinstance(found, MEANINGS[answer["meaning"]])
    assert answer["meaning"] != "slower" or (isinstance(found, mtop.Unknown) and found.wait >= 60)


@pytest.mark.parametrize(
    "answer",
    [each for each in ANSWERS if each["meaning"] in CAUSES and not each["location"]],
    ids=lambda one: one["name"],
)
async def test_the_cause_of_every_refusal(store: Store, server: TokenServer, answer: dict[str, Any]) -> None:
    """D5, X17: an answer that is understood is never a fault of the network, and what is not is the platform's."""
    said = Answer(status=answer["status"], body=answer["body"].encode())
    server.say(said, said)

    refusal = await refused(service(store, server, FREE))

    assert refusal.cause is CAUSES[answer["meaning"]]


async def test_an_unsure_answer_is_tried_once_anew(store: Store, server: TokenServer) -> None:
    """FAIL_SYS_ILLEGAL_ACCESS once is a signature: the next call, freshly signed, brings the token."""
    server.say(Answer("FAIL_SYS_ILLEGAL_ACCESS::x", token=None, set_cookie=RENEWED))

    assert (await service(store, server, FREE).get(SHOP)).fresh
    assert len(server.calls) == 2


async def test_a_wish_for_less_is_granted(store: Store, server: TokenServer) -> None:
    """After FAIL_SYS_FLOWLIMIT the account makes no call for minutes."""
    server.say(Answer("FAIL_SYS_FLOWLIMIT::x", token=None))
    tokens = service(store, server, FREE)
    await refused(tokens)
    said: list[str] = []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(tokens.get(SHOP, on_wait=lambda why: said.append(why.code)), 0.2)

    assert len(server.calls) == 1
    assert said == ["wait_token_pause"]


@pytest.mark.parametrize(
    ("address", "person"),
    [
        ("https://passport.goofish.com/iv/mini/verify_modes.htm?htoken=x", True),
        ("https://passport.goofish.com/normal_validate.htm?x=1", True),
        ("https://h5api.m.goofish.com/_____TMD_____/punish", True),
        ("https://i.taobao.com/my_taobao.htm?nekot=x", False),
    ],
)
def test_a_landing_page_is_no_check(address: str, person: bool) -> None:
    """A login that leads on to a page of the service asks for nobody."""
    assert answer_words.person_page(address) is person
