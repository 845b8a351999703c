"""The webhook process as the supervisor runs it, and a worker's end of its socket."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from support.receiver import SECRET
from xyfleet.supervisor.settings import Webhook
from xyfleet.supervisor.webhooks.protocol import encode_table
from xyfleet.worker.secret import Secret

FLEET: Final = "test"
MESSAGE: Final = {"account": "a0", "id": "1.PNM", "text": "在吗？", "raw": {"deep": [1, None]}}

SAID = {"text": "在的", "image": None, "after": 0.0}
"""What a worker is told of the receiver's text."""


def hook(url: str, secret: str | None = SECRET) -> Webhook:
    """Return a webhook as the accounts file has it."""
    return Webhook(url=Secret(url), secret=Secret(secret) if secret is not None else None)


class Process:
    """The process."""

    def __init__(self, path: Path, fleet: str | None = FLEET, **env: str) -> None:
        self.path = path
        words = [sys.executable, "-m", "xyfleet.supervisor.webhooks", "--socket", str(path)]
        words += [] if fleet is None else ["--fleet", fleet]
        self.process = subprocess.Popen(
            [*words, "--parent-pid", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "UV_THREADPOOL_SIZE": "2", **env},
        )

    def take(self, **table: Webhook) -> None:
        """Give it a table, and wait until it is in force."""
        assert self.process.stdin is not None
        self.process.stdin.write(encode_table(table))
        self.process.stdin.flush()
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 20)[0], "the webhook process does not answer"
        assert os.read(self.process.stdout.fileno(), 100) == b"ready\n", self.end()

    def end(self) -> tuple[int, str]:
        """Close its standard input; return exit code and standard error."""
        _out, words = self.process.communicate(timeout=10)
        return self.process.returncode, words.decode()


@contextmanager
def running(path: Path, fleet: str | None = FLEET, **env: str) -> Iterator[Process]:
    """Run the process for a block; it ends well."""
    process = Process(path, fleet, **env)
    try:
        process.take()  # it listens from the first table on
        yield process
        code, words = process.end()
        assert code == 0, words
        assert not path.exists()
    finally:
        process.process.kill()
        process.process.communicate()


class Asker:
    """A worker's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._number = 0

    def put(self, account: str, timeout: float = 10.0, message: Any = MESSAGE, fleet: str | None = FLEET) -> int:
        """Write a request; return its number."""
        self._number += 1
        request = {"number": self._number, "account": account, "timeout": timeout, "message": message}
        request |= {} if fleet is None else {"fleet": fleet}
        self.writer.write(json.dumps(request).encode() + b"\n")
        return self._number

    async def take(self) -> dict[str, Any]:
        """Return the next answer."""
        async with asyncio.timeout(15):
            found: dict[str, Any] = json.loads(await self.reader.readline())
        return found

    async def ask(self, account: str, timeout: float = 10.0, message: Any = MESSAGE) -> dict[str, Any]:
        """Have one message posted; return the answer without its number."""
        number = self.put(account, timeout, message)
        answer = await self.take()
        assert answer.pop("number") == number
        return answer


@asynccontextmanager
async def asker(path: Path) -> AsyncIterator[Asker]:
    """Be a worker for a block."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        yield Asker(reader, writer)
    finally:
        writer.close()
