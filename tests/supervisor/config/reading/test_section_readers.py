"""Readers: every kind of value checked, every problem of a file at once, each at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settingsfile import COOKIE, ONE, SettingsFile
from xyfleet.supervisor.config.reading import file_schema
from xyfleet.supervisor.config.reading.problems import BAD, At, Item, Problems, Section
from xyfleet.supervisor.config.reading.section_readers import places, root
from xyfleet.supervisor.config.reading.yaml_tree import compose


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """An accounts.yml of this test."""
    return SettingsFile(tmp_path)


def read(text: str) -> tuple[Section, str]:
    """Return the section of a text, and its problems as they are shown."""
    node = compose(text, "f")
    assert node is not None
    problems = Problems()
    section = root(file_schema.RawFile).read(node, At("f"), problems)
    assert isinstance(section, dict)
    return section, "\n".join(map(str, problems.all()))


def test_values_come_with_their_places() -> None:
    """A checked value knows file, line, account and dotted key."""
    section, said = read("accounts:\n- name: a\n  retry:\n    closed: {step: 2}\n")

    assert said == ""
    (account,) = section["accounts"].value
    assert account.value["name"] == Item("a", At("f", 2, "a", "name"))
    assert account.value["retry"].value["closed"].value["step"] == Item(2.0, At("f", 4, "a", "retry.closed.step"))


def test_texts_are_taken_raw() -> None:
    """Numbers and words that YAML would convert stay the text that was written."""
    section, said = read(
        "accounts:\n- {name: 007, label: 1.10, password: 012345, username: 13800138000, cookie: 123, tags: [1, yes]}\n"
    )

    assert said == ""
    account = section["accounts"].value[0].value
    assert {key: item.value for key, item in account.items() if key != "tags"} == {
        "name": "007",
        "label": "1.10",
        "password": "012345",
        "username": "13800138000",
        "cookie": "123",
    }
    assert [tag.value for tag in account["tags"].value] == ["1", "yes"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("heartbeat_interval: 3m", "is not a number; durations are plain numbers of seconds: 180"),
        ("heartbeat_interval: 0", "is too small; use a number above 0"),
        ("heartbeat_interval: -1", "is too small; use a number above 0"),
        ("heartbeat_interval: 40000000", "is too large; use at most 31536000"),
        ("heartbeat_interval: .inf", "is not a number; write a number such as 30"),
        (
            "heartbeat_interval: [1]",
            "expected a number, found a list; if the value begins with [ or {, put it in quotes",
        ),
        ("heartbeat_interval:", "has no value; write a value, or remove the line"),
        ("max_heartbeat_failures: 2.5", "is not a whole number; write a number such as 30"),
        ("max_heartbeat_failures: 0", "is too small; use at least 1"),
        ("max_memory: 200M", "is not a size; write bytes, or KB, MB, GB, KiB, MiB, GiB: 200MB"),
        ("max_memory: 200", "is too small; use at least 16777216 bytes, or a unit: 200MB"),
        ("max_memory: []", "expected a size, found a list; if the value begins with [ or {, put it in quotes"),
        (
            "profile: {}",
            "expected text, found settings (key: value); if the value begins with [ or {, put it in quotes",
        ),
        ("enabled: 1", "is neither true nor false; write true or false"),
        (
            "enabled: {}",
            "expected true or false, found settings (key: value); if the value begins with [ or {, put it in quotes",
        ),
        ("profile: mobil", "is not one of the words known here; did you mean mobile?"),
        ("profile: zzz", "is not one of the words known here; use one of: enterprise, high_latency, mobile, unstable"),
        ("tags: phones", "expected a list, found text; write [a, b], or lines that begin with “- ”"),
        ("password: ''", "is empty; write a value, or remove the line"),
        ("password: “abc”", "begins with a full-width quote; write plain quotes: \" or '"),
        ('password: "a\\x07"', "holds an invisible control character; type this line anew"),
        ("user_agent: 浏览器", "is not allowed as it is written; use one line of plain ASCII, as a browser sends it"),
        ("password: ~", "has no value; write a value, or remove the line"),
    ],
)
def test_wrong_values(line: str, words: str) -> None:
    """Each kind of value says what is wrong and what would be right."""
    _section, said = read(f"defaults:\n  {line}\n")

    key = line.partition(":")[0]
    assert said == f"f:2: defaults.{key}: {words}"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("heartbeat_interval: '40'", 40.0),
        ("max_memory: 64MiB", 64 * 1024**2),
        ("max_memory: 20000000", 20_000_000),
        ("enabled: no", False),
        ("password: '“abc”'", "“abc”"),
        ("password: 'null'", "null"),
        ("tags:", []),
        ("retry:", {}),
        ("password: |\n    abc\n", "abc"),
    ],
)
def test_right_values_in_other_words(line: str, value: object) -> None:
    """What can mean only one thing is accepted."""
    section, said = read(f"defaults:\n  {line}\n")

    assert said == ""
    assert section["defaults"].value[line.partition(":")[0]].value == value


@pytest.mark.parametrize("name", ["shop 1", "店", "a/b", ".", "..", "x" * 65, "a@b"])
def test_names_that_are_none(name: str) -> None:
    """Names are letters, digits, dots, dashes; never a path."""
    _section, said = read(f"accounts:\n- name: '{name}'\n")

    assert said == (
        "f:2: accounts[1].name: is not allowed as it is written; use 1 to 64 of the characters A-Z a-z 0-9 . _ -"
    )


@pytest.mark.parametrize("name", ["a", "shop-001", "A.b_c", "x" * 64, "...", "007"])
def test_names_that_are_some(name: str) -> None:
    """All the characters allowed, up to 64 of them."""
    assert read(f"accounts:\n- name: {name}\n")[1] == ""


@pytest.mark.parametrize("tag", ["a b", "a,b", "@a", "a*", "x" * 65])
def test_tags_that_are_none(tag: str) -> None:
    """A tag can be chosen with @tag on a command line; anything that can't is refused at its place in the list."""
    _section, said = read(f"defaults:\n  tags:\n  - ok\n  - '{tag}'\n")

    assert said.startswith("f:4: defaults.tags[2]: is not allowed as it is written")


