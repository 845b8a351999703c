"""Questions to workers about conversations: numbered, their answers put together, each within its time. Shell."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import TalkPiece, TalkRequest
from xyfleet.worker.ipc.talks import MOST_BYTES, PIECE, TalkAnswer, TalkQuestion, changes, joined

PATIENCE: Final = 75.0
"""Seconds; a worker that is well has said by then that its own time (60 s) is over."""
_MOST_PIECES: Final = 2 * MOST_BYTES // PIECE
_SILENT: Final = "its worker does not answer"
_ENDED: Final = "its worker ended meanwhile"
_GARBLED: Final = "its worker's answer can't be read"


class _Request:
    """One question, and what was heard of its answer."""

    def __init__(self, child: WorkerProcess, question: TalkQuestion) -> None:
        self.child = child
        self.answer: asyncio.Future[TalkAnswer] = asyncio.get_running_loop().create_future()
        self._question = question
        self._pieces: list[bytes] = []

    def hear(self, piece: TalkPiece) -> None:
        """Take a piece; one that does not follow the others ends it."""
        self._pieces.append(piece.data)
        if piece.number != len(self._pieces) - 1 or len(self._pieces) > _MOST_PIECES:
            self.end(_GARBLED)
        elif piece.last:
            try:
                self._settle(joined(b"".join(self._pieces)))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.end(_GARBLED)

    def end(self, why: str) -> None:
        """No answer comes any more: what changes something may have been done."""
        self._settle(TalkAnswer(state="unknown" if changes(self._question) else "fault", reason=why))

    def _settle(self, answer: TalkAnswer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class TalkRequests:
    """All that are open. Everything runs in the supervisor's loop."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._last = 0
        self._open: dict[int, _Request] = {}

    async def ask(self, child: WorkerProcess, question: TalkQuestion) -> TalkAnswer:
        """Return a worker's answer, or what is known when there is none."""
        self._last += 1
        number = self._last
        request = self._open[number] = _Request(child, question)
        try:
            if not child.send(TalkRequest(request=number, question=question)):
                return TalkAnswer(state="offline")
            await asyncio.wait((request.answer,), timeout=self._patience)
            request.end(_SILENT)
            return request.answer.result()
        finally:
            del self._open[number]

    def heard(self, child: WorkerProcess, piece: TalkPiece) -> None:
        """A worker answers. What nobody waits for any more is dropped."""
        request = self._open.get(piece.request)
        if request is not None and request.child is child:
            request.hear(piece)

    def gone(self, child: WorkerProcess) -> None:
        """A worker is proven gone: it answers nothing more."""
        for request in self._open.values():
            if request.child is child:
                request.end(_ENDED)
