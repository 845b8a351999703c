"""The wheel: built from this tree, installed into an empty environment, used from outside of the checkout."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from support.places import REPOSITORY
from xyfleet.worker.version import VERSION

PACKAGES = ("handler", "supervisor", "worker")
IMPORT = "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]), sep='\\n')"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, far from the checkout, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of_packages() -> list[Path]:
    """Return every file of the two packages, as paths from the checkout."""
    found = (path for name in PACKAGES for path in (REPOSITORY / name).rglob("*"))
    paths = (path.relative_to(REPOSITORY) for path in found if path.is_file())
    return [path for path in paths if not any(part.startswith((".", "__pycache__")) for part in path.parts)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, from a copy, because building leaves folders behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in PACKAGES:
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel in it that finds the libraries, and nothing else, in this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index")
    run(*pip, "--disable-pip-version-check", wheel, cwd=folder)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_every_file_is_in_the_wheel(wheel: Path) -> None:
    """No module, catalogue, certificate or py.typed of the two packages is left out."""
    inside = set(zipfile.ZipFile(wheel).namelist())

    missing = [str(path) for path in files_of_packages() if f"xyfleet/{path}" not in inside]

    assert missing == []
    assert {"xyfleet/supervisor/py.typed", "xyfleet/worker/py.typed"} <= inside
    assert "xyfleet/__init__.py" not in inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)


def test_metadata_says_the_version(wheel: Path) -> None:
    """The version of the metadata is the program's."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"xyfleet-{VERSION}.dist-info/METADATA"))

    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "MIT"


def test_command_runs(installed: Path, tmp_path: Path) -> None:
    """The installed command runs from anywhere."""
    assert VERSION in run(installed / "bin" / "xyfleet", "--version", cwd=tmp_path)


def test_every_module_is_importable(installed: Path, tmp_path: Path) -> None:
    """Each module is imported from the wheel, not from the checkout, and needs nothing that is not in it."""
    modules = [
        ".".join(("xyfleet", *path.with_suffix("").parts))
        for path in files_of_packages()
        if path.suffix == ".py" and path.stem not in {"__init__", "__main__"}
    ]

    files = run(installed / "bin" / "python", "-c", IMPORT, *modules, cwd=tmp_path).split()

    assert len(files) == len(modules)
    assert all(Path(file).is_relative_to(installed) for file in files)


def test_both_languages_are_spoken(installed: Path, tmp_path: Path) -> None:
    """The catalogue travels with the wheel: its help is Chinese where that is asked for."""
    english = run(installed / "bin" / "xyfleet", "--lang", "en", "--help", cwd=tmp_path)
    chinese = run(installed / "bin" / "xyfleet", "--lang", "zh", "--help", cwd=tmp_path)

    assert english.isascii()
    assert not chinese.isascii()
