"""Tests of an account's store: `database`, `store`, `outstore` and `trimming` of `xyfleet.worker.mail`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xyfleet.worker.protocol.items import IncomingItem
from xyfleet.worker.protocol.message import rfc3339
from xyfleet.worker.storage import sqlite
from xyfleet.worker.storage.message_store import ASKED, Counts, HandlerRules, MessageStore
from xyfleet.worker.storage.outbox_store import ECHO_SLACK, OutgoingMessage
from xyfleet.worker.storage.schema import TAKEN_OVER, VERSION, Row
from xyfleet.worker.storage.sqlite import Broken, NewerSchema, Unusable

pytestmark = pytest.mark.pythons

NOW = 1_767_225_600_000
DAY = 86_400_000
ASKS = HandlerRules(handler=True, max_age=600_000, takeover=600_000)
NO_HANDLER = ASKS._replace(handler=False)


def incoming(id: str, **fields: Any) -> IncomingItem:
    """Return a buyer's text as it comes in a push."""
    said: dict[str, Any] = {"conversation": "c1", "sender": "buyer", "kind": "text", "text": "hi", "time": NOW}
    return IncomingItem(id=id, **said | fields)


def own(id: str, **fields: Any) -> IncomingItem:
    """Return a text of the account itself."""
    return incoming(id, **{"own": True, "sender": "me"} | fields)


def add(
    store: MessageStore, *found: IncomingItem, rules: HandlerRules = ASKS, now: int = NOW, recovered: bool = False
) -> list[Row]:
    """Add messages, and return the new ones."""
    return store.add(found, recovered=recovered, now=now, rules=rules).rows


def stands(store: MessageStore, row: int = 1) -> tuple[str, str | None]:
    """Return state and reason of a message."""
    found = store.row(row)
    assert found is not None
    return found.state, found.reason


def letter(store: MessageStore, number: int = 1) -> OutgoingMessage:
    """Return a letter that is there."""
    found = store.letter(number)
    assert found is not None
    return found


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Give the path of an inbox that is not there yet."""
    return str(tmp_path / "inbox" / "shop-001.db")


@pytest.fixture(scope="module")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the content of a new file."""
    made = tmp_path_factory.mktemp("new") / "a.db"
    MessageStore(str(made), "a").close()
    return made.read_bytes()


@pytest.fixture
def store(path: str, new_file: bytes) -> Iterator[MessageStore]:
    """Give a new store."""
    os.mkdir(os.path.dirname(path))
    Path(path).write_bytes(new_file)
    with contextlib.closing(MessageStore(path, "shop-001")) as opened:
        opened.db.execute("PRAGMA synchronous = OFF")
        yield opened


# The file.


