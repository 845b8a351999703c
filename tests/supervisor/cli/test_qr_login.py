"""`xyfleet login NAME --qr`: the code in the terminal, and what becomes of it in words and exit codes."""

from __future__ import annotations

from pathlib import Path

from support.standin import StandIn, account, failed, run, serving
from xyfleet.supervisor.cli.qr_login import drawn
from xyfleet.worker.causes import Cause


async def test_the_code_is_shown_and_the_end_is_told(tmp_path: Path) -> None:
    """The drawn code, the word that it was scanned, the good end: exit code 0."""
    async with serving(control := StandIn(tmp_path, [account("a")])):
        ended = await run(control.folder, "login", "a", "--qr")

    assert ended.code == 0
    assert "▄▄▄▄▄" in ended.out
    assert "\x1b" not in ended.out  # no terminal
    assert "confirm on the phone" in ended.out
    assert "new cookie stored for a" in ended.out
    assert control.acts[0][:2] == ("qr", ["a"])


async def test_a_check_and_a_refusal_are_failures(tmp_path: Path) -> None:
    """A second code is shown with its reason; a check, and a login that may not begin, end with their sentence."""
    async with serving(control := StandIn(tmp_path, [account("a", tags=("nohook",)), failed("b", Cause.AUTH)])):
        check = await run(control.folder, "login", "a", "--qr")
        refused = await run(control.folder, "login", "b", "--qr")

    assert (check.code, refused.code) == (1, 1)
    assert "the fleet is stopping" in check.err
    assert check.out.index("no cookie was given") > check.out.index("confirm on the phone")
    assert check.out.count("within 180 s") == 1
    assert "under way" in refused.err


def test_a_drawn_code_fits_a_terminal() -> None:
    """A real code is drawn in at most 80 columns and 30 lines, dark on light whatever the terminal's colours are."""
    lines = drawn("https://passport.goofish.com/qrcodeCheck.htm?lgToken=" + "l" * 60 + "&_from=havana").splitlines()

    assert len(lines) <= 30
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") and len(line) <= 80 + 12 for line in lines)
