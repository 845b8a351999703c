"""Secrets: in place, from the environment, from files; never shown, never half right."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import COOKIE, SettingsFile
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.config.secrets import read_cookie_file
from xyfleet.supervisor.settings import Webhook
from xyfleet.worker.secret import Secret


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def one(*lines: str, cookie: str = f'cookie: "{COOKIE}"') -> str:
    """Return a file with one account: a cookie and further lines."""
    return "".join(f"{line}\n" for line in ("accounts:", "- name: a", f"  {cookie}", *(f"  {line}" for line in lines)))


def test_variables_are_filled_in_anywhere(file: SettingsFile) -> None:
    """`${NAME}` works in every secret, within a value too, and more than once."""
    text = one(
        "username: ${USER_1}",
        "password: a${PW}b${PW}",
        "proxy: socks5://u:${PW}@h:1",
        cookie='cookie: "unb=${UNB}; cookie2=x"',
    )
    account = file.account(text, {"USER_1": "13800000000", "PW": "p-w", "UNB": "2215000000009"})

    assert account.username == "13800000000"
    assert account.password == Secret("ap-wbp-w")
    assert account.cookie == Secret("unb=2215000000009; cookie2=x")


def test_the_proxy_is_checked_after_filling_in(file: SettingsFile) -> None:
    """A variable may hold the whole proxy, and a wrong one is a problem without its text."""
    assert file.account(one("proxy: ${P}"), {"P": "http://h:1"}).proxy == Secret("http://h:1")

    said = file.said(env={"P": "hunter2:80"})
    assert said.startswith("accounts.yml:4: a: proxy: is not a proxy's address")
    assert "hunter2" not in said


def test_a_variable_is_text(file: SettingsFile) -> None:
    """Bytes that are no UTF-8 would fail where the secret is used: for a webhook, in the middle of the fleet."""
    said = file.said(one("webhook: {url: 'http://127.0.0.1:1/', secret: '${KEY}'}"), {"KEY": "k\udcff\udcfe1"})

    assert "the environment variable KEY is not in UTF-8" in said
    assert "\udcff" not in said


def test_a_doubled_dollar_is_literal(file: SettingsFile) -> None:
    """`$${X}` is the text `${X}`; a lone dollar is a dollar."""
    account = file.account(one("password: a$${X}$b$$"), {"X": "no"})

    assert account.password == Secret("a${X}$b$$")


def test_a_missing_or_empty_variable_is_named(file: SettingsFile) -> None:
    """Every variable that is not there is a problem of its own, by name."""
    said = file.said(one("password: ${ONE}${TWO}"), {"TWO": ""})

    assert [line.partition("; ")[0] for line in said.splitlines()] == [
        "accounts.yml:4: a: password: the environment variable ONE is not set, or empty",
        "accounts.yml:4: a: password: the environment variable TWO is not set, or empty",
    ]


@pytest.mark.parametrize("value", ["a${", "a${b c}", "${}", "${1}", "${A"])
def test_what_is_no_variable_is_refused(file: SettingsFile, value: str) -> None:
    """An opened `${` must be a variable or doubled; the text around it is not shown."""
    said = file.said(one(f"password: 'hunter2{value}'"), {"A": "x"})

    assert "password: holds a “${” that is not ${NAME}; write $${ where ${ itself is meant" in said
    assert "hunter2" not in said


def test_secrets_come_from_files(file: SettingsFile) -> None:
    """A *_file is read against the folder of the file that names it; its last line break is no part of it."""
    file.write("p w \n", "secrets/password")
    file.write("user\r\n", "secrets/user")
    file.write("\ufeffsocks5://h:1\n", "secrets/proxy")
    file.write(f"Cookie: {COOKIE};\n", "secrets/cookie")
    account = file.account(
        one(
            "username_file: secrets/user",
            "password_file: ./secrets/password",
            f"proxy_file: {file.folder}/secrets/proxy",
            cookie="cookie_file: secrets/cookie",
        )
    )

    assert account.username == "user"
    assert account.password == Secret("p w ")
    assert account.proxy == Secret("socks5://h:1")
    assert account.cookie == Secret(COOKIE)
    assert account.cookie_file == file.folder / "secrets/cookie"


def test_paths_of_secrets_take_variables_and_the_home(file: SettingsFile) -> None:
    """systemd's credentials folder and ~ work in *_file; the content is taken as it is."""
    file.write("${NOT_A_VARIABLE}", "run/pw")
    file.write("x", "home/proxy.txt")
    text = one("password_file: ${CREDENTIALS_DIRECTORY}/pw", "username_file: ~/proxy.txt")

    account = file.account(text, {"CREDENTIALS_DIRECTORY": str(file.folder / "run")})

    assert account.password == Secret("${NOT_A_VARIABLE}")
    assert account.username == "x"


