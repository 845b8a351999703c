"""What the first start does and says, and where it refuses to start."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support.machine import LANGUAGES, Machine, in_words

# What starts


def test_first_start_installs_and_runs(machine: Machine) -> None:
    """The first start makes the environment, says so, and runs xyfleet with the arguments as they were given."""
    machine.python()

    result = machine.start("start", "my shops.yml", "", "*")

    assert result.stdout == "<start><my shops.yml><><*>"
    assert result.returncode == 0
    assert "first start: making an environment with Python 3.11.9" in result.stderr
    assert "ready" in result.stderr


def test_second_start_runs_no_python(machine: Machine) -> None:
    """Once all is installed, a start is silent and calls neither Python nor pip."""
    machine.python()
    machine.start()
    machine.log.write_text("")

    result = machine.start("status")

    assert (result.returncode, result.stdout, result.stderr) == (0, "<status>", "")
    assert machine.log.read_text() == ""


@pytest.mark.timing
def test_second_start_adds_little(machine: Machine) -> None:
    """A start with everything in place adds far less than 0.3 s."""
    machine.python()
    machine.start()

    took = []
    for _ in range(7):
        began = time.perf_counter()
        machine.start("status")
        took.append(time.perf_counter() - began)

    assert statistics.median(took) < 0.1


def test_runs_through_a_link_from_anywhere(machine: Machine, tmp_path: Path) -> None:
    """A link to the script works from another folder, and relative paths stay the caller's."""
    machine.python()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "xyfleet"
    link.symlink_to("../checkout/scripts/xyfleet")
    twice = tmp_path / "fleet"
    twice.symlink_to(link)

    done = subprocess.run(
        [twice, "shops.yml"], env=machine.environment(), cwd="/", capture_output=True, text=True, check=False
    )

    assert done.stdout == "<shops.yml>"


def test_chinese_is_spoken_where_it_is_asked_for(machine: Machine) -> None:
    """The locale chooses the language of every line."""
    machine.python()

    lines = machine.start(language="zh").stderr.splitlines()

    assert len(lines) == 3
    assert all(re.search(r"[\u4e00-\u9fff]", line) for line in lines)


def test_locale_that_cannot_show_the_texts_gets_english(machine: Machine) -> None:
    """A GBK terminal gets English, because the Chinese texts are UTF-8."""
    result = machine.start(LC_ALL="zh_CN.GBK")

    assert in_words(result, "en")


# Where


def test_folder_that_is_not_writable(machine: Machine) -> None:
    """In a folder of somebody else the sentence says whose it should be."""
    with tempfile.TemporaryDirectory() as outside:
        other = Machine(Path(outside))
        other.python()
        for folder in (Path(outside), other.tree, other.bin, other.tree / "scripts"):
            folder.chmod(0o555)
        user = 65534 if os.getuid() == 0 else None
        command = [other.tree / "scripts" / "xyfleet"]
        done = subprocess.run(
            command,
            env=other.environment() | {"STANDIN_LOG": "/dev/null"},
            user=user,
            group=user,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        other.tree.chmod(0o755)

    assert done.returncode == 1
    assert f"cannot write in {other.tree}" in done.stderr
    assert "chown" in done.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_windows_drive_under_wsl(machine: Machine, language: str) -> None:
    """Under WSL on a Windows drive the user is sent to the Linux home."""
    machine.program("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo 5.15.90.1-microsoft-standard-WSL2\n')

    result = machine.source("root=/mnt/c/Users/me/xyfleet; check_place", language)

    assert in_words(result, language)
    assert "cp -r '/mnt/c/Users/me/xyfleet' ~/" in result.stderr


def test_wsl_home_is_fine(machine: Machine) -> None:
    """Under WSL, but in the Linux home, nothing is refused."""
    machine.program("uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo 5.15.90.1-microsoft-standard-WSL2\n')
    machine.python()

    assert machine.start().returncode == 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("system", "release", "says"),
    [("Linux", "3.10.0-1160.el7.x86_64", "3.10.0"), ("MINGW64_NT-10.0", "3.4.9", "wsl --install")],
)
def test_system_that_cannot_do_it(machine: Machine, system: str, release: str, says: str, language: str) -> None:
    """A kernel without pidfd, or Windows itself, is refused before anything is installed."""
    machine.python()
    machine.program("uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {release}\n')

    result = machine.start(language=language)

    assert in_words(result, language)
    assert says in result.stderr
    assert machine.calls("-m") == []
