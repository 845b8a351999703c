"""Which of the figures about messages become events."""

from __future__ import annotations

from xyfleet.supervisor.messages.change_events import HandlerTroubles, MessageEvent, MessageEvents, why
from xyfleet.worker.ipc.figures import MailFigures
from xyfleet.worker.reasons import words


def failed(new: int, dead: int) -> MessageEvent:
    return MessageEvent("failed", {"counts": {"new": new, "dead": dead}})


def test_dead_letters_are_told_when_they_become_more() -> None:
    """A retry takes some away, and says nothing; the next one that fails is new again."""
    tidings = MessageEvents()
    told = [tidings.take(MailFigures(stored=9, dead=dead)) for dead in (0, 1, 1, 3, 0, 1)]

    assert told == [[], [failed(1, 1)], [], [failed(2, 3)], [], [failed(1, 1)]]


def test_dead_letters_survive_a_worker_without_being_told_again() -> None:
    """A new worker has not opened the inbox at first, and reports none."""
    tidings = MessageEvents()
    tidings.take(MailFigures(stored=9, dead=2))
    tidings.worker_started()

    assert tidings.take(MailFigures()) == []
    assert tidings.take(MailFigures(stored=9, dead=2)) == []


def test_a_disk_that_refuses_is_told_at_its_begin_and_its_end() -> None:
    """Not with each new wording, and not as over because a new worker knows nothing yet."""
    tidings = MessageEvents()
    reports = (
        MailFigures(trouble=words("no space")),
        MailFigures(trouble=words("no space left")),
        MailFigures(),
        MailFigures(stored=1),
        MailFigures(stored=2),
    )

    assert [tidings.take(mail) for mail in reports] == [
        [MessageEvent("trouble", why(words("no space")))],
        [],
        [],
        [MessageEvent("stored_again", {})],
        [],
    ]


def test_what_is_to_be_known_of_an_inbox_is_told_once() -> None:
    """D8, D2: an inbox that was lost, or whose log grows; not that it grows on."""
    tidings = MessageEvents()
    notes = ["its log holds 4 MB", "its log holds 5 MB", None, "it was gone", "it was gone", "it was ruined"]
    told = [tidings.take(MailFigures(stored=1, inbox_note=None if note is None else words(note))) for note in notes]

    assert told == [
        [MessageEvent("inbox", why(words("its log holds 4 MB")))],
        [],
        [],
        [MessageEvent("inbox", why(words("it was gone")))],
        [],
        [MessageEvent("inbox", why(words("it was ruined")))],
    ]


def test_an_inbox_is_new_when_its_newest_row_is_another() -> None:
    """Over the lives of workers too; one that has not opened its inbox yet says nothing."""
    tidings = MessageEvents()

    assert [tidings.changed(MailFigures(stored=row)) for row in (0, 3, 3, 0, 3, 5)] == [
        False,
        True,
        False,
        False,
        False,
        True,
    ]


def test_each_zombie_is_told() -> None:
    """Workers count them from their own start."""
    tidings = MessageEvents()
    first = [tidings.take(MailFigures(zombies=count)) for count in (0, 1, 1, 2)]
    tidings.worker_started()

    assert [len(told) for told in first] == [0, 1, 0, 1]
    assert tidings.take(MailFigures(zombies=1)) == [MessageEvent("zombie", {})]


def test_one_trouble_of_many_is_one_event() -> None:
    """It is told when nobody else joins for a while, with all whom it hit; who joins later is not told."""
    troubles = HandlerTroubles(quiet=3, longest=60)
    for second in range(5):
        troubles.take(f"a{second}", words("no module x"), now=second)
        assert troubles.due(second) == []
    assert troubles.next_due() == 7

    assert troubles.due(7) == [(words("no module x"), ["a0", "a1", "a2", "a3", "a4"])]
    troubles.take("late", words("no module x"), now=1000)
    assert troubles.due(2000) == []
    assert troubles.next_due() is None


def test_a_slow_start_does_not_hold_the_event_back_for_ever() -> None:
    """A minute after the first account it is told, though more join every second."""
    troubles = HandlerTroubles(quiet=3, longest=60)
    told = []
    for second in range(100):
        troubles.take(f"a{second}", words("no module x"), now=second)
        told += [(second, len(names)) for _, names in troubles.due(second)]

    assert told == [(60, 61)]


def test_different_troubles_are_different_events() -> None:
    """Numbers make no difference: a handler that blocks for longer is the same one."""
    troubles = HandlerTroubles(quiet=3, longest=60)
    troubles.take("a", words("blocks since 20 s"), now=0)
    troubles.take("b", words("no module x"), now=0)
    troubles.take("a", words("blocks since 25 s"), now=2)

    assert troubles.due(5) == [(words("blocks since 20 s"), ["a"]), (words("no module x"), ["b"])]


def test_a_trouble_that_comes_and_goes_is_told_once_a_minute() -> None:
    """And again when it was away for long enough."""
    troubles = HandlerTroubles(quiet=3, longest=60)
    told = []
    for second in range(0, 30, 2):
        troubles.take("a", words("refused"), now=second)
        troubles.take("a", None, now=second + 1)
        told += troubles.due(second + 1)
    assert told == [(words("refused"), ["a"])]
    troubles.take("a", words("refused"), now=100)

    assert troubles.due(103) == [(words("refused"), ["a"])]
