"""What pip installs, how it is shown, and how its failures are explained."""

from __future__ import annotations

import re

import pytest

from support.machine import LANGUAGES, Machine, in_words

BROKEN = "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError': /simple/aiohttp/"
LACKING = "ERROR: No matching distribution found for msgspec>=0.19"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("says", "remedy"),
    [
        (f"{BROKEN}\n{LACKING}", "pip config set global.index-url"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "pip config set global.index-url"),
        (LACKING, "msgspec"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "300 MB"),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'", "chown"),
        ("ERROR: Failed building wheel for uvloop", "python3-dev"),
        ("ERROR: something else entirely", "something else entirely"),
    ],
)
def test_pip_failure_is_explained(machine: Machine, says: str, remedy: str, language: str) -> None:
    """Each way in which an install fails has its sentence and its remedy."""
    machine.python()

    result = machine.start(language=language, STANDIN_PIP_SAYS=says, STANDIN_PIP_CODE="1")

    assert in_words(result, language)
    assert remedy in result.stderr.splitlines()[-1]
    assert result.stdout == ""


def test_failed_download_is_taken_up_again(machine: Machine) -> None:
    """After a failure of the network the environment is kept, and the next start only installs."""
    machine.python()
    machine.start(STANDIN_PIP_SAYS=BROKEN, STANDIN_PIP_CODE="1")

    result = machine.start("status")

    assert result.stdout == "<status>"
    assert len(machine.calls("-m venv")) == 1


def test_stalled_download_ends_and_the_index_is_the_users(machine: Machine) -> None:
    """Waiting is bounded, and no index, proxy or certificate is chosen for the user."""
    machine.python()
    machine.start()

    (call,) = machine.calls("PIP")

    assert "--timeout 20 --retries 3" in call
    assert not re.search(r"index|find-links|proxy|trusted|cert", call.replace(str(machine.tree), ""))


def test_patience_of_the_user_is_kept(machine: Machine) -> None:
    """A timeout and a number of retries in the user's pip settings hold."""
    machine.python()
    machine.start(STANDIN_PIP_CONFIG=":env:.default-timeout='180'\nglobal.retries='9'")

    (call,) = machine.calls("PIP")

    assert "--timeout" not in call
    assert "--retries" not in call


def test_downloads_are_shown(machine: Machine) -> None:
    """Each download is a short line, so that a slow one does not look like a hang."""
    machine.python()
    lines = "  Downloading https://index/x/uvloop-0.23.0-cp311-cp311-manylinux.whl (4.0 MB)\n  Using cached y"

    result = machine.start(STANDIN_PIP_SAYS=lines)

    assert "  downloading uvloop 0.23.0 (4.0 MB)\n" in result.stderr
    assert "Using cached" not in result.stderr
