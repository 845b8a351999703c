"""pip's own settings, as the bootstrap reads them where pip is not there yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.machine import REPOSITORY

CODE = "import json; from scripts.lib.bootstrap import pip_settings; print(json.dumps(pip_settings.read_settings()))"


def settings(home: Path, **variables: str) -> dict[str, str]:
    """Return what is read with this home and these variables, in a process of its own."""
    environment = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg")} | variables
    command = [sys.executable, "-BEsS", "-c", CODE]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, str] = json.loads(done.stdout)
    return read


def write(path: Path, text: str) -> Path:
    """Write a file of settings; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


FILES = ("xdg/pip/pip.conf", ".pip/pip.conf", ".config/pip/pip.conf")
"""The later one goes first."""


@pytest.mark.parametrize("number", range(len(FILES)))
def test_each_file_is_read_and_a_later_one_wins(tmp_path: Path, number: int) -> None:
    """The machine's file, the old and the new place of the user's: each is read, and the order is pip's."""
    for file in FILES[: number + 1]:
        write(tmp_path / file, f"[global]\nindex-url = {file}\n")

    read = settings(tmp_path)

    assert read["index-url"] == FILES[number]


def test_variables_go_before_files(tmp_path: Path) -> None:
    """A PIP_… variable goes before every file; an empty one says nothing."""
    write(tmp_path / ".config/pip/pip.conf", "[global]\nindex-url = file\nproxy = file\n")

    read = settings(tmp_path, PIP_INDEX_URL="variable", PIP_PROXY="")

    assert (read["index-url"], read["proxy"]) == ("variable", "file")


def test_install_section_goes_before_global(tmp_path: Path) -> None:
    """What stands under [install] holds, even in a file that comes before the one with [global]."""
    write(tmp_path / ".pip/pip.conf", "[install]\nindex-url = install\n[list]\nindex-url = list\n")
    write(tmp_path / ".config/pip/pip.conf", "[global]\nindex-url = global\n")

    assert settings(tmp_path)["index-url"] == "install"


def test_names_are_spelled_in_any_way(tmp_path: Path) -> None:
    """pip takes `Index_URL`, `index-url` and `--index-url` for the same; several lines are one list."""
    write(tmp_path / ".pip/pip.conf", "[global]\nExtra_Index_URL =\n    one\n    two\n--trusted-host = three\n")

    read = settings(tmp_path)

    assert (read["extra-index-url"].split(), read["trusted-host"]) == (["one", "two"], "three")


def test_config_home_is_where_the_user_says(tmp_path: Path) -> None:
    """XDG_CONFIG_HOME moves the user's file."""
    write(tmp_path / "elsewhere/pip/pip.conf", "[global]\nindex-url = elsewhere\n")

    assert settings(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "elsewhere"))["index-url"] == "elsewhere"


def test_given_file_takes_the_place_of_the_users(tmp_path: Path) -> None:
    """With PIP_CONFIG_FILE the user's own files are not read; with the null device no file is."""
    write(tmp_path / ".config/pip/pip.conf", "[global]\nproxy = users\n")
    given = write(tmp_path / "given", "[global]\nindex-url = given\n")

    read = settings(tmp_path, PIP_CONFIG_FILE=str(given))

    assert (read["index-url"], read.get("proxy")) == ("given", None)
    assert settings(tmp_path, PIP_CONFIG_FILE=os.devnull) == {"config-file": os.devnull}


def test_percent_signs_are_plain(tmp_path: Path) -> None:
    """A password with a percent sign is taken as it stands."""
    write(tmp_path / ".pip/pip.conf", "[global]\nindex-url = http://me:a%40b@host/\n")

    assert settings(tmp_path)["index-url"] == "http://me:a%40b@host/"
