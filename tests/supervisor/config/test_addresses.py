"""Addresses: what may go where, and in which form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.config.addresses import (
    Wrong,
    check_proxy,
    check_server,
    check_webhook,
    is_loopback,
    is_readable_on_the_way,
    parse_listen,
)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback(host: str) -> None:
    """These names are this machine."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "example.com", ""])
def test_not_loopback(host: str) -> None:
    """All others may be another machine."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url",
    ["wss://wss-goofish.dingtalk.com/", "wss://h:444/p?q=1", "ws://127.0.0.1:9/", "ws://[::1]/", "ws://localhost"],
)
def test_good_endpoints(url: str) -> None:
    """TLS goes anywhere, clear text to this machine only."""
    assert check_server(url, "wss", "ws") is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://example.com/", "would send secrets in clear text"),
        ("https://example.com/", "is not a wss:// address"),
        ("example.com", "is not a wss:// address"),
        ("wss://", "is not a wss:// address"),
        ("wss://h:port/", "is not a wss:// address"),
        ("wss://h:99999/", "is not a wss:// address"),
        ("wss://h h/", "is not a wss:// address"),
        ("wss://[1/", "is not a wss:// address"),
        ("wss://u:p@h/", "holds a user, a password or a #"),
        ("wss://h/#x", "holds a user, a password or a #"),
    ],
)
def test_bad_endpoints(url: str, words: str) -> None:
    """Each slip has its message."""
    assert check_server(url, "wss", "ws") == Wrong(words, "write wss://host/path")


@pytest.mark.parametrize(
    "url",
    ["http://h:80", "socks5://1.2.3.4:1080/", "socks5h://u:p@h:1", "socks4://h:1", "socks5://u:p%23@[::1]:1080"],
)
def test_good_proxies(url: str) -> None:
    """Scheme, host and port are there; user and password may be."""
    assert check_proxy(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("1.2.3.4:1080", "is not a proxy's address"),
        ("//1.2.3.4:1080", "is not a proxy's address"),
        ("socks5://:1080", "is not a proxy's address"),
        ("socks5://h:0", "is not a proxy's address"),
        ("socks5://h:1 ", "is not a proxy's address"),
        ("https://h:443", "has a scheme that is not supported"),
        ("ss://h:443", "has a scheme that is not supported"),
        ("socks5://h", "lacks the port"),
        ("socks5://u@h:1", "has a user without a password"),
        ("socks5://h:1/x", "goes on after the port"),
        ("socks5://h:1?x", "goes on after the port"),
    ],
)
def test_bad_proxies(url: str, words: str) -> None:
    """Each slip has its message, so that nobody dials without the proxy that was meant."""
    wrong = check_proxy(url)

    assert wrong is not None
    assert wrong.message == words


@given(st.text("abcdefghij#/?@:%[]", min_size=6, max_size=30))
def test_a_proxys_password_is_never_repeated(password: str) -> None:
    """Whatever is wrong, the message holds nothing of the address."""
    wrong = check_proxy(f"socks5://zyxwvu:{password}@proxyhost:port")

    assert wrong is not None
    assert "zyxwvu" not in "".join(wrong)
    assert password not in "".join(wrong)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9180", ("127.0.0.1", 9180)),
        ("localhost:80", ("localhost", 80)),
        ("[::1]:9180", ("::1", 9180)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_listening_addresses(text: str, address: tuple[str, int]) -> None:
    """A host and a port; 0 is any free port."""
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    "text", ["9180", ":9180", "127.0.0.1", "h:99999", "http://h:80", "::1:80", "h:80/x", "h h:8", "h:８"]
)
def test_what_is_no_listening_address(text: str) -> None:
    """Anything else is refused with an example."""
    assert parse_listen(text) == Wrong("is not host:port", "write 127.0.0.1:9180")


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("https://hooks.example.com/a?token=x", False),
        ("http://hooks.example.com/a", True),
        ("http://10.0.0.1:8000", True),
        ("http://u:p@127.0.0.1:8000/", False),
        ("http://[::1]/", False),
        ("http://localhost/a", False),
    ],
)
def test_good_webhooks(url: str, readable: bool) -> None:
    """Any machine, with or without encryption; which of them can be read on the way is known."""
    assert check_webhook(url) is None
    assert is_readable_on_the_way(url) is readable


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://h/", "http://", "http:///a", "http://h:x/", "http://h/ a", ""]
)
def test_bad_webhooks(url: str) -> None:
    """Scheme and host are required; the address is not repeated."""
    wrong = check_webhook(url)

    assert wrong == Wrong("is not an http:// or https:// address", "write https://host/path or http://127.0.0.1:port/")
    assert not is_readable_on_the_way(url)


def test_a_fragment_reaches_no_server() -> None:
    """Who writes one means something else."""
    wrong = check_webhook("https://h/#a")

    assert wrong is not None
    assert wrong.message == "holds a # part, which no server gets to see"
