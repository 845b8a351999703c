"""An environment where Python comes without venv or ensurepip, as Debian's and Ubuntu's do. Shell (writes into .venv).

Run by `bootstrap.sh` with the Python that was found: `environment.py FOLDER`. pip itself is taken from the index that
pip's settings name, its version and hash pinned in `pip_wheel.py`. Where that cannot be done it ends with 1 and
the line `failed KIND DETAIL`; the words for a person are the shell's, in its language.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.lib.bootstrap import pip_wheel
from scripts.lib.bootstrap.pip_settings import SettingsError, read_settings


def make_by_hand(folder: Path) -> None:
    """Make what `venv` would: the Python of this process, seen from another folder."""
    major, minor, patch = sys.version_info[:3]
    (folder / "lib" / f"python{major}.{minor}" / "site-packages").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "bin" / "python3").symlink_to("python")
    lines = (
        f"home = {Path(sys.executable).parent}",
        "include-system-site-packages = false",
        f"version = {major}.{minor}.{patch}",
    )
    (folder / "pyvenv.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_folder(folder: Path) -> None:
    """Make the environment, without pip."""
    try:
        import venv  # not everywhere: that is what this file is for
    except ImportError:
        make_by_hand(folder)
    else:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)


def install_pip(folder: Path, wheel: bytes) -> int:
    """Let the wheel's pip install itself; return its exit code."""
    file = folder / pip_wheel.FILE
    file.write_bytes(wheel)
    # Of the user's settings none may hold here: a `target` or a `user` would put pip elsewhere. Not compiled: what of
    # pip is used compiles itself, and the rest would double the time.
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull}
    options = ("--no-index", "--no-deps", "--no-cache-dir", "--no-compile", "--disable-pip-version-check")
    command: list[str | Path] = [folder / "bin" / "python", "-I", file / "pip", "--isolated", "install", *options, file]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
    file.unlink()
    return done.returncode


def failed(kind: str, detail: str) -> int:
    """Tell the shell; return the exit code."""
    sys.stdout.write(f"failed {kind} {detail}\n")
    return 1


def main(folder: Path) -> int:
    """Fetch first: without a network nothing is left behind."""
    try:
        wheel = pip_wheel.fetch(read_settings())
    except pip_wheel.FetchError as error:
        return failed(error.kind, error.detail)
    except SettingsError as error:
        return failed("settings", str(error))
    make_folder(folder)
    return install_pip(folder, wheel)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
