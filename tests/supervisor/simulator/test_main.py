"""The gateway's command line: what it prints, how it fails, whom it dies with."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.gateway import Gateway, GatewayError

COMMAND = [sys.executable, "-m", "xyfleet.supervisor.simulator"]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a gateway that is to fail."""
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=20, env={**os.environ, "LANG": "C", **environment}
    )


def test_first_line_says_where() -> None:
    """One line of JSON with all addresses."""
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address: dict[str, Any] = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)

        assert process.wait(5) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    port = address["port"]
    assert address["endpoint"] == f"ws://127.0.0.1:{port}/"
    assert address["token_url"] == f"http://127.0.0.1:{port}/h5/mtop.taobao.idlemessage.pc.login.token/1.0/"
    assert address["ca_file"] is None
    assert address["control"].startswith("http://127.0.0.1:")
    assert address["control"].endswith("/_sim/")


def test_script_s_faults_are_in_force(tmp_path: Path) -> None:
    """`--faults` loads a script; `at` counts from the start."""
    script = tmp_path / "f.yml"
    script.write_text("﻿faults:\n  - {kind: mute, unb: '1'}\n  - {kind: risk, at: 100}\n", encoding="utf-8")
    with Gateway("--faults", str(script)) as gateway:
        found = gateway.ask("GET", "faults")["faults"]

    assert [(fault["kind"], fault["in_force"]) for fault in found] == [("mute", True), ("risk", False)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"faults:\n  - {kind: mut}\n  - {kind: late}\n", ["f.yml:2: fault 1: ", "f.yml:3: fault 2: "]),
        (b"\xff\xfe\x00", ["is not UTF-8 text"]),
        (None, ["cannot read", "No such file"]),
    ],
)
def test_bad_scripts_end_with_2(tmp_path: Path, content: bytes | None, words: list[str]) -> None:
    """Every problem is on standard error; nothing was started."""
    script = tmp_path / "f.yml"
    if content is not None:
        script.write_bytes(content)
    done = run("--faults", str(script), "--lang", "en")

    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in words)
    assert "Traceback" not in done.stderr


def test_taken_port_ends_with_1() -> None:
    """The port and the reason are named."""
    with Gateway() as first:
        done = run("--port", str(first.port), "--lang", "en")

    assert done.returncode == 1
    assert f"cannot listen on port {first.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_parent_ends_at_once() -> None:
    """A parent that is dead already (or never was ours) is not waited for."""
    assert run("--parent-pid", "1").returncode == 1


def test_dies_with_its_parent() -> None:
    """SIGKILL of the parent, and the gateway is gone."""
    program = (
        "import os, subprocess, sys, time; "
        f"p = subprocess.Popen([*{COMMAND!r}, '--parent-pid', str(os.getpid())], stdout=subprocess.PIPE); "
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    gateway = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 5
    while gateway.is_running() and gateway.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        time.sleep(0.01)

    assert not gateway.is_running() or gateway.status() == psutil.STATUS_ZOMBIE


def test_raises_its_file_limit() -> None:
    """A thousand files are too few for 2,000 accounts, and the limit is ours to raise."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Gateway() as gateway:
        limits = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)

    assert limits == (hard, hard)


def test_has_a_name_in_the_process_list() -> None:
    """`ps` shows what it is."""
    with Gateway() as gateway:
        assert "xyfleet: simulator" in psutil.Process(gateway.process.pid).cmdline()[0]


def test_helper_says_when_it_does_not_start(tmp_path: Path) -> None:
    """The tests' own helper fails with the exit code instead of hanging."""
    with pytest.raises(GatewayError, match="exit code 2"):
        Gateway("--faults", str(tmp_path / "none.yml"))
