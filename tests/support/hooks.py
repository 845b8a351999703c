"""Login hooks written in Python, and what they leave."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from xyfleet.supervisor.login_hook.policy import Result
from xyfleet.supervisor.login_hook.request import HookAccount
from xyfleet.supervisor.login_hook.service import HookService
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

UNB = "2200000000001"
COOKIE = Secret(f"unb={UNB}; cookie2=sim-old-secret")
NEW = f"unb={UNB}; cookie2=sim-new-secret"
SHOP = HookAccount(
    name="shop",
    user_agent="Agent/1",
    username="li",
    password=Secret("pass-word"),
    proxy=Secret("socks5://me:hidden@127.0.0.1:1"),
)
HEAD = "import json, os, signal, subprocess, sys, time\ndef say(**what): print(json.dumps(what))\n"
Service = Callable[..., HookService]


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    """Write a Python hook and return its path. `say` prints JSON."""
    path = folder / "hook"
    path.write_text(f"#!{sys.executable} -S\n{HEAD}{textwrap.dedent(text)}")
    path.chmod(mode)
    return str(path)


async def run(hooks: HookService, account: HookAccount = SHOP) -> Result:
    """Run the hook once."""
    return await hooks.run(account, Cause.AUTH, 5)


def log_of(folder: Path, name: str = "shop") -> str:
    """Return an account's hook log."""
    return (folder / "logs" / f"{name}.hook.log").read_text()


def written(path: Path) -> str:
    """Wait until a hook has written a text with a dot at its end, and return it without."""
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().endswith(".")):
        assert time.monotonic() < deadline, "the hook never wrote it"
        time.sleep(0.01)
    return path.read_text()[:-1]


def gone(pid: int, within: float = 3.0) -> bool:
    """Wait until a process is gone."""
    deadline = time.monotonic() + within
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
