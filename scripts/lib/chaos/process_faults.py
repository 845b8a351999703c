"""Faults of processes and of the machine: killed, stopped, frozen, starved. Shell."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final

import psutil
import pytest

from scripts.lib.chaos.world import World
from support.machinelimits import free_files, frozen, no_forks

SUPERVISOR: Final = "xyfleet: supervisor"
WORKER: Final = "xyfleet: a"
FORKSERVER: Final = "xyfleet: forkserver"
WEBHOOKS: Final = "xyfleet: webhooks"
ENDINGS: Final = (signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT)


def _one(world: World, chance: random.Random, title: str) -> psutil.Process | None:
    found = world.titled(title)
    return chance.choice(found) if found else None


def _end(title: str) -> Callable[[World, random.Random], None]:
    def act(world: World, chance: random.Random) -> None:
        process = _one(world, chance, title)
        if process is not None:
            number = chance.choice(ENDINGS)
            world.note(f"{number.name} to {title} {process.pid}")
            world.signal(process.pid, number)

    return act


def _pause(title: str, longest: float) -> Callable[[World, random.Random], None]:
    def act(world: World, chance: random.Random) -> None:
        process = _one(world, chance, title)
        if process is not None:
            _stop_for(world, process.pid, chance.uniform(0.2, longest), title)

    return act


def _stop_for(world: World, pid: int, seconds: float, title: str) -> None:
    world.note(f"SIGSTOP to {title} {pid} for {seconds:.1f} s")
    if world.signal(pid, signal.SIGSTOP):
        world.later(seconds, lambda: world.signal(pid, signal.SIGCONT))


def _supervisor(world: World) -> int | None:
    process = world.fleet.process
    return None if process is None or process.poll() is not None else process.pid


def stop_supervisor(world: World, chance: random.Random) -> None:
    """Let it stand still."""
    pid = _supervisor(world)
    if pid is not None:
        seconds = chance.uniform(0.2, 5.0)
        world.excuse(seconds + 5.0)
        _stop_for(world, pid, seconds, SUPERVISOR)


def kill_supervisor(world: World, chance: random.Random) -> None:
    """Kill it, and start another one soon."""
    if _supervisor(world) is not None:
        world.note("SIGKILL to the supervisor")
        world.excuse(3.0)
        world.fleet.kill()
        world.start_later(chance.uniform(0.0, 2.0))


def end_supervisor(world: World, chance: random.Random) -> None:
    """End it politely, and start another one soon."""
    if _supervisor(world) is not None and world.up:
        world.note("SIGTERM to the supervisor")
        world.excuse(15.0)
        world.end()
        world.excuse(3.0)
        world.start_later(chance.uniform(0.0, 2.0))


def freeze_worker(world: World, chance: random.Random) -> None:
    """Have it in an uninterruptible wait."""
    process = _one(world, chance, WORKER)
    if process is not None:
        _within(world, "freeze_worker", frozen(process.pid), chance.uniform(0.5, 8.0))


def few_files(world: World, chance: random.Random) -> None:
    """Leave supervisor or forkserver a few free descriptors."""
    pid = chance.choice([*(one.pid for one in world.titled(FORKSERVER)), _supervisor(world)])
    if pid is not None and world.up:
        world.excuse(8.0)
        _within(world, "few_files", free_files(pid, chance.randrange(12)), chance.uniform(0.5, 3.0))


def forks_forbidden(world: World, chance: random.Random) -> None:
    """Have the forkserver fork no more for a while."""
    process = _one(world, chance, FORKSERVER)
    if process is not None:
        _within(world, "no_forks", no_forks(process.pid), chance.uniform(0.5, 3.0))


def _within(world: World, kind: str, trouble: AbstractContextManager[None], seconds: float) -> None:
    stack = ExitStack()
    if kind in world.under:
        return
    try:
        stack.enter_context(trouble)
    except pytest.skip.Exception as skipped:
        world.skipped[kind] = str(skipped)
    except (OSError, RuntimeError) as error:  # it has just gone, or another trouble has the group
        world.note(f"{kind}: not now: {error}")
    else:
        world.note(f"{kind} for {seconds:.1f} s")
        world.under.add(kind)
        world.later(seconds, lambda: _leave(world, kind, stack))


def _leave(world: World, kind: str, stack: ExitStack) -> None:
    world.under.discard(kind)
    try:
        stack.close()
    except OSError as error:  # whom it was done to has died of it
        world.note(f"ended with {error}")


def full_disk(world: World, chance: random.Random) -> None:
    """Fill the disk under the state."""
    if not world.disk.there:
        world.skipped["full_disk"] = "the disk was not filled: that needs the right to mount one"
        return
    seconds = chance.uniform(0.5, 4.0)
    world.note(f"full disk for {seconds:.1f} s")
    world.disk.fill()
    world.later(seconds, world.disk.relieve)


def lose_inbox(world: World, chance: random.Random) -> None:
    """Remove an inbox that is in use, or was."""
    user = chance.choice(sorted(world.users().values()))
    if world.mail.lose_inbox(user):
        world.note(f"the inbox of {user} is removed")


def busy(world: World, chance: random.Random) -> None:
    """Have others want all cores."""
    seconds = chance.uniform(1.0, 3.0)
    world.note(f"busy cores for {seconds:.1f} s")
    world.excuse(seconds + 5.0)
    burners = [
        subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(psutil.cpu_count() or 1)
    ]
    world.own |= {one.pid for one in burners}
    world.later(seconds, lambda: _put_out(burners))


def _put_out(burners: list[subprocess.Popen[bytes]]) -> None:
    for burner in burners:
        burner.kill()
        with contextlib.suppress(ChildProcessError):
            burner.wait()


FAULTS: Final[dict[str, Callable[[World, random.Random], None]]] = {
    "kill_worker": _end(WORKER),
    "stop_worker": _pause(WORKER, 8.0),
    "freeze_worker": freeze_worker,
    "kill_forkserver": _end(FORKSERVER),
    "stop_forkserver": _pause(FORKSERVER, 8.0),
    "kill_webhooks": _end(WEBHOOKS),
    "stop_webhooks": _pause(WEBHOOKS, 4.0),
    "stop_supervisor": stop_supervisor,
    "kill_supervisor": kill_supervisor,
    "end_supervisor": end_supervisor,
    "few_files": few_files,
    "no_forks": forks_forbidden,
    "full_disk": full_disk,
    "lose_inbox": lose_inbox,
    "busy": busy,
}
