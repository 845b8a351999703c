"""Messages: who answers an account's, the numbers, and what is doubted."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from support.settingsfile import SettingsFile
from xyfleet.supervisor.settings import Mail, Webhook
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import MailSettings


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def text(own: str = "", defaults: str = "") -> str:
    """Return a file with one account in flow style, in line 2."""
    return f"defaults: {{{defaults}}}\naccounts: [{{name: a, cookie: unb=1; cookie2=x, {own}}}]\n"


HOOK = "webhook: {url: 'https://h/', secret: k}"
HOOKED = Webhook(url=Secret("https://h/"), secret=Secret("k"))
OTHER_HOOK = "webhook: {url: 'http://127.0.0.1:8000/'}"
OTHER = Webhook(url=Secret("http://127.0.0.1:8000/"))


def test_the_built_in_values_are_the_workers() -> None:
    """The file's defaults and those of a worker that was told nothing are the same."""
    worker = MailSettings()

    assert msgspec.structs.asdict(Mail()) == {key: getattr(worker, key) for key in Mail.__struct_fields__}


def test_everything_arrives_and_an_accounts_own_wins(file: SettingsFile) -> None:
    """Each number on both levels."""
    defaults = "handler_timeout: 1.5, handler_concurrency: 2, handler_retries: 0, handler_retry_delay: 0.5"
    defaults += (
        ", reply_max_age: 0, on_unknown: retry, takeover_pause: 0, answer_groups: true"
        ", answer_fleet: true, reply_limit: 0, reply_limit_window: 60, send_rate: 0, keep_days: 0.5, keep_bytes: 1MB"
    )
    defaults += ", catch_up_every: 0, orders: false, orders_every: 60"
    expected = Mail(
        handler_timeout=1.5,
        handler_concurrency=2,
        handler_retries=0,
        handler_retry_delay=0.5,
        reply_max_age=0.0,
        on_unknown="retry",
        takeover_pause=0.0,
        answer_groups=True,
        answer_fleet=True,
        reply_limit=0,
        reply_limit_window=60.0,
        send_rate=0.0,
        keep_days=0.5,
        keep_bytes=1_000_000,
        catch_up_every=0.0,
        orders=False,
        orders_every=60.0,
    )

    assert file.account(text(defaults=defaults)).mail == expected
    assert file.account(text(own=defaults)).mail == expected
    assert file.account(text("keep_days: 7", defaults)).mail == msgspec.structs.replace(expected, keep_days=7.0)
    assert file.account(text()).mail == Mail()


@pytest.mark.parametrize(
    ("own", "defaults", "handler", "webhook"),
    [
        ("", "", None, None),
        ("handler: m:f", "", "m:f", None),
        (HOOK, "", None, HOOKED),
        ("", "handler: m:f", "m:f", None),
        ("", HOOK, None, HOOKED),
        ("handler: a.b:f", "handler: m:f", "a.b:f", None),
        ("handler: m:f", HOOK, "m:f", None),
        (HOOK, "handler: m:f", None, HOOKED),
        (OTHER_HOOK, HOOK, None, OTHER),  # the whole: never one service with another's key
        ("handler: none", "handler: m:f", None, None),
        ("webhook: none", HOOK, None, None),
        ("handler: none", HOOK, None, HOOKED),
        ("webhook: none", "handler: m:f", "m:f", None),
        (f"handler: none, {OTHER_HOOK}", "handler: m:f", None, OTHER),
        ("handler: m:f, webhook: none", HOOK, "m:f", None),
    ],
)
def test_who_answers(file: SettingsFile, own: str, defaults: str, handler: str | None, webhook: Webhook | None) -> None:
    """An account's own answerer replaces that of the defaults; `none` takes one back."""
    account = file.account(text(own, defaults))

    assert (account.handler, account.webhook) == (handler, webhook)


def test_both_in_one_place_are_refused(file: SettingsFile) -> None:
    """Who would answer? The defaults' slip is told once, however many accounts there are."""
    assert file.said(text(f"handler: m:f, {HOOK}", "handler: m:f")) == (
        "accounts.yml:2: a: handler: a webhook is given too; choose one: remove handler or webhook"
    )
    two = "accounts: [{name: a, cookie: unb=1; cookie2=x}, {name: b, cookie: unb=2; cookie2=x}]\n"
    assert file.said(f"defaults: {{handler: m:f, {HOOK}}}\n{two}") == (
        "accounts.yml:1: defaults.handler: a webhook is given too; choose one: remove handler or webhook"
    )


