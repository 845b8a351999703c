"""A message at which the program fails is a dead letter, once."""

from __future__ import annotations

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Add
from xyfleet.worker.storage.results import HandlerRules
from xyfleet.worker.storage.taking_in import take_in

RULES = HandlerRules(handler=True, max_age=0, takeover=0)


def test_a_second_time_finds_the_dead_letter(store: MessageStore) -> None:
    """The server's repetition of what is a dead letter already adds nothing, and says that it is kept."""
    odd = IncomingItem(id="1.PNM", conversation="c", kind="text", content_type=[1], raw={"1": 2})  # type: ignore[arg-type]
    it = Add([odd, IncomingItem(id="2.PNM", kind="text")], False, RULES)
    store.db.execute("BEGIN")
    first, again = take_in(store, it, 1000), take_in(store, it, 2000)

    assert [(row.message.id, row.message.conversation, row.state) for row in first.rows] == [
        ("1.PNM", "c", "failed"),
        ("2.PNM", None, "waiting"),
    ]
    assert first.rows[0].reason == "a program error kept it from being stored as it came: ProgrammingError"
    assert ([row.message.id for row in again.rows], [row.message.id for row in again.uncalled]) == ([], ["2.PNM"])
    assert all(unfit.kept for unfit in (*first.unfit, *again.unfit))
