"""YAML as nodes: lines, quotes, aliases, and bounds that no file can break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.config.reading.yaml_tree import MAX_DEPTH, MAX_NODES, Mapping, Node, Scalar, Sequence, compose

pytestmark = pytest.mark.pythons


def value(node: Node | None) -> object:
    """Return a node as plain Python values, texts unchanged."""
    match node:
        case Scalar():
            return node.text
        case Sequence():
            return [value(item) for item in node.items]
        case Mapping():
            return {value(key): value(inner) for key, inner in node.pairs}
    return None


def refusal(text: str) -> str:
    """Return the words of the problem with a text."""
    with pytest.raises(BadFile) as caught:
        compose(text, "f")
    return str(caught.value)


def count_problems(text: str) -> int:
    """Return how many problems a text has; anything raised but `BadFile` is a failure."""
    try:
        compose(text, "f")
    except BadFile as error:
        return len(error.problems)
    return 0


def test_texts_stay_as_they_are_written() -> None:
    """No number, date, truth value or null is made of a scalar."""
    assert value(compose("a: 012345\nb: 1.10\nc: yes\nd: 2024-01-01\ne: ~", "f")) == {
        "a": "012345",
        "b": "1.10",
        "c": "yes",
        "d": "2024-01-01",
        "e": "~",
    }


def test_lines_are_counted_from_one() -> None:
    """Every node knows the line where it begins."""
    root = compose("# comment\na:\n  - x\n  - y\n", "f")

    assert isinstance(root, Mapping)
    key, items = root.pairs[0]
    assert (root.line, key.line, items.line) == (2, 2, 3)
    assert isinstance(items, Sequence)
    assert [item.line for item in items.items] == [3, 4]


@pytest.mark.parametrize(("text", "empty"), [("", True), ("~", True), ("null", True), ("''", False), ('"null"', False)])
def test_null_is_plain_only(text: str, empty: bool) -> None:
    """A quoted null is a text."""
    root = compose(f"a: {text}", "f")

    assert isinstance(root, Mapping)
    node = root.pairs[0][1]
    assert isinstance(node, Scalar)
    assert node.empty is empty


@pytest.mark.parametrize(
    ("line", "doubtful"),
    [
        ("a: abc #1", True),
        ("a: abc  # the first", False),
        ("a: abc#1", False),
        ("a: 'abc' #1", False),
        ("a: abc", False),
    ],
)
def test_a_value_that_may_be_cut_by_a_comment(line: str, doubtful: bool) -> None:
    """`abc #1` may have been meant as a whole; a comment with a blank was not, and quotes leave no doubt."""
    root = compose(f"{line}\nb: 1\n", "f")

    assert isinstance(root, Mapping)
    node = root.pairs[0][1]
    assert isinstance(node, Scalar)
    assert node.comment is doubtful


def test_no_document() -> None:
    """A file without anything but comments has no root."""
    assert compose("", "f") is None
    assert compose("# only this\n", "f") is None


def test_aliases_stand_for_what_they_name() -> None:
    """An alias is the node that its anchor marked; a later anchor of the same name wins."""
    assert value(compose("a: &x {b: 1}\nc: *x\nd: &x 2\ne: *x", "f")) == {
        "a": {"b": "1"},
        "c": {"b": "1"},
        "d": "2",
        "e": "2",
    }


@pytest.mark.parametrize("text", ["a: *x", "a: &x [*x]", "a: &x {b: *x}"])
def test_an_alias_of_nothing_or_of_itself_is_refused(text: str) -> None:
    """An alias needs a finished anchor above it; its name, perhaps a password's, is not repeated."""
    said = refusal(text)

    assert said.startswith("f:1: refers with “*” to something that isn't defined above")
    assert "*x" not in said


@pytest.mark.parametrize("text", ["a: !hunter2", "a: !!int '3'", "a: !x {}", "!foo bar"])
def test_tags_are_refused_without_repeating_them(text: str) -> None:
    """A value that begins with an exclamation mark is not silently lost."""
    assert refusal(text) == "f:1: a value can't begin with “!”; put the value in quotes"


def test_a_text_tag_is_harmless() -> None:
    """`!!str` says what every value is here anyway."""
    assert value(compose("a: !!str 012", "f")) == {"a": "012"}


def test_a_second_document_is_refused() -> None:
    """Two documents in a file are a mistake; one with its markers is not."""
    assert value(compose("---\na: 1\n...\n", "f")) == {"a": "1"}
    assert refusal("a: 1\n---\nb: 1\n") == "f:2: a second document begins; remove the line with ---"


@pytest.mark.parametrize("text", ["[" * 1_000_000, "{a: " * 1_000_000, "- " * 1_000_000])
def test_deep_nesting_is_refused_before_it_hurts(text: str) -> None:
    """A million brackets, enough to crash PyYAML's composer, are a problem like any other."""
    assert refusal(text) == f"f:1: is nested too deep; at most {MAX_DEPTH} levels"


def test_nesting_through_aliases_is_counted() -> None:
    """A ladder of aliases is as deep as what it stands for."""
    rungs = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, MAX_DEPTH + 2))

    assert "is nested too deep" in refusal(f"a0: &a0 [x]\n{rungs}")


def test_an_alias_bomb_is_refused() -> None:
    """Nine lines that expand to billions of values are refused by count."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

    assert f"the file expands to more than {MAX_NODES} values" in refusal(bomb)


def test_the_most_values_are_allowed() -> None:
    """Aliases may expand up to the bound, not beyond."""
    base = "a: &a [" + "x," * 9_998 + "]\n"  # 1 mapping, 1 key, a list of 9,998

    size = 10_001
    fits = (MAX_NODES - size - 2) // 9_999
    assert compose(base + "b: [" + "*a," * fits + "]\n", "f") is not None
    assert "expands to more than" in refusal(base + "b: [" + "*a," * (fits + 1) + "]\n")


@given(st.text(max_size=200))
def test_any_text_is_nodes_or_one_problem(text: str) -> None:
    """No text makes the composer raise anything but its refusal."""
    assert count_problems(text) <= 1


YAML_BITS = st.sampled_from(
    [*"&*!|>'\"%@`{}[],:-?#=~<\t\n ab1", "<<", "- ", ": ", "---\n", "...\n", "&a ", "*a", "\n  "]
)


@given(st.lists(YAML_BITS, max_size=40).map("".join))
def test_any_yaml_is_nodes_or_one_problem(text: str) -> None:
    """The same for texts made of YAML's own characters."""
    assert count_problems(text) <= 1
