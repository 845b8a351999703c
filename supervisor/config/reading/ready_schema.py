"""The form of replies.yml and deliver.yml as people write them: every key, its type and its bounds. Pure.

What they mean in the end: `xyfleet.worker.ready_rules`.
"""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from xyfleet.supervisor.common.i18n import N_
from xyfleet.supervisor.config.reading.value_types import Text

HoursText = Annotated[
    str,
    Meta(
        extra={"kind": "text", "hint": N_("write two times of day, such as 23:00-08:00")},
        extra_json_schema={"pattern": r"^([01]?\d|2[0-3]):[0-5]\d\s*-\s*(([01]?\d|2[0-3]):[0-5]\d|24:00)$"},
    ),
]
Wordings = Annotated[list[Text], Meta(min_length=1)]


class RawAnswer(TypedDict, total=False):
    """What is sent."""

    reply: Annotated[Text, Meta(description="The text.")]
    image: Annotated[Text, Meta(description="Path of a JPEG, PNG or WebP, sent behind the text or alone.")]


class RawRule(RawAnswer, total=False):
    """An answer, and what it answers."""

    words: Annotated[Wordings, Meta(description="The text holds one of these; absent: any text.")]
    items: Annotated[Wordings, Meta(description="Ids of the items that it is for; absent: all.")]
    shops: Annotated[Wordings, Meta(description="Accounts that it is for, NAME, GLOB or @TAG; absent: all.")]
    hours: Annotated[HoursText, Meta(description="The part of the day that it is for, such as 23:00-08:00.")]
    once: Annotated[bool, Meta(description="Whether a conversation gets it only once.")]


class _Hours(TypedDict):
    hours: Annotated[HoursText, Meta(description="When the night is, such as 23:00-08:00.")]


class RawNight(RawAnswer, _Hours, total=False):
    """The answer to what no rule answers at night; once a night to each conversation."""

    shops: Annotated[Wordings, Meta(description="Accounts that it is for, NAME, GLOB or @TAG; absent: all.")]


class RawReplies(TypedDict, total=False):
    """replies.yml"""

    rules: Annotated[list[RawRule], Meta(description="The first one that fits answers.")]
    night: Annotated[RawNight, Meta(description="The answer to what no rule answers at night.")]


class _Item(TypedDict):
    item: Annotated[Text, Meta(description="Id of the item.")]


class RawGoods(_Item, total=False):
    """What the buyers of an item get."""

    spec: Annotated[Text, Meta(description="The variant: its value, or as the order has it; absent: all.")]
    cards: Annotated[Text, Meta(description="File with the keys, one a line; absent: all get the same text.")]
    reply: Annotated[Text, Meta(description="The text; {keys} stands for the keys.")]
    quantity: Annotated[int, Meta(ge=1, le=100, description="Keys for an order; absent: as many as were bought.")]
    ship: Annotated[bool, Meta(description="Whether the order is marked as shipped.")]
    alert_below: Annotated[int, Meta(ge=0, le=1_000_000, description="An event tells when fewer keys are left.")]


class _Goods(TypedDict):
    goods: Annotated[list[RawGoods], Meta(description="What is delivered.")]


class RawDeliver(_Goods, total=False):
    """deliver.yml"""
