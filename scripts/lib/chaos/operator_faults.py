"""What operators do, in no order: commands, reloads, renames, and the moods of their login hook. Shell."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from scripts.lib.chaos.hook import MOODS
from scripts.lib.chaos.world import World

Fault = Callable[[World, random.Random], None]


def _act(world: World, action: str, names: list[str]) -> None:
    world.command(action, f"/v1/accounts/{action}", {"names": names}, *names)


def some_names(world: World, chance: random.Random, most: int = 3) -> list[str]:
    """Choose some accounts."""
    names = world.names()
    return chance.sample(names, min(len(names), chance.randint(1, most)))


def _commands(*actions: str) -> Fault:
    def act(world: World, chance: random.Random) -> None:
        _act(world, chance.choice(actions), some_names(world, chance))

    return act


def stop_start(world: World, chance: random.Random) -> None:
    """Stop some, and start them again after a while."""
    names = some_names(world, chance)
    _act(world, "stop", names)
    world.later(chance.uniform(0.0, 5.0), lambda: _act(world, "restart", names))


def login(world: World, chance: random.Random) -> None:
    """Give one a new cookie."""
    give_cookie(world, chance.choice(world.names()))


def give_cookie(world: World, name: str) -> None:
    """Give an account a new cookie of its user."""
    cookie = f"unb={world.users()[name]}; cookie2=sim-login-{time.time_ns()}"
    world.command("login", "/v1/login", {"name": name, "cookie": cookie}, name)


def send(world: World, chance: random.Random) -> None:
    """Write to a buyer."""
    name = chance.choice(world.names())
    body = {"name": name, "conversation": "51000001", "text": "在的"}
    world.command("send", "/v1/send", body, name)


def hang_up(world: World, chance: random.Random) -> None:
    """Ask, and leave before the answer; or begin to ask and say nothing more for a while."""
    world.note("a client hangs up")
    with contextlib.suppress(OSError):
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(1.0)
        line.connect(str(world.fleet.run_dir / "control.sock"))
        line.send(
            chance.choice([b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /v1/reload HT", b"\x16\x03\x01"])
        )
        world.later(chance.uniform(0.0, 3.0), line.close)


def _entry(world: World, chance: random.Random) -> dict[str, Any]:
    entry: dict[str, Any] = chance.choice(world.fleet.config["accounts"][1:])
    return entry


def reload_label(world: World, chance: random.Random) -> None:
    """Change what needs no restart."""
    entry = _entry(world, chance)
    entry["label"] = f"店{chance.randrange(100)}"
    world.reload("reload: label", entry["name"])


def reload_disable(world: World, chance: random.Random) -> None:
    """Switch one off, or on again."""
    entry = _entry(world, chance)
    entry["enabled"] = not entry.get("enabled", True)
    world.reload("reload: enabled", entry["name"])


def reload_remove(world: World, chance: random.Random) -> None:
    """Take one out of the file, or put one back."""
    accounts = world.fleet.config["accounts"]
    if world.set_aside and (chance.random() < 0.7 or len(accounts) < 4):
        accounts.append(world.set_aside.pop())
        world.reload("reload: added", accounts[-1]["name"])
    elif len(accounts) > 3:
        entry = _entry(world, chance)
        accounts.remove(entry)
        world.set_aside.append(entry)
        world.reload("reload: removed", entry["name"])


def reload_rename(world: World, chance: random.Random) -> None:
    """Give one another name."""
    entry = _entry(world, chance)
    before = entry["name"]
    taken = {*world.names(), *(one["name"] for one in world.set_aside)}
    entry["name"] = next(name for number in range(1000) if (name := f"{before.split('-')[0]}-{number}") not in taken)
    world.reload("reload: renamed", before, entry["name"])


def reload_broken(world: World, chance: random.Random) -> None:
    """Have a file read that is half saved, or ends with nonsense; one that starts would refuse it, and end."""
    if not world.up:
        return
    world.fleet.write()
    text = world.fleet.file.read_bytes()
    broken = text[: chance.randrange(len(text))] if chance.random() < 0.5 else text + b"\n  - [unbalanced: {\n"
    world.fleet.file.write_bytes(broken)
    world.command("reload: broken", "/v1/reload", {"yes": False})
    world.later(1.0, lambda: world.reload("reload: mended", "*"))


def hook_mood(world: World, chance: random.Random) -> None:
    """Have the hook be of another mind for a while."""
    name = chance.choice(MOODS)
    world.note(f"the hook is {name}")
    world.hook.mood(name)
    world.later(chance.uniform(1.0, 8.0), lambda: world.hook.mood("good"))


FAULTS: Final[dict[str, Fault]] = {
    "stop_start": stop_start,
    "restart": _commands("restart"),
    "reconnect": _commands("reconnect"),
    "refresh": _commands("refresh"),
    "login": login,
    "send": send,
    "hang_up": hang_up,
    "reload_label": reload_label,
    "reload_disable": reload_disable,
    "reload_remove": reload_remove,
    "reload_rename": reload_rename,
    "reload_broken": reload_broken,
    "hook_mood": hook_mood,
}
