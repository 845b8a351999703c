"""An account's store in the test's own thread: messages that come, and what became of them."""

from __future__ import annotations

from typing import Any

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import HandlerRules, OutgoingMessage
from xyfleet.worker.storage.schema import Row

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
