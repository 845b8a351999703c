"""Suggestions: what was meant by a word that nobody knows."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.config.reading.section_readers import places
from xyfleet.supervisor.config.reading.suggestions import nearest, remedy

HERE = ["name", "endpoint", "http", "timezone", "connect_rate"]


@pytest.mark.parametrize("word", ["endpoit", "Endpoint", "end-point", "end_point", "ｅndpoint", "\u3000endpoint"])
def test_nearest_overlooks_typing_slips(word: str) -> None:
    """Case, dashes, full-width letters and a wrong letter don't hide what was meant."""
    assert nearest(word, HERE) == "endpoint"


def test_nearest_does_not_guess_wildly() -> None:
    """A word like none of them has no suggestion."""
    assert nearest("timeout", HERE) is None
    assert nearest("", HERE) is None


def test_a_key_of_another_section_is_sent_there() -> None:
    """`cooldown` under fleet belongs under refresh."""
    assert remedy("cooldown", HERE, places()) == "its place is: refresh"


def test_a_key_of_accounts_is_sent_to_account_or_defaults() -> None:
    """A heartbeat setting at the top of the file, also by its other name, has two right places."""
    expected = "its place is: an account or defaults (for all accounts)"

    assert remedy("heartbeat_interval", HERE, places()) == expected
    assert remedy("HEARTBEAT_INTERVAL", HERE, places()) == expected


def test_a_key_of_the_top_level_is_sent_there() -> None:
    """`include` inside a section belongs to the top of the file."""
    assert remedy("include", HERE, places()) == "its place is: the top of the file"


def test_a_slip_in_a_key_known_here_comes_first() -> None:
    """Of two candidates the one that fits the place is suggested."""
    assert remedy("connect_rat", HERE, places()) == "did you mean connect_rate?"


def test_a_slip_in_a_key_of_another_section_names_key_and_place() -> None:
    """A misspelt key in the wrong section gets both corrections."""
    assert remedy("cool_downn", HERE, places()) == "did you mean cooldown? Its place is: refresh"


def test_a_key_like_nothing_gets_the_list() -> None:
    """With nothing near, the keys known here are listed."""
    assert remedy("zzz", HERE, places()) == "known here: name, endpoint, http, timezone, connect_rate"


def test_a_long_list_is_a_reference() -> None:
    """Where there are many keys, the page that explains them is named."""
    assert (
        remedy("zzz", [f"key{n}" for n in range(17)], places()) == "docs/accounts.md has the keys that are known here"
    )


def test_nested_places_are_dotted() -> None:
    """The place of a log setting is `fleet.log`, of a retry setting `retry.…`."""
    assert remedy("beats", HERE, places()) == "its place is: fleet.log"
    assert "retry.closed" in remedy("step", HERE, places())
