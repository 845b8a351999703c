"""What replies.yml and deliver.yml say, as values that travel to the workers: for the ready handlers. Pure.

`xyfleet.supervisor.config.ready_files` reads the files into these values; `xyfleet.handler` carries them out.
"""

from __future__ import annotations

import msgspec


class Hours(msgspec.Struct, frozen=True):
    """A part of each day; one that ends before it begins goes over midnight."""

    begin: int
    """Minutes since midnight."""
    end: int
    """Minutes since midnight; not in it any more."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of replies.yml: to texts that hold one of its words, where all else fits too."""

    name: str
    """Which one it is, by its words: `once` remembers it by this name."""
    words: tuple[str, ...] = ()
    """None: any text."""
    items: tuple[str, ...] = ()
    """Ids; none: any item, or none at all."""
    hours: Hours | None = None
    once: bool = False
    """Whether each conversation gets it only once; with `nightly` once each night."""
    nightly: bool = False
    reply: str | None = None
    image: str | None = None


class Goods(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of deliver.yml: what the buyer of an item gets."""

    item: str
    spec: str | None = None
    """The variant as the platform writes it; null: all of them."""
    cards: str | None = None
    """Absolute path of the file with the keys, one a line; null: everybody gets the same text."""
    reply: str
    """`{keys}` stands for the keys, one a line."""
    quantity: int | None = None
    """Keys for an order; null: as many as were bought."""
    ship: bool = False
    """Whether the order is marked as shipped."""
    alert_below: int = 0
    """An event tells when fewer keys are left."""


class ReadyRules(msgspec.Struct, frozen=True, kw_only=True):
    """All that the ready handlers of one account go by."""

    rules: tuple[Rule, ...] = ()
    """The first that fits answers."""
    goods: tuple[Goods, ...] = ()
    ledger: str = ""
    """Absolute path of the file that says which order got which keys."""
    memory: str = ""
    """Absolute path of the file that remembers which rules a conversation has had."""
    timezone: str | None = None
    """Of `hours`; null: the machine's."""
