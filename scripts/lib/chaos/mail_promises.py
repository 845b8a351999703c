"""What is promised of messages, as checks of what can be seen from outside. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from scripts.lib.chaos.promises import Broken
from scripts.lib.chaos.shop import NAP, Call


def handed_over_once(calls: Sequence[Call]) -> Iterator[Broken]:
    """Nobody is called again about a message, unless the call before has failed."""
    before: dict[str, Call] = {}
    for call in calls:
        last = before.get(call.id)
        if call.what == "begun" and last is not None and last.what != "failed":
            how = f"{call.id}: to a {call.by} at {call.at:.2f}; the call before has {last.what} at {last.at:.2f}"
            yield Broken("nothing is handed over twice", None, how)
        before[call.id] = call


def in_order(calls: Sequence[Call], rows: Mapping[str, tuple[int, str]], name: str | None) -> Iterator[Broken]:
    """Of a conversation messages are handed over in the order of their rows."""
    newest: dict[str, int] = {}
    seen: set[str] = set()
    for call in calls:
        if call.id in seen or call.id not in rows:
            continue
        seen.add(call.id)
        row, talk = rows[call.id]
        if row < newest.get(talk, 0):
            how = f"row {row} of {talk} was handed over after row {newest[talk]}"
            yield Broken("the order of a conversation is kept", name, how)
        newest[talk] = max(row, newest.get(talk, 0))


def answered_once(texts: Sequence[str], name: str | None) -> Iterator[Broken]:
    """A message is answered at most once."""
    for text, count in Counter(texts).items():
        if count > 1:
            yield Broken("at most one answer to a message", name, f"{text}: {count} times")


def kept(acked: AbstractSet[str], held: AbstractSet[str], name: str | None) -> Iterator[Broken]:
    """What was acked is in the inbox, or was handed over before that was lost."""
    if gone := sorted(acked - held):
        yield Broken("nothing acked is lost", name, f"{len(gone)} messages: {', '.join(gone[:5])}")


def all_handed_over(waiting: int, name: str | None) -> Iterator[Broken]:
    """Nothing waits for a handler without an end."""
    if waiting:
        yield Broken("what waits for a handler is handed over", name, f"{waiting} messages wait")


def parent_of_child(words: Sequence[str]) -> int | None:
    """Return the worker that a process was started by, if it is a handler's child, by its command line."""
    if len(words) == 3 and list(words[:2]) == ["sleep", NAP]:
        return int(words[2].partition(".")[2])
    return None