def test_labels_are_any_text_of_one_line() -> None:
    """A label may be empty, Chinese, quoted; not of two lines, not endless."""
    assert read("accounts:\n- {name: a, label: ''}\n- {name: b, label: “旗舰店”, tags: [手机]}\n")[1] == ""
    assert "label: is not allowed" in read('accounts:\n- {name: a, label: "x\\ny"}\n')[1]
    assert "label: is not allowed" in read(f"accounts:\n- {{name: a, label: {'x' * 201}}}\n")[1]


def test_unknown_keys_say_what_was_meant() -> None:
    """A typing slip, a wrong section, the seed's names: each unknown key has its remedy."""
    _section, said = read(
        "flet: {}\n"
        "HEARTBEAT_INTERVAL: 15\n"
        "fleet:\n"
        "  cooldown: 3\n"
        "  log: {totl: 1}\n"
        "defaults:\n"
        "  HEARTBEAT_INTERVALL: 3\n"
        "accounts:\n"
        "- name: a\n"
        "  Cookie: x\n"
        "  endpoint: x\n"
    )

    assert said.splitlines() == [
        "f:1: flet: unknown key; did you mean fleet?",
        "f:2: HEARTBEAT_INTERVAL: unknown key; its place is: an account or defaults (for all accounts)",
        "f:4: fleet.cooldown: unknown key; its place is: refresh",
        "f:5: fleet.log.totl: unknown key; did you mean total?",
        "f:7: defaults.HEARTBEAT_INTERVALL: unknown key; did you mean heartbeat_interval?",
        "f:10: a: Cookie: unknown key; did you mean cookie?",
        "f:11: a: endpoint: unknown key; its place is: fleet",
    ]


def test_a_key_that_may_be_a_secret_is_not_shown() -> None:
    """A cookie on the wrong side of the colon appears in no message."""
    _section, said = read("accounts:\n- {name: a, cookie:unb=1-hunter2, hunter2: 1, hunter2: 2}\n")

    assert said.splitlines() == [
        "f:2: accounts[1]: is given twice, first in line 2; remove one of the two",
        "f:2: a: unknown key; docs/accounts.md has the keys that are known here",
    ]


def test_keys_given_twice_are_refused() -> None:
    """The second of two equal keys names the first's line, at every level."""
    _section, said = read("version: 1\nversion: 1\ndefaults:\n  stable_after: 3\n  stable_after: 4\n")

    assert said.splitlines() == [
        "f:2: version: is given twice, first in line 1; remove one of the two",
        "f:5: defaults.stable_after: is given twice, first in line 4; remove one of the two",
    ]


def test_keys_that_are_no_text_are_refused() -> None:
    """A list as a key is named, the other keys are read."""
    section, said = read("? [a]\n: 1\nversion: 1\n")

    assert said == "f:1: a key must be plain text; write “key: value”"
    assert section["version"].value == 1


