"""Events are told in sentences."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from xyfleet.supervisor.common.event_log import Event, Kind
from xyfleet.supervisor.common.timestamps import zone
from xyfleet.supervisor.presentation.event_text import RESULTS, WHY_RESTART, line, sentence
from xyfleet.worker.states import TRANSITIONS

NOW = datetime(2026, 1, 2, 4, tzinfo=UTC)


def event(kind: Kind, old: str | None = None, new: str | None = None, **fields: Any) -> Event:
    return Event(id=1, time="2026-01-02T03:04:05Z", account="shop-1", kind=kind, old=old, new=new, **fields)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_move_of_the_state_table_has_a_sentence(language: str) -> None:
    """No move is told by its bare names, and none keeps a hole."""
    for old, moves in TRANSITIONS.items():
        for new in moves.values():
            text = sentence(event("state", old, new, cause="network"), language)

            assert "%" not in text
            assert not text.startswith("state ")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_result_has_a_sentence(language: str) -> None:
    """Events of the other kinds are told too."""
    for kind, new in RESULTS:
        told = sentence(event(kind, None, new, cause="auth", by="li", why="hang", counts={"added": 2}), language)  # type: ignore[arg-type]

        assert "%" not in told
        assert told != f"{kind} {new}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("CONNECTED", "RECONNECTING", "connection lost: heartbeats stay unanswered"),
        ("CONNECTING", "RECONNECTING", "could not connect: heartbeats stay unanswered"),
        ("FAILED", "RECONNECTING", "trying once more"),
        ("RECONNECTING", "FAILED", "FAILED, gives up dialling: heartbeats stay unanswered"),
        ("CONNECTING", "CONNECTED", "connected"),
    ],
)
def test_a_state_is_told_by_where_it_came_from(old: str, new: str, expected: str) -> None:
    """A drop and a failed attempt lead to the same state, and are not the same news."""
    assert sentence(event("state", old, new, cause="heartbeat"), "en") == expected


def test_a_connection_made_anew_is_no_loss() -> None:
    """Where nothing was wrong, a new login say, no loss without a cause is told."""
    assert sentence(event("state", "CONNECTED", "RECONNECTING", reason="login"), "en") == (
        "the connection is made anew (login)"
    )


def test_line_has_time_account_label_reason_and_what_comes_next() -> None:
    """One line says all, in the fleet's zone."""
    lost = event(
        "state",
        "CONNECTED",
        "RECONNECTING",
        cause="network",
        reason="connect refused",
        label="旗舰店",
        next_attempt="2026-01-02T03:04:08Z",
    )

    assert (
        line(lost, "en", zone("Asia/Shanghai"), NOW)
        == "11:04:05  shop-1 (旗舰店)  connection lost: server not reachable (connect refused); next attempt 11:04:08"
    )


def test_fleet_event_names_the_fleet() -> None:
    """An event of no account is of the fleet."""
    begun = Event(id=1, time="2026-01-02T03:04:05Z", account=None, kind="outage", new="begun", cause="network")

    assert "  fleet  OUTAGE, ? accounts: server not reachable" in line(begun, "en", UTC, NOW)


def test_reload_counts_only_what_changed() -> None:
    """Zeros are not told."""
    assert sentence(event("reload", new="done", counts={"added": 2, "removed": 0}), "en") == "file read again: 2 added"
    assert sentence(event("reload", new="done", counts={}), "en") == "file read again: nothing changed"


@pytest.mark.parametrize("kind", ["restart", "state", "refresh"])
def test_results_of_a_newer_version_are_shown_as_they_are(kind: Kind) -> None:
    """What is not known here is still shown."""
    assert sentence(event(kind, None, "100%new"), "en") == f"{kind} 100%new"


def test_reasons_for_restarts_have_words() -> None:
    """Known reasons are translated, others shown as they are."""
    for why in WHY_RESTART:
        assert why not in sentence(event("restart", new="starting", why=why), "zh")
    assert sentence(event("restart", new="starting", why="mood"), "en") == "worker restarted: mood"


def test_message_is_its_reason() -> None:
    """A message needs no words around it."""
    assert sentence(event("message", reason="disk full"), "en") == "disk full"


def test_line_can_not_steer_the_terminal() -> None:
    """Whatever a server sent is printable when shown."""
    assert line(event("message", reason="a\x1b[2J\nb"), "en", UTC, NOW).isprintable()


@pytest.mark.parametrize(
    ("new", "fields", "expected"),
    [
        ("failed", {"counts": {"new": 1, "dead": 3}}, "messages that the handler did not answer: 1 new, 3 in all"),
        ("trouble", {"reason": "no space"}, "messages can't be stored, none is acknowledged (no space)"),
        ("handler_trouble", {"accounts": 7, "reason": "x"}, "the handler can't be called, accounts: 7 (x)"),
        (None, {"reason": "too slow"}, "too slow"),
    ],
)
def test_messages_are_told_by_their_numbers(new: str | None, fields: dict[str, Any], expected: str) -> None:
    """Never by their texts, which no event has."""
    assert sentence(event("message", None, new, **fields), "en") == expected
