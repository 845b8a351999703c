"""Where a fleet keeps its things: run folder, sockets, inboxes. Shell."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.settings import Fleet

MAX_SOCKET_PATH: Final = 107
"""Most bytes of a Unix socket's path (`sun_path` is 108 bytes with its final zero, unix(7))."""
OLD_ACCOUNTS: Final = "accounts"
"""The folder of credentials in the state folder of version 1."""


class PathRefused(Exception):
    """A folder or socket path can't be used; the text says why and what to do."""


def run_dir(fleet: Fleet, env: Mapping[str, str], uid: int) -> Path:
    """Return the folder of the fleet's sockets (docs/decisions.md, "Where things are"): never one of two fleets."""
    if env.get("XYFLEET_RUN_DIR"):
        return Path(env["XYFLEET_RUN_DIR"]).absolute() / fleet.name
    unit = unit_dir(env.get("RUNTIME_DIRECTORY", ""), fleet.name)
    if unit is not None:
        return unit
    if uid == 0:
        return Path("/run/xyfleet") / fleet.name
    if env.get("XDG_RUNTIME_DIR"):
        return Path(env["XDG_RUNTIME_DIR"]) / "xyfleet" / fleet.name
    return fleet.state_dir / "run"


def unit_dir(variable: str, fleet: str) -> Path | None:
    """
    Return the fleet's folder in what systemd gives its unit; None where it gives nothing.

    Args:
        variable: The value of RUNTIME_DIRECTORY or STATE_DIRECTORY: absolute paths with colons between them.
        fleet: Its name; several units may share a folder, so the name comes last once.
    """
    first = variable.split(":")[0]
    if not os.path.isabs(first):
        return None
    return Path(first) if Path(first).name == fleet else Path(first) / fleet


def control_socket(folder: Path) -> Path:
    """Return the control socket's path in a run folder, or raise `PathRefused` when it is too long."""
    return _socket(folder / "control.sock")


def webhook_socket(folder: Path) -> Path:
    """Return the path of the webhook process's socket in a run folder, or raise `PathRefused`."""
    return _socket(folder / "webhook.sock")


def inbox_file(state_dir: Path, unb: str) -> Path:
    """Return where a user's messages are, in a folder that his worker makes when the first one comes."""
    return state_dir / "inbox" / f"{unb}.db"


@functools.lru_cache(maxsize=8192)  # asked for each account by each status: a path costs more than all else in it
def user_file(state_dir: Path, unb: str) -> Path:
    """Return where a user's login is, and what goes with it."""
    return state_dir / "users" / f"{unb}.json"


@functools.lru_cache(maxsize=8192)
def name_file(state_dir: Path, name: str) -> Path:
    """Return where the record is of an account that never had a login, so that nobody knows whose it is."""
    return state_dir / "names" / f"{name}.json"


def browser_profile(state_dir: Path, unb: str | None, name: str) -> Path:
    """Return the browser's own folder in which a person logs a user in; that of an account which is nobody yet."""
    folder = state_dir / "browsers"
    return folder / "names" / name if unb is None else folder / unb


def handler_packages(state_dir: Path) -> Path:
    """Return the folder that handlers import the packages of requirements.txt from; it need not be there."""
    return state_dir / "requirements" / "current" / "site-packages"


def fleet_file(state_dir: Path) -> Path:
    """Return where it stands which account is which user, and what an operator stopped."""
    return state_dir / "fleet.json"


def fleet_users_file(state_dir: Path) -> Path:
    """Return where the user ids of all accounts are, for the workers."""
    return state_dir / "fleet-users.ids"


def _socket(path: Path) -> Path:
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH:
        text = _(
            "the socket path %(path)s has %(size)d bytes, at most %(most)d; set XYFLEET_RUN_DIR to a shorter folder"
        )
        raise PathRefused(text % {"path": path, "size": size, "most": MAX_SOCKET_PATH})
    return path


def private_socket(path: Path) -> socket.socket:
    """Return a bound Unix socket that only its owner may use, in the place of one that was left. Raises OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # Linux gives the file this mode at bind: it is never open to others
        listener.bind(os.fspath(path))
    except OSError:
        listener.close()
        raise
    return listener


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed supervisor left in its run folder. Only the holder of the lock may call this. `OSError`."""
    for left in (control_socket(folder), webhook_socket(folder), *folder.glob("listener-*")):
        left.unlink(missing_ok=True)
