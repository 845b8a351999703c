"""The face of an account's store: every operation, twice, and as bytes. Any other store has to pass this as well."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from support.jobs import Job, until
from support.stores import ASKS, DAY, NOW, incoming, own
from xyfleet.worker.protocol.im_calls import Picture
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage import operations as ops
from xyfleet.worker.storage.inbox import AsyncStore, Times
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import AnyOperation, Operation
from xyfleet.worker.storage.perform import WAYS, perform
from xyfleet.worker.storage.results import LetterPart

pytestmark = pytest.mark.pythons

BEFORE: list[Operation[Any]] = [
    ops.Add([incoming(f"{number}.PNM", time=None, raw={"1": number}) for number in range(1, 10)], False, ASKS),
    ops.Begin(1, 0),
    ops.Begin(2, 0),
    ops.GiveUp(3, "failed", "it raised"),
    ops.GiveUp(4, "parked", "by hand"),
    ops.Queue("u1", "c1", "first", None),
    ops.Queue("u2", "c1", "second", "somebody"),
    ops.Sending(1, "-1", 0),
    ops.Add([own("old.PNM", time=1, conversation="c9")], True, ASKS),
]
"""What was done before each operation: rows 1 and 2 are called, 3 and 4 are dead, letter 1 is on its way."""
EACH: list[tuple[Operation[Any], Callable[[Any], bool]]] = [
    (
        ops.Add([incoming("1.PNM"), incoming("5.PNM"), incoming("new.PNM")], False, ASKS),
        lambda it: len(it.uncalled) >= 1,
    ),
    (ops.Add([own("typed.PNM", text="I am here", time=None)], False, ASKS), lambda it: not it.uncalled),
    (ops.Begin(5, 0), lambda it: (it.state, it.message.attempt) == ("calling", 1)),
    (ops.Begin(3, 0), lambda it: it is None),
    (ops.Finish(1, [LetterPart("reply")], "u3"), lambda it: (it.number, it.dropped) == (3, None)),
    (ops.Finish(2, [], "u4"), lambda it: (it.number, it.dropped) == (None, None)),
    (
        ops.Together([ops.Begin(5, 0), ops.Begin(3, 0)]),
        lambda it: [row and row.state for row in it.begun] == ["calling", None],
    ),
    (ops.Again(1), lambda it: it is True),
    (ops.Again(99), lambda it: it is False),
    (ops.TakeBack(1, 1), lambda it: it is None),
    (ops.GiveUp(1, "parked", "why"), lambda it: it is None),
    (ops.Redo(["3.PNM"]), lambda it: it in (0, 1)),
    (ops.Find("3.PNM"), lambda it: it.row == 3),
    (ops.Find("none.PNM"), lambda it: it is None),
    (
        ops.NewOrders([("51", "buyer", "i1"), ("52", None, None)]),
        lambda it: [(each.order, each.conversation) for each in it] == [("51", "c1"), ("52", None)],
    ),
    (ops.SettleLate(["51"], 10), lambda it: it == (0, 0, 0)),
    (ops.Waiting(0, 3), lambda it: [row.row for row in it] == [5, 6, 7]),
    (ops.Queue("u5", "c1", "third", None), lambda it: (it.letter.number, it.letter.receiver) == (3, "buyer")),
    (ops.Queue("u5", "nowhere", "third", None), lambda it: (it.letter, it.refused) == (None, "nobody")),
    (
        ops.Queue("u6", "c1", "", None, True, "/p/1.png"),
        lambda it: (it.letter.number, it.letter.image) == (3, "/p/1.png"),
    ),
    (ops.Upload(2, Picture("https://img.example/1.png", 3, 4)), lambda it: it is None),
    (ops.Rest(2, NOW + 5000), lambda it: it is None),
    (ops.NextQueued(), lambda it: it.number == 2),
    (ops.Sending(2, "-2", 0), lambda it: it is True),
    (ops.Sending(1, "-3", 1), lambda it: it is False),
    (ops.Requeue(1, "busy"), lambda it: it is None),
    (ops.Settle(1, "sent", "9.PNM", None), lambda it: (it.letter.state, it.letter.message_id) == ("sent", "9.PNM")),
    (ops.Settle(99, "failed", None, "gone"), lambda it: it.letter is None),
    (ops.Letters([2, 1, 7]), lambda it: [one.number for one in it] == [2, 1]),
    (ops.Marks({"caught_up": 7}), lambda it: it["caught_up"] == 7),
    (ops.Marks(), lambda it: "caught_up" not in it),
    (ops.Trim(DAY, 1 << 40, 100), lambda it: (it.more, it.oldest) == (False, NOW)),
    (ops.Count(), lambda it: (it.stored, it.waiting, it.dead, it.unsent) == (10, 7, 2, 2)),
    (ops.Recover("park"), lambda it: it is None),
    (ops.Recover("retry"), lambda it: it is None),
]
"""An operation, and what is true of its answer."""


def content(store: MessageStore) -> dict[str, list[Any]]:
    """Return all that is in a store."""
    tables = ("messages", "outbox", "pauses", "meta")
    return {table: store.db.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def test_all_operations_are_here() -> None:
    """None is left out of what follows, and there is a way to carry out each."""
    known = set(get_args(AnyOperation))

    assert known == {type(each) for each, _ in EACH} | {type(each) for each in BEFORE} == set(WAYS) - {Job}
    assert len(known) == 24


@pytest.mark.parametrize(("each", "true"), EACH, ids=lambda it: repr(it)[:40] if isinstance(it, Operation) else "")
def test_an_operation_whose_end_nobody_learnt_is_done_again(
    store: MessageStore, each: Operation[Any], true: Callable[[Any], bool]
) -> None:
    """M11: the second time changes nothing more, and its answer is as good as the first one's."""
    for one in BEFORE:
        perform(store, one, NOW)
    first = perform(store, each, NOW)
    after = content(store)
    second = perform(store, each, NOW + 5)

    assert true(first)
    assert true(second)
    assert content(store) == after


