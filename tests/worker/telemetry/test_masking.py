"""Secrets in what a server says: masked before it is cut, in every spelling, in log and reports."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path
from typing import Literal
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from support.rawserver import raw_server, receive, registered
from support.station import Station, slow_retry, until
from xyfleet.worker.secret import MASK, Secret, Spelled, masked
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog, LibraryLogHandler

SPELLINGS = {
    "plain": str,
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: quote(text, safe="").replace("%2B", "%2b").replace("%3D", "%3d"),
    "URL with slashes": quote,
    "form": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
}
LONG = "oauth_k1:" + "+/=".join(secrets.token_hex(15) for _ in range(12)) + "=="
"""A token of some 400 characters."""


def leaks(text: str) -> bool:
    """Tell whether a part of the token is in a text."""
    return any(part in text for part in LONG[9:].split("+/="))


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("form", ["console", "json"])
def test_long_token_is_masked_in_every_spelling(
    tmp_path: Path, form: Literal["console", "json"], spell: object
) -> None:
    """Although the line is cut in the middle of it (B10)."""
    assert callable(spell)
    log = AccountLog("a0", LogSettings(dir=str(tmp_path), format=form))
    log.hide(Secret(LONG))
    log.say(log_texts.SOCKET_ERROR, reason=f"invalid token <{spell(LONG)}> " + "x" * 500)
    LibraryLogHandler(log).emit(logging.LogRecord("x", logging.ERROR, "", 0, "bad %s", (spell(LONG),), None))
    log.close()
    said = (tmp_path / "a0.log").read_text()

    assert f"invalid token <{MASK}> xxx" in said
    assert f"bad {MASK}" in said
    assert not leaks(said)


@given(st.text(min_size=1, max_size=30))
def test_any_text_is_found_as_it_is_and_encoded(text: str) -> None:
    """Whatever characters it has."""
    for said in (text, json.dumps(text)[1:-1], quote(text, safe="")):
        assert masked(said, Spelled(text)) == MASK


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
async def test_refused_registration_shows_no_token(tmp_path: Path, spell: object) -> None:
    """A server that repeats the token in its refusal puts it neither into the log nor into the status (B10)."""
    assert callable(spell)

    async def script(connection: ServerConnection) -> None:
        frame = await receive(connection)
        code = {"code": 500, "headers": {"mid": frame["headers"]["mid"]}, "body": {"reason": f"bad <{spell(LONG)}>"}}
        await connection.send(json.dumps(code))
        await connection.wait_closed()

    async with raw_server(script) as endpoint, Station(endpoint, tmp_path, slow_retry(30.0)) as station:
        station.log.hide(Secret(LONG))
        await until(lambda: any(change.reason for change in station.changes))
        reasons = [str(change.reason) for change in station.changes if change.reason]

    assert reasons[0] == f"/reg refused: 500 bad <{MASK}>"
    assert not leaks((tmp_path / "a0.log").read_text())


async def test_close_reason_shows_no_token(tmp_path: Path) -> None:
    """Nor does a close frame's reason (B10)."""
    token = "t+" * 50

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        await connection.close(1008, f"bad {token}")

    async with raw_server(script) as endpoint, Station(endpoint, tmp_path, slow_retry(30.0)) as station:
        station.log.hide(Secret(token))
        await until(lambda: any(change.reason for change in station.changes))
        reasons = [str(change.reason) for change in station.changes if change.reason]

    assert reasons[0] == f"closed with 1008 bad {MASK}"
