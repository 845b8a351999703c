"""Which Python the bootstrap takes, and what it says when there is none."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from support.machine import BOOTSTRAP, LANGUAGES, REPOSITORY, Machine, in_words, run


def test_broken_shim_is_skipped_in_silence(machine: Machine) -> None:
    """A program named python3.13 that does not run (a pyenv shim) is passed over, unmentioned."""
    machine.program("python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    machine.python("python3.12", version="3.12.1")

    result = machine.start()

    assert result.returncode == 0
    assert "pyenv" not in result.stderr
    assert "Python 3.12.1" in result.stderr


def test_newest_complete_python_wins(machine: Machine) -> None:
    """A newer Python without sqlite3 is passed over for an older one that has it."""
    machine.python("python3.13", word="lacks-sqlite3", version="3.13.0")
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
        ("apt-get", "", "apt install python3.12"),
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
        ("lacks-ssl", "3.12.1", "ssl"),
        ("kernel", "3.12.1", "pidfd"),
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
    """Of a Python without ssl and an old one, the first is the one to mend."""
    machine.python("python3.11", "lacks-ssl")
    machine.python("python3", "old", "3.6.15")

    assert "built without ssl" in machine.start().stderr


def test_python_without_pip_is_good_enough(machine: Machine) -> None:
    """A Python without venv or ensurepip is taken all the same, and a line tells that pip is downloaded."""
    machine.python(pip="index")

    result = machine.start("status")

    assert (result.returncode, result.stdout) == (0, "<status>")
    assert machine.calls("-m venv") == []
    assert "comes without pip" in result.stderr


# Newer than those tested


@pytest.mark.parametrize("name", ["python3", "python3.15", "python3.27"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_newer_python_is_tried(machine: Machine, name: str, language: str) -> None:
    """A Python newer than all that were tested is used, with one line of warning, whatever its number."""
    machine.python(name, "newer", "3.27.0")

    first = machine.start("status", language=language)
    second = machine.start("status", language=language)

    assert (first.returncode, first.stdout) == (0, "<status>")
    assert sum("3.15" in line and "3.27.0" in line for line in first.stderr.splitlines()) == 1
    assert second.stderr == ""


def test_known_python_goes_before_a_newer_one(machine: Machine) -> None:
    """Beside a newer Python the newest known one is taken, without a warning."""
    machine.python("python3", "newer", "3.16.0")
    machine.python("python3.12", version="3.12.1")

    result = machine.start()

    assert "Python 3.12.1" in result.stderr
    assert "tested" not in result.stderr


def test_given_newer_python_is_tried(machine: Machine) -> None:
    """XYFLEET_PYTHON may name a newer one too."""
    machine.python()
    own = machine.python("own", "newer", "3.27.0")

    result = machine.start(XYFLEET_PYTHON=str(own))

    assert result.returncode == 0
    assert "Python 3.27.0 is newer than those tested" in result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("says", ["ERROR: Failed building wheel for uvloop", "ERROR: No matching distribution found"])
def test_newer_python_that_the_packages_are_not_ready_for(machine: Machine, says: str, language: str) -> None:
    """When packages cannot be installed on it, an older one is asked for; once that is there, it is taken."""
    machine.python("python3", "newer", "3.27.0")

    result = machine.start(language=language, STANDIN_PIP_SAYS=says, STANDIN_PIP_CODE="1")
    machine.python("python3.13", version="3.13.2")
    again = machine.start("status", language=language)

    assert in_words(result, language)
    assert "3.27.0" in result.stderr.splitlines()[-1]
    assert "pyenv install" in result.stderr
    assert (again.returncode, again.stdout) == (0, "<status>")
    assert "3.13.2" in again.stderr


def test_probe_knows_newer_and_older() -> None:
    """The probe's word depends on the newest known Python that it is given, not on a number of its own."""
    probe = (REPOSITORY / BOOTSTRAP / "python.sh").read_text().split("probe='")[1].split("'\n")[0]
    minor = sys.version_info.minor

    words = [
        run([sys.executable, "-I", "-c", probe, str(newest)], os.environ).stdout.split()[0]
        for newest in (minor - 1, minor, minor + 1)
    ]

    assert words == ["newer", "ok", "ok"]


def test_probe_accepts_the_python_of_these_tests(machine: Machine) -> None:
    """The probe's real answer: `ok`, the version, where pip would come from, and the interpreter's real path."""
    newest = sys.version_info.minor
    result = machine.source(
        f'. "$root/scripts/lib/bootstrap/python.sh"; newest={newest}; ask "{sys.executable}"; '
        'echo "$word|$version|$pip|$python"'
    )

    version = ".".join(map(str, sys.version_info[:3]))
    pip = "bundled" if importlib.util.find_spec("ensurepip") else "index"
    assert result.stdout.strip() == f"ok|{version}|{pip}|{os.path.realpath(sys.executable)}"
