"""What a handler prints becomes lines of the account's log."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from xyfleet.worker.handlers.stdout import LONGEST, HandlerStdout
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry.account_log import AccountLog, LibraryLogHandler


@pytest.fixture
def log(tmp_path: Path) -> AccountLog:
    """A log that is written as JSON lines."""
    return AccountLog("a0", LogSettings(dir=str(tmp_path), format="json"), [Secret("s3cret-proxy-word")])


def said(folder: Path) -> list[str]:
    """Return the texts that are in the log."""
    file = folder / "a0.log"  # made by a thread with its first line
    return [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def test_lines_are_logged_whole_and_masked(log: AccountLog, tmp_path: Path) -> None:
    """A line is written when it ends; blank ones are left out, secrets are hidden."""
    printed = HandlerStdout(log)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        sys.stdout.write("one ")
        print("two\n\nuses s3cret-proxy-word")  # noqa: T201 (this is what is tested)
        print("an error", file=sys.stderr, flush=True)  # noqa: T201
        sys.stdout.write("no end")
    log.close()

    assert said(tmp_path) == ["one two", "uses ***", "an error"]


def test_a_line_without_end_is_bounded(log: AccountLog, tmp_path: Path) -> None:
    """Memory does not grow with what never ends, and threads may write side by side."""
    printed = HandlerStdout(log)
    threads = [threading.Thread(target=printed.write, args=("x" * (LONGEST + 1),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    printed.write("\n")
    log.close()

    assert {text[:3] for text in said(tmp_path)} == {"xxx"}
    assert max(map(len, said(tmp_path))) <= 200


def test_it_has_what_python_s_own_has(log: AccountLog, tmp_path: Path) -> None:
    """Libraries reconfigure it, ask for its encoding, write bytes, and give its descriptor to programs (S9)."""
    printed = HandlerStdout(log)
    printed.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
    printed.buffer.write("字节\n".encode())
    subprocess.run(["echo", "of a program"], stdout=printed, check=True)
    with contextlib.redirect_stdout(printed):
        faulthandler.dump_traceback(sys.stdout, all_threads=False)
    deadline = time.monotonic() + 5
    while len(said(tmp_path)) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert printed.encoding.lower() == "utf-8"
    assert (printed.isatty(), printed.writable(), printed.name, printed.mode) == (False, True, "<stdout>", "w")
    assert said(tmp_path)[:3] == ["字节", "of a program", "Stack (most recent call first):"]
    with pytest.raises(TypeError, match="must be str, not bytes"):
        printed.write(b"x")  # type: ignore[arg-type]
    printed.close()
    with pytest.raises(ValueError, match="closed"):
        print("x", file=printed)
    log.close()


def test_threads_do_not_mix_their_lines(log: AccountLog, tmp_path: Path) -> None:
    """Lines that threads print side by side, in pieces, come out whole (S9)."""
    printed = HandlerStdout(log)

    def work(name: str) -> None:
        for _ in range(50):
            print(name, name, name, name, sep="-", file=printed)

    threads = [threading.Thread(target=work, args=(name * 20,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()

    assert sorted(said(tmp_path)) == sorted(["-".join([name * 20] * 4) for name in "abcd"] * 50)


@pytest.mark.parametrize("thread", [False, True])
def test_what_a_handler_logs(log: AccountLog, tmp_path: Path, thread: bool) -> None:
    """INFO of the handler's threads is in the log, of libraries in the worker's own thread it is not."""
    bridge = LibraryLogHandler(log)
    logger = logging.getLogger("mine")
    logger.setLevel(logging.INFO)
    logger.addHandler(bridge)
    try:
        if thread:
            one = threading.Thread(target=logger.info, args=("done %s", 1))
            one.start()
            one.join()
        else:
            logger.info("done %s", 1)
    finally:
        logger.removeHandler(bridge)
        logger.setLevel(logging.NOTSET)
    log.close()

    assert (tmp_path / "a0.log").exists() == thread
    assert not thread or json.loads((tmp_path / "a0.log").read_text())["event"] == "done 1"
