"""A handler's code loaded anew in the live worker: whole or not at all, while calls go on."""

from __future__ import annotations

import sys
from pathlib import Path

from support.shop import FAST, Shop, chat
from xyfleet.worker.handlers.python import Renewal

OLD = """
import asyncio
from HELPER import WORD
SEEN = []
OPEN = []
async def answer(message, account):
    SEEN.append(message.id)
    while message.text == "wait" and not OPEN:
        await asyncio.sleep(0.005)
    return WORD
"""


def helper_of(folder: Path, name: str) -> Path:
    """Write a module for `OLD`; no two tests may have one of the same name."""
    path = folder / f"{name}.py"
    path.write_text("WORD = 'old'\n")
    return path


async def test_a_change_is_named_and_taken_up(tmp_path: Path) -> None:
    """The other module's change is noticed; a call under way ends in the old code, the next is in the new one."""
    helper = helper_of(tmp_path, "renewal_named")
    async with Shop(tmp_path, OLD.replace("HELPER", "renewal_named")) as shop:
        await shop.add(chat("1.PNM", text="wait"))
        await shop.until(lambda: shop.seen)
        module = sys.modules[shop.module]
        assert shop.handler.stale is None  # type: ignore[attr-defined]
        helper.write_text("WORD = 'new'\n")
        await shop.until(lambda: shop.handler.stale == "renewal_named.py")  # type: ignore[attr-defined]
        renewal = await shop.handler.renew(only_stale=True)  # type: ignore[attr-defined]
        assert (renewal.renewed, renewal.trouble) == (True, None)
        assert shop.handler.stale is None  # type: ignore[attr-defined]
        await shop.add(chat("2.PNM", talk="c2"))
        await shop.until(lambda: shop.replies)
        module.OPEN.append(True)
        await shop.settled()

        assert sorted(text for _, text, _ in await shop.outbox()) == ["new", "old"]
        assert not (await shop.handler.renew(only_stale=True)).renewed  # type: ignore[attr-defined]


async def test_what_cannot_be_loaded_changes_nothing(tmp_path: Path) -> None:
    """The old code goes on answering, and the reason is told; mended, it is taken up."""
    helper = helper_of(tmp_path, "renewal_broken")
    async with Shop(tmp_path, OLD.replace("HELPER", "renewal_broken")) as shop:
        await shop.add(chat("1.PNM"))
        await shop.settled()
        for number, (code, trouble) in enumerate((("WORD = ", "SyntaxError"), ("1 / 0", "ZeroDivisionError")), 2):
            helper.write_text(code)
            renewal = await shop.handler.renew()  # type: ignore[attr-defined]
            assert trouble in str(renewal.trouble)
            await shop.add(chat(f"{number}.PNM"))
            await shop.settled()
        helper.write_text("WORD = 'new'\n")
        assert (await shop.handler.renew()).renewed  # type: ignore[attr-defined]
        await shop.add(chat("9.PNM"))
        await shop.settled()

        assert [text for _, text, _ in await shop.outbox()] == ["old", "old", "old", "new"]


async def test_what_a_call_imports(tmp_path: Path) -> None:
    """A module that is first imported in a call is noticed when it changes, and loaded anew as well."""
    helper = helper_of(tmp_path, "renewal_lazy")
    code = "async def answer(message, account):\n    from renewal_lazy import WORD\n    return WORD\n"
    async with Shop(tmp_path, code) as shop:
        await shop.add(chat("1.PNM"))
        await shop.settled()
        assert not (await shop.handler.renew(only_stale=True)).renewed  # type: ignore[attr-defined]
        helper.write_text("WORD = 'newer'\n")
        await shop.until(lambda: shop.handler.stale == "renewal_lazy.py")  # type: ignore[attr-defined]
        assert (await shop.handler.renew(only_stale=True)).renewed  # type: ignore[attr-defined]
        await shop.add(chat("2.PNM"))
        await shop.settled()

        assert [text for _, text, _ in await shop.outbox()] == ["old", "newer"]


async def test_edited_fifty_times_under_load(tmp_path: Path) -> None:
    """Edits of the same size within one second are all seen; each answer is of one whole version, and none is lost."""
    helper = helper_of(tmp_path, "renewal_fifty")
    async with Shop(tmp_path, OLD.replace("HELPER", "renewal_fifty"), handler_concurrency=8) as shop:
        await shop.handler.ready()
        for number in range(50):
            helper.write_text(f"A = {10 + number}\nWORD = str(A) + str(A)\n")
            renewal = shop.handler.renew()  # type: ignore[attr-defined]
            await shop.add(*(chat(f"{number}.{each}.PNM", talk=f"c{each}") for each in range(4)))
            assert (await renewal).renewed
        last = await shop.add(chat("last.PNM", talk="last"))
        await shop.settled()
        answers = await shop.outbox()

        assert len(last) == 1
        assert len(answers) == 201
        assert all(text[:2] == text[2:] for _, text, _ in answers)
        assert answers[-1][1] == "5959"


async def test_an_edit_during_the_first_import(tmp_path: Path) -> None:
    """What is written while a worker begins is loaded by the reload that follows, not by a later one."""
    helper = helper_of(tmp_path, "renewal_early")
    code = "from renewal_early import WORD\nimport time\ntime.sleep(0.3)\n"
    code += "async def answer(message, account):\n    return WORD\n"
    async with Shop(tmp_path, code) as shop:
        shop.handler.start()  # type: ignore[attr-defined]
        await shop.until(lambda: "renewal_early" in sys.modules)
        helper.write_text("WORD = 'newer'\n")
        assert (await shop.handler.look()).stale  # type: ignore[attr-defined]
        assert (await shop.handler.renew(only_stale=True)).renewed  # type: ignore[attr-defined]
        assert not (await shop.handler.look()).stale  # type: ignore[attr-defined]
        await shop.add(chat("1.PNM"))
        await shop.settled()

        assert [text for _, text, _ in await shop.outbox()] == ["newer"]


async def test_mended_during_a_first_import_that_fails(tmp_path: Path) -> None:
    """A reload that comes while an import is on its way to fail has it tried again, and says what came of it."""
    helper = helper_of(tmp_path, "renewal_failing")
    code = "from renewal_failing import NAME\nimport time\ntime.sleep(0.3)\nNAME['x']\n"
    code += "async def answer(message, account):\n    return NAME['x']\n"
    helper.write_text("NAME = {}\n")
    shop = Shop(tmp_path, code)
    shop.handler = shop.python(FAST._replace(retry=60.0))
    shop.handler.start()
    await shop.until(lambda: "renewal_failing" in sys.modules)
    helper.write_text("NAME = {'x': 'mended'}\n")
    assert await shop.handler.renew(only_stale=True) == Renewal(True)
    assert shop.handler.trouble is None
    await shop.handler.close()
    await shop.inbox.close()
    shop.log.close()
