"""F1: the `ua` of /reg is made of the account's own user agent."""

from __future__ import annotations

import pytest

from xyfleet.worker.protocol.reg_ua import reg_ua

WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit"
    "/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("agent", "names"),
    [
        (WINDOWS, "OS(Windows/10) Browser(Chrome/142.0.0.0)"),
        (MAC, "OS(Mac OS/10.15.7) Browser(Chrome/141.0.0.0)"),
        (f"{WINDOWS} Edg/142.0.0.0", "OS(Windows/10) Browser(Edge/142.0.0.0)"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "OS(Linux/other) Browser(Firefox/140.0)",
        ),
        ("Mozilla/5.0 (Windows NT 6.1) Version/17.4 Safari/605", "OS(Windows/7) Browser(Safari/17.4)"),
        ("curl", "OS(other/other) Browser(other/other)"),
    ],
)
def test_names_are_read_out_of_the_user_agent(agent: str, names: str) -> None:
    """The first two are captured whole; the others follow the same parser."""
    assert reg_ua(agent) == f"{agent} DingTalk(2.2.0) {names} DingWeb/2.2.0 IMPaaS DingWeb/2.2.0"
