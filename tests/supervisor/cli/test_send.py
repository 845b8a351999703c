"""`xyfleet send` and `xyfleet forget`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.standin import StandIn, account, failed, run, serving
from xyfleet.supervisor.common.errors import NotTaken
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages.requests import Delivery, SendRequest
from xyfleet.worker.causes import Cause


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a"), failed("b", Cause.AUTH)])


@pytest.mark.parametrize(
    ("delivery", "code", "said"),
    [
        (Delivery(state="sent", number=1, message_id="4021.PNM"), 0, "sent (message 4021.PNM)"),
        (Delivery(state="rejected", number=1, reason="no such user"), 1, "refused it for good (no such user)"),
        (Delivery(state="unknown", number=1, reason="no answer"), 1, "not known whether it was sent (no answer)"),
        (Delivery(state="queued", number=8), 3, "waits in the outbox as number 8"),
        (NotTaken(Text("nothing was sent: %(why)s", {"why": "x"})), 1, "nothing was sent: x"),
    ],
)
async def test_end_is_said_and_is_the_exit_code(
    control: StandIn, delivery: Delivery | Exception, code: int, said: str
) -> None:
    """What is bad or not yet good goes to standard error."""
    control.delivery = delivery
    async with serving(control):
        ended = await run(control.folder, "send", "a", "57", "有货", "--to", "22", "--wait", "1")

    assert ended.code == code
    assert said in (ended.err if code else ended.out)
    assert control.letters == [(SendRequest(account="a", conversation="57", text="有货", receiver="22"), 1.0)]


async def test_text_is_read_from_a_pipe(control: StandIn) -> None:
    """As it is, but for the last line's end; lines between stay."""
    async with serving(control):
        ended = await run(control.folder, "send", "a", "57", "-", stdin="亲\n在的\n".encode())

    assert ended.code == 0
    assert control.letters[0][0].text == "亲\n在的"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff", "UTF-8"),
        ("字" * 4001, "4000 characters"),
        ("字" * 9000, "4000 characters"),
    ],
)
async def test_no_text_is_no_request(control: StandIn, data: bytes | str, said: str) -> None:
    """Wrong usage, said before anything is asked."""
    async with serving(control):
        stdin = data.encode() if isinstance(data, str) else data
        ended = await run(control.folder, "send", "a", "57", "-", stdin=stdin)

    assert ended.code == 2
    assert said in ended.err
    assert control.letters == []


async def test_what_is_no_number_is_no_wait(control: StandIn) -> None:
    """`nan` is out of no range."""
    async with serving(control):
        ended = await run(control.folder, "send", "a", "57", "x", "--wait", "nan")

    assert ended.code == 2
    assert "not a number" in ended.err


async def test_reason_cannot_steer_a_terminal(control: StandIn) -> None:
    """It is the server's text."""
    control.delivery = Delivery(state="rejected", number=1, reason="no\x1b[2J\x9bx")
    async with serving(control):
        ended = await run(control.folder, "send", "a", "57", "x")

    assert "(no\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}x)" in ended.err


async def test_unknown_account_is_wrong_usage(control: StandIn) -> None:
    """As with every command."""
    async with serving(control):
        assert (await run(control.folder, "send", "z", "57", "x")).code == 2


async def test_forget_wants_the_name_typed(control: StandIn) -> None:
    """Anything else deletes nothing."""
    async with serving(control):
        for answer in (b"a\n", b"y\n", b"\n"):
            ended = await run(control.folder, "forget", "b", stdin=answer)
            assert (ended.code, "nothing was deleted" in ended.err) == (1, True)
        assert control.acts == []
        ended = await run(control.folder, "forget", "b", stdin=b"b\n")

    assert ended.code == 0
    assert "will be deleted for good" in ended.out
    assert "deleted: /home/li/state/users/2200000000002.json" in ended.out
    assert "begins anew" in ended.out
    assert [act[:2] for act in control.acts] == [("forget", ["b"])]


async def test_forget_can_be_scripted(control: StandIn) -> None:
    """`--yes` asks nothing; a refusal is told."""
    async with serving(control):
        assert (await run(control.folder, "forget", "b", "--yes")).code == 0
        refused = await run(control.folder, "forget", "a", "--yes")

    assert refused.code == 1
    assert refused.err.startswith("xyfleet: ")
