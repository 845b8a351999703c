"""YAML errors in plain words: each common slip has its line and its remedy."""

from __future__ import annotations

import time

import pytest
import yaml

from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.config.reading.yaml_errors import explain
from xyfleet.supervisor.config.reading.yaml_tree import compose


def said(text: str) -> str:
    """Return the problem with a text, as it is shown."""
    with pytest.raises(BadFile) as caught:
        compose(text, "f")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\n\tb: 2\n", 2, "a tab stands in the indentation; use spaces instead of tabs"),
        ("a:\n\t- x\n", 2, "a tab stands in the indentation; use spaces instead of tabs"),
        ("p: |\n\tx\n", 2, "a tab stands in the indentation; use spaces instead of tabs"),
        ("name：x\nb: 1\n", 1, "a full-width colon “：” stands after the key; write “: ”"),
        ("a: 1\nname：x\nb: 1\n", 2, "a full-width colon “：” stands after the key; write “: ”"),
        ("accounts:\n  - name：x\n    b: 1\n", 2, "a full-width colon “：” stands after the key; write “: ”"),
        ("a: “x: y”\n", 1, "full-width quotes stand here; write plain quotes: \" or '"),
        ("a: 1\n\u3000\u3000b\nc: d\n", 2, "a full-width space stands in the indentation; use plain spaces"),
        ("accounts:\n  -name: a\n   b: c\n", 2, "the dash needs a space after it; write “- name: …”"),
        ("accounts:\n－ name\nb: c\n", 2, "the dash needs a space after it; write “- name: …”"),
        ("a:1\nb: 2\n", 1, "the colon needs a space after it; write “key: value”"),
        ("a: [x，y\nb: 1\n", 1, "full-width punctuation stands here; write , [ ] { } instead"),
        ("a: 1\nb\nc: 1\n", 2, "this line has no “: ” between key and value; write “key: value”"),
        (
            "a: b: c\n",
            1,
            "a “: ” stands where none can be; put a value that holds “: ” in quotes; check the indentation",
        ),
        (
            "a: b\n  c: d\n",
            2,
            "a “: ” stands where none can be; put a value that holds “: ” in quotes; check the indentation",
        ),
        ("a: - b\n", 1, "a list can't begin on the line of its key; begin the list on the next line, or write [a, b]"),
        ("a: 'x\nb: 1\n", 1, "a quote that begins here is never closed; close it on the same line"),
        ('p: "a\\d"\n', 1, "a backslash inside double quotes has a meaning of its own; use single quotes"),
        ('p: "a\\xzz"\n', 1, "a backslash inside double quotes has a meaning of its own; use single quotes"),
        ('p: "\\ud800"\n', 1, "a backslash inside double quotes has a meaning of its own; use single quotes"),
        (
            "a: [1, 2\nb: 3\n",
            1,
            "a bracket that begins here is never closed, or a comma is missing; close it: […] or {…}",
        ),
        (
            "a: {b: 1\nc: 2\n",
            1,
            "a bracket that begins here is never closed, or a comma is missing; close it: […] or {…}",
        ),
        ("a: 1\nb: [\n\n", 3, "the file ends inside a bracket; close it: […] or {…}"),
        ("a: [x, {", 1, "the file ends inside a bracket; close it: […] or {…}"),
        ("p: @x\n", 1, "a value can't begin with this character; put the value in quotes: '…'"),
        ("p: `x\n", 1, "a value can't begin with this character; put the value in quotes: '…'"),
        ("p: ]x\n", 1, "a value can't begin with this character; put the value in quotes: '…'"),
        ("p: *\n", 1, "a value can't begin with “*” or “&”; put the value in quotes: '…'"),
        ("p: &\n", 1, "a value can't begin with “*” or “&”; put the value in quotes: '…'"),
        ("a: 1\n%x\n", 2, "a line can't begin with “%”; put the value in quotes: '…'"),
        ("a: |x\n  b\n", 1, "a value can't begin with “|” or “>”; put the value in quotes: '…'"),
        ("a: !f!x y\n", 1, "a value can't begin with “!”; put the value in quotes"),
        (
            "a:\n  b: 1\n c: 2\n",
            3,
            "this line doesn't fit the lines above; lines of one group begin in the same column; use spaces",
        ),
        (
            "- a\nb: 1\n",
            2,
            "this line doesn't fit the list above; lines of one group begin in the same column; use spaces",
        ),
        (
            "  a: 1\nb: 2\n",
            2,
            "this line doesn't fit the lines above; lines of one group begin in the same column; use spaces",
        ),
    ],
)
def test_slips(text: str, line: int, words: str) -> None:
    """The slip is named at the line where it was made."""
    assert said(text) == f"f:{line}: {words}"


def test_a_label_with_chinese_punctuation_is_not_blamed() -> None:
    """Quotes and commas inside a text are no slip; the broken line below them is."""
    text = "a: 我的“旗舰”店，最好的\n  b: 1\n"

    assert said(text).startswith("f:2: a “: ” stands where none can be")


def test_a_long_line_is_explained_soon() -> None:
    """The time to find a slip does not grow with the square of the line's length."""
    began = time.monotonic()

    assert said("a: b: " + "[" * 50_000).startswith("f:1: a “: ” stands where none can be")
    assert time.monotonic() - began < 5.0


def test_an_address_is_not_taken_for_a_missing_blank() -> None:
    """`https://` has a colon that needs no blank."""
    assert said("- https://a\n b: [\n").startswith("f:2: ")


def test_an_error_without_a_place_is_still_a_problem() -> None:
    """What libyaml can't place is named as it is."""
    found = explain(yaml.YAMLError("secret words"), "a: 1", "f")

    assert str(found).startswith("f: is not valid YAML")
    assert "secret" not in str(found)
