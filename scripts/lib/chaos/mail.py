"""What buyers write in chaos, and where it is found again: acks, inboxes, notes of handlers, answers. Shell."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from scripts.lib.chaos import mail_promises
from scripts.lib.chaos.promises import Broken
from scripts.lib.chaos.shop import ANSWER, HANDLER, Calls
from support.gateway import Gateway

RATE: Final = 5.0
"""Messages a second, of all accounts together."""
TALKS: Final = 4
"""Conversations of an account."""
DONE: Final = 60.0
"""Seconds after the last fault within which a lost inbox has again what was acked, and handlers have what waited."""
SETTINGS: Final[dict[str, Any]] = {"handler_retry_delay": 0.2, "handler_retries": 5, "reply_limit": 0, "send_rate": 0}


def answering(index: int, webhook: str) -> dict[str, Any]:
    """Return the settings of the account with this index: every third has a webhook, every third a handler."""
    return ({"webhook": {"url": webhook}}, {"handler": HANDLER}, {})[index % 3]


class Mail:
    """One run's messages."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.calls = Calls(folder)
        self.lost: set[str] = set()
        """Users whose inbox was removed."""
        self.written = 0
        self._folder = folder / "state" / "inbox"
        self._gateway = gateway
        self._chance = random.Random(0)
        self._pushed: dict[str, dict[str, list[str]]] = {}
        """By user and mid: the ids that the frame carried."""
        self._due = 0.0

    def greet(self, users: list[str]) -> None:
        """Have a buyer write to each of these users; a worker whose inbox was removed notices by that at the latest."""
        for user in users:
            self._write(user, 1, missed=0.0)

    def flow(self, users: list[str]) -> None:
        """Have a buyer write to one of these users, if it is time."""
        if time.monotonic() >= self._due:
            count = self._chance.choice((1, 1, 1, 2, 6))
            self._due = time.monotonic() + count / RATE
            self._write(self._chance.choice(users), count)

    def _write(self, user: str, count: int, missed: float = 0.05) -> None:
        talk = f"5100000{self._chance.randrange(TALKS):04d}"
        items = [{"type": "text", "text": f"在吗 {self.written + n}", "conversation": talk} for n in range(count)]
        duplicate, deliver = self._chance.random() < 0.2, self._chance.random() >= missed
        done = self._gateway.push(user, items=items, duplicate=duplicate, deliver=deliver)
        self.written += count
        for mid in done["mids"]:
            self._pushed.setdefault(user, {})[mid] = done["ids"]

    def lose_inbox(self, user: str) -> bool:
        """Remove a user's inbox with all that is beside it; return whether there was one."""
        path = self._folder / f"{user}.db"
        if not path.exists():
            return False
        self.lost.add(user)
        for end in ("", "-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
        return True

    # What became of it.

    def acked(self, user: str) -> set[str]:
        """Return the ids whose ack the gateway has."""
        mids = self._gateway.ask("GET", f"acks?unb={user}")["mids"]
        return {id_ for mid in mids for id_ in self._pushed[user].get(mid, ())}

    def rows(self, user: str) -> dict[str, tuple[int, str]]:
        """Return row and conversation of all that is in a user's inbox, by id."""
        return {id_: (row, talk) for id_, row, talk in self._ask(user, "SELECT id, row, conversation FROM messages")}

    def _ask(self, user: str, query: str) -> list[tuple[Any, ...]]:
        """Return what is found; nothing where the inbox was removed, until its worker notices."""
        path = self._folder / f"{user}.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as store:
            return store.execute(query).fetchall()

    def is_done(self) -> bool:
        """Tell whether all that was acked is in the inboxes (again), and nothing waits for a handler."""
        return all(self.acked(user) <= self.rows(user).keys() and not self.waiting(user) for user in self._pushed)

    def _still_waiting(self, user: str) -> int:
        """Return how many wait for long: catching up may have brought some just now."""
        end = time.monotonic() + DONE
        while (waiting := self.waiting(user)) and time.monotonic() < end:
            time.sleep(0.2)
        return waiting

    def waiting(self, user: str) -> int:
        """Return how many messages of a user wait for the handler."""
        return len(self._ask(user, "SELECT 1 FROM messages WHERE state IN ('waiting', 'calling')"))

    def answers(self, user: str) -> list[str]:
        """Return the texts by which a user has answered."""
        return [one["text"] for one in self._gateway.messages(user) if one["text"].startswith(ANSWER)]

    def judge(self, names: Mapping[str, str]) -> Iterator[Broken]:
        """Yield what is broken, at the end."""
        calls = self.calls.all()
        handed = {call.id for call in calls}
        yield from mail_promises.handed_over_once(calls)
        for user in sorted(self._pushed):
            name, rows = names.get(user), self.rows(user)
            yield from mail_promises.all_handed_over(self._still_waiting(user), name)
            yield from mail_promises.kept(self.acked(user), rows.keys() | handed, name)
            yield from mail_promises.answered_once(self.answers(user), name)
            if user not in self.lost:
                yield from mail_promises.in_order(calls, rows, name)

    def figures(self) -> dict[str, int]:
        """Return how much there was."""
        calls = self.calls.all()
        return {
            "messages": self.written,
            "acked": sum(len(self.acked(user)) for user in self._pushed),
            "handed_to_handlers": len({call.id for call in calls if call.by == "handler"}),
            "handed_to_webhooks": len({call.id for call in calls if call.by == "webhook"}),
            "calls_that_failed": sum(call.what == "failed" for call in calls),
            "answers": sum(len(self.answers(user)) for user in self._pushed),
            "inboxes_removed": len(self.lost),
        }
