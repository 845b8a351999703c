"""How long a fleet may need until all its accounts are connected, when nothing goes wrong. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Final

from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.settings import Account, Settings

BASE: Final = 60.0
"""Seconds for what does not depend on the size: a cold disk, a name server, one failed attempt."""
STARTS: Final = 20
"""Workers that a slow machine starts per second."""
BURST: Final = 10
"""Turns that any pace gives at once."""


def patience(settings: Settings, held: Mapping[str, Credentials], now: float) -> float:
    """
    Return the seconds after which a start that goes well is over, by the paces of the settings.

    Args:
        settings: The fleet's.
        held: What is stored of each account that is to run; who has a token that is good yet needs none.
        now: Wall time.
    """
    fleet, refresh = settings.fleet, settings.refresh
    wanted = [settings.accounts[name] for name in held]
    calling = [each for each in wanted if held[each.name].token is None or held[each.name].expires <= now]
    hooks = sum(held[each.name].cookie is None for each in wanted) if refresh.command is not None else 0
    seconds = BASE + len(wanted) / STARTS
    seconds += _paced(calling, fleet.token_rate, fleet.fleet_rate.token_calls)
    seconds += _paced(wanted, fleet.connect_rate, fleet.fleet_rate.dials)
    seconds += math.ceil(hooks / refresh.max_concurrent) * refresh.timeout
    return float(math.ceil(seconds))


def _paced(accounts: list[Account], rate: float, over_fleet: float) -> float:
    """Return the seconds until the last of these had its turn, on the fullest egress and over the whole fleet."""
    fullest = max(Counter(each.proxy for each in accounts).values(), default=0)
    return max(_seconds(fullest, rate), _seconds(len(accounts), over_fleet))


def _seconds(turns: int, rate: float) -> float:
    return max(0, turns - BURST) / rate if rate else 0.0
