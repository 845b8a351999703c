"""Trials of handlers in child processes: what they answer, print, and fail with, and that nothing outlives them."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from xyfleet.supervisor.handler_trials import messages, process
from xyfleet.supervisor.settings import Account
from xyfleet.worker.handlers.base import CheckedAnswer, HandOver, Reply
from xyfleet.worker.ready_rules import Goods, ReadyRules

CODE = """
import os, sys
from xyfleet.handler import HandOver, Reply
print("loaded", "SECRET" in os.environ)

async def answer(message, account):
    print("asked", message.text)
    account.alert("look")
    if message.text == "boom":
        raise ValueError("no")
    await account.send(message.conversation, "first")
    return [Reply("re " + message.text, after=1), HandOver(5)]

async def silent(message, account):
    return None
"""
NOW = 1_767_225_600_000


def account(handler: str, ready: ReadyRules | None = None) -> Account:
    """Return an account with this handler."""
    return Account(name="a", where="f:1", handler=handler, ready=ready)


def tried(folder: Path, handler: str, *texts: str, ready: ReadyRules | None = None) -> process.Outcome:
    """Have it called with texts."""
    asked = [messages.text("a", number, text, messages.ITEM, NOW) for number, text in enumerate(texts)]
    return process.run(process.trial_of(account(handler, ready), folder, asked), os.environ | {"SECRET": "x"})


def test_calls(tmp_path: Path) -> None:
    """The first answer of the chain, what was done meanwhile and printed; a failed call is told with its place."""
    (tmp_path / "bot.py").write_text(CODE)
    result, output = tried(tmp_path, "bot:silent,bot:answer", "hi", "boom")
    good, bad = result.tried

    assert good.answer == CheckedAnswer((Reply("re hi", after=1.0),), HandOver(5.0))
    assert good.did == ["alert: look", "send to 51000000001: first"]
    assert bad.failed == "ValueError: no"
    assert "bot.py" in str(bad.trace)
    assert output.splitlines() == ["loaded False", "asked hi", "asked boom"]


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("import nowhere_at_all", "No module named"),
        ("answer = 7", "is no function"),
        ("import os; os._exit(3)", "ended"),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, code: str, trouble: str) -> None:
    """The reason is told, whatever the file does."""
    (tmp_path / "bot.py").write_text(code)

    assert trouble in str(tried(tmp_path, "bot:answer").result.trouble)


def test_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and ends with all that it has started."""
    monkeypatch.setattr(process, "LOAD_WITHIN", 1.0)
    code = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\n"
    code += "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\ntime.sleep(60)\n"
    (tmp_path / "bot.py").write_text(code)
    began = time.monotonic()
    assert "not done within" in str(tried(tmp_path, "bot:answer").result.trouble)

    assert time.monotonic() - began < 10
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        end = time.monotonic() + 5
        while os.path.exists(f"/proc/{pid}") and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_one_that_writes_without_end(tmp_path: Path) -> None:
    """It is ended soon, and does not fill the memory of the fleet that looks at it."""
    (tmp_path / "bot.py").write_text("while True:\n    print('x' * 10_000)\n")
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    found = tried(tmp_path, "bot:answer")

    assert "wrote more than 20 MB" in str(found.result.trouble)
    assert len(found.output) <= 20_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
    assert time.monotonic() - began < 20


def test_one_that_leaves_something_behind(tmp_path: Path) -> None:
    """What it has started in another session, and holds its pipes, keeps nobody from its answer."""
    child = "subprocess.Popen(['sleep', '8'], start_new_session=True)"
    (tmp_path / "bot.py").write_text(
        f"import subprocess\n{child}\nasync def answer(message, account):\n    return 'hi'\n"
    )
    began = time.monotonic()
    (good,) = tried(tmp_path, "bot:answer", "在吗" * 100_000).result.tried

    assert good.answer == CheckedAnswer((Reply("hi"),))
    assert time.monotonic() - began < 7


def test_no_key_is_used(tmp_path: Path) -> None:
    """`deliver` answers with a key that stays in its file."""
    (tmp_path / "cards.txt").write_text("K1\nK2\n")
    goods = Goods(item=messages.ITEM, cards=str(tmp_path / "cards.txt"), reply="{keys}", ship=True, alert_below=5)
    ready = ReadyRules(goods=(goods,), ledger=str(tmp_path / "delivered.txt"))
    asked = [messages.paid("a", number, messages.ITEM, NOW) for number in (1, 2)]
    result, _ = process.run(process.trial_of(account("deliver", ready), tmp_path, asked), os.environ)

    assert [each.answer and each.answer.replies[0].text for each in result.tried] == ["K1", "K2"]
    assert "alert: cards.txt: 1 keys are left" in result.tried[0].did  # its own name, not that of the copy
    assert (tmp_path / "cards.txt").read_text() == "K1\nK2\n"
    assert not (tmp_path / "delivered.txt").exists()


def test_without_descriptors_it_is_said(tmp_path: Path) -> None:
    """A trial that can't be made for want of descriptors says so, at whichever of its steps they end."""
    (tmp_path / "bot.py").write_text(CODE)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = set()
    for spare in range(12):
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + spare, limits[1]))
        try:
            told.add(str(tried(tmp_path, "bot:silent").result.trouble))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "it can't be tried: Too many open files" in told
