"""`xyfleet messages`: what came in, for people and for programs."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.inboxes import NOW, bury, put
from support.standin import StandIn, account, begin, run, serving, until
from support.terminal import terminal
from xyfleet.supervisor.cli.messages import _events
from xyfleet.supervisor.messages.followers import MessageFeed
from xyfleet.supervisor.presentation.message_text import MessageStyle, Shown, lines, plain
from xyfleet.worker.protocol.message import rfc3339


@pytest.fixture
async def control(tmp_path: Path) -> StandIn:
    one = StandIn(tmp_path, [account("a"), account("b")])
    put(one, "a", "1.PNM", now=NOW, text="在吗\n\x1b[2J  有货？")
    put(one, "b", "2.PNM", now=NOW + 1000, own=True, kind="image", text="http://x/1.jpg", sender_name=None, sender="7")
    return one


def now() -> int:
    return int(time.time() * 1000)


async def test_messages_are_lines(control: StandIn) -> None:
    """In the fleet's zone, one line each whatever the text, without what could steer a terminal."""
    async with serving(control):
        english, chinese = await asyncio.gather(
            run(control.folder, "messages"), run(control.folder, "messages", "a", "--limit", "1", "--lang", "zh")
        )

    assert (english.code, english.err) == (0, "")
    assert english.out.splitlines() == [
        "01-02 11:04:05  a  60123  小王 ← 在吗 [2J 有货？",
        "01-02 11:04:06  b  60123  7 → [image] http://x/1.jpg",
    ]
    assert chinese.out == "01-02 11:04:05  a  60123  小王 ← 在吗 [2J 有货？\n"


async def test_messages_as_json(control: StandIn) -> None:
    """Programs get the API's lines; a filter that fits nothing gives none."""
    async with serving(control):
        all_, none = await asyncio.gather(
            run(control.folder, "messages", "--json"),
            run(control.folder, "messages", "--json", "--since", "1s", "--conversation", "60123"),
        )

    assert [json.loads(line)["id"] for line in all_.out.splitlines()] == ["1.PNM", "2.PNM"]
    assert (none.code, none.out) == (0, "")


async def test_terminal_lines_fit(control: StandIn) -> None:
    """At a terminal a long text is cut, and there are colours."""
    put(control, "a", "3.PNM", now=NOW + 2000, text="x" * 500)
    async with serving(control):
        with terminal(control.folder, "messages") as shown:
            assert await shown.end() == 0

    assert b"\x1b[33m" in shown.text
    assert "x…".encode() in shown.text
    assert b"x" * 100 not in shown.text


async def test_dead_letters_are_shown_and_given_back(control: StandIn) -> None:
    """With reason and number of calls; all of them only when that is asked for."""
    bury(control, "a", "3.PNM")
    async with serving(control):
        shown, retried, some, none = await asyncio.gather(
            run(control.folder, "messages", "--failed"),
            run(control.folder, "messages", "--failed", "--retry"),
            run(control.folder, "messages", "a", "--retry", "--conversation", "60123"),
            run(control.folder, "messages", "a", "--retry", "--conversation", "1"),
        )

    first, second = shown.out.splitlines()
    assert first.endswith("小王 ← 在吗")
    assert second == "    failed at call 1 of the handler: it raised ValueError"
    assert sorted(control.redone) == [(["a"], ["3.PNM"]), (["a", "b"], [])]
    assert retried.out == "a: given back to the handler: 2\nb: given back to the handler: 2\n"
    assert (retried.code, some.code, none.code) == (0, 0, 0)
    assert none.out == "no such dead letters\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["zz"], "no account fits: zz"),
        (["--since", "yesterday"], "yesterday is neither a span like 30m"),
        (["--limit", "0"], "0 is not in the range"),
        (["--retry"], "--retry needs names"),
        (["-f", "--failed"], "-f shows new messages"),
    ],
)
async def test_wrong_words_are_refused(control: StandIn, words: list[str], says: str) -> None:
    """Exit code 2, and what is wrong."""
    async with serving(control):
        ended = await run(control.folder, "messages", *words)

    assert ended.code == 2
    assert says in ended.err


async def test_unreadable_inbox_is_a_failure(control: StandIn) -> None:
    """Others' messages are shown, and whose are missing."""
    (control.folder / "inbox" / "b.db").unlink()
    (control.folder / "inbox" / "b.db").write_bytes(b"x" * 5000)
    async with serving(control):
        ended = await run(control.folder, "messages")

    assert ended.code == 1
    assert ended.out.count("\n") == 1
    assert "the messages of b can't be read: " in ended.err
    assert "file is not a database" in ended.err


async def test_follow_goes_on_after_a_broken_connection(control: StandIn) -> None:
    """Nothing is lost and nothing shown twice; the end of the fleet is told."""
    async with serving(control) as record:
        process = await begin(control.folder, "messages", "-f", "--json", "--conversation", "60123")

        async def shown() -> str:
            assert process.stdout is not None
            found: str = json.loads(await process.stdout.readline())["id"]
            return found

        assert [await shown(), await shown()] == ["1.PNM", "2.PNM"]
        put(control, "a", "other.PNM", now=now(), conversation="1")
        put(control, "a", "3.PNM", now=now())
        assert await shown() == "3.PNM"
        control.mail.close()
        control.mail = MessageFeed(lambda name: control.folder / "inbox" / f"{name}.db", control.folder)
        put(control, "b", "4.PNM", now=now())
        assert await shown() == "4.PNM"
    _, err = await process.communicate()

    assert record.pid
    assert process.returncode == 7
    assert err == b"xyfleet: the fleet has ended\n"


async def test_follow_goes_on_in_another_feed(control: StandIn) -> None:
    """A feed that was deleted is begun anew: that some may be missing is said, and what comes then is shown."""
    async with serving(control):
        process = await begin(control.folder, "messages", "-f", "--json", "--limit", "1")
        assert process.stdout is not None
        await process.stdout.readline()
        await until(lambda: control.mail.followers)
        control.mail.close()
        await asyncio.sleep(0.1)
        for end in ("", "-wal", "-shm"):
            (control.folder / f"feed.db{end}").unlink(missing_ok=True)
        control.mail = MessageFeed(lambda name: control.folder / "inbox" / f"{name}.db", control.folder)
        await until(lambda: control.mail.followers)
        put(control, "b", "4.PNM", now=now())
        shown = json.loads(await process.stdout.readline())["id"]
    _, err = await process.communicate()

    assert shown == "4.PNM"
    assert b"the place in the stream is not known any more" in err


def test_plain_text_has_one_line_and_no_controls() -> None:
    """Any blank is one blank; escapes, zero-width and direction marks are gone."""
    assert plain("a\r\n\tb\u3000c\x1b\x07\x9b\u202e\u200d😀") == "a b c😀"


def test_unknown_kinds_and_states_are_shown() -> None:
    """A newer supervisor's words are no fault."""
    message = Shown(account="a", id="1", time=rfc3339(NOW), kind="unknown", state="buried", attempt=2)
    today = datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(minutes=1)

    assert lines(message, MessageStyle("en", UTC), today) == [
        "03:04:05  a  -  - ← [unknown] ",
        "    failed at call 2 of the handler: -",
    ]


def test_half_an_event_is_none() -> None:
    """A stream may break off anywhere, within a character too."""
    lines = [b"id: A\n", b"data: 1\n", b"\n", b"id: B\n", "data: 在".encode()[:-1]]

    assert list(_events(iter(lines))) == [{"id": "A", "data": "1"}]
