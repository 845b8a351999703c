"""What a handler prints becomes lines of the account's log."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from pathlib import Path

import pytest

from xyfleet.worker.handlers.stdout import LONGEST, HandlerStdout
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry.account_log import AccountLog


@pytest.fixture
def log(tmp_path: Path) -> AccountLog:
    """A log that is written as JSON lines."""
    return AccountLog("a0", LogSettings(dir=str(tmp_path), format="json"), [Secret("s3cret-proxy-word")])


def said(folder: Path) -> list[str]:
    """Return the texts that are in the log."""
    return [json.loads(line)["text"] for line in (folder / "a0.log").read_text("utf-8").splitlines()]


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