@pytest.mark.parametrize("handler", ["m:f", "mypkg.replies:answer", "_a.b1.C:_d", "回复.模块:回答", "none"])
def test_good_handlers(file: SettingsFile, handler: str) -> None:
    """A dotted module and a function."""
    assert file.problems(text(f"handler: '{handler}'")) == []


@pytest.mark.parametrize(
    "handler",
    [
        *("f", "m.f", "m:", ":f", "m:f:g", "m:f()", "m:f.g", "a/b:f", "./m:f", "m.py:f", "a.b.py:f", "1m:f", "a..b:f"),
        *("m: f", "m :f", ".m:f", "a-b:f", "None", "mypkg：f"),
    ],
)
def test_bad_handlers(file: SettingsFile, handler: str) -> None:
    """Paths, calls, methods, endings: refused with the right form."""
    assert file.said(text(f"handler: '{handler}'")) == (
        "accounts.yml:2: a: handler: is not allowed as it is written; "
        "write package.module:function, such as mypkg.replies:answer (no path, no .py); keywords, deliver, none"
    )


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("handler: ", "handler: has no value; write a value, or remove the line"),
        ("handler: []", "handler: is empty; write a value, or remove the line"),
        (
            "handler: [m:f, {m: f}]",
            "handler[2]: expected text, found settings (key: value); if the value begins with [ or {, put it in quotes",
        ),
        ("handler_timeout: 0", "handler_timeout: is too small; use a number above 0"),
        ("handler_timeout: 30s", "handler_timeout: is not a number; durations are plain numbers of seconds: 30"),
        ("handler_concurrency: 0", "handler_concurrency: is too small; use at least 1"),
        ("handler_concurrency: 1001", "handler_concurrency: is too large; use at most 1000"),
        ("handler_retries: -1", "handler_retries: is too small; use at least 0"),
        ("handler_retries: 21", "handler_retries: is too large; use at most 20"),
        ("handler_retries: 1.5", "handler_retries: is not a whole number; write a number such as 30"),
        ("handler_retry_delay: 0", "handler_retry_delay: is too small; use a number above 0"),
        ("reply_max_age: -1", "reply_max_age: is too small; use at least 0"),
        ("reply_max_age: 10m", "reply_max_age: is not a number; durations are plain numbers of seconds: 600"),
        ("on_unknown: retyr", "on_unknown: is not one of the words known here; did you mean retry?"),
        ("on_unknown: drop", "on_unknown: is not one of the words known here; use one of: park, retry"),
        ("takeover_pause: none", "takeover_pause: is not a number; write a number such as 30"),
        ("send_rate: -0.1", "send_rate: is too small; use at least 0"),
        ("keep_days: 0", "keep_days: is too small; use a number above 0"),
        ("keep_bytes: 999999", "keep_bytes: is too small; use at least 1000000 bytes, or a unit: 200MB"),
        ("keep_bytes: much", "keep_bytes: is not a size; write bytes, or KB, MB, GB, KiB, MiB, GiB: 200MB"),
        ("catch_up_every: -1", "catch_up_every: is too small; use at least 0"),
        ("webhook: {secret: k}", "webhook.url: is missing; add it"),
        ("webhook: {}", "webhook.url: is missing; add it"),
        ("webhook: ", "webhook.url: is missing; add it"),
        (
            "webhook: 'http://h/'",
            "webhook: expected settings (key: value), found text; write webhook: {url: …, secret: …}, or webhook: none",
        ),
        ("webhook: [a]", "webhook: expected settings (key: value), found a list; write “key: value”, one a line"),
        (
            "webhook: {url: 'h:80/'}",
            "webhook.url: is not an http:// or https:// address; write https://host/path or http://127.0.0.1:port/",
        ),
        ("webhook: {url: 'http://h/', secret: ''}", "webhook.secret: is empty; write a value, or remove the line"),
        ("webhook: {url: 'http://h/', secret_file: no}", "webhook.secret_file: no such file; check the path"),
        ("webhook: {url: 'http://h/', secrt: 1}", "webhook: unknown key; did you mean secret?"),
        ("url: x", "url: unknown key; its place is: webhook or defaults.webhook"),
        ("hander: m:f", "hander: unknown key; did you mean handler?"),
        ("catch_up_rate: 1", "catch_up_rate: unknown key; its place is: fleet"),
    ],
)
def test_bad_values(file: SettingsFile, own: str, said: str) -> None:
    """Each with its line, its key, what is wrong and what would be right; in the defaults alike."""
    assert file.said(text(own)) == f"accounts.yml:2: a: {said}"
    if not own.startswith(("hander", "catch_up_rate", "url")):
        assert file.said(text(defaults=own)).splitlines() == [f"accounts.yml:1: defaults.{said}"]


