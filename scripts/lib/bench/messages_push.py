"""Pushes messages by the gateway, at a rate or as fast as acks come back, and reads what became of them. Shell."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from scripts.lib.bench.processes import Broken, wait

TALKS: Final = 20
"""Conversations that the messages of one account are spread over."""
WINDOW: Final = 200
"""Pushes without an ack that an account has at one time; a worker takes no more than 500."""
_PATIENCE: Final = 60.0


class Pusher:
    """One kept connection to the gateway's control port. Use as a context manager."""

    def __init__(self, control: str) -> None:
        address = urlsplit(control)
        self._path = address.path
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Call a control route and return its JSON. Raises `Broken`."""
        self._connection.request(method, self._path + path, None if body is None else json.dumps(body))
        response = self._connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            raise Broken(f"the gateway refused {path}: {answer.get('error')}")
        return answer

    def push(self, unb: str, texts: int, per_frame: int, talk: int = 0) -> list[str]:
        """Push text messages of one conversation; return their ids."""
        items = [{"text": "你好，还在吗", "conversation": f"5100000{talk:04d}"}] * texts
        ids: list[str] = self.ask("POST", "push", {"unb": unb, "items": items, "per_frame": per_frame})["ids"]
        return ids

    def paced(self, unb: str, rate: float, seconds: float) -> list[str]:
        """Push one message after the other at this rate; return their ids."""
        ids: list[str] = []
        began = time.monotonic()
        for number in range(max(2, round(rate * seconds))):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            ids += self.push(unb, 1, 1, number % TALKS)
        return ids

    def figures(self, unbs: Sequence[str], name: str) -> dict[str, int]:
        """Return a counter of each account."""
        accounts = self.ask("GET", "stats?" + "&".join(f"unb={unb}" for unb in unbs))["accounts"]
        return {unb: int(accounts[unb][name]) for unb in unbs}

    def wait_acked(self, unbs: Sequence[str]) -> None:
        """Wait until nothing is without an ack. Raises `Broken`."""

        def all_acked() -> bool:
            return self.figures(unbs, "pushes") == self.figures(unbs, "acks")

        wait(all_acked, "every push is acked", _PATIENCE, 0.01)

    def ack_ms(self, unb: str, newest: int) -> list[float]:
        """Return how long the newest acks took."""
        found: list[float] = self.ask("GET", f"acks?unb={unb}")["ms"]
        return found[-newest:]

    def flood(self, unbs: Sequence[str], per_frame: int, seconds: float) -> float:
        """Push as fast as acks come back; return the messages acked per second. Raises `Broken`."""
        window = max(4, WINDOW // per_frame)
        first = done = self.figures(unbs, "acks")
        sent = dict(first)
        began = time.monotonic()
        end = began + seconds
        while (now := time.monotonic()) < end:
            for unb in unbs:
                if sent[unb] - done[unb] <= window // 2:
                    self.push(unb, window // 2 * per_frame, per_frame)
                    sent[unb] += window // 2
            done = self.figures(unbs, "acks")
        rate = sum(done[unb] - first[unb] for unb in unbs) * per_frame / (now - began)
        self.wait_acked(unbs)
        return rate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def pushed_at(message: str) -> float:
    """Return the wall time at which the gateway made a message: it is in the id."""
    return int(message.partition(".")[0]) / 1e6


def noted(file: Path) -> dict[str, float]:
    """Return when each message was first noted, by its id; of lines `time id`."""
    found: dict[str, float] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        when, message = line.split()
        found.setdefault(message, float(when))
    return found


def latencies(ids: Sequence[str], file: Path) -> list[float]:
    """Wait until all messages are noted; return how many milliseconds each took, of those that were not lost."""
    end = time.monotonic() + _PATIENCE
    while not (found := noted(file)).keys() >= set(ids) and time.monotonic() < end:
        time.sleep(0.1)
    return [(found[each] - pushed_at(each)) * 1000 for each in ids if each in found]
