"""Names, globs and tags mean accounts, or nothing at all happens."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.common.errors import UnknownName
from xyfleet.supervisor.control.selection import select

ACCOUNTS = {"shop-001": ["phones", "south-1"], "shop-002": ["south-2"], "depot": []}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["shop-001", "shop-002", "depot"]),
        (["depot", "shop-001"], ["shop-001", "depot"]),
        (["shop-*"], ["shop-001", "shop-002"]),
        (["shop-00[2-9]", "shop-*"], ["shop-001", "shop-002"]),
        (["@phones"], ["shop-001"]),
        (["@south-*"], ["shop-001", "shop-002"]),
        (["*"], ["shop-001", "shop-002", "depot"]),
    ],
)
def test_words_mean_accounts(words: list[str], expected: list[str]) -> None:
    """Each account is meant once, in the file's order."""
    assert select(words, ACCOUNTS) == expected


def test_unknown_word_means_nothing_is_chosen() -> None:
    """One stranger refuses all, and what is near is offered."""
    with pytest.raises(UnknownName) as error:
        select(["shop-001", "shop-03", "@phone", "Shop-*"], ACCOUNTS)

    assert error.value.facts == {"names": ["shop-03", "@phone", "Shop-*"], "similar": ["shop-002", "@phones"]} or (
        error.value.facts["names"] == ["shop-03", "@phone", "Shop-*"] and "@phones" in error.value.facts["similar"]
    )
    assert "did you mean" in str(error.value)


def test_nothing_near_is_offered_for_a_word_like_no_other() -> None:
    """The sentence has no empty offer."""
    with pytest.raises(UnknownName, match=r"no account fits: zzzzzz$"):
        select(["zzzzzz"], ACCOUNTS)
