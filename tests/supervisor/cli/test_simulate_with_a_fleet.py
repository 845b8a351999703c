"""`xyfleet simulate say` and `scan`: a person of the rehearsal speaks to a fleet's gateway."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path

import pytest

from support.gateway import Gateway
from support.standin import StandIn, account, run, serving

USER = "2200000000001"


@pytest.fixture
def control(tmp_path: Path, gateway: Gateway) -> StandIn:
    """Give a small fleet whose gateway is a real one."""
    control = StandIn(tmp_path, [account("a")])
    control.gateway = f"http://127.0.0.1:{gateway.port}"
    return control


async def test_silence_is_told(control: StandIn) -> None:
    """Where nothing is answered, that is said, and where errors of a handler stand."""
    async with serving(control):
        ended = await run(control.folder, "simulate", "say", "a", "在吗", "--wait", "0.3")

    assert ended.code == 0, ended.err
    assert "→ 在吗" in ended.out
    assert "no answer within 0.3 s" in ended.out
    assert "xyfleet logs a" in ended.out


async def test_a_variant_is_bought(control: StandIn, gateway: Gateway) -> None:
    """`--spec` puts an order of the variant into the shop before its card comes; without `--paid` it is refused."""
    async with serving(control):
        ended = await run(control.folder, "simulate", "say", "a", "--paid", "--spec", "月卡", "--wait", "0")
        refused = await run(control.folder, "simulate", "say", "a", "--spec", "月卡", "--wait", "0")

    assert (ended.code, refused.code) == (0, 2), ended.err
    (order,) = gateway.ask("GET", f"shop?unb={USER}")["orders"]
    assert order in str(gateway.messages(USER))
    assert len(gateway.messages(USER)) == 1


async def test_the_phone_scans_a_code_that_waits(control: StandIn, gateway: Gateway) -> None:
    """It scans and confirms the newest code; where none waits, it says which command shows one."""
    async with serving(control):
        early = await run(control.folder, "simulate", "scan", "a")
        await asyncio.to_thread(_show_a_code, control.gateway)
        ended = await run(control.folder, "simulate", "scan", "a")
        late = await run(control.folder, "simulate", "scan", "a")

    assert (early.code, ended.code, late.code) == (1, 0, 1), ended.err
    assert "xyfleet login a --qr" in early.err
    (code,) = gateway.ask("GET", "passport")["codes"].values()
    assert code["status"] == "CONFIRMED"


def _show_a_code(gateway: str) -> None:
    urllib.request.urlopen(f"{gateway}/newlogin/qrcode/generate.do", timeout=5).close()
