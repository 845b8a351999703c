"""Faults of the platform and of the ways to it. Shell."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from scripts.lib.chaos.world import World
from support.gateway import GatewayError

LONGEST: Final = 4.0
"""Seconds of a fault of the gateway."""
Fault = Callable[[World, random.Random], None]
REGISTRATIONS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "reg_other"},
    {"kind": "reg_limit"},
    {"kind": "never_reg"},
    {"kind": "push_before_reg"},
    {"kind": "reg_then_close", "code": 1011},
)
BEATS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "wrong_mid"},
    {"kind": "late", "seconds": 0.5},
    {"kind": "non_200"},
    {"kind": "answer_with_body"},
    {"kind": "other_answer"},
    {"kind": "zombie"},
)
TOKENS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "token_garbage"},
    {"kind": "token_http"},
    {"kind": "token_slow", "seconds": 3.0},
    {"kind": "token_without_token"},
    {"kind": "sign_expired"},
    {"kind": "sign_expired", "once": False},
    {"kind": "token_ttl", "seconds": 1.0},
)
PUSHES: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "message"},
    {"kind": "duplicate"},
    {"kind": "items32"},
    {"kind": "big_frame", "size": 1 << 20},
    {"kind": "garbage_frame", "what": "text"},
    {"kind": "garbage_frame", "what": "utf8"},
    {"kind": "garbage_frame", "what": "frame"},
    {"kind": "garbage_frame", "what": "binary"},
    {"kind": "push_storm", "rate": 50.0, "for": 1.0},
)
ENDINGS: Final = ("none", "reset", 1000, 1001, 1011, 1012, 4000)


def some_of(world: World, chance: random.Random, most: int = 5) -> list[str]:
    """Choose some users; now and then all."""
    users = sorted(world.users().values())
    return ["*"] if chance.random() < 0.1 else chance.sample(users, min(len(users), chance.randint(1, most)))


def _put(world: World, users: list[str], fault: dict[str, Any]) -> None:
    world.note(f"gateway: {fault} {','.join(users)}")
    try:
        world.gateway.ask("POST", "faults", {"unb": users, **fault})
    except GatewayError as error:
        raise AssertionError(f"no such fault: {fault}: {error}") from error


def _lasting(*choices: dict[str, Any]) -> Fault:
    def act(world: World, chance: random.Random) -> None:
        lasts = {"for": round(chance.uniform(0.3, LONGEST), 1)}
        _put(world, some_of(world, chance), {**lasts, **chance.choice(choices)})

    return act


def _for_all(*choices: dict[str, Any]) -> Fault:
    """Faults of a dial, at which nobody has said yet which account it is."""

    def act(world: World, chance: random.Random) -> None:
        _put(world, ["*"], {"for": round(chance.uniform(0.3, LONGEST), 1), **chance.choice(choices)})

    return act


def _at_once(*choices: dict[str, Any]) -> Fault:
    def act(world: World, chance: random.Random) -> None:
        _put(world, some_of(world, chance, 3), chance.choice(choices))

    return act


def drop(world: World, chance: random.Random) -> None:
    """End some connections."""
    for user in some_of(world, chance):
        how = chance.choice(ENDINGS)
        world.note(f"gateway: drop {user} {how}")
        world.gateway.drop(user, how)


def drop_all(world: World, chance: random.Random) -> None:
    """End all connections."""
    world.note("gateway: drop all")
    world.gateway.drop("*", chance.choice(ENDINGS))


def new_token(world: World, chance: random.Random) -> None:
    """Void some tokens, so that new ones are called for."""
    users = [user for user in some_of(world, chance, 3) if user != "*"]
    if users:
        _put(world, users, {"kind": "reg_401", "once": True, "for": 5})
        for user in users:
            world.gateway.drop(user)


def session_expired(world: World, chance: random.Random) -> None:
    """End some logins, now and then those of many."""
    users = sorted(world.users().values())
    many = len(users) // 2 if chance.random() < 0.1 else 2
    dead = chance.sample(users, min(len(users), chance.randint(1, max(1, many))))
    _put(world, dead, {"kind": "session_expired"})
    _put(world, dead, {"kind": "reg_401", "once": True, "for": 5})
    for user in dead:
        world.gateway.drop(user)


def risk(world: World, chance: random.Random) -> None:
    """Have risk control ask one account for a person."""
    user = chance.choice(sorted(world.users().values()))
    _put(world, [user], {"kind": "risk", "for": 3})
    _put(world, [user], {"kind": "reg_401", "once": True, "for": 3})
    world.gateway.drop(user)


def proxy_dead(world: World, chance: random.Random) -> None:
    """Let a proxy die for a while."""
    number, seconds = chance.randrange(len(world.proxies.urls)), chance.uniform(0.5, 8.0)
    world.note(f"proxy {number} is dead for {seconds:.1f} s")
    world.proxies.set(number, alive=False)
    world.later(seconds, lambda: world.proxies.set(number, alive=True))


FAULTS: Final[dict[str, Fault]] = {
    "drop": drop,
    "drop_all": drop_all,
    "mute": _lasting({"kind": "mute"}),
    "stall": _lasting({"kind": "stall"}),
    "refuse": _for_all({"kind": "refuse"}),
    "half_open": _for_all({"kind": "half_open"}),
    "http_status": _for_all({"kind": "http_status"}),
    "odd_registration": _lasting(*REGISTRATIONS),
    "odd_beat": _lasting(*BEATS),
    "odd_token": _lasting(*TOKENS),
    "new_token": new_token,
    "odd_push": _at_once(*PUSHES),
    "kickout": _at_once({"kind": "kickout"}),
    "session_removed": _at_once({"kind": "session_remove"}),
    "session_expired": session_expired,
    "risk": risk,
    "proxy_dead": proxy_dead,
}
