"""The proxies of a fleet in chaos: real ones, in a thread of their own, that can die and come back. Shell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self

from support.proxies import TinyProxy


class Proxies:
    """Use as a context manager."""

    def __init__(self, count: int) -> None:
        self._proxies = [TinyProxy("socks5" if number % 2 else "http") for number in range(count)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies")
        self.urls: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        for proxy in self._proxies:
            self._do(proxy.__aenter__())
        self.urls = [proxy.url for proxy in self._proxies]
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self._proxies:
            self._do(proxy.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, number: int, *, alive: bool) -> None:
        """Let one die, with everything that goes through it, or come back."""
        self._loop.call_soon_threadsafe(self._proxies[number].become, "pass" if alive else "reset")

    def _do(self, job: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(10)
