"""Which Python the bootstrap takes, and what it says when there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.machine import LANGUAGES, Machine, in_words


def test_broken_shim_is_skipped_in_silence(machine: Machine) -> None:
    """A program named python3.13 that does not run (a pyenv shim) is passed over, unmentioned."""
    machine.program("python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    machine.python("python3.12", version="3.12.1")

    result = machine.start()

    assert result.returncode == 0
    assert "pyenv" not in result.stderr
    assert "Python 3.12.1" in result.stderr


def test_newest_complete_python_wins(machine: Machine) -> None:
    """A newer Python without venv is passed over for an older one that has it."""
    machine.python("python3.13", word="novenv", version="3.13.0")
    machine.python("python3.12", version="3.12.1")
    machine.python("python3.11")

    result = machine.start()

    assert "Python 3.12.1" in result.stderr


def test_plain_python3_is_good_enough(machine: Machine) -> None:
    """A machine whose Python is only named python3 works."""
    machine.python("python3", version="3.13.2")

    assert machine.start().returncode == 0


def test_given_python_is_taken(machine: Machine, tmp_path: Path) -> None:
    """XYFLEET_PYTHON goes before all names, and another value of it later makes the environment anew."""
    machine.python("python3.13", version="3.13.0")
    own = machine.python("own", version="3.11.5")
    machine.start()

    result = machine.start(XYFLEET_PYTHON=str(own))
    again = machine.start(XYFLEET_PYTHON=str(own))
    without = machine.start()

    assert f"-m venv {machine.tree}/.venv" in machine.calls("-m venv")[0]
    assert len(machine.calls("-m venv")) == 2
    assert "making it anew" in result.stderr
    assert (again.stderr, without.stderr) == ("", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_given_python_that_does_not_run(machine: Machine, language: str) -> None:
    """A wrong XYFLEET_PYTHON is named; no other Python is taken behind the user's back."""
    machine.python()

    result = machine.start(language=language, XYFLEET_PYTHON="/nowhere/python")

    assert in_words(result, language)
    assert "XYFLEET_PYTHON=/nowhere/python" in result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("tool", "text", "remedy"),
    [
        ("apt-get", "", "apt install python3.12 python3.12-venv"),
        ("dnf", "", "dnf install python3.12"),
        ("yum", "", "yum install python3.11"),
        ("apk", "", "apk add python3"),
        ("pacman", "", "pacman -S python"),
        ("zypper", "", "zypper install python311"),
        ("brew", "", "brew install python@3.13"),
        ("true", "", "pyenv install 3.12"),
    ],
)
def test_no_python(machine: Machine, tool: str, text: str, remedy: str, language: str) -> None:
    """Without any Python the sentence holds this system's own install line."""
    machine.program(tool, "#!/bin/sh\n")
    machine.program("apt-cache", '#!/bin/sh\n[ "$2" = python3.12 ]\n')

    result = machine.start(language=language)

    assert in_words(result, language)
    assert len(result.stderr.splitlines()) == 1
    assert remedy in result.stderr


def test_no_python_in_an_old_release(machine: Machine) -> None:
    """Where apt has no Python that is new enough, deadsnakes and pyenv are named."""
    machine.program("apt-get", "#!/bin/sh\n")
    machine.program("apt-cache", "#!/bin/sh\nexit 100\n")

    result = machine.start()

    assert "ppa:deadsnakes/ppa" in result.stderr
    assert "pyenv install" in result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("word", "version", "says"),
    [
        ("old", "3.9.2", "3.9.2"),
        ("new", "3.14.0", "3.14.0"),
        ("lacks-ssl", "3.12.1", "ssl"),
        ("kernel", "3.12.1", "pidfd"),
        ("novenv", "3.12.1", "apt install python3.12-venv"),
    ],
)
def test_unfit_python(machine: Machine, word: str, version: str, says: str, language: str) -> None:
    """A Python that will not do is named with what is wrong and what to install."""
    machine.python("python3", word, version)
    machine.program("apt-get", "#!/bin/sh\n")
    machine.program("apt-cache", "#!/bin/sh\n")

    result = machine.start(language=language)

    assert in_words(result, language)
    assert says in result.stderr
    assert not (machine.tree / ".venv").exists()


def test_the_nearer_miss_is_told(machine: Machine) -> None:
    """Of a Python without venv and an old one, the first is the one to mend."""
    machine.python("python3.11", "novenv")
    machine.python("python3", "old", "3.6.15")

    assert "no venv module" in machine.start().stderr


def test_probe_accepts_the_python_of_these_tests(machine: Machine) -> None:
    """The probe's real answer is `ok`, the version, and the interpreter's real path."""
    result = machine.source(
        f'. "$root/scripts/lib/bootstrap/python.sh"; ask "{sys.executable}"; echo "$word|$version|$python"'
    )

    version = ".".join(map(str, sys.version_info[:3]))
    assert result.stdout.strip() == f"ok|{version}|{os.path.realpath(sys.executable)}"
