"""Which account has which user: never two at once, and nobody waits for ever."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from xyfleet.supervisor.supervision.owners import Owners


def test_the_next_one_has_him_when_the_first_leaves() -> None:
    """In the order in which they came; who does not wait any more is left out."""
    owners: Owners[str] = Owners()
    begun: list[str] = []
    for name in ("a", "b", "c", "d"):
        owners.take("1", name, lambda name=name: begun.append(name))  # type: ignore[misc]
    assert (begun, owners.waiting()) == (["a"], [("b", "a"), ("c", "a"), ("d", "a")])
    owners.leave("c")
    owners.leave("a")
    assert (begun, owners.waiting()) == (["a", "b"], [("d", "b")])
    owners.leave("b")
    assert (begun, owners.waiting()) == (["a", "b", "d"], [])


def test_who_has_his_user_may_begin_again() -> None:
    """A restart leaves nothing in between; another user of the same account frees the one before."""
    owners: Owners[str] = Owners()
    begun: list[str] = []
    owners.take("1", "a", lambda: begun.append("first"))
    owners.take("1", "a", lambda: begun.append("again"))
    owners.take("1", "b", lambda: begun.append("b"))
    owners.take("2", "a", lambda: begun.append("other"))
    assert begun == ["first", "again", "b", "other"]
    assert not owners.try_take("2", "b") or begun == []


class OwnersModel(RuleBasedStateMachine):
    """Accounts that want users, have them, and leave."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: Owners[str] = Owners()
        self.has: dict[str, str] = {}
        self.wants: dict[str, str] = {}

    @rule(user=st.sampled_from("12"), name=st.sampled_from("abcd"))
    def take(self, user: str, name: str) -> None:
        """An account is to begin."""
        self.has.pop(name, None)
        self.wants[name] = user
        self.owners.take(user, name, lambda: self.begin(user, name))

    @rule(name=st.sampled_from("abcd"))
    def leave(self, name: str) -> None:
        """Its worker is gone, or it is not wanted any more."""
        self.has.pop(name, None)
        self.wants.pop(name, None)
        self.owners.leave(name)

    def begin(self, user: str, name: str) -> None:
        """It has its user."""
        assert user not in self.has.values(), "two have one user"
        self.has[name] = user
        del self.wants[name]

    @invariant()
    def nobody_waits_for_nobody(self) -> None:
        """Who waits waits for somebody who has that user."""
        waiting = dict(self.owners.waiting())
        assert waiting.keys() == self.wants.keys()
        assert all(self.has[other] == self.wants[name] for name, other in waiting.items())


OwnersModel.TestCase.settings = settings(
    max_examples=settings().max_examples * 3 // 5, stateful_step_count=30, deadline=None
)
TestOwnersModel = OwnersModel.TestCase
