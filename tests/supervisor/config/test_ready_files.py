"""replies.yml and deliver.yml: what they mean, and what is wrong with them, by file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import COOKIE, SettingsFile
from xyfleet.supervisor.config.ready_files import DEFAULT_REPLY
from xyfleet.worker.ready_rules import Goods, Hours, Rule

HANDLERS = f'accounts: [{{name: a, tags: [phones], cookie: "{COOKIE}", handler: [deliver, keywords, m:f]}}]\n'


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def said(file: SettingsFile, replies: str, deliver: str) -> list[str]:
    """Write both files and return what is wrong."""
    file.write(replies, "replies.yml")
    file.write(deliver, "deliver.yml")
    return [str(each).removeprefix(f"{file.folder}/") for each in file.problems(HANDLERS)]


GOOD_REPLIES = """\
rules:
  - {words: [在吗], reply: 在的}
  - {words: [包邮], shops: ["@phones"], items: [900], hours: "8:00-22:30", once: yes, image: a.png}
  - {words: [别的], shops: [b*], reply: 好}
night: {hours: 23:00-08:00, reply: 明天回复您}
"""
GOOD_DELIVER = "goods: [{item: 900, cards: k.txt, ship: true, alert_below: 5}, {item: 901, reply: 网盘, quantity: 1}]\n"


def test_both_files(file: SettingsFile) -> None:
    """What they say reaches the accounts whose handlers they are for, without the rules of other shops."""
    file.write("", "k.txt")
    file.write("", "a.png")
    assert said(file, GOOD_REPLIES, GOOD_DELIVER) == []
    account = file.account(HANDLERS)

    assert account.handler == "deliver,keywords,m:f"
    assert account.ready is not None
    assert account.ready.rules == (
        Rule(name="在吗", words=("在吗",), reply="在的"),
        Rule(
            name="包邮",
            words=("包邮",),
            items=("900",),
            hours=Hours(480, 1350),
            once=True,
            image=str(file.folder / "a.png"),
        ),
        Rule(name="night", hours=Hours(1380, 480), once=True, nightly=True, reply="明天回复您"),
    )
    assert account.ready.goods == (
        Goods(item="900", cards=str(file.folder / "k.txt"), reply=DEFAULT_REPLY, ship=True, alert_below=5),
        Goods(item="901", reply="网盘", quantity=1),
    )
    assert account.ready.ledger == str(file.folder / "delivered.txt")


def test_shops_that_are_nobody(file: SettingsFile) -> None:
    """A name, pattern or tag in `shops` that fits no account is warned about by its line; those that fit are not."""
    file.write("rules:\n- {words: [x], reply: y, shops: [a, 'b*', '@phone', '@phones']}\n", "replies.yml")
    file.write(GOOD_DELIVER.replace("cards: k.txt", "reply: x"), "deliver.yml")

    assert [line for line in file.warned(HANDLERS).splitlines() if "replies.yml" in line] == [
        "replies.yml:2: rules[1].shops[2]: no account fits: b*; check the name",
        "replies.yml:2: rules[1].shops[3]: no account fits: @phone; check the name",
    ]


def test_an_account_without_them(file: SettingsFile) -> None:
    """Who uses neither needs neither file."""
    assert file.account(HANDLERS.replace("[deliver, keywords, m:f]", "m:f")).ready is None


@pytest.mark.parametrize(
    ("replies", "deliver", "problem"),
    [
        ("", GOOD_DELIVER, "replies.yml: is empty; docs/handlers.md shows what to write"),
        ("rules: []\n", GOOD_DELIVER, "replies.yml: there is no rule in it; add rules: with “- words: …”"),
        ("rules:\n- {word: [x], reply: y}\n", "", "replies.yml:2: rules[1].word: unknown key; did you mean words?"),
        ("rules:\n- {words: [x]}\n", "", "replies.yml:2: rules[1]: says nothing; add reply: or image:"),
        (
            "rules:\n- {words: [x], reply: y, hours: 8-9}\n",
            "",
            "replies.yml:2: rules[1].hours: is not allowed as it is written;"
            " write two times of day, such as 23:00-08:00",
        ),
        (GOOD_REPLIES, "goods:\n- {cards: k.txt}\n", "deliver.yml:2: goods[1].item: is missing; add it"),
        (
            GOOD_REPLIES,
            "goods:\n- {item: 1, reply: a}\n- {item: 1, reply: b}\n",
            "deliver.yml:3: goods[2]: the same item and spec are in line 2 already; remove one of the two",
        ),
        (
            GOOD_REPLIES,
            "goods:\n- {item: 1, cards: k.txt, reply: a}\n",
            "deliver.yml:2: goods[1].reply: has no {keys};"
            " write {keys} where the keys are to stand, and cards: with their file",
        ),
        (
            GOOD_REPLIES,
            "goods:\n- {item: 1, cards: gbk.txt}\n",
            "deliver.yml:2: goods[1].cards: is saved as GBK (“ANSI” in Notepad), not UTF-8;"
            " save it as UTF-8 (in the editor: Save as, Encoding: UTF-8)",
        ),
        (
            "rules:\n- {words: [x], reply: 加微信}\n",
            "",
            "replies.yml:2: rules[1].reply: holds 微信, so that it would not be sent;"
            " write it without, or set outgoing_block without that word",
        ),
        (
            GOOD_REPLIES,
            "goods:\n- {item: 1, reply: QQ 会员}\n",
            "deliver.yml:2: goods[1].reply: holds QQ, so that it would not be sent;"
            " write it without, or set outgoing_block without that word",
        ),
        (
            "rules:\n- {words: [x], reply: " + "长" * 4001 + "}\n",
            "",
            "replies.yml:2: rules[1].reply: has 4001 characters; a message has at most 4000",
        ),
    ],
)
def test_what_is_wrong(file: SettingsFile, replies: str, deliver: str, problem: str) -> None:
    """Each problem says where it is and what would be right."""
    file.write("", "k.txt")
    file.write("", "a.png")
    (file.folder / "gbk.txt").write_bytes("卡号 1".encode("gbk"))
    assert problem in said(file, replies, deliver)


def test_words_that_an_account_may_say(file: SettingsFile) -> None:
    """What an account's own `outgoing_block` allows is no problem, nor what is said by other shops only."""
    file.write("goods: [{item: 1, reply: QQ 会员}]\n", "deliver.yml")
    file.write("rules: [{words: [x], reply: 加微信, shops: [b]}]\n", "replies.yml")
    assert file.problems(HANDLERS.replace("handler:", "outgoing_block: [微信], handler:")) == []


def test_files_that_are_not_there(file: SettingsFile) -> None:
    """They are named, and a cards file that is missing is, too."""
    assert [str(each).removeprefix(f"{file.folder}/") for each in file.problems(HANDLERS)] == [
        "replies.yml: replies.yml: no such file; check the path",
        "deliver.yml: deliver.yml: no such file; check the path",
    ]
    path = f"{file.folder}/k.txt"
    assert f"deliver.yml:1: goods[1].cards: no such file: {path}; check the path" in said(file, "", GOOD_DELIVER)
