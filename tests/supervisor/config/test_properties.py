"""Properties of the whole loader: it never breaks, never shows a secret, and reads back what is written."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from support.settingsfile import GIB
from xyfleet.supervisor.config.load import load_with_warnings
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.settings import Settings
from xyfleet.worker.settings import Cycle

shared = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One folder for all examples; each overwrites the file."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def outcome(folder: Path, data: bytes) -> tuple[Settings | None, str]:
    """Return the settings, if the file is good, and everything said about it; any other exception is a failure."""
    path = folder / "accounts.yml"
    path.write_bytes(data)
    try:
        settings, warnings = load_with_warnings(path, {"HOME": str(folder), "PATH": "/bin"}, memory=8 * GIB)
    except BadFile as error:
        return None, str(error) or pytest.fail("a bad file without a reason")
    return settings, "\n".join(map(str, warnings)) + repr(settings)


@shared
@given(st.binary(max_size=300))
def test_any_bytes_are_settings_or_a_bad_file(folder: Path, data: bytes) -> None:
    """Nothing but `BadFile` comes out of random bytes."""
    outcome(folder, data)


KEYS = ["version", "include", "fleet", "refresh", "defaults", "accounts", "name", "cookie", "cookie_file", "proxy"]
KEYS += ["endpoint", "http", "tls", "log", "dir", "total", "command", "retry", "closed", "step", "profile", "tags"]
KEYS += ["webhook", "handler", "secret", "keep_bytes", "on_unknown"]
KEYS += ["heartbeat_interval", "HEARTBEAT_INTERVAL", "timezone", "simulator", "state_dir", "x-a", "<<", "nonsense"]
WORDS = (
    "a simulator mobile 0 1 -1 15 1e999 200MB true none ~ ../.. /dev/null 127.0.0.1:1 0.0.0.0:1 wss://h/ Asia * ~/x 店"
)
SCALARS = st.sampled_from(
    [*WORDS.split(), "", "socks5://h:1", "unb=1; a=b", "unb=2200000000001", "${X}", "${", "“x”", "a：b", "9" * 30]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


@shared
@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=6))
def test_any_tree_of_known_keys_is_settings_or_a_bad_file(folder: Path, tree: dict[str, Any]) -> None:
    """Right keys in wrong places, wrong values for right keys: problems, never a crash."""
    outcome(folder, yaml.safe_dump(tree, allow_unicode=True).encode())
    outcome(folder, json.dumps(tree).encode())


GOOD = """\
version: 1
fleet: {name: shops, http: 127.0.0.1:9180, timezone: Asia/Shanghai}
refresh: {command: [/bin/true], timeout: 180}
defaults:
  profile: enterprise
  password: SECRETone
accounts:
  - name: shop-001
    label: 旗舰店
    cookie: "unb=2215000000001; cookie2=SECRETtwo; k=SECRETthree"
    password: 'SECRETfour'
    proxy: socks5://user:SECRETfive@127.0.0.1:1080
  - {name: shop-002, cookie: unb=2215000000002; cookie2=SECRETsix, password: SECRETseven}
