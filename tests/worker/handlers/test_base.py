"""What a handler may answer, and errors without the buyer's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.handlers.base import MAX_REPLY, CheckedAnswer, HandlerFailed, HandlerUnsure, Reply, checked
from xyfleet.worker.handlers.concealing import conceal


class Name(str):
    """A text of the owner's own type."""

    __slots__ = ()


@pytest.mark.parametrize("reply", ["在的", "x" * MAX_REPLY, Name("好")])
def test_texts(reply: str) -> None:
    """A text is a reply, as a plain str."""
    found = checked(reply)

    assert found == CheckedAnswer((Reply(str(reply)),))
    assert found is not None
    assert type(found.replies[0].text) is str


@pytest.mark.parametrize("reply", [None, "", " \n", "\u3000"])
def test_nothing(reply: str | None) -> None:
    """None and a text without anything to see are no reply."""
    assert checked(reply) is None


@given(st.one_of(st.integers(), st.binary(), st.dictionaries(st.text(), st.text()), st.booleans()))
def test_other_types(reply: object) -> None:
    """Anything else is refused with the name of its type, not its value."""
    with pytest.raises(HandlerFailed) as caught:
        checked(reply)

    assert (
        caught.value.reason
        == f"returned {type(reply).__name__}, expected str, Reply, HandOver, a list of these or None"
    )


def test_too_long() -> None:
    """The limit counts characters."""
    with pytest.raises(HandlerFailed, match="4001 characters; a message has at most 4000"):
        checked("字" * (MAX_REPLY + 1))


def test_reasons_are_one_short_line() -> None:
    """A reason is cut, and is one line."""
    failed, unsure = HandlerFailed("a\nb" + "x" * 300), HandlerUnsure("c\nd" + "x" * 300)

    assert failed.reason.startswith("a bx")
    assert unsure.reason.startswith("c dx")
    assert (len(failed.reason), len(unsure.reason)) == (200, 200)


@pytest.mark.parametrize(
    ("words", "text", "left"),
    [
        ("invalid literal for int(): '多少钱'", "多少钱", "invalid literal for int(): '‹text›'"),
        ("KeyError: 'iphone'", "is the iphone new", "KeyError: '‹text›'"),
        ("KeyError: 'a\\nb'", "a\nb", "KeyError: '‹text›'"),
        ("ValueError: MY ADDRESS IS", "my address is", "ValueError: ‹text›"),
        (r'400: {"q": "\u5317\u4eac\u8def"}', "北京路", '400: {"q": "‹text›"}'),
        (r"400: \u5317\u4eac\u8def\u53f7", "在北京路号的", "400: ‹text›"),
        ("no such file", "", "no such file"),
        ("a bad day", "  ", "a bad day"),
    ],
)
def test_conceal(words: str, text: str, left: str) -> None:
    """An error's words that repeat the buyer's are hidden, whole, quoted, or word by word; the rest stays."""
    assert conceal(words, text) == left


@pytest.mark.parametrize(
    ("words", "text", "left"),
    [
        ("KeyError: '价格'", "请问价格多少", "KeyError: '‹text›'"),
        ("no 价格多 here, 请问 there", "请问价格多少", "no ‹text› here, ‹text› there"),
        (r"KeyError: '\u4ef7\u683c'", "请问价格多少", "KeyError: '‹text›'"),
        ("价 and 格", "请问价格多少", "价 and 格"),
        ("发货失败: 价格", "请问价格多少", "发货失败: ‹text›"),
        ("价,格 格价", "请问价格多少", "价,格 格价"),
    ],
)
def test_parts_of_chinese_are_hidden(words: str, text: str, left: str) -> None:
    """Chinese has no blanks: any two characters of the buyer's in a row are hidden (a low finding of worker.md)."""
    assert conceal(words, text) == left
