"""`xyfleet talks`, `talk`, `open-talk`, `read`, `recall`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.standin import StandIn, account, run, serving
from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.common.i18n import Text
from xyfleet.worker.ipc.talks import (
    ListTalks,
    MarkRead,
    OpenTalk,
    ReadHistory,
    RecallMessage,
    TalkAnswer,
    TalkQuestion,
)
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.talk_calls import ListedTalk

LAST = Message(
    account="a", id="2.PNM", conversation="61", kind="text", text="在\x1b[2J\u202e吗", time="2026-01-02T03:04:05Z"
)
TALK = ListedTalk(
    conversation="61", peer="33", peer_name="小\x07王", item="8001", item_title="手机", unread=2, last=LAST
)
EMPTY = ListedTalk(conversation="62")


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a")])


async def test_list_is_lines_without_what_steers_a_terminal(control: StandIn) -> None:
    """When, which, with whom, how many are unread, about what, the last words; and that there are older ones."""
    control.talked = TalkAnswer(state="done", talks=[TALK, EMPTY], more=True)
    async with serving(control):
        ended = await run(control.folder, "talks", "a", "--limit", "2")

    assert ended.code == 0
    first, second = ended.out.splitlines()
    assert first == "01-02 11:04:05  61  小王 (33)  (2 unread) [手机]  ← 在[2J吗"
    assert second == "-  62  -  [-]  (nobody has written yet)"
    assert "older ones" in ended.err
    assert control.questions == [("a", ListTalks(2))]


async def test_json_is_whole_and_steers_no_terminal_either(control: StandIn) -> None:
    """One object a line, with all fields; a line that would hold escapes is ASCII."""
    control.talked = TalkAnswer(state="done", talks=[TALK, EMPTY], messages=[LAST])
    async with serving(control):
        listed = await run(control.folder, "talks", "a", "--json")
        read = await run(control.folder, "talk", "a", "61", "--json")

    found = [json.loads(line) for line in listed.out.splitlines()]
    assert [one["peer"] for one in found] == ["33", None]
    assert found[0]["last"]["text"] == LAST.text == json.loads(read.out)["text"]
    assert "\x1b" not in listed.out + read.out
    assert "\u202e" not in listed.out + read.out


async def test_history_is_lines_as_messages_are(control: StandIn) -> None:
    """Recalled ones are named; none is said too."""
    gone = Message(account="a", id="1.PNM", conversation="61", kind="recall", own=True, time="2026-01-02T03:04:04Z")
    control.talked = TalkAnswer(state="done", messages=[gone, LAST])
    async with serving(control):
        shown = await run(control.folder, "talk", "a", "61")
        control.talked = TalkAnswer(state="done")
        none = await run(control.folder, "talk", "a", "62", "--limit", "5")

    assert [line.split("  ")[-1] for line in shown.out.splitlines()] == ["- → [recalled] ", "- ← 在[2J吗"]
    assert (none.out, none.err) == ("", "(none)\n")
    assert control.questions == [("a", ReadHistory("61", 20)), ("a", ReadHistory("62", 5))]


@pytest.mark.parametrize(
    ("words", "question", "answer", "out"),
    [
        (
            ("open-talk", "a", "--buyer", "33", "--item", "8001"),
            OpenTalk("33", "8001"),
            TalkAnswer(state="done", conversation="61"),
            "61\n",
        ),
        (
            ("open-talk", "a", "--buyer", "33", "--item", "8001"),
            OpenTalk("33", "8001"),
            TalkAnswer(state="found", conversation="61"),
            "61\n",
        ),
        (("read", "a", "61"), MarkRead("61"), TalkAnswer(state="done", count=2), "read: the newest 2 messages"),
        (("recall", "a", "1.PNM"), RecallMessage("1.PNM"), TalkAnswer(state="done"), "recalled\n"),
    ],
)
async def test_what_was_done_is_said(
    control: StandIn, words: tuple[str, ...], question: TalkQuestion, answer: TalkAnswer, out: str
) -> None:
    """Of a conversation its id alone goes to standard output."""
    control.talked = answer
    async with serving(control):
        ended = await run(control.folder, *words)

    assert (ended.code, ended.out.startswith(out)) == (0, True)
    assert control.questions == [("a", question)]


async def test_bad_ends_are_said(control: StandIn) -> None:
    """A refusal, an unknown end and a fleet that can't do it, each with exit code 1."""
    ends: list[TalkAnswer | Exception] = [
        TalkAnswer(state="rejected", reason="太\x1b晚了"),
        TalkAnswer(state="unknown", reason="no answer came in time"),
        NotPossible(Text("%(name)s is not connected", {"name": "a"})),
    ]
    said = []
    async with serving(control):
        for control.talked in ends:
            ended = await run(control.folder, "recall", "a", "1.PNM")
            assert (ended.code, ended.out) == (1, "")
            said.append(ended.err)

    assert "refused it: 太\N{REPLACEMENT CHARACTER}晚了" in said[0]
    assert "look with xyfleet talks a first" in said[1]
    assert said[2] == "xyfleet: a is not connected\n"


async def test_what_is_no_id_is_no_question(control: StandIn) -> None:
    """Wrong usage, before anything is asked."""
    async with serving(control):
        for words in (("talk", "a", "在"), ("recall", "a", ""), ("open-talk", "a", "--buyer", "33")):
            assert (await run(control.folder, *words)).code == 2

    assert control.questions == []