@pytest.mark.parametrize(("each", "true"), EACH, ids=lambda it: repr(it)[:40] if isinstance(it, Operation) else "")
def test_operations_and_answers_are_plain_values(
    store: MessageStore, each: Operation[Any], true: Callable[[Any], bool]
) -> None:
    """They come out of bytes as they went in, so that a store may be another process, or another machine."""
    wire = msgspec.msgpack.Encoder()
    known: Any = msgspec.msgpack.Decoder(AnyOperation)
    for one in BEFORE:
        perform(store, known.decode(wire.encode(one)), NOW)
    answer = perform(store, known.decode(wire.encode(each)), NOW)
    kind = vars(type(each))["__orig_bases__"][0].__args__[0]

    assert known.decode(wire.encode(each)) == each
    assert msgspec.msgpack.decode(wire.encode(answer), type=kind) == answer
    assert true(answer)


async def test_a_commit_of_unknown_end_leaves_nothing_behind(tmp_path: Path) -> None:
    """M11: the disk failed at the end of a transaction and had it all the same: whoever waits hears of the rows."""
    path = tmp_path / "inbox" / "a.db"
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, times=Times(retry=0.01))
    await inbox.do(ops.Count())
    add = ops.Add([incoming("1.PNM", time=None)], False, ASKS)
    tries: list[int] = []

    def committed_unknown_to_all(store: MessageStore) -> None:
        tries.append(1)
        if len(tries) == 1:
            store.db.execute("COMMIT")
            raise OSError(5, "Input/output error")

    added, _ = await asyncio.gather(inbox.do(add), inbox.do(Job(committed_unknown_to_all)))
    await until(lambda: inbox.trouble is None)
    waiting = await inbox.do(ops.Waiting(0, 9))
    await inbox.close()

    assert [row.message.id for row in [*added.rows, *added.uncalled]] == ["1.PNM"]
    assert [row.message.id for row in waiting] == ["1.PNM"]


def test_an_operation_that_is_none(path: str) -> None:
    """What nobody knows is a program error."""
    with contextlib.closing(MessageStore(path, "a")) as store, pytest.raises(LookupError):
        perform(store, Operation(), NOW)