"""
SECRET_NAMES = ["one", "two", "three", "four", "five", "six", "seven"]
MARKS = st.sampled_from([*"\n\t :-'\"[]{},&*!|>#%@`=;：“”，$", "${", " #", "\x00", "\x1b", "- ", "  ", "<<: "])


@st.composite
def torn(draw: st.DrawFn) -> str:
    """A good file with some characters deleted, doubled, or replaced by marks that mean something to YAML."""
    text = GOOD
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 12, 40])))
        text = text[:start] + draw(MARKS | st.just("")) + text[end:]
    return text


@shared
@given(torn())
@example(GOOD.replace("password: 'SECRETfour'", "password:SECRETfour"))
@example(GOOD.replace("password: 'SECRETfour'", "password: *SECRETfour"))
@example(GOOD.replace("password: 'SECRETfour'", "password: !SECRETfour x"))
@example(GOOD.replace("password: 'SECRETfour'", "? SECRETfour"))
@example(GOOD.replace("user:SECRETfive@", "user:SECRETfive#@"))
@example(GOOD.replace("cookie2=SECRETsix, password:", "cookie2=SECRETsix password:"))
@example(GOOD.replace('舰店\n    cookie: "unb=2215000000001; cooki', "["))
@example(GOOD.replace("\n    cookie:", "  "))
@example(GOOD.replace('舰店\n    cookie: "unb=2215000000001; cookie2=SECRETtwo; k', ""))
@example(GOOD.replace('舰店\n    cookie: "unb=2215000000001; cookie2=SECRETtwo; k=', ""))
def test_a_torn_file_shows_no_secret(folder: Path, text: str) -> None:
    """However a file is broken, no message holds a secret or a piece of it behind its first letters."""
    assume(not re.search(r"\$\{SECRET\w*\}", text))  # the name of a variable, which has to be said when it is not set
    _settings, said = outcome(folder, text.encode(errors="replace"))

    assert "SECRET" not in said


PASSWORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30).filter(
    lambda text: text[0] not in "“”‘’「＂"  # a writer of YAML leaves these unquoted, and such a value is refused
)


def shapes() -> st.SearchStrategy[dict[str, Any]]:
    """Good settings of one account: numbers that keep the rules."""
    seconds = st.floats(0.01, 10_000)
    return st.fixed_dictionaries(
        {"heartbeat_interval": st.floats(3, 1000)},
        optional={
            "max_heartbeat_failures": st.integers(1, 1000),
            "heartbeat_retry_delay": seconds,
            "max_connection_failures": st.integers(1, 1000),
            "stable_after": seconds,
            "open_timeout": seconds,
            "register_timeout": seconds,
            "label": st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=50).filter(
                lambda text: not {"=", ";"} <= set(text) and not text.endswith(('"', "'"))  # as of a torn cookie
            ),
            "enabled": st.booleans(),
            "max_memory": st.integers(2**24, 2**40),
            "tags": st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), max_size=3),
            "password": PASSWORDS,
            "retry": st.fixed_dictionaries(
                {}, optional={"jitter": st.floats(0, 1), "closed": st.fixed_dictionaries({"step": seconds})}
            ),
        },
    )


@shared
@given(st.lists(shapes(), min_size=1, max_size=4), st.sampled_from(["yaml", "json"]))
def test_good_settings_are_read_back(folder: Path, shapes: list[dict[str, Any]], form: str) -> None:
    """What a program writes as YAML or JSON is what the loader returns."""
    accounts = [
        {"name": f"shop-{n}", "cookie": f"unb={n + 1}", "heartbeat_timeout": 2 * shape["heartbeat_interval"], **shape}
        for n, shape in enumerate(shapes)
    ]
    for account in accounts:
        if "${" in account.get("password", ""):
            account["password"] = account["password"].replace("${", "$${")
    text = (
        yaml.safe_dump({"accounts": accounts}, allow_unicode=True)
        if form == "yaml"
        else json.dumps({"accounts": accounts}, ensure_ascii=False)
    )

    settings, said = outcome(folder, text.encode())

    assert settings is not None, said
    for written in accounts:
        read = settings.accounts[written["name"]]
        plain = {**msgspec.to_builtins(read.cycle), "label": read.label, "enabled": read.enabled}
        plain |= {"max_memory": read.max_memory, "tags": list(read.tags)}
        assert plain["retry"]["closed"]["step"] == written.get("retry", {}).get("closed", {}).get("step", 3)
        assert plain["retry"]["jitter"] == written.get("retry", {}).get("jitter", 0.3)
        if "password" in written:
            assert read.password is not None
            assert read.password.reveal() == written["password"].replace("$${", "${")
        for key in (set(plain) & set(written)) - {"retry"}:
            assert plain[key] == written[key]


@shared
@given(st.floats(0.5, 100), st.floats(0.5, 100), st.floats(0.1, 100))
def test_the_rule_of_timeout_and_interval(folder: Path, interval: float, timeout: float, send: float) -> None:
    """A file is good exactly when timeout >= 2 * interval and send_timeout < interval; what it gives keeps both."""
    text = (
        f"accounts: [{{name: a, cookie: unb=1, heartbeat_interval: {interval!r}, heartbeat_timeout: {timeout!r}, "
        f"heartbeat_send_timeout: {send!r}}}]\n"
    )
    settings, said = outcome(folder, text.encode())

    assert (settings is not None) == (timeout >= 2 * interval and send < interval), said
    if settings is not None:
        expected = Cycle(heartbeat_interval=interval, heartbeat_timeout=timeout, heartbeat_send_timeout=send)
        assert settings.accounts["a"].cycle == expected
