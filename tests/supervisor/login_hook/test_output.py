"""A hook's answer is found in whatever stands around it (S11)."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.login_hook.output import NoJson, answer
from xyfleet.supervisor.login_hook.policy import Failed, NewCookie, NothingToChange, understand
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret

PLAIN = '{"cookie": "unb=1; a={b}"}'


@pytest.mark.parametrize(
    "output",
    [
        PLAIN,
        f"正在登录...\n{PLAIN}\n",
        f"{PLAIN}\ndone\n",
        f"[12:00] slot {{3}} ready {PLAIN} done",
        f'{{"level": "info", "msg": "login"}}\n{PLAIN}\n{{"level": "info", "msg": "done"}}\n',
        f'{{"error": "first try"}}\n{PLAIN}\n',
        "log\n" + json.dumps(json.loads(PLAIN), indent=2) + "\nlog",
        f"\ufeff{PLAIN}",
        "[" * 20_000 + PLAIN,
        '{"a":' * 9_000 + PLAIN,
    ],
)
def test_the_answer_is_found_among_other_lines(output: str) -> None:
    """Lines of a log before and behind it, also such as are JSON, a mark, and any depth do no harm."""
    assert understand(0, output.encode()) == NewCookie(Secret("unb=1; a={b}"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_the_encodings_of_windows_are_read(encoding: str) -> None:
    """An error in GBK, as a program on a Chinese Windows prints it, is shown as it was meant."""
    assert understand(1, '{"error": "密码错误", "needs_human": true}'.encode(encoding)) == Failed(
        words("密码错误"), needs_human=True
    )


@pytest.mark.parametrize(
    "output", [b"", b"unb=1", b"{", b"{}}", b"slot {} is free", b"{'cookie': 'x'}", b"\xff\xfe", b'{"a": NaN}']
)
def test_what_holds_no_object_is_no_json(output: bytes) -> None:
    """Nothing is guessed: an object that is not JSON is none."""
    with pytest.raises(NoJson):
        answer(output)


def test_nothing_to_change_stands_on_a_line_of_its_own() -> None:
    """`{}` between lines of a log is an answer; within a line it is none."""
    assert understand(0, b"looking ...\n{}\ndone\n") == NothingToChange()
    assert understand(0, b"slot {} of 3 failed\n") == Failed(Reason("hook_no_json"))
    assert understand(0, b'{"level": "info"}\n') == Failed(Reason("hook_no_cookie"))


@given(st.binary())
def test_any_output_is_searched(output: bytes) -> None:
    """Whatever it is, there is an answer or none."""
    try:
        answer(output)
    except NoJson:
        return


@pytest.mark.timing
@pytest.mark.parametrize("part", ["{", '{"a":', '{"a":[', '{"a":1,"b":', '{}{"', "[{"])
def test_the_largest_output_is_searched_in_no_time(part: str) -> None:
    """64 KiB of the worst kind hold the event loop for less than a second."""
    started = time.perf_counter()
    understand(0, (part * 65_536)[:65_536].encode())

    assert time.perf_counter() - started < 0.5
