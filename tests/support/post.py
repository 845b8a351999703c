"""A webhook process inside a test: a Unix socket that answers each request as it is told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Post:
    """Use as an asynchronous context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.open = 0
        self.answers: list[dict[str, Any] | bytes | None] = []
        """For the next requests: an answer without its number, bytes as they are, None = hang up; then replies."""
        self.silent = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._server.close()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while line := await reader.readline():
                request = json.loads(line)
                self.requests.append(request)
                if self.silent:
                    continue
                answer = (
                    self.answers.pop(0) if self.answers else {"replies": [{"text": f"re {request['message']['id']}"}]}
                )
                if answer is None:
                    return
                number = request["number"]
                writer.write(
                    answer if isinstance(answer, bytes) else json.dumps({"number": number, **answer}).encode() + b"\n"
                )
        finally:
            self.open -= 1
            writer.close()
