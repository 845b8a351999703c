"""What a webhook's answer means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.webhooks.response import MAX_ANSWER, BadAnswer, answer_in, check_status
from xyfleet.worker.handlers.base import CheckedAnswer, HandOver, Reply, checked

ODD = 'answered "replies" with one that is neither a text nor {"text": …, "image": …, "after": …}'
OUTSIDE = 'answered an "image" that is no path below the accounts file\'s folder'


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ('{"reply": "在的"}', "在的"),
        ('\ufeff{"reply": "在的", "why": "asked"}', "在的"),
        ('{"reply": null}', None),
        ('{"reply": ""}', None),
        ('{"reply": " \\n"}', None),
        ("{}", None),
    ],
)
def test_reply(body: str, reply: str | None) -> None:
    """A text is the reply; null, an empty text and an empty object are none. A byte order mark does no harm."""
    assert answer_in(body.encode(), "application/json") == (None if reply is None else CheckedAnswer((Reply(reply),)))


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ('{"image": "guide.png"}', Reply(image="guide.png")),
        ('{"reply": "请看图", "image": "pics/图.png"}', Reply("请看图", "pics/图.png")),
        ('{"reply": "在的", "image": null}', Reply("在的")),
        ('{"reply": null, "image": " "}', None),
    ],
)
def test_image(body: str, reply: Reply | None) -> None:
    """An image may be the reply, alone or behind a text."""
    assert answer_in(body.encode(), "application/json") == (None if reply is None else CheckedAnswer((reply,)))


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            '{"replies": ["在的", {"text": "请看图", "image": "a.png", "after": 2}]}',
            [Reply("在的"), Reply("请看图", "a.png", 2)],
        ),
        ('{"replies": []}', None),
        ('{"reply": "稍等", "hand_over": {"minutes": 30, "why": "angry"}}', [Reply("稍等"), HandOver(30, "angry")]),
        ('{"hand_over": {"minutes": 5}}', [HandOver(5)]),
    ],
)
def test_several_parts(body: str, answer: list[Reply | HandOver] | None) -> None:
    """An answer may be several replies with pauses, and may give the conversation to a person."""
    assert answer_in(body.encode(), "application/json") == checked(answer)


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"", "", 'answered nothing: say {"reply": null}, or answer 204'),
        (b"<html>", "text/html; charset=utf-8", "answered text/html that is no JSON"),
        (b"<html>", "private words", "answered something that is no JSON"),
        ('{"reply": "在"}'.encode("gbk"), "application/json", "answered application/json that is no JSON"),
        (b'{"reply": "\\ud800"}', "", "answered something that is no JSON"),
        (b"[" * MAX_ANSWER, "", "answered something that is no JSON"),
        (b"\x1f\x8b\x08", "", "answered something that is no JSON"),
        (b'"yes"', "", "answered a JSON string, not an object"),
        (b"[]", "", "answered a JSON array, not an object"),
        (b"null", "", "answered a JSON null, not an object"),
        (b'{"replay": "x"}', "", 'answered an object without "reply"'),
        (b'{"reply": 7.5}', "", 'answered a "reply" that is a JSON number, not a text'),
        (b'{"reply": true}', "", 'answered a "reply" that is a JSON boolean, not a text'),
        (b'{"reply": {}}', "", 'answered a "reply" that is a JSON object, not a text'),
        (b'{"replies": "x"}', "", 'answered "replies" that are a JSON string, not an array'),
        (b'{"replies": [], "reply": "x"}', "", 'answered "replies" beside "reply" or "image"'),
        (b'{"replies": [{"words": "x"}]}', "", ODD),
        (b'{"replies": [{"text": "x", "after": 301}]}', "", "answered a Reply's after that is not 0 to 300 seconds"),
        (b'{"hand_over": 30}', "", 'answered a "hand_over" that is not {"minutes": \u2026, "why": \u2026}'),
        (b'{"hand_over": {"minutes": 0}}', "", "answered a HandOver for no time at all"),
        (b'{"image": 7}', "", 'answered an "image" that is a JSON number, not a text'),
        (b'{"image": "/etc/logo.png"}', "", OUTSIDE),
        (b'{"reply": "x", "image": "pics/../../logo.png"}', "", OUTSIDE),
        (b'{"image": "a\\u0000.png"}', "", OUTSIDE),
        (b'{"reply": "' + b"x" * MAX_ANSWER, "", "answered more than 64 KiB"),
    ],
)
def test_bad_answer(body: bytes, media_type: str, reason: str) -> None:
    """Anything else is refused, with words of our own."""
    with pytest.raises(BadAnswer) as caught:
        answer_in(body, media_type)

    assert str(caught.value) == reason


@given(st.binary(max_size=200), st.text(max_size=50))
def test_never_fails_otherwise(body: bytes, media_type: str) -> None:
    """Whatever comes is a reply, none, or a `BadAnswer` in one line of plain characters."""
    words = ""
    try:
        assert answer_in(body, media_type) is None
    except BadAnswer as error:
        words = str(error)

    assert words.isascii()
    assert words.isprintable()


def test_status() -> None:
    """Only 2xx is a success; a redirect says what to do about it."""
    check_status(200)
    check_status(204)
    with pytest.raises(BadAnswer, match="answered 500"):
        check_status(500)
    with pytest.raises(BadAnswer, match="answered 302: redirects are not followed"):
        check_status(302)
