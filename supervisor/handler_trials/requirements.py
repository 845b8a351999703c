"""`requirements.txt` beside the accounts file, installed into a folder that handlers import from. Shell (pip).

    state_dir/requirements/
      current          a link to the folder that is in use; exchanged in one step
      1f3c…/           named by what requirements.txt says and this Python; `site-packages` in it
      log              what pip said the last time

xyfleet's own packages come before it on the path and are given to pip as constraints: none can be replaced.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.paths import PathRefused
from xyfleet.supervisor.common.private_folders import make_private, owners, reason
from xyfleet.supervisor.handler_trials.process import own_handlers
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.workers.forkserver import KEPT_ENVIRONMENT
from xyfleet.worker.text import printable

FILE: Final = "requirements.txt"
WITHIN: Final = 900.0
"""Seconds that pip may take."""
_FORBIDDEN: Final = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIREMENT", "PIP_CONSTRAINT")
_WAY_OUT: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_NESTED: Final = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)", re.MULTILINE)
_MOST_FILES: Final = 20
_NO_NETWORK: Final = re.compile(
    "connection broken by|timed out|connectionerror|proxyerror|sslerror|httperror|could not fetch url|protocolerror"
    "|incompleteread|failed to establish",
    re.IGNORECASE,
)
_CONFLICT: Final = re.compile("conflicting dependencies|resolutionimpossible|cannot install", re.IGNORECASE)
_SHOWN: Final = 200
"""Characters of pip's last word that are shown."""

Say = Callable[[Text], None]


def ensure(settings: Settings, env: Mapping[str, str], say: Say) -> Text | None:
    """
    Install what requirements.txt says, unless it is there already; return what went wrong: the old one stays then.

    Blocks for as long as pip takes. Where the fleet is another user's, a service's, nothing is done.

    Args:
        env: Of the user: pip's settings and the way out are taken from it.
        say: Told that it begins and that it is done; not when there is nothing to do.
    """
    file = settings.path.parent / FILE
    if not file.is_file() or not any(own_handlers(account) for account in settings.accounts.values()):
        return None
    state = settings.fleet.state_dir
    folder = state / "requirements"
    try:
        make_private(state, owners(settings.path))
        if state.stat().st_uid != os.geteuid():
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
        with _alone(folder):
            return _brought_up(file, folder, env, say)
    except (OSError, PathRefused) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        return Text(N_("%(file)s was not installed: %(why)s"), {"file": file, "why": why})


def _brought_up(file: Path, folder: Path, env: Mapping[str, str], say: Say) -> Text | None:
    link, name = folder / "current", digest(file)
    if link.is_symlink() and os.readlink(link) == name and link.is_dir():
        return None
    say(Text(N_("installing the packages of %(file)s (a minute or two when they must be downloaded)"), {"file": file}))
    place = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
    if (trouble := _install(file, place, env, folder / "log")) is not None:
        shutil.rmtree(place, ignore_errors=True)
        return trouble
    _put_in_place(place, folder, name)
    say(Text(N_("the packages of %(file)s are installed"), {"file": file}))
    return None


def _put_in_place(place: Path, folder: Path, name: str) -> None:
    """Exchange the folder in use in one step; those before it, and what killed installs left, are removed."""
    shutil.rmtree(folder / name, ignore_errors=True)
    place.rename(folder / name)
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to(name)
    (folder / "link").replace(folder / "current")
    for other in folder.iterdir():
        if other.is_dir() and not other.is_symlink() and other.name != name:
            shutil.rmtree(other, ignore_errors=True)


def _install(file: Path, place: Path, env: Mapping[str, str], log: Path) -> Text | None:
    if util.find_spec("pip") is None:
        text = N_("%(file)s was not installed: xyfleet's Python has no pip; install it: %(python)s -m ensurepip")
        return Text(text, {"file": file, "python": sys.executable})
    constraints = place / "constraints.txt"
    constraints.write_text("".join(_ours()), encoding="utf-8")
    command = [sys.executable, "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--target", str(place / "site-packages"), "-c", str(constraints), "-r", str(file)]
    with log.open("wb") as output:
        code = _run(command, file.parent, env, output.fileno())
    return None if code == 0 else _why(file, code, log)


def _run(command: list[str], folder: Path, env: Mapping[str, str], output: int) -> int | None:
    """Return pip's exit code; None = it was not done in time."""
    with own_children.helper(
        command, cwd=folder, env=_environment(env), stdin=subprocess.DEVNULL, output=output, errors=output
    ) as process:
        try:
            return process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            return None


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return what pip, and the programs of packages that it runs, are to see: no secret of the accounts file."""
    kept = {
        name: text
        for name, text in env.items()
        if name in KEPT_ENVIRONMENT or name.upper() in _WAY_OUT or name.startswith("PIP_")
    }
    # A `user = true` of the user's settings would contradict the folder of our own.
    return {name: text for name, text in kept.items() if name not in _FORBIDDEN} | {"PIP_USER": "0"}


def _why(file: Path, code: int | None, log: Path) -> Text:
    said = log.read_text(encoding="utf-8", errors="replace")
    values = {"file": file, "log": log}
    if code is None:
        text = N_("%(file)s was not installed: pip was not done within %(minutes)d minutes (details: %(log)s)")
        return Text(text, values | {"minutes": int(WITHIN / 60)})
    if _CONFLICT.search(said):
        text = N_(
            "%(file)s was not installed: its packages contradict each other, or want another version of one that"
            " xyfleet itself uses; loosen the versions (details: %(log)s)"
        )
        return Text(text, values)
    if _NO_NETWORK.search(said):
        text = N_(
            "%(file)s was not installed: no network, or a stalled one. Try again, name a mirror (pip config set"
            " global.index-url), or put wheels into a folder and write --no-index and --find-links FOLDER above the"
            " packages (details: %(log)s)"
        )
        return Text(text, values)
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")] or said.splitlines() or ["?"]
    text = N_("%(file)s was not installed: %(why)s (details: %(log)s)")
    return Text(text, values | {"why": printable(errors[-1].removeprefix("ERROR: "))[:_SHOWN]})


def _ours() -> Iterator[str]:
    """Yield a line for each package that comes before those of requirements.txt."""
    for found in metadata.distributions():
        if found.name != "xyfleet" and "+" not in found.version:
            yield f"{found.name}=={found.version}\n"


def digest(file: Path) -> str:
    """Return a name of what is to be installed: what the file says, with the files that it names, for this Python."""
    told = hashlib.sha256(f"{sys.implementation.cache_tag} {sysconfig.get_platform()}\n".encode())
    left, seen = [file], set[Path]()
    while left and len(seen) < _MOST_FILES:
        if (each := left.pop()) in seen:
            continue
        seen.add(each)
        data = each.read_bytes() if each == file or each.is_file() else b""
        told.update(len(data).to_bytes(8) + data)
        left += [each.parent / name for name in _NESTED.findall(data.decode(errors="replace"))]
    return told.hexdigest()[:16]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else installs."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