def test_bad_files_of_secrets_are_blamed_on_the_line_that_names_them(file: SettingsFile) -> None:
    """Missing, empty, of two lines, a folder: each is named, the content is not shown."""
    file.write("  \n", "empty")
    file.write("hunter2\nhunter3\n", "two")
    file.write("hunter2", "cookie")
    text = "accounts:\n" + "".join(
        f"- {{name: {name}, cookie: unb={number}, password_file: {name}}}\n"
        for number, name in enumerate(["gone", "empty", "two", "home"], 1)
    )
    (file.folder / "home").mkdir()

    said = file.said(text + "- {name: z, cookie_file: cookie}\n")

    assert [line.partition("; ")[0] for line in said.splitlines()] == [
        "accounts.yml:2: gone: password_file: no such file",
        "accounts.yml:3: empty: password_file: the file is empty",
        "accounts.yml:4: two: password_file: has more than one line",
        "accounts.yml:5: home: password_file: is a folder",
        "accounts.yml:6: z: cookie_file: part 1 of 1 is not name=value",
    ]


def test_a_secret_and_its_file_together_are_refused(file: SettingsFile) -> None:
    """Of two places for one secret neither wins."""
    file.write("x", "pw")

    assert file.said(one("password: y", "password_file: pw")) == (
        "accounts.yml:5: a: password_file: password is given too; keep one of password and password_file"
    )


def test_an_accounts_file_wins_over_a_default_text(file: SettingsFile) -> None:
    """`password_file` of an account and `password` of the defaults are one setting on two levels."""
    file.write("own", "pw")
    account = file.account(f"defaults: {{password: common}}\n{one('password_file: pw')}")

    assert account.password == Secret("own")


def test_no_proxy_takes_back_a_default(file: SettingsFile) -> None:
    """`proxy: none` is the only way past a proxy that all others use; an empty one is refused."""
    assert file.account(f"defaults: {{proxy: 'http://h:1'}}\n{one('proxy: none')}").proxy is None
    assert "proxy: has no value" in file.said(f"defaults: {{proxy: 'http://h:1'}}\n{one('proxy:')}")


def test_folded_and_literal_blocks_are_one_line(file: SettingsFile) -> None:
    """A cookie pasted over several lines of a block is put together at its semicolons."""
    accounts = file.load(
        """\
        accounts:
          - name: a
            cookie: |
              unb=7;
              cookie2=x;
          - name: b
            cookie: >
              unb=8;
              cookie2=y
        """
    ).accounts

    assert accounts["a"].cookie == Secret("unb=7; cookie2=x")
    assert accounts["b"].cookie == Secret("unb=8; cookie2=y")


def test_a_cookie_in_full_width_quotes_is_understood(file: SettingsFile) -> None:
    """For a cookie, quotes of any kind around it can only be a slip."""
    assert file.account(one(cookie="cookie: “unb=7; cookie2=x”")).cookie == Secret("unb=7; cookie2=x")


def test_exposed_secrets_are_warned_about(file: SettingsFile) -> None:
    """A file with secrets in it, and files of secrets, that others can read: one warning each."""
    for name in ("c1", "c2"):
        file.write(f"unb={name[1]}; cookie2=x", name).chmod(0o604)
    file.write(one(), "inc.yml").chmod(0o640)
    path = file.write(
        "include: [inc.yml]\naccounts:\n- {name: c1, cookie_file: c1}\n- {name: c2, cookie_file: c2, proxy: 'http://u:p@h:1'}\n"
    )
    path.chmod(0o644)

    assert file.warned().splitlines() == [
        "accounts.yml: holds secrets and can be read by other users of this machine; run: chmod 600 accounts.yml",
        "accounts.yml:3: c1: cookie_file: "
        "the files of 2 secrets, this one first, can be read by other users of this machine; "
        "set their mode to 600 (chmod 600)",
        "inc.yml: holds secrets and can be read by other users of this machine; run: chmod 600 inc.yml",
    ]


