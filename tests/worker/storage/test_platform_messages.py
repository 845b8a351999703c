"""What the platform writes, in the store: no takeover, no person, and a card that changes is heard of again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from support.stores import ASKS, NOW, add, incoming, letter, own, stands
from xyfleet.worker.storage.call_store import NOBODY
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import LetterPart, ReplyBound
from xyfleet.worker.storage.schema import ASKED, GROUP, OF_THIS_FLEET, TABLES, TAKEN_OVER, VERSION

pytestmark = pytest.mark.pythons


def test_the_platform_does_not_take_over(store: MessageStore) -> None:
    """A card in the seller's name that the platform wrote silences nobody (X4)."""
    add(store, own("1.PNM", kind="card", platform=True), incoming("2.PNM"))

    assert stands(store, 2) == ("waiting", None)


@pytest.mark.parametrize("kind", ["card", "order", "system"])
def test_a_pause_is_for_talk(store: MessageStore, kind: str) -> None:
    """What the owner typed quiets the talk; what is paid is delivered all the same (X5)."""
    add(store, incoming("0.PNM", kind=kind), incoming("1.PNM"), own("2.PNM"))
    add(store, incoming("3.PNM", kind=kind), incoming("4.PNM", kind="image"))
    store.begin(1, 0)

    assert [stands(store, row) for row in (2, 4, 5)] == [("kept", TAKEN_OVER), ("waiting", None), ("kept", None)]
    assert store.again(1, NOW)
    store.begin(1, 1)
    assert store.finish(1, [LetterPart("key")], "u1", NOW) is not None


def test_a_changed_card_is_a_message_once(store: MessageStore) -> None:
    """A card that says something new under an old id is heard of; the same once more is not (X1)."""
    update = incoming("1.PNM", kind="card", text="[已付款]", update_id="1.PNM:card:1", raw={"4": 1})
    add(store, incoming("1.PNM", kind="card", text="[待付款]", raw={"1": 1}))
    first, again = add(store, update), add(store, update)
    alone = incoming("9.PNM", kind="card", update_id="9.PNM:card:2", raw={"4": 2})

    assert [(row.message.id, row.message.text, row.state) for row in first] == [("1.PNM:card:1", "[已付款]", "waiting")]
    assert again == []
    assert [row.message.id for row in add(store, alone)] == ["9.PNM"]
    assert add(store, alone) == []


def test_a_notice_about_a_message(store: MessageStore) -> None:
    """An order's notice that names a message is of its conversation, and is answered there (X2)."""
    add(store, incoming("1.PNM"), incoming("order:1", kind="order", conversation=None, sender=None, about="1.PNM"))
    store.begin(2, 0)
    number = store.finish(2, [LetterPart("key")], "u1", NOW)

    assert number is not None
    assert (letter(store, number).conversation, letter(store, number).receiver) == ("c1", "buyer")


def test_groups(store: MessageStore) -> None:
    """A group talk is kept, and says why, unless it is wanted (X6)."""
    add(store, incoming("1.PNM", group=True))
    add(store, incoming("2.PNM", group=True), rules=ASKS._replace(groups=True))

    assert [stands(store, row) for row in (1, 2)] == [("kept", GROUP), ("waiting", None)]


def test_accounts_of_this_fleet(store: MessageStore) -> None:
    """Their talk is kept, and says why; what they order is not (C2)."""
    rules = ASKS._replace(fleet=("buyer",))
    add(store, incoming("1.PNM"), incoming("2.PNM", kind="card"), incoming("3.PNM", sender="other"), rules=rules)

    assert [stands(store, row) for row in (1, 2, 3)] == [
        ("kept", OF_THIS_FLEET),
        ("waiting", None),
        ("waiting", None),
    ]


