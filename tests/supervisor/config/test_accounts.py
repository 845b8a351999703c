"""Accounts: layers of settings, profiles, the seed's names, and what each account must have."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import COOKIE, ONE, SettingsFile
from xyfleet.supervisor.config.reading import account_schema
from xyfleet.supervisor.identity import Identity, made, raw
from xyfleet.supervisor.settings import Account, Mail, Webhook
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import PROFILES, Backoff, Cycle, Retry


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def text(own: str = "", defaults: str = "") -> str:
    """Return a file with one account in flow style, in line 2."""
    return f"defaults: {{{defaults}}}\naccounts: [{{name: a, cookie: '{COOKIE}', {own}}}]\n"


def test_the_built_in_values(file: SettingsFile) -> None:
    """An account with a cookie alone has every default."""
    assert file.account(ONE) == Account(
        name="a",
        where=f"{file.path}:1",
        cookie=Secret(COOKIE),
        cycle=Cycle(),
    )


EVERYTHING = """\
        accounts:
          - name: shop-001
            label: 旗舰店
            tags: [phones, 2]
            cookie_file: c
            username: 13800138000
            password: 012345
            proxy: socks5h://u:p@h:1080
            user_agent: Mozilla/5.0
            max_memory: 200MB
            enabled: false
            heartbeat_interval: 40
            heartbeat_timeout: 80
            heartbeat_send_timeout: 1.5
            max_heartbeat_failures: 4
            heartbeat_retry_delay: 6
            max_connection_failures: 7
            stable_after: 8
            open_timeout: 9
            register_timeout: 11
            retry: {closed: {step: 1, max: 2}, network: {step: 3, max: 4}, other: {step: 5, max: 6},
              growth: exponential, jitter: 0}