def test_a_handlers_module_is_looked_for(file: SettingsFile) -> None:
    """Beside the accounts file, then where Python looks; nothing of it is run."""
    (file.folder / "xf_package").mkdir()
    file.write("raise SystemExit('imported')", "xf_replies.py")
    lines = [
        f"- {{name: a{n}, cookie: unb={n}; cookie2=x, handler: '{name}:f'}}" for n, name in enumerate(("a", "b"), 1)
    ]

    for name in ("xf_replies", "xf_package.no.such.part", "json.tool", "pytest", "sys"):
        assert file.warned(text(f"handler: '{name}:f'")) == ""
    assert "xf_replies" not in sys.modules
    warned = file.warned(text("handler: none", "handler: xf_gone.replies:f")).replace(str(file.folder), "HERE")
    assert warned == (
        "accounts.yml:1: defaults.handler: there is no module xf_gone in HERE, nor where Python looks for modules; "
        "put xf_gone.py there, or correct the name"
    )
    lines = [f"- {{name: a{n}, cookie: unb={n}; cookie2=x, handler: 'xf_gone:f{n}'}}" for n in (1, 2)]
    assert file.warned("\n".join(("accounts:", *lines, ""))).count("accounts.yml:2: a1: handler: there is no") == 1
    assert len(file.warned().splitlines()) == 1


def test_a_module_that_came_since_is_found(file: SettingsFile) -> None:
    """A reload sees what was put there after the start."""
    assert file.warned(text("handler: xf_later:f"))

    file.write("", "xf_later.py")
    assert file.warned() == ""


@pytest.mark.parametrize("name", ["queue", "secrets", "json", "xyfleet", "msgspec"])
def test_files_with_names_that_are_taken(file: SettingsFile, name: str) -> None:
    """A file that a worker would not load, or that takes another module's place, is warned about once (S13)."""
    file.write("", f"{name}.py")
    file.write("", "replies.py")
    lines = [f"- {{name: a{n}, cookie: unb={n}; cookie2=x, handler: 'replies:f'}}" for n in (1, 2)]
    warned = file.warned("\n".join(("accounts:", *lines, "")))

    assert warned == (
        f"accounts.yml:2: a1: handler: {name}.py has the name of a module that is in use already: {name}; "
        "give the file another name; handlers may get the other module"
    )
    assert file.warned(text("webhook: {url: 'https://x.example'}")) == ""


def test_an_included_accounts_module_is_beside_the_main_file(file: SettingsFile) -> None:
    """Workers look in one folder, whatever file an account stands in."""
    file.write("accounts: [{name: b, cookie: unb=2; cookie2=x, handler: xf_module:f}]\n", "more/inc.yml")
    file.write("", "more/xf_module.py")
    main = text().replace("defaults", "include: [more/inc.yml]\ndefaults")

    assert "more/inc.yml:1: b: handler: there is no module xf_module in" in file.warned(main)
    file.write("", "xf_module.py")
    assert file.warned() == ""


def test_messages_in_clear_text_are_warned_about(file: SettingsFile) -> None:
    """Plain http is for this machine; the address is not shown."""
    assert file.warned(text("webhook: {url: 'http://hooks.example.com/x'}")) == (
        "accounts.yml:2: a: webhook.url: sends messages over the network in clear text; "
        "use https://, or an address of this machine"
    )
    for url in ("https://hooks.example.com/x", "http://127.0.0.1:8000/", "http://localhost/"):
        assert file.warned(text(f"webhook: {{url: '{url}'}}")) == ""
