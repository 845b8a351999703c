"""The layout of a real environment: console script, links to the packages."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import venv
from pathlib import Path
from types import ModuleType

import pytest

from support.machine import BOOTSTRAP, REPOSITORY, run
from support.pip_index import installed_pip, whole_checkout
from xyfleet.worker.version import VERSION


@pytest.fixture
def layout() -> ModuleType:
    """Return layout.py as a module."""
    spec = importlib.util.spec_from_file_location("layout", REPOSITORY / BOOTSTRAP / "layout.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", ["plain", "my shops", "x" * 150])
def test_console_script_runs(layout: ModuleType, tmp_path: Path, folder: str) -> None:
    """The console script runs from a folder with a blank in its name, and from one too long for a first line."""
    python = tmp_path / folder / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(layout.console_script(python, "builtins", "print"))
    script.chmod(0o755)

    done = run([str(script)], os.environ)

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_links_and_console_script(tmp_path: Path) -> None:
    """In an environment made without pip: `--version` runs, new files are seen."""
    tree = whole_checkout(tmp_path / "我的 店铺")
    venv.create(tree / ".venv", symlinks=True)
    (tree / ".venv" / ".xyfleet").mkdir()
    python = str(tree / ".venv" / "bin" / "python")
    environment = {"PYTHONPATH": sysconfig.get_path("purelib")}

    laid = run([python, str(tree / BOOTSTRAP / "layout.py"), str(tree), "run"], {})
    done = run([str(tree / ".venv" / "bin" / "xyfleet"), "--version"], environment)
    (tree / "worker" / "novel.py").write_text("print('seen')\n")
    imported = run([python, "-m", "xyfleet.worker.novel"], {})

    assert laid.returncode == 0, laid.stderr
    assert VERSION in done.stdout, done.stderr
    assert imported.stdout == "seen\n", imported.stderr


@pytest.mark.long
def test_real_bootstrap(tmp_path: Path) -> None:
    """With a real Python, in a folder with a blank and Chinese in its name: `--version` runs, new files are seen."""
    tree = whole_checkout(tmp_path / "我的 店铺")
    version, wheel = installed_pip()  # where this Python comes without one
    (tmp_path / f"pip-{version}-py3-none-any.whl").write_bytes(wheel)
    environment = dict(os.environ) | {"XYFLEET_PYTHON": sys.executable, "LANG": "C.UTF-8"}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))

    done = run([str(tree / "scripts" / "xyfleet"), "--version"], environment)
    (tree / "worker" / "novel.py").write_text("print('seen')\n")
    imported = run([str(tree / ".venv" / "bin" / "python"), "-m", "xyfleet.worker.novel"], os.environ)

    assert VERSION in done.stdout, done.stderr
    assert imported.stdout == "seen\n", imported.stderr
