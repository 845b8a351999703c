"""Every pair of cause and process state has advice, in both languages."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from support.standin import account, failed, fleet
from xyfleet.supervisor.common.i18n import LANGUAGES
from xyfleet.supervisor.control.status_schema import MessagesView, StatusView
from xyfleet.supervisor.presentation.advice import (
    ABOUT_CAUSE,
    ABOUT_PROCESS,
    advice,
    advised,
    down,
    is_well,
    message_advice,
)
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State

PAIRS = list(itertools.product([None, *Cause], Process))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_pair_has_advice(language: str) -> None:
    """The function is total, and no sentence keeps a hole."""
    for cause, process in PAIRS:
        text = advice(cause, process, name="shop-001", language=language)

        assert text.endswith((".", "。")), (cause, process, text)
        assert "%" not in text, (cause, process)


def test_chinese_advice_is_chinese() -> None:
    """No pair falls back to English."""
    for cause, process in PAIRS:
        chinese, english = (advice(cause, process, name="x", language=language) for language in ("zh", "en"))

        assert chinese != english
        assert any("\u4e00" <= char <= "\u9fff" for char in chinese)


def test_tables_cover_every_cause_and_state() -> None:
    """A new cause or process state needs its sentence."""
    assert set(ABOUT_CAUSE) == {None, *Cause}
    assert set(ABOUT_PROCESS) == set(Process)


@pytest.mark.parametrize("cause", [None, *Cause])
def test_who_needs_a_login_is_told_how(cause: Cause | None) -> None:
    """Whatever led to needs_login, the advice names the command with the account."""
    assert "xyfleet login shop-7" in advice(cause, Process.NEEDS_LOGIN, name="shop-7", language="en")


def test_risk_and_removal_are_left_to_a_person() -> None:
    """Where a login by program would do harm, a person is asked to act by hand."""
    for cause in (Cause.RISK, Cause.REMOVED):
        assert "hook" not in advice(cause, Process.RUNNING, name="x", language="en")


def test_only_troubled_accounts_are_advised() -> None:
    """A connected account has null, the others their sentence in the language asked for."""
    view = StatusView(fleet=fleet(), accounts=[account("a"), failed("b", Cause.NETWORK)])

    english, chinese = advised(view, "en"), advised(view, "zh")

    assert [one.advice is None for one in english.accounts] == [True, False]
    assert english.accounts[1].advice != chinese.accounts[1].advice
    assert view.accounts[1].advice is None


def test_quarantined_account_is_not_well_though_connected() -> None:
    """Quarantine is said as long as it lasts."""
    assert is_well(account("a"))
    assert not is_well(account("a", process=Process.QUARANTINED))


def test_down_counts_what_should_be_connected() -> None:
    """Disabled accounts and those an operator stopped are not missed."""
    accounts = [
        account("up"),
        failed("failed", Cause.AUTH),
        account("dialling", state=State.CONNECTING),
        account("stopped", state=State.CLOSED, process=Process.STOPPED, desired="stopped"),
        account("off", state=State.DISCONNECTED, process=Process.DISABLED),
    ]

    assert down(StatusView(fleet=fleet(), accounts=accounts)) == (2, 3)


@pytest.mark.parametrize("language", LANGUAGES)
def test_message_troubles_have_advice(language: str) -> None:
    """Each that there is, with its reason or number, for an account that is connected too."""
    messages = MessagesView(trouble="no space left", handler_trouble="no module 100%", dead=3)
    text = advised(StatusView(fleet=fleet(), accounts=[account("a", messages=messages)]), language).accounts[0].advice

    assert text is not None
    for word in ("no space left", "no module 100%", "3", "xyfleet messages a --failed"):
        assert word in text


@pytest.mark.parametrize(("language", "said"), [("en", "the disk is full; make room"), ("zh", "磁盘已满；请腾出空间")])
def test_a_workers_own_words_are_the_readers(language: str, said: str) -> None:
    """What troubles inbox, handler or log is a code whose sentence is made here; an older fleet's raw words stay."""
    trouble = Reason("unstorable", {"path": "/x/a.db", "of": Reason("disk_full")})
    called = Reason("handler_not_async", {"name": "answer"})
    messages = MessagesView(
        trouble=str(trouble),
        trouble_because=trouble,
        note="of old",
        handler_trouble=str(called),
        handler_trouble_because=called,
    )
    text = advised(StatusView(fleet=fleet(), accounts=[account("a", messages=messages)]), language).accounts[0].advice

    assert text is not None
    assert said in text
    assert "of old" in text
    assert ("answer is not async" in text) is (language == "en")


def test_message_advice_comes_after_what_the_connection_needs() -> None:
    """One text for both."""
    broken = failed("b", Cause.NETWORK)
    both = msgspec.structs.replace(broken, messages=MessagesView(dead=1))
    view = advised(StatusView(fleet=fleet(), accounts=[broken, both]), "en")
    alone, joined = (one.advice or "" for one in view.accounts)

    assert joined.startswith(alone + " Messages that the handler did not answer: 1.")


def test_messages_that_wait_need_no_advice() -> None:
    """They are what an inbox is for."""
    waiting = account("a", messages=MessagesView(stored=9, waiting=9, unsent=2, zombies=1))
    assert message_advice(waiting, "en") == []


def test_orders_that_wait_to_be_shipped() -> None:
    """`status` says how many, in both languages."""
    waiting = msgspec.structs.replace(account("a"), to_be_shipped=3)

    assert message_advice(waiting, "en")[0].startswith("Delivered orders that wait to be marked as shipped: 3.")
    assert "3 个" in message_advice(waiting, "zh")[0]
