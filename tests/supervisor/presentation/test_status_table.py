"""The status as text: aligned, troubled accounts first, in the fleet's zone and the reader's language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from support.standin import account, failed, fleet
from xyfleet.supervisor.common.timestamps import zone
from xyfleet.supervisor.control.status_schema import (
    AccountView,
    HeartbeatView,
    HourView,
    MessagesView,
    OutageView,
    RefreshView,
    RttView,
    StatusView,
)
from xyfleet.supervisor.presentation.status_table import TableStyle, status, summary, troubled_first
from xyfleet.supervisor.presentation.terminal import cells
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.states import State

NOW = datetime(2026, 1, 2, 4, tzinfo=UTC)
PLAIN = TableStyle("en", zone("Asia/Shanghai"))
ACCOUNTS = [
    account("shop-001", label="旗舰店", tags=("phones",)),
    account(
        "shop-002", state=State.RECONNECTING, cause=Cause.NETWORK, reason="refused", next_attempt="2026-01-02T03:05:00Z"
    ),
    failed("shop-003", Cause.AUTH, Process.NEEDS_LOGIN, reason="FAIL_SYS_SESSION_EXPIRED"),
    account("shop-004", state=State.DISCONNECTED, process=Process.DISABLED),
    account("shop-005", state=State.CLOSED, process=Process.STOPPED, desired="stopped", desired_by="li"),
    account("shop-006", state=State.CONNECTING, process=Process.STARTING),
]
VIEW = StatusView(fleet=fleet(states={"CONNECTED": 1, "FAILED": 1}), accounts=ACCOUNTS)


def text(view: StatusView = VIEW, look: TableStyle = PLAIN) -> str:
    return "\n".join(status(view, look, NOW))


def test_whole_status() -> None:
    """The text that a pipe gets, word by word."""
    expected = """\
shops · connected 1 of 4 · up 1h 2min · pid 4700 · CONNECTED 1, FAILED 1

ACCOUNT          STATE         PROCESS         SINCE  BEATS  RTT ms  RECONNECTS/h  LOGINS LEFT
"""
    shown = text()

    assert shown.splitlines()[0] == expected.splitlines()[0]
    order = [line.split()[0] for line in shown.splitlines()[3:] if not line.startswith(" ")]
    assert order == ["shop-003", "shop-002", "shop-006", "shop-001", "shop-005", "shop-004"]
    assert "    login expired (FAIL_SYS_SESSION_EXPIRED)" in shown
    assert "    → The login has expired." in shown
    assert "    server not reachable (refused); next attempt 11:05:00" in shown
    assert "    stopped by li\n    → Stopped by an operator." in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("language", ["zh", "en"])
def test_columns_are_aligned_in_cells(language: str) -> None:
    """Chinese labels and headers leave every column where it is."""
    rows = [line for line in status(VIEW, TableStyle(language, UTC), NOW)[2:] if not line.startswith(" ")]

    assert len({cells(row) for row in rows}) == 1
    assert len({cells(row[: row.index("  ")]) for row in rows}) > 1
    assert {cells(row.partition(" 9/9")[0]) for row in rows[1:]} == {cells(rows[1].partition(" 9/9")[0])}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_line_fits_the_terminal(width: int, language: str) -> None:
    """Rows are cut, advice is wrapped: the command in it is never cut off."""
    lines = status(VIEW, TableStyle(language, UTC, width=width), NOW)

    assert all(cells(line) <= width for line in lines)
    assert "login shop-003" in " ".join(line.strip() for line in lines)


def test_states_have_colours_on_a_terminal() -> None:
    """Green is up, red is FAILED; what is switched off is grey; reset follows each."""
    shown = text(look=TableStyle("en", UTC, colour=True))

    assert "\x1b[32mCONNECTED" in shown
    assert "\x1b[31mFAILED" in shown
    assert "\x1b[90mDISCONNECTED" in shown
    assert shown.count("\x1b[0m") * 2 == shown.count("\x1b[")


def test_chinese_status_is_chinese() -> None:
    """Headers, states, causes and advice are translated; names of states stay findable."""
    shown = text(look=TableStyle("zh", UTC))

    assert "CONNECTED 已连接" in shown
    assert "登录已过期" in shown
    assert "需人工登录" in shown
    for english in ("ACCOUNT", "connected", "next attempt", "stopped"):
        assert english not in shown


@pytest.mark.parametrize(("language", "mark"), [("zh", "模拟"), ("en", "SIMULATOR")])
def test_simulator_is_the_first_word(language: str, mark: str) -> None:
    """Nobody takes the built-in gateway for the real one."""
    view = StatusView(fleet=fleet(simulator=True), accounts=ACCOUNTS)

    assert text(view, TableStyle(language, UTC)).startswith(mark)
    assert summary(view, language).startswith(mark)


def test_outage_and_notes_stand_on_top() -> None:
    """What concerns all accounts is said once, before the table."""
    outage = OutageView(cause=Cause.NETWORK, since="2026-01-02T03:00:00Z", accounts=7)
    lines = status(StatusView(fleet=fleet(outage=outage, notes=["disk full\x1b[2J"]), accounts=[]), PLAIN, NOW)

    assert lines[1] == "OUTAGE: server not reachable, 7 accounts; since 11:00:00; logins and restarts are held back"
    assert lines[2] == "! disk full\ufffd[2J"
    assert lines[-1] == "no accounts"


@pytest.mark.parametrize(
    ("desired_by", "shown"),
    [
        ("li", "stopped by li"),
        ("li 2026-01-02T03:04:05Z", "stopped by li, 11:04:05"),
        ("uid 1000 2026-01-01T03:04:05Z", "stopped by uid 1000, 01-01 11:04:05"),
        ("uid 1000", "stopped by uid 1000"),
    ],
)
def test_who_stopped_an_account_and_when(desired_by: str, shown: str) -> None:
    """The time is the fleet's, as all times."""
    one = account("a", state=State.CLOSED, process=Process.STOPPED, desired="stopped", desired_by=desired_by)

    assert f"    {shown}\n" in text(StatusView(fleet=fleet(), accounts=[one]))


