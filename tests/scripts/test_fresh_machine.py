"""scripts/fresh-machine: what is handed in, what is judged, and that nothing stays behind. A whole run is by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.machine import REPOSITORY, Result

if str(REPOSITORY) not in sys.path:
    sys.path.append(str(REPOSITORY))

from scripts.lib.fresh_machine import guest, jail, machine, report

GOOD: dict[str, Any] = {
    "system": "Debian GNU/Linux 12 (bookworm)",
    "python": "3.11.2",
    "first_start": 41.4,
    "missing": [],
    "connected": True,
    "failed": [],
    "start_code": 0,
    "left": [],
    "tests": "3000 passed in 90 s",
    "again": None,
    "tests_code": 0,
    "tests_said": [],
}


def event(account: str, **rest: str) -> dict[str, Any]:
    """Return an event as `xyfleet events --json` has it."""
    return {"account": account, "kind": "state", "from": None, "cause": None} | rest


def test_events_are_expected_in_their_order() -> None:
    """A connection before the trouble is no recovery; other events may lie between."""
    connected = event("shop-004", to="CONNECTED")
    lost = event("shop-004", to="RECONNECTING", cause="heartbeat")
    other = event("shop-001", to="CONNECTED")

    assert guest.happened([connected, lost, other, connected], "shop-004")
    assert not guest.happened([connected, lost, other], "shop-004")
    assert not guest.happened([], "shop-001")


def test_expected_accounts_are_the_examples() -> None:
    """Each account of the example has its expectation."""
    text = (REPOSITORY / "accounts.example.yml").read_text(encoding="utf-8")

    assert all(f"name: {account}\n" in text or f"name: {account} " in text for account in guest.EXPECTED)
    assert text.count("  - name: ") == len(guest.EXPECTED)


def test_row_of_a_good_machine() -> None:
    """A machine on which all went well has no fault and no bold cell."""
    row = report.row("bookworm", GOOD)

    assert report.faults(GOOD) == []
    assert "**" not in row
    assert row.startswith("| Debian GNU/Linux 12 (bookworm) | 3.11.2 | 41 s |")
    assert report.row("sid", GOOD).startswith("| Debian GNU/Linux 12 (bookworm), sid |")
    assert row.count("|") == report.HEAD.count("|") == report.RULE.count("|")


def test_row_of_a_busy_machine() -> None:
    """What failed and passed when it was run alone is told, and is no fault."""
    found = GOOD | {"tests": "1 failed, 2999 passed", "again": "1 passed"}

    assert report.faults(found) == []
    assert "1 failed, 2999 passed; alone: 1 passed |" in report.row("bookworm", found)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({"missing": ["shop-003"]}, "shop-003"),
        ({"failed": ["stop: 1\nno"]}, "stop: 1"),
        ({"connected": False}, "status"),
        ({"start_code": 1}, "start ended with 1"),
        ({"left": ["python worker"]}, "python worker"),
        ({"tests_code": 1, "tests": "1 failed", "tests_said": ["FAILED x"]}, "FAILED x"),
    ],
)
def test_row_of_a_bad_machine(found: dict[str, Any], fault: str) -> None:
    """Whatever is not as it must be is told and stands out in the table."""
    assert fault in "\n".join(report.faults(GOOD | found))
    assert "**" in report.row("bookworm", GOOD | found)


def test_settings_for_pip_that_hold_elsewhere() -> None:
    """Index, proxy and certificate are handed in; folders of this machine and other habits are not."""
    text = machine.pip_conf(
        {
            "index-url": "https://me:secret@index/simple",
            "extra-index-url": "file:///here/simple https://other/simple",
            "cert": "/here/ca.pem",
            "find-links": "/here/wheels",
            "user": "true",
        }
    )

    assert text == (
        "[global]\n"
        "index-url = https://me:secret@index/simple\n"
        "extra-index-url = https://other/simple\n"
        f"cert = {machine.CERTIFICATES}\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_only_root() -> None:
    """Others are told so at once."""
    done = fresh("bookworm")

    assert done.returncode == 2
    assert "only root" in done.stderr


def fresh(*words: str) -> Result:
    """Run scripts/fresh-machine's Python."""
    command = [sys.executable, "-P", "-m", "scripts.lib.fresh_machine", *words]
    environment = dict(os.environ) | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# Nothing stays behind


@pytest.fixture
def namespaces() -> None:
    """Skip where namespaces of one's own are not to be had."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("only root may make namespaces")


def mounts() -> str:
    """Return what is mounted here."""
    return Path("/proc/self/mountinfo").read_text()


def alive(mark: str) -> list[int]:
    """Return the processes with this word in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if mark.encode() in words:
            found.append(int(folder.name))
    return found


def until(condition: Any) -> None:
    """Wait for a condition; the test's own timeout bounds it."""
    while not condition():
        time.sleep(0.01)


@pytest.mark.usefixtures("namespaces")
def test_visitor_is_nobody_on_a_machine_of_his_own() -> None:
    """The command has no privileges, sees only its own processes, and gets shared memory and a plain environment."""
    before = mounts()
    code = "id -u; ls -d /proc/[0-9]* | wc -l; touch /dev/shm/x; env | sort"

    said = jail.enter(Path("/"), "nobody", "/nowhere", ["sh", "-c", code], {"https_proxy": "http://proxy"})

    uid, processes, *environment = said.splitlines()
    assert uid == "65534"
    assert int(processes) < 10
    assert not Path("/dev/shm/x").exists()
    assert {line.split("=")[0] for line in environment} == {"HOME", "LANG", "PATH", "PWD", "TERM", "https_proxy"}
    assert mounts() == before


@pytest.mark.usefixtures("namespaces")
def test_failure_is_told() -> None:
    """A command that fails is told with its code and its last words."""
    with pytest.raises(jail.Failed, match=r"(?s)the visit ended with 7.*last words"):
        jail.enter(Path("/"), "nobody", "/", ["sh", "-c", "echo last words >&2; exit 7"], {})


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_run_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    """When the run is ended or killed, whatever it had started ends, even what had left its session."""
    mark = f"mark-{tmp_path.name}"
    code = f"""
import signal, sys
from pathlib import Path
from scripts.lib.fresh_machine import __main__, jail
signal.signal(signal.SIGTERM, __main__.end)
jail.enter(Path("/"), "nobody", "/", ["sh", "-c", "setsid sh -c 'while :; do sleep 1; done' {mark} & wait"], {{}})
"""
    environment = dict(os.environ) | {"PYTHONPATH": str(REPOSITORY)}
    before = mounts()
    with subprocess.Popen([sys.executable, "-P", "-c", code], env=environment) as process:
        until(lambda: alive(mark))
        process.send_signal(number)
        process.wait()

        if number == signal.SIGKILL:
            until(lambda: not alive(mark))
    assert alive(mark) == []
    assert mounts() == before
