"""One table, from which everything about a browser comes."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.identity import DEFAULT, accept_language, brands, made, raw
from xyfleet.supervisor.tokens.call import headers


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        (146, '"Chromium";v="146", "Not-A.Brand";v="24", "Google Chrome";v="146"'),
        (147, '"Google Chrome";v="147", "Not.A/Brand";v="8", "Chromium";v="147"'),
    ],
)
def test_brands_are_those_of_the_captures(version: int, wanted: str) -> None:
    """The rule gives what was captured of two versions, byte for byte."""
    assert brands("Google Chrome", version) == wanted


def test_everything_agrees() -> None:
    """User agent, hints, platform and language are of one browser, and the headers of the token call hold them."""
    edge = made("edge", 147, "macos", "en-US")
    sent = headers(edge)

    assert edge.user_agent.endswith("Chrome/147.0.0.0 Safari/537.36 Edg/147.0.0.0")
    assert "Mac OS X 10_15_7" in edge.user_agent
    assert sent["sec-ch-ua"] == edge.brands
    assert '"Microsoft Edge";v="147"' in edge.brands
    assert (sent["sec-ch-ua-platform"], sent["accept-language"]) == ('"macOS"', "en-US,en;q=0.9")
    assert accept_language("zh") == "zh"


def test_text_alone_names_no_hints() -> None:
    """Of a raw user agent only a table would know them; what is none is no identity."""
    agent = raw("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    assert agent is not None

    assert not [name for name in headers(agent) if name.startswith("sec-ch-ua") or name == "priority"]
    assert headers(agent)["user-agent"] == agent.user_agent
    assert (raw(""), raw("浏览器"), raw("a\nb"), raw("x" * 513)) == (None, None, None, None)


def test_default_says_when_it_was_looked_at() -> None:
    """The table has a date, so that an old one is seen."""
    assert DEFAULT.table == "2026-11"