@pytest.mark.parametrize(
    ("before", "message", "receiver"),
    [
        ([], {"sender": "buyer"}, "buyer"),
        ([{}], {"kind": "system", "sender": None, "platform": True, "peer": "buyer"}, "buyer"),
        ([], {"kind": "system", "sender": None, "platform": True, "peer": "buyer"}, "buyer"),
        ([{}], {"kind": "system", "sender": None, "platform": True}, "buyer"),
        ([{}], {"kind": "card", "sender": "1400", "platform": True, "peer": "1400"}, "buyer"),
        ([{}, {"sender": "third"}], {"kind": "card", "sender": "1", "platform": True, "peer": "buyer"}, "buyer"),
        ([], {"kind": "card", "sender": "33", "platform": True}, "33"),
    ],
)
def test_who_gets_a_reply(
    store: MessageStore, before: list[dict[str, object]], message: dict[str, object], receiver: str
) -> None:
    """Whoever wrote; of the platform's messages who is at the other end, then the last person there (X7, X16b)."""
    rows = add(store, *(incoming(f"{n}.PNM", **each) for n, each in enumerate(before)), incoming("x.PNM", **message))
    store.begin(rows[-1].row, 0)
    number = store.finish(rows[-1].row, [LetterPart("key")], "u1", NOW)
    sent = store.queue("u2", "c1", None, "by a person", NOW)

    assert number is not None
    assert letter(store, number).receiver == receiver
    assert sent.letter is not None
    assert before[1:] or sent.letter.receiver == receiver


def test_nobody_is_known(store: MessageStore) -> None:
    """A reply that nobody can get is a dead letter, which a person can ask for again (X7)."""
    add(store, incoming("1.PNM", kind="system", sender=None, platform=True))
    store.begin(1, 0)

    assert store.finish(1, [LetterPart("text")], "u1", NOW) is None
    assert store.finish(1, [LetterPart("text")], "u1", NOW) is None
    assert stands(store) == ("failed", NOBODY)
    assert store.figures().dead == 1


def test_too_many_automatic_messages(store: MessageStore) -> None:
    """After so many the talk of a conversation is dead letters; orders, others and later ones go on (C2)."""
    bound = ReplyBound(2, 600_000)
    for number in range(2):
        add(store, incoming(f"{number}.PNM"))
        assert store.begin(number + 1, 0, bound, NOW) is not None
        store.finish(number + 1, [LetterPart("auto")], f"u{number}", NOW)
    add(store, incoming("2.PNM"), incoming("3.PNM", kind="order"), incoming("4.PNM", conversation="c2"))
    add(store, incoming("5.PNM"), incoming("6.PNM"))
    over = store.begin(3, 0, bound, NOW)

    assert over is not None
    assert (over.state, over.message.attempt) == ("failed", 0)
    assert over.reason == "more than 2 automatic messages in 600 s in this conversation"
    assert store.begin(3, 0, bound, NOW) is None
    assert all(row is not None and row.state == "calling" for row in (store.begin(n, 0, bound, NOW) for n in (4, 5)))
    later = store.begin(6, 0, bound, NOW + 600_001)
    assert later is not None
    assert later.state == "calling"
    store.redo(["2.PNM"])
    asked = store.begin(3, 0, bound, NOW)
    assert asked is not None
    assert (asked.state, asked.reason) == ("calling", ASKED)


def test_what_a_handler_sends_beside_its_reply_counts(store: MessageStore) -> None:
    """Further messages of the handler count, a person's do not (C2)."""
    add(store, incoming("1.PNM"))
    store.queue("u1", "c1", None, "by a person", NOW)
    store.queue("u2", "c1", None, "by the handler", NOW, automatic=True)

    assert store.automatic("c1", NOW - 1) == 1


def test_a_file_of_an_older_xyfleet(tmp_path: Path) -> None:
    """Columns that came later are added when it is opened, once; what it holds stays."""
    path = tmp_path / "a0.db"
    old = sqlite3.connect(path, isolation_level=None)
    for statement in TABLES:
        old.execute(statement)
    old.execute(f"PRAGMA user_version = {VERSION}")
    old.execute("INSERT INTO outbox (uuid, conversation, text, created, state) VALUES ('u', 'c1', 'x', 1, 'queued')")
    old.close()
    for _ in range(2):
        store = MessageStore(str(path), "a0")
        assert letter(store).text == "x"
        add(store, incoming(f"{_}.PNM", platform=True, peer="p"))
        store.close()