"""


def test_everything_an_account_can_say(file: SettingsFile) -> None:
    """All settings arrive."""
    file.write(COOKIE, "c")
    account = file.account(EVERYTHING)

    assert account == Account(
        name="shop-001",
        where=f"{file.path}:2",
        label="旗舰店",
        tags=("phones", "2"),
        cookie=Secret(COOKIE),
        cookie_file=file.folder / "c",
        username="13800138000",
        password=Secret("012345"),
        proxy=Secret("socks5h://u:p@h:1080"),
        identity=Identity(user_agent="Mozilla/5.0"),
        max_memory=200_000_000,
        enabled=False,
        cycle=Cycle(
            heartbeat_interval=40.0,
            heartbeat_timeout=80.0,
            heartbeat_send_timeout=1.5,
            max_heartbeat_failures=4,
            heartbeat_retry_delay=6.0,
            max_connection_failures=7,
            stable_after=8.0,
            open_timeout=9.0,
            register_timeout=11.0,
            retry=Retry(
                closed=Backoff(step=1.0, max=2.0),
                network=Backoff(step=3.0, max=4.0),
                other=Backoff(step=5.0, max=6.0),
                growth="exponential",
                jitter=0.0,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("own", "defaults", "pair"),
    [
        ("", "", (15, 30)),
        ("", "profile: high_latency", (30, 60)),
        ("", "profile: high_latency, heartbeat_interval: 25", (25, 60)),
        ("profile: mobile", "profile: high_latency, heartbeat_interval: 25", (45, 90)),
        ("profile: mobile, heartbeat_interval: 40", "heartbeat_timeout: 70", (40, 90)),
        ("heartbeat_timeout: 70", "profile: unstable", (20, 70)),
        ("heartbeat_interval: 10", "heartbeat_timeout: 70", (10, 70)),
    ],
)
def test_precedence(file: SettingsFile, own: str, defaults: str, pair: tuple[int, int]) -> None:
    """Account setting, account profile, defaults setting, defaults profile, built-in: the first that speaks."""
    cycle = file.account(text(own, defaults)).cycle

    assert (cycle.heartbeat_interval, cycle.heartbeat_timeout) == pair


def test_profiles_bring_their_other_settings_too(file: SettingsFile) -> None:
    """`high_latency` allows more failures, `unstable` grows exponentially and keeps the delays."""
    assert file.account(text("profile: high_latency")).cycle.max_heartbeat_failures == 5

    retry = file.account(text("profile: unstable, retry: {closed: {max: 20}}")).cycle.retry
    assert retry == Retry(closed=Backoff(step=3.0, max=20.0), growth="exponential")


@pytest.mark.parametrize("profile", list(PROFILES))
def test_every_profile_is_valid(file: SettingsFile, profile: str) -> None:
    """The built-in profiles keep the rules that files must keep."""
    assert file.problems(text(f"profile: {profile}")) == []


def test_retry_is_merged_deeply(file: SettingsFile) -> None:
    """One number given on each level changes just these."""
    retry = file.account(text("retry: {closed: {step: 1}}", "retry: {closed: {max: 9}, jitter: 0.1}")).cycle.retry

    assert retry == Retry(closed=Backoff(step=1.0, max=9.0), jitter=0.1)


def test_the_seeds_names(file: SettingsFile) -> None:
    """The five upper-case names mean the same settings, on both levels."""
    own = "HEARTBEAT_INTERVAL: 30, HEARTBEAT_TIMEOUT: 60, MAX_HEARTBEAT_FAILURES: 5"
    cycle = file.account(text(own, "RETRY_DELAY_BASE: 4, RETRY_DELAY_MAX: 25, HEARTBEAT_TIMEOUT: 99")).cycle

    assert cycle == Cycle(
        heartbeat_interval=30.0,
        heartbeat_timeout=60.0,
        max_heartbeat_failures=5,
        retry=Retry(other=Backoff(step=4.0, max=25.0)),
    )


def test_both_spellings_on_two_levels_are_layers(file: SettingsFile) -> None:
    """An account's lower-case name wins over the defaults' upper-case one."""
    assert file.account(text("heartbeat_interval: 7", "HEARTBEAT_INTERVAL: 9")).cycle.heartbeat_interval == 7


@pytest.mark.parametrize(
    ("seed", "own"),
    [
        ("HEARTBEAT_INTERVAL: 3", "heartbeat_interval: 3"),
        ("MAX_HEARTBEAT_FAILURES: 3", "max_heartbeat_failures: 3"),
        ("RETRY_DELAY_BASE: 3", "retry: {other: {step: 3}}"),
        ("RETRY_DELAY_MAX: 3", "retry: {other: {max: 3}}"),
    ],
)
def test_both_spellings_in_one_place_are_refused(file: SettingsFile, seed: str, own: str) -> None:
    """Even if they say the same; an account's and the defaults' place alike."""
    name = own.replace(": {", ".").partition(":")[0]
    key = seed.partition(":")[0]

    said = f"is the same setting as {name} in line %d; remove one of the two"
    assert file.said(text(f"{seed}, {own}")) == f"accounts.yml:2: a: {key}: {said % 2}"
    assert file.said(text("", f"{own}, {seed}")) == f"accounts.yml:1: defaults.{key}: {said % 1}"


def test_a_timeout_below_twice_the_interval_is_refused_with_the_numbers(file: SettingsFile) -> None:
    """The message holds both numbers and what would do; exactly twice is right."""
    assert file.said(text("heartbeat_interval: 40")) == (
        "accounts.yml:2: a: heartbeat_interval: heartbeat_timeout (30) is less than twice heartbeat_interval (40); "
        "set heartbeat_timeout to 80 or more, or heartbeat_interval to 15 or less"
    )
    assert file.problems(text("heartbeat_interval: 0.1, heartbeat_timeout: 0.2, heartbeat_send_timeout: 0.05")) == []


def test_the_place_blamed_is_the_accounts_own(file: SettingsFile) -> None:
    """When account and defaults contradict each other, the account's line is named, else the defaults'."""
    assert file.places(text("heartbeat_interval: 40", "heartbeat_timeout: 60")) == [(2, "heartbeat_interval")]
    assert file.places(text("profile: mobile, heartbeat_timeout: 60")) == [(2, "heartbeat_timeout")]
    assert file.places(text("profile: mobile, heartbeat_interval: 50")) == [(2, "heartbeat_interval")]
    assert file.places(text("profile: mobile", "heartbeat_send_timeout: 45")) == [(2, "profile")]


def test_defaults_that_contradict_themselves_are_named_once(file: SettingsFile) -> None:
    """Two accounts under wrong defaults are one problem, without an account."""
    two = "accounts: [{name: a, cookie: unb=1}, {name: b, cookie: unb=2}]\n"

    (found,) = file.problems(f"defaults: {{heartbeat_interval: 20}}\n{two}")
    assert (found.account, found.key) == (None, "defaults.heartbeat_interval")


def test_a_send_may_not_take_longer_than_the_interval(file: SettingsFile) -> None:
    """`heartbeat_send_timeout` stays below the interval."""
    assert file.said(text("heartbeat_interval: 2")) == (
        "accounts.yml:2: a: heartbeat_interval: "
        "heartbeat_send_timeout (2) is not below heartbeat_interval (2); set heartbeat_send_timeout below 2"
    )


def test_a_bad_number_is_one_problem(file: SettingsFile) -> None:
    """A value that could not be read is not judged against others."""
    assert file.places(text("heartbeat_interval: x, heartbeat_timeout: 1")) == [(2, "heartbeat_interval")]


def test_an_account_needs_a_cookie_or_a_way_to_one(file: SettingsFile) -> None:
    """Without cookie: user name and hook, or a warning that a person must log it in; a disabled account may wait."""
    hook = "refresh: {command: [/bin/true]}\n"

    assert file.warned("accounts: [{name: a}]\n") == (
        "accounts.yml:1: a: has no cookie; log it in once the fleet runs (xyfleet login NAME --qr), or add cookie or "
        "cookie_file; a first login by the hook needs username and refresh.command"
    )
    assert file.warned("accounts: [{name: a, username: u}]\n").startswith("accounts.yml:1: a: has no cookie")
    assert file.warned(f"{hook}accounts: [{{name: a}}]\n").startswith("accounts.yml:2: a: has no cookie")
    assert file.account(f"{hook}accounts: [{{name: a, username: u}}]\n").cookie is None
    assert file.account("accounts: [{name: a, enabled: false}]\n").cookie is None


def test_a_bad_cookie_is_not_a_missing_one(file: SettingsFile) -> None:
    """One slip is one problem."""
    assert file.places("accounts: [{name: a, cookie: x}]\n") == [(1, "cookie")]
    assert file.places("accounts: [{name: a, cookie: [x]}]\n") == [(1, "cookie")]


def test_defaults_reach_every_account(file: SettingsFile) -> None:
    """Any setting of the defaults is every account's, until it has its own."""
    accounts = file.load(
        """\
        defaults: {proxy: "http://h:1", user_agent: X, max_memory: 64MiB, tags: [t], enabled: false, password: p}
        accounts:
          - {name: a}
          - {name: b, proxy: "http://h:2", user_agent: Y, max_memory: 65MiB, tags: [], enabled: true, cookie: unb=7}
        """
    ).accounts
    a, b = accounts["a"], accounts["b"]

    assert (a.identity, b.identity) == (raw("X"), raw("Y"))
    assert (a.proxy, a.max_memory, a.tags, a.enabled) == (Secret("http://h:1"), 2**26, ("t",), False)
    assert (b.proxy, b.max_memory, b.tags, b.enabled) == (Secret("http://h:2"), 65 * 2**20, (), True)
    assert a.password == b.password == Secret("p")