def test_unknown_figures_are_dashes() -> None:
    """Null is never shown as zero."""
    one = account("a", heartbeat=HeartbeatView(), refresh=RefreshView())
    row = status(StatusView(fleet=fleet(), accounts=[one]), PLAIN, NOW)[3]

    assert row.split()[-4:] == ["0/0", "-", "0", "-"]


def test_what_needs_a_person_comes_first() -> None:
    """Equal troubles keep the file's order."""
    names = [
        one.name for one in troubled_first([*ACCOUNTS, failed("shop-007", Cause.BUG), failed("shop-008", Cause.BUG)])
    ]

    assert names[:4] == ["shop-003", "shop-007", "shop-008", "shop-002"]
    assert names[-1] == "shop-004"


def test_hostile_names_can_not_steer_the_terminal() -> None:
    """Labels and reasons may hold anything."""
    view = StatusView(fleet=fleet(), accounts=[failed("a", Cause.BUG, label="\x1b[2J", reason="x\ny\x07")])

    assert "\x1b" not in text(view)
    assert "\x07" not in text(view)


def test_long_labels_are_cut() -> None:
    """A label of any length leaves room for the rest."""
    view = StatusView(fleet=fleet(), accounts=[account("a", label="很长" * 50)])

    assert max(cells(line) for line in text(view).splitlines()) < 130


def many(count: int) -> list[AccountView]:
    return [account(f"shop-{i:04}") for i in range(count)]


def test_summary_is_one_line() -> None:
    """The live line has the counts, the beats, and the states when something is amiss."""
    assert (
        summary(StatusView(fleet=fleet(), accounts=many(3)), "en") == "connected 3 of 3 · heartbeats answered 27 of 27"
    )
    assert summary(VIEW, "en").endswith(" · CONNECTED 1, FAILED 1")
    outage = OutageView(cause=Cause.NETWORK, since="2026-01-02T03:00:00Z", accounts=7)
    assert "OUTAGE" in summary(StatusView(fleet=fleet(outage=outage), accounts=many(1)), "en")


def test_troubles_with_messages_stand_under_the_account() -> None:
    """Also of one that is connected; who can't store or call stands before those that are well."""
    view = StatusView(
        fleet=fleet(),
        accounts=[
            account("well"),
            account("letters", messages=MessagesView(dead=2)),
            account("full", messages=MessagesView(trouble="no space\x1b left")),
        ],
    )
    lines = [line for line in text(view).splitlines()[3:] if line]

    assert [line.split()[0] for line in lines] == ["full", "→", "well", "letters", "→"]
    assert "no space\N{REPLACEMENT CHARACTER} left" in lines[1]
    assert "xyfleet messages letters --failed" in lines[4]


def test_a_bad_hour_has_a_line() -> None:
    """A life of months does not hide it; a good hour says nothing, unless the account was asked for alone."""
    bad, good = HourView(sent=240, answered=120, success_rate=0.5, rtt_ms=RttView(mean=61.0, p95=240.04)), HourView()
    heartbeats = [HeartbeatView(sent=99_240, answered=99_120, success_rate=0.9988, hour=hour) for hour in (bad, good)]
    accounts = [account(name, heartbeat=beats) for name, beats in zip("ab", heartbeats, strict=True)]
    shown = text(StatusView(fleet=fleet(), accounts=accounts))

    assert shown.count("last hour: ") == 1
    assert "    last hour: heartbeats answered 120 of 240, RTT 61.0 ms, 95 % 240.0\n" in shown
