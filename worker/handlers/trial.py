"""
A handler tried in a process of its own: loaded, and called with made-up messages; nothing is sent. Shell.

`python -P -m xyfleet.worker.handlers.trial` reads a `Trial` as JSON from its standard input and writes a `TrialResult`
to its standard output; what the handler prints goes to standard error. Ready handlers work on copies of their files.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from xyfleet.worker.handlers.api import Account, HandlerPorts
from xyfleet.worker.handlers.base import CheckedAnswer, HandlerFailed, checked
from xyfleet.worker.handlers.failures import described, sentence, shortened, told
from xyfleet.worker.handlers.loader import Function
from xyfleet.worker.handlers.own_code import OwnCode
from xyfleet.worker.ipc.messages import Answered, Ask
from xyfleet.worker.ipc.talks import TalkAnswer, TalkQuestion
from xyfleet.worker.protocol.message import HandedMessage
from xyfleet.worker.protocol.shop import Item, Order, Shipped
from xyfleet.worker.ready_rules import ReadyRules
from xyfleet.worker.reasons import Reason, words

_STDOUT: Final = 1
_STDERR: Final = 2


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be tried."""

    account: str
    label: str = ""
    handler: str
    folder: str
    packages: str = ""
    ready: ReadyRules | None = None
    env: dict[str, str] = {}
    """Variables that the handler is given (`handler_env`)."""
    timeout: float = 30.0
    messages: list[HandedMessage] = []
    """None: it is only loaded."""
    spec: str | None = None
    """The variant of the order that the made-up platform knows."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    answer: CheckedAnswer | None = None
    failed: str | None = None
    trace: str | None = None
    seconds: float = 0.0
    did: list[str] = []
    """What it wanted to be done meanwhile: messages, questions, alerts."""


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    trouble: Reason | None = None
    """Why it can't be loaded."""
    trace: str | None = None
    tried: list[Tried] = []


class _Platform:
    """Stands for worker and platform: takes everything, does nothing, and notes it."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.did: list[str] = []
        self.ports = HandlerPorts(self._send, self._ask, self._talk, lambda text: self.did.append(f"alert: {text}"))

    async def _send(self, conversation: str, text: str, image: str | None) -> bool:
        self.did.append(f"send to {conversation}: {image or text}")
        return True

    async def _ask(self, question: Ask) -> Answered:
        self.did.append(f"{question.what} {question.api or question.id}")
        answers: dict[str, Any] = {
            "item": Item(id=question.id, title="a made-up item", price="9.90", stock=1),
            "order": Order(
                id=question.id,
                item=self._trial.messages[0].item,
                spec=self._trial.spec,
                amount="9.90",
                status="paid",
            ),
            "ship": Shipped(order=question.id),
        }
        if question.what not in answers:
            return Answered(request=0, reason=Reason("words", {"words": "a trial calls no API of the platform"}))
        return Answered(request=0, value=msgspec.to_builtins(answers[question.what]))

    async def _talk(self, question: TalkQuestion) -> TalkAnswer:
        self.did.append("history")
        return TalkAnswer(state="done")


async def run(trial: Trial) -> TrialResult:
    """Load the handler, and call it with each message, one after the other."""
    failures: list[tuple[Reason, str | None]] = []
    with tempfile.TemporaryDirectory(prefix="xyfleet-try-") as folder:
        ready = None if trial.ready is None else _copied(trial.ready, Path(folder))
        try:
            functions = OwnCode(trial.handler, trial.folder, trial.packages).load(
                ready, lambda error: failures.append(described(error))
            )
        except BaseException:  # noqa: BLE001 (whatever the owner's module raises; it is described by now)
            return TrialResult(trouble=failures[0][0], trace=failures[0][1])
        return TrialResult(tried=[await _call(functions, message, trial) for message in trial.messages])


async def _call(functions: Sequence[Function], message: HandedMessage, trial: Trial) -> Tried:
    platform, began = _Platform(trial), time.monotonic()
    account = Account(trial.account, trial.label, platform.ports, trial.folder)
    answer, failed, trace = None, None, None
    try:
        async with asyncio.timeout(trial.timeout):
            for function in functions:
                if (answer := checked(await function(message, account))) is not None:
                    break
    except HandlerFailed as error:
        failed = error.reason
    except TimeoutError:
        failed = f"no answer within {trial.timeout:g} s"
    except BaseException as error:  # noqa: BLE001 (whatever the owner's code raises is what was asked for)
        failed, trace = told(error, "")
    await asyncio.sleep(0)  # alerts come by way of the loop
    return Tried(answer=answer, failed=failed, trace=trace, seconds=time.monotonic() - began, did=platform.did)


def _copied(ready: ReadyRules, folder: Path) -> ReadyRules:
    """Return the rules with copies of the files that ready handlers write into: a trial uses no key up."""
    goods = []
    for number, each in enumerate(ready.goods):
        if each.cards is not None:
            copy = folder / str(number) / Path(each.cards).name
            copy.parent.mkdir()
            shutil.copyfile(each.cards, copy)
            each = msgspec.structs.replace(each, cards=str(copy))
        goods.append(each)
    return msgspec.structs.replace(ready, goods=tuple(goods), ledger=str(folder / "delivered.txt"), memory="")


def main() -> NoReturn:
    """Be the process."""
    trial = msgspec.json.decode(sys.stdin.buffer.read(), type=Trial)
    result = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    os.environ.update(trial.env)
    try:
        found = asyncio.run(run(trial))
    except BaseException as error:  # noqa: BLE001 (what it leaves behind in the loop is its own)
        found = TrialResult(trouble=words(sentence(error)), trace=shortened(repr(error)))
    sys.stdout.flush()
    with open(result, "wb") as file:
        file.write(msgspec.json.encode(found))
    os._exit(0)  # whatever threads and children it started: who asked ends them


if __name__ == "__main__":
    main()
