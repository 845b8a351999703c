"""A root file system as a machine of its own: its mounts and processes end with it, however it ends. Shell (root)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Mount and process namespaces of its own: when the first process in them is gone, the kernel ends all others and takes
# every mount down. `setpriv` ends it when this process is killed, `--kill-child` when `unshare` is.
PREFIX = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec")

ENTER = """
root=$1 user=$2
shift 2
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
chroot=$(PATH=$PATH:/usr/sbin:/sbin && command -v chroot)
"$chroot" --userspec="$user" "$root" "$@" # not the last command: the shell stays, and reaps what is orphaned
exit 0
"""

BUILD = """
"$@"
exit 0
"""

ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}


class Failed(Exception):
    """A command did not succeed. `str` is what it was for, and the end of what it said."""


def tail(text: str, lines: int = 20) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.strip().splitlines()[-lines:])


def end(process: subprocess.Popen[str]) -> None:
    """End all of it, and return when the last process is gone: `unshare` waits for the first one in its namespace."""
    first = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in map(int, first or [str(process.pid)]):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def isolated(what: str, script: str, arguments: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    """Run a shell script in namespaces of its own; return what it printed, or raise Failed."""
    pipe = subprocess.PIPE
    command = [*PREFIX, script, "sh", *map(str, arguments)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, encoding="utf-8"
    ) as process:
        try:
            out, errors = process.communicate()
        except BaseException:
            end(process)
            raise
    if process.returncode:
        raise Failed(f"{what} ended with {process.returncode}\n{tail(out)}\n{tail(errors)}")
    return out


def enter(root: Path, user: str, home: str, command: Sequence[str], proxies: Mapping[str, str]) -> str:
    """Run a command in it as `user`, with an environment as after a login; return what it printed."""
    return isolated("the visit", ENTER, [root, f"{user}:", *command], {**ENVIRONMENT, "HOME": home, **proxies})
