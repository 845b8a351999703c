"""Answers nobody asked for, and values that no log and no ack can repeat: a good connection goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from support.rawserver import answer, raw_server, receive, registered, serve_on
from support.station import OneSession, read_log, start
from xyfleet.worker.protocol import frames, im_calls
from xyfleet.worker.protocol.frames import Push, Response
from xyfleet.worker.settings import LogSettings

pytestmark = pytest.mark.pythons


def deep(depth: int) -> str:
    """JSON of so many levels."""
    return "[" * depth + "]" * depth


async def lives_on(folder: Path, *texts: str) -> list[dict[str, Any]]:
    """Have a server say these frames to a registered session, which is to have its beats answered after that."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        for text in texts:
            await connection.send(text)
        await serve_on(connection)

    async with raw_server(script) as endpoint:
        one = OneSession(endpoint, folder, log=LogSettings(dir=str(folder), format="json", verbose=True))
        task = await start(one, answers=3)
        one.session.leave("done")
        await task
    return read_log(folder)


@pytest.mark.parametrize("code", ["200", "401", "500"])
@pytest.mark.parametrize("mid", ["", " 0"])
async def test_answer_with_an_empty_mid_is_foreign(tmp_path: Path, mid: str, code: str) -> None:
    """It is not the registration's, before which nothing of it is left over (B18, M10)."""
    log = await lives_on(tmp_path, f'{{"code":{code},"headers":{{"mid":"{mid}"}}}}')

    assert [line["code"] for line in log if "mid" in line and line["mid"] == ""] == [int(code)]


@pytest.mark.parametrize("code", [deep(300), deep(900), "9" * 4000, '{"a":1}'])
async def test_foreign_code_of_any_form(tmp_path: Path, code: str) -> None:
    """A code that is nested, or has no end, is shown by its type and ends nothing (B18)."""
    log = await lives_on(tmp_path, f'{{"code":{code},"headers":{{"mid":"7 0"}}}}')

    assert [line["code"] for line in log if line.get("mid") == "7"] in (["(list)"], ["(int)"], ["(dict)"])


@pytest.mark.parametrize("code", [deep(300), deep(900), "9" * 4000])
async def test_code_of_a_beats_answer(tmp_path: Path, code: str) -> None:
    """The same of a beat's own answer, which then counts as abnormal (B18)."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        while (frame := await receive(connection))["lwp"] != "/!":
            await answer(connection, frame, {"topic": "sync"})
        await connection.send(f'{{"code":{code},"headers":{{"mid":{json.dumps(frame["headers"]["mid"])}}}}}')
        await serve_on(connection)

    async with raw_server(script) as endpoint:
        one = OneSession(endpoint, tmp_path)
        task = await start(one, answers=2)
        one.session.leave("done")
        await task

    assert [line["code"] for line in read_log(tmp_path, "心跳响应异常")] in (["(list)"], ["(int)"])


@pytest.mark.parametrize("value", [deep(300), deep(900), "9" * 40, "9" * 4000, "{}", "null"])
async def test_push_whose_headers_cannot_be_repeated(tmp_path: Path, value: str) -> None:
    """It is acked without that header, and not at all where it is the mid (B18)."""
    body = '"body":{}'
    await lives_on(
        tmp_path,
        f'{{"lwp":"/s/x","headers":{{"mid":"1 0","sid":{value}}},{body}}}',
        f'{{"lwp":"/s/x","headers":{{"mid":{value}}},{body}}}',
    )


def test_ack_repeats_what_is_simple() -> None:
    """Texts and numbers as they came, nothing else."""
    push = Push("/s/x", {"mid": "1 0", "sid": [[1]], "ua": 10**100, "dt": 5, "app-key": None}, frames._NULL)

    assert json.loads(frames.ack(push) or b"") == {"code": 200, "headers": {"mid": "1 0", "dt": 5}}


@pytest.mark.parametrize("code", [deep(300), deep(900), "9" * 4000])
def test_answer_to_a_call_of_any_form(code: str) -> None:
    """Codes, cursors and reasons without bottom or end raise nothing (B18)."""
    for text in (f'{{"code":{code},"reason":{code},"nextCursor":{code}}}', f'{{"userConvs":[],"nextCursor":{code}}}'):
        parsed = frames.parse(f'{{"code":{code},"headers":{{"mid":"7 0"}},"body":{text}}}'.encode())
        assert isinstance(parsed, Response)
        assert isinstance(im_calls.sent(parsed), im_calls.Unclear)
        assert isinstance(im_calls.talks(parsed), im_calls.Answer)
        good = frames.parse(f'{{"code":200,"headers":{{"mid":"7 0"}},"body":{text}}}'.encode())
        assert isinstance(good, Response)
        assert getattr(im_calls.talks(good), "cursor", None) is None