def test_what_belongs_to_one_account_is_refused_in_defaults(file: SettingsFile) -> None:
    """A cookie, name or user for all accounts makes no sense."""
    assert file.said(f"defaults: {{cookie: unb=1, username: u}}\n{ONE}").splitlines() == [
        "accounts.yml:1: defaults.cookie: unknown key; its place is: an account",
        "accounts.yml:1: defaults.username: unknown key; its place is: an account",
    ]


def test_the_form_has_every_setting_of_the_cycle() -> None:
    """A setting added to the worker's types and not to the file's form fails here."""
    assert set(Cycle.__struct_fields__) <= set(account_schema.RawDefaults.__annotations__)
    assert set(Retry.__struct_fields__) == set(account_schema.RawRetry.__annotations__)
    assert set(Backoff.__struct_fields__) == set(account_schema.RawBackoff.__annotations__)


def test_the_form_has_every_setting_of_an_account() -> None:
    """The same for the account's own settings; `where`, `cycle`, `mail` and `ready` are made, not written."""
    fields = set(Account.__struct_fields__) - {"where", "cycle", "mail", "ready"}

    assert fields | set(Mail.__struct_fields__) <= set(account_schema.RawAccount.__annotations__)
    assert set(Webhook.__struct_fields__) <= set(account_schema.RawWebhook.__annotations__)


def test_identity_is_one_line_of_the_table(file: SettingsFile) -> None:
    """What an account gives is filled up by the defaults, then by the table; a user agent replaces all of it."""
    found = file.load(
        """\
        defaults: {identity: {browser: edge, os: macos}}
        accounts:
          - {name: a, cookie: unb=1, identity: {version: 149}}
          - {name: b, cookie: unb=2, user_agent: Mozilla/5.0}
          - {name: c, cookie: unb=3}
        """
    ).accounts

    assert found["a"].identity == made("edge", 149, "macos")
    assert found["b"].identity == raw("Mozilla/5.0")
    assert found["c"].identity == made("edge", os="macos")


def test_identity_is_checked(file: SettingsFile) -> None:
    """Not beside a user agent in one place; no browser, version or language that there is not."""
    assert "choose one: remove user_agent or identity" in file.said(
        "accounts: [{name: a, cookie: unb=1, user_agent: X, identity: {os: linux}}]\n"
    )
    for wrong in ("browser: firefox", "version: 15", "os: Windows 11", "language: 中文"):
        assert file.places(f"accounts: [{{name: a, cookie: unb=1, identity: {{{wrong}}}}}]\n") == [
            (1, "identity." + wrong.partition(":")[0])
        ]
