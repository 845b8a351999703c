"""Cookies as they are pasted: what is unambiguous is tolerated, what is not is named and never shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.credentials.cookies import MAX_LENGTH, MAX_TEXT, InvalidCookie, checked, doubt, unb
from xyfleet.worker.secret import Secret

PLAIN = "unb=2215000000001; cookie2=abc; _m_h5_tk=x_1"
JSON = json.dumps(
    [
        {"domain": ".goofish.com", "name": n, "value": v, "path": "/"}
        for n, v in (pair.split("=") for pair in PLAIN.split("; "))
    ],
    indent=1,
)
NETSCAPE = "# Netscape HTTP Cookie File\n\n" + "".join(
    f"{mark}.goofish.com\tTRUE\t/\tTRUE\t1799999999\t{pair.replace('=', chr(9))}\r\n"
    for mark, pair in zip(("#HttpOnly_", "#HttpOnly_", ""), PLAIN.split("; "), strict=True)
)


def clean(text: str) -> str:
    """Return what the cookie comes to."""
    return checked(Secret(text)).reveal()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN + ";",
        f"  {PLAIN}\n",
        f"Cookie: {PLAIN}",
        f"cookie:{PLAIN}",
        f'"{PLAIN}"',
        f"'{PLAIN}'",
        f"“{PLAIN}”",
        f'"Cookie: {PLAIN}"',
        f'Cookie: "{PLAIN}"',
        PLAIN.replace("; ", ";"),
        PLAIN.replace("; ", ";\n"),
        PLAIN.replace("; ", "\r\n;  "),
        PLAIN.replace("; ", ";; "),
        PLAIN.replace("=", " = "),
        f"\ufeff{PLAIN}",
        f'\ufeff"{PLAIN}"',
        f"{PLAIN}; Path=/; HttpOnly",
        f"{PLAIN}; Domain=.goofish.com; Expires=Thu, 01 Jan 2037 00:00:00 GMT; Max-Age=5; secure; SameSite=None",
        f"Set-Cookie: {PLAIN}; Path=/",
        f"-H 'Cookie: {PLAIN}'",
        f'-H "cookie: {PLAIN}" \\',
        f"-b '{PLAIN}'",
        f"--cookie={PLAIN!r}",
        f"curl 'https://h5api.m.goofish.com/h5/' \\\n  -H 'accept: */*' \\\n  -H 'cookie: {PLAIN}' \\\n  --compressed",
        f"curl 'https://www.goofish.com/' -H 'a: b' -b $'{PLAIN.replace('a', chr(92) + 'u0061')}'",
        JSON,
        f"\ufeff{JSON}",
        json.dumps({"url": "https://www.goofish.com", "cookies": json.loads(JSON)}),
        json.dumps(dict(pair.split("=") for pair in PLAIN.split("; "))),
        NETSCAPE,
        NETSCAPE.partition("\n\n")[2],
        NETSCAPE.replace("\r\n", "\n"),
    ],
)
def test_harmless_wrappings_are_undone(text: str) -> None:
    """Marks, a header's name, quotes, attributes, curl's options and an export's form change nothing (X14)."""
    assert clean(text) == PLAIN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("unb=1; cookie2=ab\ncd", "part 2 of 2 holds a blank or a line break"),
        ("unb=1; cookie2=ab cd", "part 2 of 2 holds a blank or a line break"),
        ("unb=1; cookie2", "part 2 of 2 is not name=value"),
        ("unb=1; =x", "part 2 of 2 is not name=value"),
        ("unb=1；cookie2=x", "part 1 of 1 holds a character that no browser sends"),
        ("unb=1; a=\u200bx", "part 2 of 2 holds a character that no browser sends"),
        ("cookie2=abc", "has no single user id"),
        ("unb=; cookie2=abc", "has no single user id"),
        ("unb=12a; cookie2=abc", "has no single user id"),
        ("unb=1; unb=2", "has no single user id"),
        ("", "has no single user id"),
        ("unb=<script>; cookie2=x", "has no single user id"),
        ('[{"name": "cookie2", "value": "1"}]', "has no single user id"),
        ('[{"name": "unb", "value": "1;2"}]', "part 1 of 1 holds a character that no browser sends"),
        ('[{"name": "unb", "value": "1"', "begins like a JSON export, and is none"),
        ("[" * 60_000, "begins like a JSON export, and is none"),
        ('{"cookies": [1]}', "is JSON, but no export"),
        ('{"unb": 1}', "is JSON, but no export"),
        ("# Netscape HTTP Cookie File", "has no single user id"),
        ("# Netscape HTTP Cookie File\nunb=1", "begins like a cookies.txt, and is none"),
        ("curl 'https://www.goofish.com' -H 'accept: */*'", "is a curl command without a Cookie header"),
        ("curl 'https://www.goofish.com' -H 'cookie: unb=1", "is a curl command that is cut off"),
        ("unb=1; a=" + "x" * MAX_LENGTH, "is longer than 32768"),
        ("unb=1; a=" + "x" * MAX_TEXT, "is longer than 65536"),
    ],
)
def test_what_is_broken_is_named(text: str, words: str) -> None:
    """The message says which part is wrong and how."""
    with pytest.raises(InvalidCookie, match=words) as caught:
        clean(text)

    assert caught.value.remedy.say("en") in str(caught.value)


def test_the_same_user_twice_is_fine() -> None:
    """Browsers of two domains send a cookie of one name twice; one value is one user."""
    assert clean("unb=7; a=b; unb=7") == "unb=7; a=b"


def test_the_user_is_the_unb() -> None:
    """Only the pair named `unb` counts, not one that ends so."""
    assert unb(checked(Secret("xunb=3; unb=5"))) == "5"


def test_an_export_of_many_sites_gives_those_of_goofish() -> None:
    """Cookies of other sites, also of one whose name only ends so, are left out when there are some of goofish.com."""
    found = [("www.goofish.com", "unb", "1"), ("notgoofish.com", "unb", "2"), (".taobao.com", "cookie2", "t")]
    assert clean(json.dumps([{"domain": d, "name": n, "value": v} for d, n, v in found])) == "unb=1"
    assert clean(json.dumps([{"domain": d, "name": n, "value": v} for d, n, v in found[1:]])) == "unb=2; cookie2=t"


def test_a_missing_proof_is_doubted() -> None:
    """Without `cookie2` the way to copy the right header is told; with it nothing is."""
    doubtful = doubt(Secret("unb=1; t=2"))

    assert doubtful is not None
    assert "no cookie2 in it" in doubtful.say("en")
    assert "Network" in doubtful.say("en")
    assert doubt(Secret(PLAIN)) is None


@given(st.text(max_size=200))
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    """What is accepted is one line of ASCII that cleans to itself."""
    try:
        cookie = clean(text)
    except InvalidCookie:
        return
    assert clean(cookie) == cookie
    assert cookie.isascii()
    assert cookie.isprintable()


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%._-", min_size=8, max_size=20)


@given(TOKEN, TOKEN, st.sampled_from([" ", "\n", "；", "\u200b", ";", "="]))
def test_no_message_shows_a_part_of_the_cookie(name: str, secret: str, mess: str) -> None:
    """However it is broken, the refusal repeats neither names nor values."""
    with pytest.raises(InvalidCookie) as caught:
        clean(f"q{name}=z{secret}{mess}q{secret}{mess}")

    assert name not in str(caught.value)
    assert secret not in str(caught.value)