def test_a_new_file_is_the_owners_only(path: str) -> None:
    """File, log and index are 0600 in a 0700 folder; what was committed is on disk at the end of each commit."""
    with contextlib.closing(MessageStore(path, "a")) as store:
        add(store, incoming("1.PNM"))
        pragmas = [store.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        modes = {stat.S_IMODE(os.stat(path + end).st_mode) for end in ("", "-wal", "-shm")}

    assert modes == {0o600}
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert pragmas == ["wal", 2]


def test_messages_outlive_the_store(path: str, store: MessageStore) -> None:
    """A file that is opened again has what it had; a path may hold characters that mean something in a URI."""
    add(store, incoming("1.PNM", item="i1", sender_name="买家", raw={"1": ["a", None, 2.5]}))
    store.close()
    odd = os.path.join(os.path.dirname(path), "a#b?c %41.db")
    shutil.move(path, odd)
    with contextlib.closing(MessageStore(odd, "shop-001")) as again:
        row = again.row(1)

    assert row is not None
    assert row.message.raw == {"1": ["a", None, 2.5]}
    assert (row.message.id, row.message.sender_name, row.message.account) == ("1.PNM", "买家", "shop-001")


def leave_crashed(path: str, statements: list[str]) -> None:
    """Leave a file as a crash does: the changes are in the log beside it, not in the file."""
    with contextlib.closing(MessageStore(path, "a")) as made:
        add(made, incoming("1.PNM"))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        for statement in statements:
            db.execute(statement)
        for end in ("", "-wal"):
            shutil.copy(path + end, f"{path}{end}.crashed")
    for end in ("", "-wal"):
        os.replace(f"{path}{end}.crashed", path + end)


@pytest.mark.parametrize("in_the_log", [False, True])
def test_a_newer_file_is_refused_unharmed(path: str, in_the_log: bool) -> None:
    """Not a byte changes, neither of the file nor of what a crash left beside it."""
    if in_the_log:
        leave_crashed(path, [f"PRAGMA user_version = {VERSION + 1}"])
    else:
        MessageStore(path, "a").close()
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {VERSION + 1}")
    files = {end: Path(path + end).read_bytes() for end in ("", "-wal") if os.path.exists(path + end)}

    with pytest.raises(NewerSchema, match=rf"newer xyfleet \(schema {VERSION + 1}, this one knows {VERSION}\)"):
        MessageStore(path, "a")
    assert {end: Path(path + end).read_bytes() for end in files} == files
    assert len(files) == 1 + in_the_log


def test_a_crash_leaves_all_that_was_committed(path: str) -> None:
    """What is only in the log beside the file is there for the next one who opens it."""
    leave_crashed(path, ["INSERT INTO meta (key, value) VALUES ('caught_up', 7)"])
    with contextlib.closing(MessageStore(path, "a")) as again:
        assert again.meta("caught_up") == 7


def other_file() -> bytes:
    """Return an SQLite file that is no inbox."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE shopping (list TEXT)")
        return bytes(db.serialize())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"garbage" * 1000, "it is not an SQLite file; move the file away and a new one is begun"),
        (b"SQLite format 3\0", "it is not an SQLite file"),
        (other_file(), "it is an SQLite file, but no inbox"),
    ],
)
def test_a_broken_file_is_named_and_left_alone(path: str, content: bytes, why: str) -> None:
    """A file that is no inbox is refused with the reason and what to do, and not touched."""
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(content)
    with pytest.raises(Broken) as refused:
        MessageStore(path, "a")

    assert why in str(refused.value)
    assert isinstance(refused.value, Unusable)
    assert Path(path).read_bytes() == content


def test_a_damaged_page_is_trouble_not_a_program_error(path: str, store: MessageStore) -> None:
    """Damage inside of the file is found by SQLite, and explained with what to do."""
    add(store, *(incoming(f"{number}.PNM", text="x" * 500) for number in range(100)))
    store.close()
    data = bytearray(Path(path).read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    Path(path).write_bytes(data)
    with pytest.raises(sqlite3.DatabaseError) as caught, contextlib.closing(MessageStore(path, "a")) as again:
        again.figures()

    assert sqlite.is_trouble(caught.value)
    assert "malformed; move the file away" in sqlite.explain(caught.value)


def test_an_empty_file_becomes_an_inbox(path: str) -> None:
    """A crash right after the file was made is no trouble."""
    os.makedirs(os.path.dirname(path))
    Path(path).touch()
    with contextlib.closing(MessageStore(path, "a")) as made:
        assert [row.row for row in add(made, incoming("1.PNM"))] == [1]


def test_a_file_that_takes_anothers_place_goes_on_numbering(path: str, store: MessageStore) -> None:
    """Numbers that somebody knows from a file that was taken away are not given again."""
    store.close()
    os.unlink(path)
    with contextlib.closing(MessageStore(path, "a", after=(41, 7))) as made:
        assert (made.last_row(), made.last_number()) == (41, 7)
        assert [row.row for row in add(made, incoming("1.PNM"))] == [42]
        assert made.queue("u", "c1", None, "x", NOW) == OutgoingMessage(
            8, "u", "c1", "buyer", "x", None, "queued", 0, None, None
        )


def test_noticing_that_the_file_was_taken_away(path: str, store: MessageStore) -> None:
    """Another file under the same name is not the one that is open."""
    there = [store.is_there()]
    os.rename(path, path + ".away")
    there.append(store.is_there())
    Path(path).touch()
    there.append(store.is_there())

    assert there == [True, False, False]


@pytest.mark.parametrize(
    ("error", "trouble", "said"),
    [
        (OSError(28, "No space left on device"), True, "No space left on device"),
        (ValueError("x"), False, "x (ValueError)"),
        (Broken("odd"), True, "odd; move the file away"),
    ],
)
def test_what_is_trouble(error: Exception, trouble: bool, said: str) -> None:
    """The disk's errors are told apart from the program's."""
    assert sqlite.is_trouble(error) is trouble
    assert said in sqlite.explain(error)


def test_another_programs_lock_is_trouble(path: str, store: MessageStore) -> None:
    """A transaction of another program, which does not end, is explained."""
    store.db.execute("PRAGMA busy_timeout = 1").fetchall()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            store.db.execute("BEGIN IMMEDIATE")

    assert sqlite.is_trouble(caught.value)
    assert "another program" in sqlite.explain(caught.value)


def test_a_wrong_statement_is_a_program_error(store: MessageStore) -> None:
    """SQLite calls it operational, too; it would not go away by trying again."""
    with pytest.raises(sqlite3.OperationalError) as caught:
        store.db.execute("SELECT nonsense")

    assert not sqlite.is_trouble(caught.value)


def test_no_query_reads_whole_tables(store: MessageStore) -> None:
    """What runs with every message uses an index, however large the store is."""
    seen: list[str] = []
    store.db.set_trace_callback(seen.append)
    add(store, incoming("1.PNM"), own("2.PNM", conversation="c2"), own("3.PNM"))
    store.waiting(0, 10)
    store.begin(1)
    store.finish(1, "reply", "u1", NOW)
    store.next_queued()
    store.queue("u2", "c1", None, "x", NOW)
    store.sending(1, "u1")
    store.requeue(1, "later")
    store.recover("park", NOW)
    store.recover("retry", NOW)
    store.redo(["1.PNM"])
    store.known(["1.PNM"])
    store.figures()
    store.oldest()
    store.db.set_trace_callback(None)
    queries = [query for query in seen if query.startswith(("SELECT", "UPDATE", "DELETE"))]
    scans = {
        query
        for query in queries
        for *_, step in store.db.execute("EXPLAIN QUERY PLAN " + query)
        if step.startswith("SCAN") and "sqlite_sequence" not in step and "message_id = " not in query
    }

    assert scans == set()
    assert len(queries) > 25


# Adding messages.


def test_adding_what_is_new(store: MessageStore) -> None:
    """Messages get rows in their order; one that is there already, in the same push or before, is dropped."""
    first = add(store, incoming("1.PNM"), incoming("2.PNM"), incoming("1.PNM", text="again"))
    second = add(store, incoming("2.PNM"), incoming("3.PNM"), recovered=True)

    assert [(row.row, row.message.id, row.message.text, row.message.recovered) for row in first + second] == [
        (1, "1.PNM", "hi", False),
        (2, "2.PNM", "hi", False),
        (3, "3.PNM", "hi", True),
    ]
    assert store.known(["1.PNM", "3.PNM", "4.PNM"]) == {"1.PNM", "3.PNM"}
    assert store.figures()._replace(bytes=0) == Counts(stored=3, waiting=3)
    assert store.oldest() == NOW


@pytest.mark.parametrize(
    ("message", "rules", "state"),
    [
        ({}, ASKS, "waiting"),
        ({"kind": "order", "conversation": None}, ASKS, "waiting"),
        ({}, NO_HANDLER, "kept"),
        ({"kind": "receipt"}, ASKS, "kept"),
        ({"kind": "unknown"}, ASKS, "kept"),
        ({"own": True}, ASKS, "kept"),
        ({"time": NOW - 600_000}, ASKS, "waiting"),
        ({"time": NOW - 600_001}, ASKS, "kept"),
        ({"time": NOW - DAY}, ASKS._replace(max_age=0), "waiting"),
        ({"time": None}, ASKS, "waiting"),
    ],
)
def test_what_waits_for_the_handler(
    store: MessageStore, message: dict[str, Any], rules: HandlerRules, state: str
) -> None:
    """A handler hears of young messages of answerable kinds that others wrote."""
    assert [row.state for row in add(store, incoming("1.PNM", **message), rules=rules)] == [state]


@pytest.mark.parametrize("time", [None, -1, 253_402_300_800_000, 1 << 70])
def test_a_time_that_is_none(store: MessageStore, time: int | None) -> None:
    """Where the server says no time, it is now."""
    (row,) = add(store, incoming("1.PNM", time=time))

    assert row.message.time == rfc3339(NOW)


@pytest.mark.parametrize("raw", [{"a": "\ud800"}, {1, 2}, {"a": object}, 1 << 80, b"\xff", float("nan")])
def test_nothing_odd_costs_a_message(store: MessageStore, raw: Any) -> None:
    """Payloads that JSON can't say, and texts that are no Unicode, are stored as near as can be."""
    (row,) = add(store, incoming("1.PNM", text="a\ud800\0b", raw=raw))

    assert row.message.text == "a?\0b"
    assert store.row(1) == row


def test_deep_payloads(store: MessageStore) -> None:
    """A payload nested without end does not cost the message either."""
    deep: list[Any] = []
    deep.append(deep)

    assert [row.message.raw for row in add(store, incoming("1.PNM", raw=deep))] == ["[[...]]"]


def test_stamps_grow(store: MessageStore) -> None:
    """The time of storing grows from row to row, also when the clock goes back."""
    add(store, incoming("1.PNM"), incoming("2.PNM"))
    add(store, incoming("3.PNM"), now=NOW - DAY)
    add(store, incoming("4.PNM"), now=NOW + 5)
    stamps = [stamp for (stamp,) in store.db.execute("SELECT stamp FROM messages ORDER BY row")]

    assert stamps == [NOW, NOW + 1, NOW + 2, NOW + 5]


# The owner writes.


def test_the_owner_takes_over(store: MessageStore) -> None:
    """What the owner types keeps the handler out of that conversation, and only of that, for a while."""
    add(store, incoming("1.PNM"), incoming("2.PNM", conversation="c2"), own("3.PNM"))
    add(store, incoming("4.PNM"), incoming("5.PNM", conversation="c2"))
    add(store, incoming("6.PNM", time=NOW + 599_999), now=NOW + 599_999)
    add(store, incoming("7.PNM", time=NOW + 600_000), now=NOW + 600_000)

    assert [stands(store, row) for row in (1, 2, 4, 5, 6, 7)] == [
        ("kept", TAKEN_OVER),
        ("waiting", None),
        ("kept", None),
        ("waiting", None),
        ("kept", None),
        ("waiting", None),
    ]


def test_rows_tell_what_became_of_them_in_the_same_push(store: MessageStore) -> None:
    """A message behind which the owner's answer comes in one push is not handed out as waiting."""
    assert [row.state for row in add(store, incoming("1.PNM"), own("2.PNM"))] == ["kept", "kept"]


@pytest.mark.parametrize(
    ("message", "rules"),
    [
        ({"time": NOW - 600_000}, ASKS),
        ({}, ASKS._replace(takeover=0)),
        ({"kind": "receipt"}, ASKS),
        ({"kind": "system"}, ASKS),
        ({"conversation": None}, ASKS),
    ],
)
def test_what_is_no_takeover(store: MessageStore, message: dict[str, Any], rules: HandlerRules) -> None:
    """An old one, one that nobody typed, or any where takeovers are off: the handler goes on."""
    add(store, incoming("1.PNM"), own("2.PNM", **message), rules=rules)

    assert stands(store) == ("waiting", None)


def test_an_earlier_takeover_does_not_shorten_a_later_one(store: MessageStore) -> None:
    """Found out of order, own messages pause until the last of them is old."""
    add(store, own("1.PNM"), own("2.PNM", time=NOW - 300_000))
    add(store, incoming("3.PNM", time=NOW + 500_000), now=NOW + 500_000)

    assert stands(store, 3) == ("kept", None)


def test_a_reply_to_a_conversation_taken_over_is_dropped(store: MessageStore) -> None:
    """The owner wrote while the handler thought: its reply is not sent."""
    add(store, incoming("1.PNM"))
    store.begin(1)
    add(store, own("2.PNM"))

    assert store.finish(1, "reply", "u1", NOW) is None
    assert stands(store) == ("done", TAKEN_OVER)
    assert store.next_queued() is None


# The handler.


def test_a_call_and_its_reply(store: MessageStore) -> None:
    """Waiting, calling, done; the reply is in the outbox for who wrote."""
    add(store, incoming("1.PNM"), incoming("2.PNM", sender="other"))
    begun = store.begin(1)
    number = store.finish(1, "reply", "u1", NOW)

    assert begun is not None
    assert (begun.state, begun.message.attempt) == ("calling", 1)
    assert number == 1
    assert store.next_queued() == OutgoingMessage(1, "u1", "c1", "buyer", "reply", "1.PNM", "queued", 0, None, None)
    assert stands(store) == ("done", None)
    assert [row.row for row in store.waiting(0, 10)] == [2]
    assert store.figures()._replace(bytes=0) == Counts(stored=2, waiting=1, unsent=1)


def test_doing_things_twice(store: MessageStore) -> None:
    """A call begins once and ends once; of what is gone nothing is made."""
    add(store, incoming("1.PNM"))
    begun = [store.begin(1), store.begin(1), store.begin(99)]
    ended = [store.finish(1, "a", "u1", NOW), store.finish(1, "b", "u2", NOW), store.finish(99, "c", "u3", NOW)]

    assert [row is not None for row in begun] == [True, False, False]
    assert ended == [1, None, None]
    assert store.finish(1, "a", "u1", NOW) == 1
    assert store.last_number() == 1


def test_a_call_that_was_not_made(store: MessageStore) -> None:
    """It does not count as an attempt."""
    add(store, incoming("1.PNM"))
    store.begin(1)
    store.take_back(1)
    store.take_back(1)

    assert [(row.state, row.message.attempt) for row in store.waiting(0, 9)] == [("waiting", 0)]


@pytest.mark.parametrize(("reply", "reason"), [(None, None), ("", None), ("text", "no conversation to reply in")])
def test_no_reply(store: MessageStore, reply: str | None, reason: str | None) -> None:
    """A call that ends without a text, or has nowhere to send it, is done all the same."""
    add(store, incoming("1.PNM", conversation=None))
    store.begin(1)

    assert store.finish(1, reply, "u1", NOW) is None
    assert stands(store) == ("done", reason)


def test_calls_that_fail(store: MessageStore) -> None:
    """Attempts count up; the last failure makes a dead letter, which a person can have called again."""
    add(store, incoming("1.PNM"), incoming("2.PNM"))
    add(store, incoming("3.PNM"), rules=NO_HANDLER)
    store.begin(1)
    store.again(1, NOW)
    attempt = store.begin(1)
    store.give_up(1, "failed", "it raised")
    store.give_up(2, "parked", "by hand")
    stood = [stands(store, row) for row in (1, 2, 3)]
    dead = store.figures().dead
    counts = [store.redo(["1.PNM", "3.PNM", "no.PNM"]), store.redo([]), store.redo([])]

    assert attempt is not None
    assert attempt.message.attempt == 2
    assert stood == [("failed", "it raised"), ("parked", "by hand"), ("kept", None)]
    assert dead == 2
    assert counts == [1, 1, 0]
    assert [(row.row, row.reason, row.message.attempt) for row in store.waiting(0, 9)] == [(1, ASKED, 2), (2, ASKED, 0)]


def test_no_other_call_after_the_owner_took_over(store: MessageStore) -> None:
    """A message whose call fails while its owner writes is his from then on."""
    add(store, incoming("1.PNM"))
    store.begin(1)
    add(store, incoming("2.PNM", own=True, text="I am here"))

    assert not store.again(1, NOW)
    assert stands(store) == ("kept", "taken over")


def test_what_is_not_waiting_can_not_be_given_up(store: MessageStore) -> None:
    """A message that is done stays done."""
    add(store, incoming("1.PNM"), rules=NO_HANDLER)
    store.give_up(1, "failed", "x")
    store.again(1, NOW)

    assert stands(store) == ("kept", None)


@pytest.mark.parametrize(("on_unknown", "state"), [("park", "parked"), ("retry", "waiting")])
def test_after_a_crash(store: MessageStore, on_unknown: Any, state: str) -> None:
    """A call of which nobody knows the end is parked or tried again; a letter on its way is never sent again."""
    add(store, incoming("1.PNM"), incoming("2.PNM"))
    store.begin(1)
    for number in (1, 2):
        store.queue(f"u{number}", "c1", None, "x", NOW)
    store.sending(1, "u1")
    store.recover(on_unknown, NOW)

    assert [stands(store, row)[0] for row in (1, 2)] == [state, "waiting"]
    assert [letter(store, number).state for number in (1, 2)] == ["unknown", "queued"]
    assert store.figures().unsent == 1


def test_pages_of_what_waits(store: MessageStore) -> None:
    """Waiting messages come in their order, from behind a row on."""
    add(store, *(incoming(f"{number}.PNM") for number in range(1, 8)))

    assert [row.row for row in store.waiting(2, 3)] == [3, 4, 5]


# The outbox.


def test_to_whom_a_text_goes(store: MessageStore) -> None:
    """Without a receiver it is for the person who wrote last; nobody there: there is no letter."""
    add(
        store,
        incoming("1.PNM", sender="old", time=NOW - 5),
        incoming("2.PNM", sender="platform", kind="system", time=NOW + 5),
        incoming("3.PNM", sender="platform", kind="system", conversation="c2"),
        own("4.PNM", time=NOW + 9),
    )
    letters = [store.queue(f"u{talk}", talk, None, "x", NOW) for talk in ("c1", "c2", "c3")]
    named = store.queue("u4", "c3", "somebody", "x", NOW)

    assert [None if each is None else each.receiver for each in [*letters, named]] == [
        "old",
        "platform",
        None,
        "somebody",
    ]
    assert store.queue("u4", "c3", "somebody", "x", NOW) == named


def test_the_way_of_a_letter(store: MessageStore) -> None:
    """Queued, sending, queued again when it is known not to have arrived, sent."""
    store.queue("u1", "c1", "b", "first", NOW)
    store.queue("u2", "c1", "b", "second", NOW)
    store.sending(1, "u1b")
    on_its_way, following = letter(store), store.next_queued()
    store.requeue(1, "try again")
    queued = store.next_queued()
    store.sending(1, "u1b")
    store.settle(1, "sent", "9.PNM", None, NOW)
    store.settle(1, "failed", None, "late", NOW)
    store.requeue(1, "late")
    store.sending(1, "late")

    assert (on_its_way.state, on_its_way.uuid, on_its_way.attempt) == ("sending", "u1b", 1)
    assert following is not None
    assert following.number == 2
    assert queued is not None
    assert (queued.number, queued.reason) == (1, "try again")
    assert letter(store) == OutgoingMessage(1, "u1b", "c1", "b", "first", None, "sent", 2, "9.PNM", None)
    assert store.letter(3) is None


@pytest.mark.parametrize("state", ["rejected", "failed", "unknown"])
def test_ends_of_a_letter(store: MessageStore, state: Any) -> None:
    """How it ended is kept with the reason, and it is not sent again."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1")
    store.settle(1, state, None, "why", NOW)

    assert (letter(store).state, letter(store).reason) == (state, "why")
    assert store.next_queued() is None
    assert store.figures().unsent == 0


def test_an_echo_of_what_was_sent_is_no_takeover(store: MessageStore) -> None:
    """An own message with a letter's id is that letter."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1")
    store.settle(1, "sent", "9.PNM", None, NOW)
    added = store.add([own("9.PNM", text="changed")], recovered=False, now=NOW, rules=ASKS)
    add(store, incoming("10.PNM"))

    assert added.settled == []
    assert stands(store, 2) == ("waiting", None)


@pytest.mark.parametrize("fate", ["sending", "unknown"])
def test_an_echo_proves_a_letter_sent(store: MessageStore, fate: str) -> None:
    """Conversation and text tell which letter it is, whether or not its answer was lost."""
    for number, text in enumerate(["other", " x", "x"], 1):
        store.queue(f"u{number}", "c1", "b", text, NOW)
        store.sending(number, f"u{number}")
        if fate == "unknown":
            store.settle(number, "unknown", None, "lost", NOW)
    settled = [
        store.add([own(id_, text="x ")], recovered=False, now=NOW, rules=ASKS).settled for id_ in ("8.PNM", "9.PNM")
    ]
    add(store, incoming("10.PNM"))

    assert settled == [[2], [3]]
    assert [(letter(store, n).state, letter(store, n).message_id) for n in (1, 2, 3)] == [
        (fate, None),
        ("sent", "8.PNM"),
        ("sent", "9.PNM"),
    ]
    assert stands(store, 3) == ("waiting", None)


def test_an_echo_of_what_was_to_be_sent_again(store: MessageStore) -> None:
    """A server that said: later, and took it all the same: the letter is sent, not sent again, and no takeover."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1")
    store.requeue(1, "busy")
    settled = store.add([own("9.PNM", text="x")], recovered=False, now=NOW, rules=ASKS).settled
    add(store, incoming("10.PNM"))

    assert settled == [1]
    assert (letter(store).state, store.next_queued(), store.sending(1, "u1")) == ("sent", None, False)
    assert stands(store, 2) == ("waiting", None)


@pytest.mark.parametrize("crash", [False, True])
def test_an_own_text_long_after_a_letter_of_unknown_end(store: MessageStore, crash: bool) -> None:
    """The owner typed what xyfleet once may have sent: it proves nothing, and he takes over."""
    store.queue("u1", "c1", "b", "在的", NOW)
    store.sending(1, "u1")
    if crash:
        store.recover("park", NOW)
    else:
        store.settle(1, "unknown", None, "lost", NOW)
    settled = store.add([own("9.PNM", text="在的", time=NOW + DAY)], recovered=False, now=NOW + DAY, rules=ASKS).settled
    add(store, incoming("10.PNM", time=NOW + DAY), now=NOW + DAY)

    assert settled == []
    assert letter(store).state == "unknown"
    assert stands(store, 2) == ("kept", None)


def test_the_letter_on_its_way_is_meant_first(store: MessageStore) -> None:
    """Of two letters alike, the one that is being sent now is the one that an echo comes from."""
    for number in (1, 2):
        store.queue(f"u{number}", "c1", "b", "x", NOW)
        store.sending(number, f"u{number}")
        store.settle(1, "unknown", None, "lost", NOW)
    store.add([own("9.PNM", text="x")], recovered=False, now=NOW, rules=ASKS)

    assert [letter(store, number).state for number in (1, 2)] == ["unknown", "sent"]


@pytest.mark.parametrize(
    "message", [{"text": "y"}, {"conversation": "c2"}, {"time": NOW - ECHO_SLACK - 1}, {"conversation": None}]
)
def test_what_is_no_echo(store: MessageStore, message: dict[str, Any]) -> None:
    """Another text, another conversation, or a time long before the letter: it is not proved sent."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1")
    added = store.add([own("9.PNM", **{"text": "x"} | message)], recovered=True, now=NOW, rules=ASKS)

    assert added.settled == []
    assert letter(store).state == "sending"


