"""The webhook process's tables and what its log may show."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.webhooks import hook
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.webhooks.protocol import BadLine, decode_request, decode_table, encode_table, masked, table_of

URL = "https://user:pa55word@hooks.example:8443/services/T0KEN?key=abcdef"


def test_table_round_trip() -> None:
    """A table survives its line; no secret is in its repr."""
    table = {"a0": hook(URL, "a key"), "店铺": hook("http://127.0.0.1/", None)}
    line = encode_table(table)

    assert line.count(b"\n") == 1
    assert decode_table(line) == table
    assert "a key" not in repr(table)
    assert "T0KEN" not in repr(table)


def test_bad_lines() -> None:
    """A line that is no table says nothing of what is in it; a request says what is wrong with it."""
    with pytest.raises(BadLine) as caught:
        decode_table(b'{"a0": ["http://x/secret", 7]}\n')
    assert "secret" not in str(caught.value)
    with pytest.raises(BadLine, match="timeout"):
        decode_request(b'{"number": 1, "fleet": "f", "account": "a0", "timeout": 0, "message": {}}')


def test_request_keeps_the_message_as_it_is() -> None:
    """The JSON that is posted is the worker's, byte by byte."""
    line = '{"number":1,"fleet":"f","account":"a0","timeout":2.5,"message":{"b": 1,"a":"在"}}\n'.encode()
    request = decode_request(line)

    assert (request.number, request.account, request.timeout) == (1, "a0", 2.5)
    assert bytes(request.message) == '{"b": 1,"a":"在"}'.encode()


def test_table_of_accounts() -> None:
    """Enabled accounts with a webhook are in it."""
    accounts = [
        Account(name="a0", where="f:1", webhook=hook(URL)),
        Account(name="a1", where="f:2", webhook=hook(URL), enabled=False),
        Account(name="a2", where="f:3"),
    ]

    assert list(table_of(accounts)) == ["a0"]


def test_masks() -> None:
    """Keys and addresses, and the parts of these that may be keys, are masked; what is too short is no secret."""
    table = {"a0": hook(URL, "a key"), "a1": hook("http://127.0.0.1/", "abc")}

    assert masked(f"GET {URL} failed", table) == "GET *** failed"
    assert (
        masked("at hooks.example:8443: pa55word, /services/T0KEN, a key", table)
        == "at hooks.example:8443: ***, ***, ***"
    )
    assert masked("http://127.0.0.1/ abc", table) == "*** abc"
    assert masked(f"{Path('/')} plain", table) == "/ plain"
