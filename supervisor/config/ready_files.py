"""Reads replies.yml and deliver.yml beside the accounts file, for the ready handlers. Shell (reads files).

Their problems are told like those of the accounts file, with file, line and key, and stop a start or a reload as those
do: a shop that delivers by half a file is worse than one that goes on with the old one.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.reading import section_readers, source, yaml_tree
from xyfleet.supervisor.config.reading.context import Context, good, subsection, value
from xyfleet.supervisor.config.reading.problems import BAD, At, BadFile, Item, Section
from xyfleet.supervisor.config.reading.ready_schema import RawDeliver, RawReplies
from xyfleet.supervisor.settings import READY, Account, handlers_of
from xyfleet.worker.handlers.base import MAX_REPLY
from xyfleet.worker.handlers.outgoing_words import word_in
from xyfleet.worker.ready_rules import Goods, Hours, ReadyRules, Rule

REPLIES: Final = "replies.yml"
DELIVER: Final = "deliver.yml"
LEDGER: Final = "delivered.txt"
"""Beside them: which order got which keys."""
MAX_BYTES: Final = 64 * 1024
"""Each worker is told what the files say."""
KEYS: Final = "{keys}"
DEFAULT_REPLY: Final = "感谢购买，您的卡密：\n{keys}"
"""What a buyer gets with keys where `reply` is absent; buyers of this platform read Chinese."""


class _Meant(NamedTuple):
    """A rule, for which accounts it is, and what it says."""

    rule: Rule
    shops: tuple[Item, ...]
    said: Item | None


class _Sold(NamedTuple):
    """An entry of deliver.yml, and what it says where that is not the usual."""

    goods: Goods
    said: Item | None


def attach(accounts: Iterable[Account], folder: Path, timezone: str | None, context: Context) -> dict[str, Account]:
    """Return the accounts by name, those with ready handlers with their rules; problems are noted."""
    listed = list(accounts)
    used = {name for account in listed for name in handlers_of(account.handler) if name in READY}
    if not used:
        return {account.name: account for account in listed}
    rules = _replies(folder, context) if "keywords" in used else []
    _look_for_strangers(rules, listed, context)
    sold = _goods(folder, context) if "deliver" in used else ()

    def attached(account: Account) -> Account:
        names = handlers_of(account.handler)
        if not READY & set(names):
            return account
        own = [each for each in rules if "keywords" in names and _is_for(each.shops, account)]
        goods = sold if "deliver" in names else ()
        said = [*(each.said for each in own), *(each.said for each in goods)]
        _look_through([text for text in said if text is not None], account, context)
        ready = ReadyRules(
            rules=tuple(each.rule for each in own),
            goods=tuple(each.goods for each in goods),
            ledger=str(folder / LEDGER),
            timezone=timezone,
        )
        return msgspec.structs.replace(account, ready=ready)

    return {account.name: attached(account) for account in listed}


def _look_through(texts: Iterable[Item], account: Account, context: Context) -> None:
    """Note what could never be sent: a buyer would wait for it, and its key be gone."""
    for text, at in texts:
        if (word := word_in([text], account.mail.outgoing_block)) is not None:
            message = _("holds %(word)s, so that it would not be sent") % {"word": word}
            context.problems.add(at, message, _("write it without, or set outgoing_block without that word"))
        if len(text) > MAX_REPLY:
            message = _("has %(count)s characters") % {"count": len(text)}
            context.problems.add(at, message, _("a message has at most %(most)s") % {"most": MAX_REPLY})


def _look_for_strangers(rules: Iterable[_Meant], accounts: list[Account], context: Context) -> None:
    """Warn of names that fit no account: a misspelt one would answer nobody, and nothing would say so."""
    for shop, at in (item for each in rules for item in each.shops):
        if not any(_fits(shop, account) for account in accounts):
            context.problems.warn(at, _("no account fits: %(names)s") % {"names": shop}, _("check the name"))


def _is_for(shops: tuple[Item, ...], account: Account) -> bool:
    return not shops or any(_fits(item.value, account) for item in shops)


def _fits(shop: str, account: Account) -> bool:
    return shop[1:] in account.tags if shop.startswith("@") else fnmatchcase(account.name, shop)


def _read(path: Path, form: type, context: Context) -> Section:
    """Return what stands in a file; nothing, with its problems noted, where it is bad."""
    at = At(str(path))
    try:
        root = yaml_tree.compose(source.read(path, at._replace(key=path.name), MAX_BYTES).text, str(path))
    except BadFile as bad:
        context.problems.extend(bad.problems)
        return {}
    if root is None:
        context.problems.add(at, _("is empty"), _("docs/handlers.md shows what to write"))
        return {}
    section = section_readers.root(form).read(root, at, context.problems)
    return section if isinstance(section, dict) else {}


# replies.yml


def _replies(folder: Path, context: Context) -> list[_Meant]:
    section = _read(folder / REPLIES, RawReplies, context)
    rules = [_rule(item, folder, context) for item in value(section, "rules") or () if item.value is not BAD]
    if night := subsection(section, "night"):
        item = Item(night, section["night"].at)
        meant = _rule(item, folder, context)
        rules.append(meant._replace(rule=msgspec.structs.replace(meant.rule, name="night", once=True, nightly=True)))
    if section and not rules and not context.problems:
        context.problems.add(At(str(folder / REPLIES)), _("there is no rule in it"), _("add rules: with “- words: …”"))
    return rules


def _rule(item: Item, folder: Path, context: Context) -> _Meant:
    rule = item.value
    if "reply" not in rule and "image" not in rule:
        context.problems.add(item.at, _("says nothing"), _("add reply: or image:"))
    words = _texts(rule, "words")
    found = Rule(
        name=" ".join(words) or value(rule, "reply") or value(rule, "image") or "",
        words=words,
        items=_texts(rule, "items"),
        hours=_hours(value(rule, "hours")),
        once=value(rule, "once") is True,
        reply=value(rule, "reply"),
        image=_file(good(rule, "image"), folder, context),
    )
    return _Meant(found, _items(rule, "shops"), good(rule, "reply"))


def _texts(section: Section, key: str) -> tuple[str, ...]:
    return tuple(item.value for item in _items(section, key))


def _items(section: Section, key: str) -> tuple[Item, ...]:
    return tuple(item for item in value(section, key) or () if item.value is not BAD)


def _hours(text: str | None) -> Hours | None:
    if text is None:
        return None
    begin, end = (
        int(hour) * 60 + int(minute) for hour, _, minute in (t.strip().partition(":") for t in text.split("-"))
    )
    return Hours(begin, end)


def _file(item: Item | None, folder: Path, context: Context) -> str | None:
    """Return the whole path of a file that is to be there."""
    if item is None:
        return None
    path = folder / Path(item.value).expanduser()
    if not path.is_file():
        context.problems.add(item.at, _("no such file: %(path)s") % {"path": path}, _("check the path"))
    return str(path)


def _cards(item: Item | None, folder: Path, context: Context) -> str | None:
    """Return the whole path of a file of keys that can be read."""
    path = _file(item, folder, context)
    if item is not None and path is not None and Path(path).is_file():
        try:
            source.read(Path(path), item.at)
        except BadFile as bad:
            context.problems.extend(bad.problems)
    return path


# deliver.yml


def _goods(folder: Path, context: Context) -> tuple[_Sold, ...]:
    section = _read(folder / DELIVER, RawDeliver, context)
    items = [item for item in value(section, "goods") or () if item.value is not BAD]
    if section and not items and not context.problems:
        context.problems.add(At(str(folder / DELIVER)), _("there is nothing in it"), _("add goods: with “- item: …”"))
    seen: dict[tuple[str, str | None], At] = {}
    for item in items:
        key = (value(item.value, "item") or "", value(item.value, "spec"))
        if (first := seen.setdefault(key, item.at)) is not item.at:
            message = _("the same item and spec are in line %(line)s already") % {"line": first.line}
            context.problems.add(item.at, message, _("remove one of the two"))
    return tuple(_one_of_goods(item, folder, context) for item in items)


def _one_of_goods(item: Item, folder: Path, context: Context) -> _Sold:
    goods = item.value
    cards, reply = good(goods, "cards"), good(goods, "reply")
    if cards is None and reply is None:
        context.problems.add(item.at, _("says nothing"), _("add cards: or reply:"))
    if reply is not None and (KEYS in reply.value) != (cards is not None):
        message = _("has no {keys}") if cards is not None else _("has {keys}, and there is no cards file")
        context.problems.add(
            reply.at, message, _("write {keys} where the keys are to stand, and cards: with their file")
        )
    found = Goods(
        item=value(goods, "item") or "",
        spec=value(goods, "spec"),
        cards=_cards(cards, folder, context),
        reply=DEFAULT_REPLY if reply is None else reply.value,
        quantity=value(goods, "quantity"),
        ship=value(goods, "ship") is True,
        alert_below=value(goods, "alert_below") or 0,
    )
    return _Sold(found, reply)