def test_merge_keys() -> None:
    """`<<` brings in what is absent; of several sources the first wins, own keys win over all."""
    section, said = read(
        "x-a: &a {heartbeat_interval: 1, stable_after: 1, open_timeout: 1}\n"
        "x-b: &b {<<: *a, open_timeout: 2, register_timeout: 2}\n"
        "defaults:\n"
        "  stable_after: 9\n"
        "  <<: [*a, *b]\n"
    )

    assert said == ""
    assert {key: item.value for key, item in section["defaults"].value.items()} == {
        "heartbeat_interval": 1.0,
        "stable_after": 9.0,
        "open_timeout": 1.0,
        "register_timeout": 2.0,
    }


def test_a_merge_of_no_settings_is_refused() -> None:
    """`<<` with a text is a mistake; a quoted << is a key like any other."""
    assert "“<<” takes settings only; write <<: *name" in read("defaults:\n  <<: x\n")[1]
    assert "f:2: defaults: unknown key" in read("defaults:\n  '<<': {}\n")[1]


def test_top_level_templates_are_not_read() -> None:
    """Keys that begin with x- are a place for anchors, at the top only."""
    assert read("x-anything: {no: [matter, what]}\n")[1] == ""
    assert "unknown key" in read("fleet: {x-a: 1}\n")[1]


def test_entries_that_are_no_accounts() -> None:
    """A text in the list of accounts says what it lacks."""
    _section, said = read("accounts:\n- name：a\n- name:a\n- 3\n- [x]\n-\n")

    assert said.splitlines() == [
        "f:2: accounts[1]: expected settings (key: value), found text; a full-width colon “：” stands here: write “: ”",
        "f:3: accounts[2]: expected settings (key: value), found text; "
        "the colon needs a space after it: write “key: value”",
        "f:4: accounts[3]: expected settings (key: value), found text; write “key: value”, one a line",
        "f:5: accounts[4]: expected settings (key: value), found a list; write “key: value”, one a line",
        "f:6: accounts[5].name: is missing; add it",
    ]


def test_a_bad_value_is_marked_and_the_rest_is_read() -> None:
    """Nothing stops at a problem."""
    section, said = read("fleet: {http: [], token_rate: 3}\n")

    assert "fleet.http" in said
    assert section["fleet"].value["http"].value is BAD
    assert section["fleet"].value["token_rate"].value == 3.0


def test_every_problem_of_a_file_comes_at_once(file: SettingsFile) -> None:
    """Slips in as many places are as many problems."""
    text = """\
        version: x
        fleet:
          http: 1
          timezone: Mars
        refresh: {timeout: 0}
        defaults:
          profile: x
        accounts:
          - name: a
            cookie: x
            enabled: perhaps
          - name: b
            colour: red
        """

    assert file.places(text) == [
        (1, "version"),
        (3, "fleet.http"),
        (4, "fleet.timezone"),
        (5, "refresh.timeout"),
        (7, "defaults.profile"),
        (10, "cookie"),
        (11, "enabled"),
        (13, None),
    ]


def test_lines_survive_windows_line_ends_and_a_byte_order_mark(file: SettingsFile) -> None:
    """CRLF and BOM change neither values nor line numbers."""
    text = f"\ufeffversion: 1\r\naccounts:\r\n- name: a\r\n  label: 店\r\n  cookie: {COOKIE}\r\n"
    account = file.account(text.encode())

    assert (account.name, account.label) == ("a", "店")
    assert file.places((text + "  labell: red\r\n").encode()) == [(6, "labell")]


def test_every_reader_has_a_place() -> None:
    """The map of places knows nested keys, and both levels of an account's settings."""
    assert places()["cooldown"] == ["refresh"]
    assert places()["beats"] == ["fleet.log"]
    assert sorted(places()["proxy"]) == ["accounts[]", "defaults"]


def test_a_value_cut_by_a_comment_is_doubted(file: SettingsFile) -> None:
    """A secret that goes on behind ` #` is warned about; a label is not."""
    text = f"""\
        accounts:
          - name: a
            label: x #1
            cookie: {COOKIE}
            password: abc #123
        """

    assert file.warned(text).startswith(
        "accounts.yml:5: a: password: ends before “ #”: the rest of the line is a comment"
    )


def test_one_is_a_good_file(file: SettingsFile) -> None:
    """The shortest file of these tests has no problem."""
    assert file.problems(ONE) == []
