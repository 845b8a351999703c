"""What the fleet says when it refuses."""

from __future__ import annotations

import pytest

from support.standin import StandIn
from xyfleet.supervisor.common.errors import BadCookie, BadFile, NotPossible, Refused, Stopping, UnknownName
from xyfleet.supervisor.common.i18n import Text, sentences
from xyfleet.supervisor.control.types import Control


def test_text_is_said_in_the_language_asked_for() -> None:
    """A sentence is kept once, and said in either language."""
    text = Text("no fleet %(name)s is running", {"name": "x%"})

    assert (text.say("en"), text.say("zh")) == ("no fleet x% is running", "店群 x% 没有在运行")
    assert sentences({"a": text}, "en") == {"a": "no fleet x% is running"}


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (UnknownName(["x"]), 404, "unknown_account"),
        (NotPossible(Text("the fleet is stopping")), 409, "not_possible"),
        (BadCookie(Text("no cookie was given")), 422, "bad_cookie"),
        (BadFile(["f:1: bad"]), 422, "bad_file"),
        (Stopping(), 409, "stopping"),
    ],
)
def test_refusals_have_stable_codes(refusal: Refused, status: int, code: str) -> None:
    """Programs decide by codes, never by words; the words are there in both languages."""
    assert (refusal.status, refusal.code) == (status, code)
    assert refusal.text.say("zh") != refusal.text.say("en") == str(refusal)


def test_bad_file_keeps_every_problem() -> None:
    """The problems are facts of their own, and part of the sentence."""
    refusal = BadFile(["f:1: 100% bad", "f:2: worse"])

    assert refusal.facts == {"problems": ["f:1: 100% bad", "f:2: worse"]}
    assert str(refusal).endswith("f:1: 100% bad\nf:2: worse")


def test_stand_in_is_a_control() -> None:
    """What the other tests use in the fleet's place has the whole face."""
    missing = [name for name in vars(Control) if not name.startswith("_") and not hasattr(StandIn, name)]

    assert set(Control.__annotations__) == {"language", "events", "mail"}
    assert missing == []
