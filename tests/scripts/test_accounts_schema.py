"""The schema and the reference: both say what the types say, in both languages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scripts.lib.accounts_schema import FILE, schema
from support.places import REPOSITORY
from xyfleet.supervisor.config.diff import ACCOUNT_RESTART, ALL_ACCOUNTS_RESTART, FLEET_RESTART
from xyfleet.supervisor.config.reading import account_schema
from xyfleet.supervisor.settings import Account
from xyfleet.worker.settings import PROFILES, Retry

PAGES = ("docs/accounts.md", "docs/accounts.zh-CN.md")


def test_the_file_in_the_repository_is_what_the_types_say(tmp_path: Path) -> None:
    """Run `python -m scripts.lib.accounts_schema` after a change of the form."""
    path = tmp_path / "schema.json"
    subprocess.run([sys.executable, "-m", "scripts.lib.accounts_schema", str(path)], check=True)

    assert path.read_text() == (REPOSITORY / FILE).read_text(encoding="utf-8")


def part(name: str) -> dict[str, Any]:
    """Return one part of the schema."""
    found: dict[str, Any] = schema()["$defs"][name]
    return found


def test_every_part_refuses_unknown_keys() -> None:
    """So does the file's check; only templates at the top are free."""
    parts = schema()["$defs"]

    assert all(one["additionalProperties"] is False for one in parts.values())
    assert [name for name, one in parts.items() if "patternProperties" in one] == ["RawFile"]


def test_texts_may_look_like_numbers() -> None:
    """`username: 13800138000` is no error in an editor either; a size may have its unit, both within their bounds."""
    account = part("RawAccount")["properties"]

    assert account["username"]["anyOf"] == [{"type": "string"}, {"type": "number"}]
    assert account["max_memory"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    assert account["max_memory"]["minimum"] == 16 * 1024**2
    assert re.search(account["max_memory"]["pattern"], "200MB")


def test_names_of_the_seed_are_completed_too() -> None:
    """The upper-case names are keys of accounts and defaults."""
    for name in ("RawAccount", "RawDefaults"):
        assert set(account_schema.SEED_NAMES) <= set(part(name)["properties"])
    assert part("RawAccount")["required"] == ["name"]
    assert part("RawRetry")["required"] == []


def test_a_webhook_is_a_section_or_the_word_none() -> None:
    """Its address is required, and the word is the only one."""
    section, word = part("RawAccount")["properties"]["webhook"]["anyOf"]

    assert section == {"$ref": "#/$defs/RawWebhook"}
    assert word == {"enum": ["none"]}
    assert part("RawWebhook")["required"] == ["url"]


def test_every_key_explains_itself() -> None:
    """An editor shows a sentence for each."""
    for one in schema()["$defs"].values():
        assert all(prop.get("description", "").endswith(".") for prop in one["properties"].values())


def test_the_profiles_are_those_of_the_worker() -> None:
    """A profile added there is a word here."""
    assert set(part("RawDefaults")["properties"]["profile"]["enum"]) == set(PROFILES)


def keys(name: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key of a part with its default, nested ones dotted."""
    for key, prop in part(name)["properties"].items():
        inner = next((one["$ref"] for one in (prop, *prop.get("anyOf", ())) if "$ref" in one), None)
        if inner:
            yield from keys(inner.rpartition("/")[2], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", prop.get("default")


def expected_keys() -> dict[str, Any]:
    """Return every key that a page must explain, with its default."""
    top = {key: part("RawFile")["properties"][key].get("default") for key in part("RawFile")["properties"]}
    found = {
        **top,
        **dict(keys("RawAccount")),
        **dict(keys("RawFleet", "fleet.")),
        **dict(keys("RawRefresh", "refresh.")),
    }
    for name in ("closed", "network", "other"):
        backoff = getattr(Retry(), name)
        found |= {f"retry.{name}.step": backoff.step, f"retry.{name}.max": backoff.max}
    return found


def rows(page: str) -> dict[str, tuple[str, str]]:
    """Return default and effect of each key that a page's tables explain."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    found = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \| [^|]*\|$", text, re.MULTILINE)
    return {key: (default, effect) for key, default, effect in found}


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_explains_every_key(page: str) -> None:
    """No key is missing, none is invented."""
    assert set(rows(page)) == set(expected_keys())


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_has_the_right_defaults(page: str) -> None:
    """Every plain default stands in backticks as one would write it; two long ones are described."""
    shown = {key: default for key, (default, _effect) in rows(page).items()}
    known = {key: default for key, default in expected_keys().items() if default is not None}

    described = {"user_agent", "fleet.token_url"}
    assert {key: shown[key] for key in known if key not in described} == {
        key: f"`{written(default)}`" for key, default in known.items() if key not in described
    }


def written(value: object) -> str:
    """Return a value as it stands in a file."""
    return json.dumps(value).strip('"').removesuffix(".0")


def effect(key: str) -> str:
    """Return what a changed key needs, as `changes` has it."""
    if key in ("fleet", "refresh", "defaults"):
        return "–"
    if key.startswith("fleet.tls") or key == "fleet.behind_proxy":
        key = "fleet.http"
    if any(key == path or key.startswith(f"{path}.") for path in FLEET_RESTART):
        return "fleet"
    is_account = key in ALL_ACCOUNTS_RESTART or key.removesuffix("_file") in ACCOUNT_RESTART | {"cookie"}
    return "account" if is_account and key != "cookie_file" else "live"


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_has_the_right_effects(page: str) -> None:
    """live, account or fleet: the page says what a reload does."""
    assert {key: shown for key, (_default, shown) in rows(page).items()} == {
        key: effect(key) for key in expected_keys()
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_has_the_profiles(page: str) -> None:
    """Each profile's two numbers are the worker's."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")

    for name, preset in PROFILES.items():
        numbers = f"{preset['heartbeat_interval']:g} | {preset['heartbeat_timeout']:g}"
        assert re.search(rf"^\| `{name}`[^|]*\| {numbers} \|", text, re.MULTILINE)


def test_defaults_in_the_schema_are_json() -> None:
    """What people read as default is what they could write."""
    assert json.loads(msgspec.json.encode(schema())) == schema()
    assert part("RawDefaults")["properties"]["heartbeat_interval"]["default"] == 15
    assert "default" not in part("RawAccount")["properties"]["label"]
    assert Account(name="a", where="").label == ""
