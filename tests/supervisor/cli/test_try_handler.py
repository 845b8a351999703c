"""`xyfleet try` and the handlers that `check` loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.receiver import Receiver
from support.standin import run

FILE = """\
fleet: {{name: shops, endpoint: simulator}}
accounts:
  - name: shop-001
    cookie: "unb=2200000000001; cookie2=sim-s3cret; _m_h5_tk=abc_1"
    {answerer}
"""
CODE = """
async def answer(message, account):
    print("asked", message.kind)
    if message.order:
        return "key"
    return message.text + "!" if message.text != "nothing" else None
"""


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (["好"], 0, "→ 好!"),
        (["--order"], 0, "→ key"),
        (["nothing"], 0, "no answer"),
        (["https://i.example/1.png", "--image"], 0, "| asked image"),
        (["x", "--repeat", "3"], 0, "→ x!"),
    ],
)
async def test_a_handler(tmp_path: Path, words: list[str], code: int, shown: str) -> None:
    """It is called with what was asked for; answer, output and time are shown."""
    (tmp_path / "f.yml").write_text(FILE.format(answerer="handler: bot:answer"))
    (tmp_path / "bot.py").write_text(CODE)
    ended = await run(tmp_path, "try", "shop-001", *words, "--file", str(tmp_path / "f.yml"))

    assert ended.code == code, ended.err
    assert shown in ended.out
    assert ended.out.count(" s\n") == (3 if "--repeat" in words else 1)


async def test_a_webhook(tmp_path: Path) -> None:
    """The service is asked as it is in earnest."""
    async with Receiver() as receiver:
        url = f"webhook: {{url: '{receiver.url}/reply', secret: s3cret-of-mine}}"
        (tmp_path / "f.yml").write_text(FILE.format(answerer=url))
        ended = await run(tmp_path, "try", "shop-001", "--file", str(tmp_path / "f.yml"))

    assert ended.code == 0, ended.err
    assert "→ 在的" in ended.out


async def test_what_cannot_be_tried(tmp_path: Path) -> None:
    """An unknown name, and an account with nothing to try, are wrong; a handler that can't be loaded fails."""
    file = tmp_path / "f.yml"
    file.write_text(FILE.format(answerer="label: x"))
    nobody = await run(tmp_path, "try", "shop-0001", "--file", str(file))
    nothing = await run(tmp_path, "try", "shop-001", "--file", str(file))
    file.write_text(FILE.format(answerer="handler: bot:answer"))
    (tmp_path / "bot.py").write_text("1 / 0\n")
    broken = await run(tmp_path, "try", "shop-001", "--file", str(file))
    checked = await run(tmp_path, "check", str(file))

    assert (nobody.code, nothing.code, broken.code, checked.code) == (2, 2, 1, 0)
    assert "no account fits: shop-0001 (did you mean shop-001?)" in nobody.err
    assert "neither a handler nor a webhook" in nothing.err
    assert "can't be loaded: ZeroDivisionError" in broken.err
    assert "the handler bot:answer can't be loaded: ZeroDivisionError" in checked.err


async def test_a_variant_is_bought(tmp_path: Path) -> None:
    """`--spec` is the variant of the order; one that deliver.yml lacks is said in one line, without a traceback."""
    (tmp_path / "f.yml").write_text(FILE.format(answerer="handler: deliver"))
    (tmp_path / "deliver.yml").write_text("goods: [{item: 900000000001, spec: 月卡, reply: 网盘}]\n")
    good = await run(tmp_path, "try", "shop-001", "--order", "--spec", "月卡", "--file", str(tmp_path / "f.yml"))
    ended = await run(tmp_path, "try", "shop-001", "--order", "--file", str(tmp_path / "f.yml"))

    assert (good.code, ended.code) == (0, 1), good.err
    assert "→ 网盘" in good.out
    (line,) = ended.err.splitlines()
    assert line.endswith("item 900000000001 was bought without a variant; deliver.yml has only: 月卡")
