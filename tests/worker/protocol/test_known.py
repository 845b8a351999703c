"""What is told apart of what this version does not know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.protocol.frames import MOST_HEAD
from xyfleet.worker.protocol.known import frame_class


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"<html>", "no-json"),
        (b"\xff\xfe", "no-json"),
        (b"[1]", "no-object"),
        (b"{}", "empty"),
        (b'{"code":200}', "code"),
        (b'{"lwp":"/!","body":{"a":1}}', "body.lwp"),
        (b'{"headers":{"mid":"1 0"}}', "headers"),
        (b'{"2200000000001":"x","lwp":7}', "lwp.others"),
        (b'{"event":"hi"}', "others"),
        (b" " * (MOST_HEAD + 1), "large"),
    ],
)
def test_frames_of_no_class(raw: bytes, name: str) -> None:
    """They are named by the parts that they have; other keys of theirs are in the shape."""
    assert frame_class(raw) == name


@given(st.binary(max_size=60))
def test_whatever_comes_has_a_name(raw: bytes) -> None:
    """Of a few that there are."""
    assert frame_class(raw).isascii()
