"""What was said of an old login when a new one came is no doubt about the new one."""

from __future__ import annotations

from pathlib import Path

from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.tokens.answers import TokenAnswers
from xyfleet.supervisor.tokens.call import RawAnswer
from xyfleet.supervisor.tokens.pacing import TokenLimits, TokenSchedule
from xyfleet.worker.secret import Secret

DOUBTFUL = RawAnswer(200, b'{"ret":["FAIL_SYS_ILLEGAL_ACCESS::x"]}', [])


async def test_a_new_logins_first_doubtful_answer_is_no_verdict(tmp_path: Path) -> None:
    """The old one's answer was doubtful and its next call's came too late: the new one is not dead by one word."""
    store = Store(tmp_path)
    store.load([])
    store.replace("a", Secret("unb=2200; cookie2=old; _m_h5_tk=x_1"), "login")
    answers = TokenAnswers(store, TokenSchedule(TokenLimits()), lambda: 1e9)
    key, old = store.key("a"), store.get("a")

    assert answers.settle("a", key, old, DOUBTFUL) is None
    store.replace("a", Secret("unb=2200; cookie2=new; _m_h5_tk=y_1"), "hook")
    assert answers.settle("a", key, old, DOUBTFUL) is None
    assert answers.settle("a", key, store.get("a"), DOUBTFUL) is None
    assert store.get("a").verdict is None
    await store.close()
