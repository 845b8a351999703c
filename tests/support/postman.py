"""A process that stands where a worker does and answers requests about messages by their text."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.start_request import Spawned
from xyfleet.worker.ipc.codec import MAX_DOWN, MAX_UP, FrameDecoder, decode_down, encode
from xyfleet.worker.ipc.messages import (
    CatchUpRequest,
    CatchUpTurn,
    Message,
    Redo,
    Redone,
    Send,
    Sent,
    TalkPiece,
    TalkRequest,
)
from xyfleet.worker.ipc.talks import ReadHistory, RecallMessage, TalkAnswer, pieces
from xyfleet.worker.protocol.message import Message as Said
from xyfleet.worker.storage.schema import TABLES

_CONTEXT = multiprocessing.get_context("forkserver")


def hire(owner: Any, inbox: Path) -> WorkerProcess:
    """Start one; `owner` hears it."""
    up_read, up_write = _CONTEXT.Pipe(duplex=False)
    down_read, down_write = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=work, args=(up_write, down_read, str(inbox)), daemon=True)
    process.start()
    assert process.pid is not None
    fds = [os.dup(fd) for fd in (up_read.fileno(), down_write.fileno(), process.sentinel)]
    for connection in (up_read, up_write, down_read, down_write):
        connection.close()
    for fd in fds:
        os.set_blocking(fd, False)
    return WorkerProcess(Spawned(process.pid, os.pidfd_open(process.pid), *fds, forkserver=0), owner)


def work(up: Connection, down: Connection, inbox: str) -> None:
    """Answer until the other end is closed."""

    def say(*messages: Message) -> None:
        for message in messages:
            os.write(up.fileno(), encode(message, MAX_UP))

    say(CatchUpRequest())
    splitter = FrameDecoder(MAX_DOWN)
    turns = 0
    os.set_blocking(down.fileno(), True)
    while data := os.read(down.fileno(), 65536):
        for body in splitter.feed(data):
            match decode_down(body):
                case Send() as send:
                    _send(say, send, inbox)
                case Redo(request=request, ids=ids):
                    if ids != ["silent"]:
                        say(Redone(request=request, count=len(ids) or turns))
                case TalkRequest() as asked:
                    _talk(say, asked)
                case CatchUpTurn():
                    turns += 1


def _send(say: Any, send: Send, inbox: str) -> None:
    number = send.request
    queued = Sent(request=number, state="queued", number=7)
    match send.text:
        case "good":
            say(queued, Sent(request=number, state="sent", number=7, message_id="1.PNM"))
        case "bad":
            say(queued, Sent(request=number, state="rejected", number=7, reason="no such user"))
        case "nobody":
            say(Sent(request=number, state="refused", reason="nobody is known in this conversation"))
        case "late":
            say(queued)
            time.sleep(0.1)
            say(Sent(request=number, state="sent", number=7, message_id="1.PNM"))
        case "waits":
            say(queued)
        case "other":
            say(Sent(request=number + 1000, state="sent", number=7))
        case "dies queued":
            say(queued)
            os._exit(1)
        case "dies taken":
            _put(inbox, send)
            os._exit(1)
        case "dies":
            os._exit(1)


def _talk(say: Any, asked: TalkRequest) -> None:
    """Answer as the conversation's or the message's name says."""
    match asked.question:
        case ReadHistory(conversation=what) | RecallMessage(message=what):
            pass
        case _:
            what = ""
    said = [Said(account="a", id="1.PNM", text="长" * 9000, time="2026-01-02T03:04:05Z")] if what == "long" else []
    found = pieces(TalkAnswer(state="done", messages=said))
    numbers = [1] if what == "gap" else range(len(found))
    match what:
        case "silent":
            return
        case "dies":
            os._exit(1)
        case "garbled":
            found = [b"[" * 2900]
    for number, data in zip(numbers, found, strict=True):
        say(TalkPiece(request=asked.request, number=number, data=data, last=data is found[-1]))


def _put(inbox: str, send: Send) -> None:
    """Commit a text to the outbox as a worker does, and leave the write-ahead log behind."""
    store = sqlite3.connect(inbox, isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    for table in TABLES:
        store.execute(table)
    row = ("-17673230450001", send.conversation, send.text, int(time.time() * 1000))
    store.execute("INSERT INTO outbox (uuid, conversation, text, created, state) VALUES (?, ?, ?, ?, 'queued')", row)