def test_an_echo_before_its_answer_that_looks_like_the_owners(store: MessageStore) -> None:
    """The server changed the text on the way: when the answer tells the id, the handler goes on."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1")
    add(store, own("9.PNM", text="[x]"))
    add(store, incoming("10.PNM"))
    store.settle(1, "sent", "9.PNM", None, NOW)
    add(store, incoming("11.PNM"))

    assert [stands(store, row)[0] for row in (2, 3)] == ["kept", "waiting"]
    assert stands(store) == ("kept", None)


def test_what_waited_goes_on_when_it_was_no_takeover(store: MessageStore) -> None:
    """Messages that waited when such an echo came wait again; what an earlier takeover kept stays so."""
    add(store, incoming("1.PNM"))
    add(store, own("2.PNM", text="typed", time=NOW - 599_999))  # all but over
    add(store, incoming("3.PNM"), incoming("4.PNM", conversation="c2"), now=NOW + 1)
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1")
    add(store, own("5.PNM", text="[x]"))
    before = [stands(store, row) for row in (1, 3, 4)]
    resumed = store.settle(1, "sent", "5.PNM", None, NOW)

    assert before == [("kept", TAKEN_OVER), ("kept", TAKEN_OVER), ("waiting", None)]
    assert resumed
    assert [stands(store, row) for row in (1, 3)] == [("kept", TAKEN_OVER), ("waiting", None)]
    assert not store.settle(1, "sent", "5.PNM", None, NOW)


def test_meta(store: MessageStore) -> None:
    """Numbers are kept under names."""
    store.set_meta("caught_up", 1)
    store.set_meta("caught_up", 2)

    assert (store.meta("caught_up"), store.meta("floor")) == (2, None)


# Retention.


def trim(store: MessageStore, **limits: int) -> int:
    """Trim until nothing is left to do, and return the steps."""
    steps = 1
    while store.trim(**{"before": 0, "most_bytes": 1 << 40, "most_rows": 500} | limits):
        steps += 1
        assert steps < 1000
    return steps


def rows(store: MessageStore) -> list[int]:
    """Return the numbers of all messages."""
    return [row for (row,) in store.db.execute("SELECT row FROM messages ORDER BY row")]


def test_old_messages_go_in_small_steps(store: MessageStore) -> None:
    """Retention deletes what was stored before, at most so many rows a step."""
    add(store, *(incoming(f"{number}.PNM") for number in range(10)), rules=NO_HANDLER)
    add(store, incoming("a.PNM"), now=NOW + DAY, rules=NO_HANDLER)

    assert trim(store, before=NOW + DAY, most_rows=4) == 3
    assert rows(store) == [11]
    assert store.figures().stored == 11
    assert trim(store, before=NOW + DAY) == 1


def test_what_retention_leaves(store: MessageStore) -> None:
    """What waits for the handler or is with it stays for ever; dead letters as long as other messages, in any room."""
    add(store, *(incoming(f"{number}.PNM") for number in range(1, 5)))
    add(store, incoming("5.PNM"), rules=NO_HANDLER)
    store.begin(2)
    store.give_up(3, "failed", "x")
    store.give_up(4, "parked", "x")
    trim(store, most_bytes=1)
    by_size = rows(store)
    trim(store, before=NOW + DAY)

    assert (by_size, rows(store)) == ([1, 2, 3, 4], [1, 2])


def test_catching_up_does_not_bring_deleted_ones_back(store: MessageStore) -> None:
    """As old as a deleted one is too old for catching up; pushes come in at any age."""
    add(store, incoming("1.PNM", time=NOW - 5), incoming("2.PNM", time=NOW + 10 * DAY), rules=NO_HANDLER)
    trim(store, before=NOW + DAY)
    floor = store.meta("floor")
    caught = add(store, incoming("1.PNM", time=NOW - 5), incoming("3.PNM", time=NOW + 2), now=NOW + 2, recovered=True)
    pushed = add(store, incoming("4.PNM", time=NOW - 5))

    assert floor == NOW + 1  # when the second was stored: its own time is one that has not come
    assert [row.message.id for row in caught + pushed] == ["3.PNM", "4.PNM"]


def test_the_file_shrinks(path: str, store: MessageStore) -> None:
    """Above the size, the oldest go until it is kept, and the file system gets the room back."""
    for batch in range(20):
        add(store, *(incoming(f"{batch}.{n}", text="x" * 5000) for n in range(20)), rules=NO_HANDLER)
    before = store.figures().bytes
    steps = trim(store, most_bytes=500_000, most_rows=100)
    after = store.figures().bytes
    left = rows(store)
    store.close()

    assert before > 2_000_000
    assert steps < 10
    assert 200_000 < after <= 500_000
    assert left == list(range(left[0], 401))
    assert os.path.getsize(path) <= 520_000


def test_a_large_log_does_not_cost_all_messages(path: str, store: MessageStore) -> None:
    """The log beside the file counts, but never for more than half of the room."""
    store.db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    for number in range(100):
        add(store, incoming(f"{number}.PNM", text="x" * 5000), rules=NO_HANDLER)
    trim(store, most_bytes=400_000)

    assert os.path.getsize(path + "-wal") > 400_000
    assert 150_000 < store.figures().bytes <= 200_000


def test_old_letters_and_pauses_go_too(store: MessageStore) -> None:
    """What was settled long ago, or never will be; not what is still to be sent."""
    for number, fate in enumerate(["sent", "rejected", "unknown", "queued", "sending"], 1):
        store.queue(f"u{number}", "c1", "b", "x", NOW)
        if fate != "queued":
            store.sending(number, f"u{number}")
        if fate not in ("queued", "sending"):
            settled: Callable[..., object] = store.settle
            settled(number, fate, None, None, NOW + number)
    add(store, own("1.PNM"))
    trim(store, before=NOW + 2)
    first = [number for number in range(1, 6) if store.letter(number)]
    trim(store, before=NOW + DAY, most_rows=1)
    pauses = store.db.execute("SELECT count(*) FROM pauses").fetchone()[0]

    assert (first, [number for number in range(1, 6) if store.letter(number)]) == ([2, 3, 4, 5], [4, 5])
    assert pauses == 0
