"""Processes that keep to themselves and die with their parents."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.nursery import alive, until
from xyfleet.worker.secret import Secret, proxy_secrets


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)


def test_keeps_its_memory_to_itself() -> None:
    """After `keep_secrets` a process leaves no core file, and nobody else of its user may look into it."""
    done = run("""
import ctypes, resource
from xyfleet.worker.process import hardening
hardening.keep_secrets()
hardening.keep_secrets()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
""")

    assert done.stdout.split(maxsplit=1) == ["0", "(0, 0)\n"]


def test_parent_already_gone() -> None:
    """A process whose parent is not the one it was told of leaves at once."""
    done = run("""
import os
from xyfleet.worker.process import hardening
hardening.die_with(os.getppid())
print("still here", flush=True)
hardening.die_with(os.getppid() + 1)
print("never said")
""")

    assert (done.returncode, done.stdout) == (1, "still here\n")


@pytest.mark.skipif(sys.platform != "linux", reason="PDEATHSIG is Linux's")
def test_dies_with_its_parent(tmp_path: Path) -> None:
    """SIGKILL of the parent is the child's death."""
    ready = tmp_path / "ready"
    child = f"""
import os, time
from xyfleet.worker.process import hardening
hardening.die_with(os.getppid())
open({str(ready)!r}, "w").close()
time.sleep(60)
"""
    parent = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        until(ready.exists)
        process.kill()
        began = time.monotonic()
        until(lambda: not alive(pid))

        assert time.monotonic() - began < 1


def test_title() -> None:
    """A process shows the title that it was given."""
    done = run("""
from xyfleet.worker.process import hardening
hardening.name_process("xyfleet: 店铺-001")
print(open("/proc/self/cmdline").read().rstrip("\\0"))
""")

    assert done.stdout == "xyfleet: 店铺-001\n"


@pytest.mark.parametrize(
    ("proxy", "hidden"),
    [
        (None, set()),
        ("socks5://host:1", {"socks5://host:1", ""}),
        (
            "http://u:p%40ss%20word@host:1",
            {"http://u:p%40ss%20word@host:1", "p%40ss%20word", "p@ss word", "dTpwQHNzIHdvcmQ="},
        ),
    ],
)
def test_secrets_of_a_proxy(proxy: str | None, hidden: set[str]) -> None:
    """Its address and password, written either way, and both as the proxy is sent them, are kept out of the log."""
    assert {secret.reveal() for secret in proxy_secrets(Secret(proxy) if proxy else None)} == hidden