def test_a_readable_file_without_secrets_is_fine(file: SettingsFile) -> None:
    """Variables, a proxy without password and a user name are nobody's secret."""
    file.env["C"] = COOKIE
    path = file.write(one("username: u", "proxy: http://h:1", cookie="cookie: ${C}"))
    path.chmod(0o644)

    assert file.warned() == ""


def test_a_webhooks_secrets_come_from_anywhere(file: SettingsFile) -> None:
    """Address and key from the environment; the key from a file too."""
    file.write("k e y\n", "key")
    hook = file.account(one("webhook: {url: 'https://${HOST}/x', secret: '${KEY}'}"), {"HOST": "h", "KEY": "k"}).webhook

    assert hook == Webhook(url=Secret("https://h/x"), secret=Secret("k"))
    hook = file.account(one("webhook: {url: 'https://h/', secret_file: key}")).webhook
    assert hook == Webhook(url=Secret("https://h/"), secret=Secret("k e y"))


def test_a_webhooks_secrets_are_never_shown(file: SettingsFile) -> None:
    """Neither by a good account nor by a problem."""
    assert "hunter2" not in repr(file.account(one("webhook: {url: 'https://u:hunter2@h/?t=hunter2', secret: hunter2}")))

    file.write("hunter2\nhunter3", "two")
    said = file.said(
        "accounts:\n"
        "- {name: a, cookie: unb=1, webhook: {url: 'ftp://hunter2/', secret: '${hunter2'}}\n"
        "- {name: b, cookie: unb=2, webhook: {url: '${HOOK}', secret_file: two}}\n"
        "- {name: c, cookie: unb=3, webhook: {url: 'http://h/', secret: hunter2, secret_file: two}}\n"
        "- {name: d, cookie: unb=4, webhook: hunter2}\n"
        "- {name: e, cookie: unb=5, webhook: {url: 'http://h/', hunter2: 1, secret2: 1}}\n",
        {"HOOK": "hunter2"},
    )

    assert [line.partition("; ")[0] for line in said.splitlines()] == [
        "accounts.yml:2: a: webhook.url: is not an http:// or https:// address",
        "accounts.yml:2: a: webhook.secret: holds a “${” that is not ${NAME}",
        "accounts.yml:3: b: webhook.url: is not an http:// or https:// address",
        "accounts.yml:3: b: webhook.secret_file: has more than one line",
        "accounts.yml:4: c: webhook.secret_file: webhook.secret is given too",
        "accounts.yml:5: d: webhook: expected settings (key: value), found text",
        "accounts.yml:6: e: webhook: unknown key",
        "accounts.yml:6: e: webhook: unknown key",
    ]
    assert "hunter" not in said


@pytest.mark.parametrize(
    ("webhook", "exposed"),
    [
        ("{url: 'http://127.0.0.1/'}", False),
        ("{url: 'http://u:p@127.0.0.1/'}", True),
        ("{url: 'http://127.0.0.1/', secret: k}", True),
        ("{url: 'http://127.0.0.1/', secret: '${HOME}'}", False),
        ("none", False),
    ],
)
def test_an_exposed_webhook_is_warned_about(file: SettingsFile, webhook: str, exposed: bool) -> None:
    """A key that others can read, or a password in an address."""
    file.env["C"] = COOKIE
    path = file.write(one(f"webhook: {webhook}", cookie="cookie: ${C}"))
    path.chmod(0o644)

    assert ("chmod 600" in file.warned()) is exposed


def test_the_simulators_cookies_are_no_secret(file: SettingsFile) -> None:
    """The example file can be readable by everybody."""
    path = file.write("fleet: {endpoint: simulator}\naccounts: [{name: a, cookie: unb=2200000000001}]\n")
    path.chmod(0o644)

    assert file.warned() == ""


def test_a_watched_cookie_file_is_read_like_the_first_time(file: SettingsFile) -> None:
    """`read_cookie_file` gives the clean cookie, or the problem without its content."""
    path = file.write(f"Cookie: {COOKIE}\n", "cookie")
    assert read_cookie_file(path) == Secret(COOKIE)

    file.write("cookie2=hunter2", "cookie")
    with pytest.raises(BadFile, match="has no single user id") as caught:
        read_cookie_file(path)
    assert "hunter2" not in str(caught.value)
