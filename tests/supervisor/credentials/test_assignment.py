"""Which account of a file is which user."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.credentials.assignment import assign
from xyfleet.supervisor.credentials.fleet_document import FleetDocument, Stopped

NAMES = {"a": "1", "b": "2"}


def nobody(unb: str) -> bool:
    """The fleet never knew him."""
    return False


def test_a_file_as_it_was_changes_nothing() -> None:
    """Nor does one that names no cookie."""
    assert assign({"a": "1", "b": None}, NAMES, nobody) == ({}, [])


def test_new_accounts_become_who_their_cookie_is() -> None:
    """One without a cookie is nobody yet."""
    assert assign({"a": "1", "c": "3", "d": None}, NAMES, nobody).users == {"c": "3"}


def test_a_rename_is_seen() -> None:
    """Another name with the same user's cookie; two that change places."""
    assert assign({"shop": "1", "b": "2"}, NAMES, nobody) == ({"shop": "1"}, [])
    assert assign({"a": "2", "b": "1"}, NAMES, nobody) == ({"a": "2", "b": "1"}, [])


def test_a_user_new_to_the_fleet_under_an_old_name_is_refused() -> None:
    """X15: else he would get, and answer, what the other one received. One that the fleet knew once is a rename."""
    (clash,) = assign({"a": "9", "b": "2"}, NAMES, nobody).clashes

    assert (clash.name, clash.holder) == ("a", None)
    assert "xyfleet forget a" in clash.text.say("en")
    assert assign({"a": "9", "b": "2"}, NAMES, lambda unb: unb == "9") == ({"a": "9"}, [])


def test_one_user_twice_is_refused() -> None:
    """16b: also when the one who is it already has no cookie in the file, but from a hook or a login."""
    (clash,) = assign({"b": None, "a": "2"}, NAMES, nobody).clashes
    assert (clash.name, clash.holder) == ("a", "b")
    (clash,) = assign({"new": "1", "a": None}, NAMES, nobody).clashes
    assert (clash.name, clash.holder) == ("new", "a")
    assert len(assign({"x": "7", "y": "7"}, {}, nobody).clashes) == 1


names = st.sampled_from("abcdef")
users = st.sampled_from("123456")


@given(st.dictionaries(names, st.none() | users), st.dictionaries(names, users))
def test_what_is_not_refused_gives_each_user_one_name(wanted: dict[str, str | None], before: dict[str, str]) -> None:
    """Whatever the file says, the document holds each user once, and every account is who its cookie is."""
    before = {name: unb for unb, name in {unb: name for name, unb in before.items()}.items()}
    stopped = {name: Stopped(by=unb, at=1.0) for name, unb in before.items()}
    found = assign(wanted, before, nobody)
    if found.clashes:
        return
    after = FleetDocument(names=before, stopped=stopped).with_users(found.users)

    assert len(set(after.names.values())) == len(after.names)
    assert all(after.names[name] == unb for name, unb in wanted.items() if unb is not None)
    assert all(after.names[name] == stop.by for name, stop in after.stopped.items()), "a stop goes along with its user"
