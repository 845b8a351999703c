"""`scripts/chaos`: what it sees of messages that are lost, handed over twice, or in the wrong order."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.lib.chaos import mail_promises
from scripts.lib.chaos.promises import Broken
from scripts.lib.chaos.shop import Call


def calls(*notes: str) -> list[Call]:
    """Return notes such as `1 begun`, a second apart."""
    return [Call(id_, what, float(at), "handler") for at, (id_, what) in enumerate(note.split() for note in notes)]


def names(found: Iterable[Broken]) -> list[str]:
    """Return which promises are broken."""
    return [each.promise for each in found]


def test_a_second_call_is_seen() -> None:
    """After one that ended well, or of which nobody knows; one that failed may be followed by another."""
    twice = ["nothing is handed over twice"]
    assert names(mail_promises.handed_over_once(calls("1 begun", "1 failed", "1 begun", "1 ended", "2 begun"))) == []
    assert names(mail_promises.handed_over_once(calls("1 begun", "1 ended", "1 begun"))) == twice
    assert names(mail_promises.handed_over_once(calls("1 begun", "2 begun", "1 begun"))) == twice


def test_a_wrong_order_is_seen() -> None:
    """Of first calls, within a conversation; strangers and further calls mean nothing."""
    rows = {"1": (1, "c"), "2": (2, "c"), "3": (3, "d")}
    good = calls("3 begun", "1 begun", "1 failed", "9 begun", "2 begun", "1 begun")
    assert names(mail_promises.in_order(good, rows, "a0")) == []
    assert names(mail_promises.in_order(calls("2 begun", "1 begun"), rows, "a0")) == [
        "the order of a conversation is kept"
    ]


def test_lost_and_doubled_messages_are_seen() -> None:
    """Acked and gone, answered twice, and left waiting."""
    assert names(mail_promises.kept({"1", "2"}, {"1", "2", "3"}, "a0")) == []
    assert names(mail_promises.kept({"1", "2"}, {"1"}, "a0")) == ["nothing acked is lost"]
    assert names(mail_promises.answered_once(["re:1", "re:2"], "a0")) == []
    assert names(mail_promises.answered_once(["re:1", "re:1"], "a0")) == ["at most one answer to a message"]
    assert names(mail_promises.all_handed_over(0, "a0")) == []
    assert names(mail_promises.all_handed_over(1, "a0")) == ["what waits for a handler is handed over"]


def test_a_handler_s_child_is_known() -> None:
    """By its command line, which names its worker, whoever its parent is."""
    assert mail_promises.parent_of_child(["sleep", "600", "0.100"]) == 100
    assert mail_promises.parent_of_child(["sleep", "600"]) is None
