"""Who answers buyers in chaos: a Python handler and a web service, which note each call in one file. Shell.

The notes are an outside witness: what was handed over, how often, in what order, and how each call ended.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

HANDLER: Final = "chaos_handler:answer"
NAP: Final = "600"
"""Seconds that a handler's child sleeps: for longer than anybody waits for its end."""
ANSWER: Final = "re:"
"""Before the id of the message that is answered."""
_PROGRAM: Final = '''
import asyncio, json, os, random, subprocess, time

_begun = []

def note(**what):
    file = os.open({calls!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, json.dumps(what).encode() + b"\\n")
    os.close(file)

def have_child():
    """As handlers have them: a plain one, one in a session of its own, one whose parent has ended."""
    nap = ["sleep", {nap!r}, "0." + str(os.getpid())]
    way = random.choice(["plain", "session", "daemon"])
    if way == "daemon":
        subprocess.run(["sh", "-c", '"$@" & exit 0', "sh", *nap], check=True)
    else:
        subprocess.Popen(nap, start_new_session=way == "session")

async def answer(message, account):
    if not _begun:
        _begun.append(True)
        have_child()
    note(id=message.id, what="begun", at=time.monotonic(), by="handler")
    await asyncio.sleep(random.choice([0, 0, 0.05, 0.3]))
    if random.random() < 0.1:
        note(id=message.id, what="failed", at=time.monotonic(), by="handler")
        raise ValueError("no stock")
    note(id=message.id, what="ended", at=time.monotonic(), by="handler")
    return {answer!r} + message.id
'''


@dataclass(frozen=True, slots=True)
class Call:
    """A note: of the begin of a call, or of its end."""

    id: str
    """The message's."""
    what: str
    """`begun`; `ended` well; `failed`, so that it may be called again."""
    at: float
    """Monotonic seconds."""
    by: str


class Calls:
    """The file of the notes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "calls"
        (folder / "chaos_handler.py").write_text(_PROGRAM.format(calls=str(self._path), nap=NAP, answer=ANSWER))

    def note(self, id_: str, what: str) -> None:
        """Write one of the web service's."""
        said = {"id": id_, "what": what, "at": time.monotonic(), "by": "webhook"}
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, json.dumps(said).encode() + b"\n")
        os.close(file)

    def all(self) -> list[Call]:
        """Return them in their order."""
        if not self._path.exists():
            return []
        return [Call(**json.loads(line)) for line in self._path.read_text().splitlines()]


class Shop(ThreadingHTTPServer):
    """The owner's web service. Its notes go where `calls` says, once that is known."""

    daemon_threads = True
    calls: Calls | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_: Any) -> None:
        """Who asked has left, or was killed."""


class _Answering(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        calls = self.server.calls
        assert calls is not None
        calls.note(said["id"], "begun")
        time.sleep(random.choice([0, 0, 0.05, 0.3]))
        fails = random.random() < 0.1
        calls.note(said["id"], "failed" if fails else "ended")
        answer = b"" if fails else json.dumps({"reply": ANSWER + said["id"]}).encode()
        self.send_response(500 if fails else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass
