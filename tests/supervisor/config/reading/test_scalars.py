"""Scalars: numbers, sizes and truth values as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.config.reading.scalars import read_bool, read_number, read_size


@pytest.mark.parametrize(
    ("text", "value"),
    [("40", 40.0), ("0.5", 0.5), (".5", 0.5), ("1e3", 1000.0), ("-3", -3.0), (" 7 ", 7.0), ("015", 15.0), ("2.", 2.0)],
)
def test_decimal_numbers(text: str, value: float) -> None:
    """Numbers are decimal, also where YAML 1.1 would read an octal one."""
    assert read_number(text, whole=False) == (value, "")


@pytest.mark.parametrize("text", [".inf", ".nan", "inf", "nan", "1e999", "0x10", "1:30", "1_000", "１５", "", "1" * 41])
def test_what_is_no_number(text: str) -> None:
    """Infinite, hexadecimal, sexagesimal, full-width and endless numbers are refused."""
    assert read_number(text, whole=False)[0] is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("40s", "40"),
        ("3m", "180"),
        ("2 h", "7200"),
        ("1.5min", "90"),
        ("500ms", "0.5"),
        ("15秒", "15"),
        ("2分钟", "120"),
        ("1小时", "3600"),
        ("1天", "86400"),
        ("30d", "2592000"),
    ],
)
def test_durations_with_a_unit_get_the_number_to_write(text: str, seconds: str) -> None:
    """The remedy for `3m` is 180."""
    assert read_number(text, whole=False) == (None, f"durations are plain numbers of seconds: {seconds}")


@pytest.mark.parametrize("text", ["3", "+3", "003"])
def test_whole_numbers(text: str) -> None:
    """A count is an `int`."""
    value, _remedy = read_number(text, whole=True)

    assert value == 3
    assert isinstance(value, int)


@pytest.mark.parametrize("text", ["3.0", "3s", "1e3", "9" * 19])
def test_what_is_no_whole_number(text: str) -> None:
    """A count has no fraction, no unit and an end."""
    assert read_number(text, whole=True)[0] is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200MB", 200_000_000),
        ("64MiB", 64 * 1024**2),
        ("64mib", 64 * 1024**2),
        ("1.5 GB", 1_500_000_000),
        ("1024", 1024),
        ("10B", 10),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("1TB", 10**12),
    ],
)
def test_sizes(text: str, value: int) -> None:
    """MB are millions, MiB are of 1,048,576, a plain number is bytes."""
    assert read_size(text) == value


@pytest.mark.parametrize("text", ["200M", "MB", "-1MB", "1XB", "two", "", "1 000MB", "1iB"])
def test_what_is_no_size(text: str) -> None:
    """`200M` means two things to two people, so it is none."""
    assert read_size(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("Yes", True), ("ON", True), ("false", False), ("no", False)]
)
def test_truth(text: str, value: bool) -> None:
    """YAML's words for true and false count in any case."""
    assert read_bool(text) is value


@pytest.mark.parametrize("text", ["1", "0", "y", "是", ""])
def test_what_is_neither_true_nor_false(text: str) -> None:
    """Numbers and other words are no truth values."""
    assert read_bool(text) is None


@given(st.floats(min_value=0, max_value=1e9))
def test_every_finite_number_is_read_back(value: float) -> None:
    """What Python writes for a number is read as that number."""
    assert read_number(repr(value), whole=False) == (value, "")


@given(st.text(max_size=50))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises, and what is read is finite."""
    for whole in (True, False):
        value, remedy = read_number(text, whole=whole)
        assert (value is None) == bool(remedy)
        assert value is None or math.isfinite(value)
    assert (read_size(text) or 0) >= 0
    assert read_bool(text) in (True, False, None)
