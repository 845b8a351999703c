"""The fault script: YAML in, faults or lines of complaint out."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.simulator.script_reader import BadScript, read_script


def complaints(text: str) -> list[str]:
    """Return what is wrong with a script."""
    with pytest.raises(BadScript) as caught:
        read_script(text, "f.yml", 0.0)
    return caught.value.problems


def test_faults_come_in_the_script_s_order() -> None:
    """Every entry becomes a fault; `at` counts from the origin."""
    text = """
# a comment
faults:
  - {kind: mute, unb: "2200000000001", at: 20, for: 10}
  - kind: close
    unb: [2200000000002, "22000000001*"]
    code: 1012
    at: 5
"""
    mute, close = read_script(text, "f.yml", 100.0)

    assert (mute.kind.name, mute.begin, mute.lasts) == ("mute", 120.0, 10.0)
    assert (close.kind.name, close.begin, close.params["code"]) == ("close", 105.0, 1012)
    assert close.unb == ("2200000000002", "22000000001*")


@pytest.mark.parametrize("text", ["", "# nothing\n", "faults:\n", "faults: []\n", "faults: null\n"])
def test_an_empty_script_is_no_error(text: str) -> None:
    """No faults is a fine script."""
    assert read_script(text, "f.yml", 0.0) == []


def test_every_problem_is_named_with_its_line() -> None:
    """All entries are read, so that one run shows everything that is wrong."""
    text = "faults:\n  - kind: mute\n    zz: 1\n  - kind: late\n\n  - {kind: mute}\n  - {kind: mut}\n"

    assert complaints(text) == [
        "f.yml:2: fault 1: unknown key zz",
        "f.yml:4: fault 2: seconds is missing",
        "f.yml:7: fault 4: unknown kind mut; did you mean mute?",
    ]


def test_equal_keys_are_refused() -> None:
    """YAML alone would silently keep the last."""
    assert complaints("faults:\n  - {kind: mute, at: 1, at: 2}\n") == ["f.yml:2: fault 1: at is given twice"]


@pytest.mark.parametrize(
    "text", ["- {kind: mute}\n", "mute\n", "fault: []\n", "faults: []\nmore: 1\n", "faults: mute\n", "faults: {}\n"]
)
def test_another_shape_is_refused(text: str) -> None:
    """There is one key with a list, and nothing else."""
    assert complaints(text) == ["f.yml:1: must have one key, `faults:`, with a list below"]


@pytest.mark.parametrize(
    ("text", "line"),
    [("faults:\n\t- {kind: mute}\n", 2), ("faults:\n  - {kind: mute\n", 3), ("faults: [*nobody]\n", 1), ("a: \x00", 1)],
)
def test_broken_yaml_is_named_with_its_line(text: str, line: int) -> None:
    """What the YAML parser says is passed on, with file and line."""
    (problem,) = complaints(text)

    assert problem.startswith((f"f.yml:{line}: not valid YAML: ", "f.yml: not valid YAML: "))


@pytest.mark.parametrize(
    "text", ["faults:\n  - ? [a, b]\n    : 1\n", "faults:\n  - ~\n", "faults:\n  - !!python/name:os.system\n"]
)
def test_odd_entries_do_no_harm(text: str) -> None:
    """Keys that are lists, nothing at all, or tags of Python: refused like any other mistake."""
    assert complaints(text)


def test_a_huge_script_is_refused() -> None:
    """Nobody writes a megabyte of faults by hand."""
    assert complaints("#" * 2_000_000) == ["f.yml: longer than 1048576 characters"]


def test_error_text_is_all_lines() -> None:
    """The exception's text is what to print."""
    with pytest.raises(BadScript, match=r"^f.yml:1: fault 1: .*\nf.yml:1: fault 2: "):
        read_script("faults: [{kind: a}, {kind: b}]", "f.yml", 0.0)
