"""The kinds of fault: what their settings accept, and that the documentation tells all of them."""

from __future__ import annotations

import re

import pytest

from support.places import DOCS
from xyfleet.supervisor.simulator.fault_kinds import (
    KINDS,
    Kind,
    Point,
    ending,
    flag,
    names,
    one_of,
    positive,
    seconds,
    text,
)
from xyfleet.supervisor.simulator.fault_kinds import whole as whole_number


@pytest.mark.parametrize("page", ["simulator.md", "simulator.zh-CN.md"])
def test_documentation_has_exactly_these_kinds(page: str) -> None:
    """Both languages list every kind, in the code's groups, and no other."""
    rows = _rows(page)

    assert sorted(rows) == sorted(KINDS)


@pytest.mark.parametrize("page", ["simulator.md", "simulator.zh-CN.md"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_documentation_tells_settings_and_defaults(page: str, kind: Kind) -> None:
    """Each kind's row names its settings, with their defaults where the row gives one."""
    row = _rows(page)[kind.name]
    for name, (_check, default) in kind.params.items():
        found = re.search(rf"`{name}(?:: ?([^`]*))?`", row)

        assert found, name
        if found[1] and default is not ... and default is not None:
            assert found[1].strip('"') == _shown(default), name
    if kind.point in (Point.ACT, Point.LISTEN):
        assert f"`connections: {kind.connections}`" in row
    if kind.after:
        assert f"`after: {kind.after:g}`" in row
    assert ("●" in row) == (kind.point in (Point.DIAL, Point.LISTEN))


def _shown(default: object) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _rows(page: str) -> dict[str, str]:
    table = (DOCS / page).read_text().partition("| kind |")[2]
    return {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)`.*$", table, re.MULTILINE)}


def test_names_chooses_by_point() -> None:
    """`names` gives the kinds of the points asked for."""
    assert names(Point.LISTEN) == {"refuse"}
    assert names(Point.DIAL, Point.SPAN) == {"half_open", "http_status", "stall", "push_storm"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_defaults_pass_their_own_checks(kind: Kind) -> None:
    """A default is a value that its check accepts as it is."""
    for check, default in kind.params.values():
        if default is not ...:
            assert check(default) == default


def test_only_acts_act() -> None:
    """Acts and spans do something by themselves; these, beats and calls choose connections."""
    assert KINDS["close"].acts
    assert KINDS["stall"].acts
    assert not KINDS["mute"].acts
    assert KINDS["mute"].chooses_connections
    assert KINDS["zombie"].chooses_connections
    assert not KINDS["reg_401"].chooses_connections


@pytest.mark.parametrize("good", [0, 1, 0.5, 1e6])
def test_seconds_accepts_numbers_from_zero(good: float) -> None:
    """Seconds are finite and not negative."""
    assert seconds(good) == good


@pytest.mark.parametrize("bad", [-1, True, "1", None, float("inf"), float("nan"), [1]])
def test_seconds_and_positive_refuse_the_rest(bad: object) -> None:
    """Anything else is refused with a sentence."""
    with pytest.raises(ValueError, match="number"):
        seconds(bad)
    with pytest.raises(ValueError, match="number"):
        positive(bad)


def test_positive_refuses_zero() -> None:
    """Zero is no positive number."""
    with pytest.raises(ValueError, match="above zero"):
        positive(0)

    assert positive(3) == 3.0


@pytest.mark.parametrize("bad", [0, 10, True, 1.0, "3", None])
def test_whole_refuses_what_is_outside(bad: object) -> None:
    """Whole numbers stay between their bounds, and are no floats or texts."""
    with pytest.raises(ValueError, match="from 1 to 9"):
        whole_number(1, 9)(bad)


def test_whole_text_flag_and_choice_accept_their_own() -> None:
    """Each simple check returns what it accepts."""
    assert whole_number(1, 9)(9) == 9
    assert text("") == ""
    assert flag(False) is False
    assert one_of("a", "b")("b") == "b"


@pytest.mark.parametrize(("check", "bad"), [(text, 1), (flag, 1), (one_of("a"), "b"), (one_of("a"), None)])
def test_text_flag_and_choice_refuse_others(check: object, bad: object) -> None:
    """Another type or word is refused."""
    assert callable(check)
    with pytest.raises(ValueError, match="must be"):
        check(bad)


@pytest.mark.parametrize("code", [1000, 1003, 1005, 1007, 1014, 3000, 4999, "none", "reset"])
def test_ending_accepts_all_that_can_be_sent(code: object) -> None:
    """Codes that a close frame may carry, and the endings without one."""
    assert ending(code) == code


def test_ending_of_1006_is_none() -> None:
    """1006 means that no close frame was seen, so none is sent."""
    assert ending(1006) == "none"


@pytest.mark.parametrize("bad", [0, 999, 1004, 1015, 1016, 2999, 5000, True, "1000", None, 1000.0])
def test_ending_refuses_what_no_frame_carries(bad: object) -> None:
    """Reserved and impossible codes are refused."""
    with pytest.raises(ValueError, match="close"):
        ending(bad)
