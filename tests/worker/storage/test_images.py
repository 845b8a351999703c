"""Images in the outbox: uploaded once, where they are is on disk before they are sent."""

from __future__ import annotations

from pathlib import Path

from support.stores import NOW, add, incoming, letter, own, stands
from xyfleet.worker.protocol.im_calls import Picture
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import LetterPart

PICTURE = Picture("https://img.example/1.jpg", 1080, 1440)


def test_the_address_outlives_a_crash(tmp_path: Path) -> None:
    """What was uploaded is not uploaded again by the next worker, and its echo proves it sent."""
    path = str(tmp_path / "inbox" / "a.db")
    (tmp_path / "inbox").mkdir()
    store = MessageStore(path, "a")
    number = store.queue("u1", "c1", "buyer", "", NOW, image="/p/1.jpg").letter
    assert number is not None
    store.uploaded(number.number, PICTURE)
    store.uploaded(number.number, Picture("https://img.example/2.jpg", 1, 1))
    store.close()
    store = MessageStore(path, "a")
    store.recover("park", NOW)
    found = store.next_queued(NOW)

    assert found is not None
    assert (found.image, found.picture) == ("/p/1.jpg", PICTURE)
    store.sending(found.number, "-1", 0)
    add(store, own("9.PNM", kind="image", text=PICTURE.url))
    assert letter(store).state == "sent"
    store.close()


def test_a_reply_of_text_and_image(store: MessageStore) -> None:
    """The text goes first; the same end of a call once more adds nothing."""
    add(store, incoming("1.PNM"))
    store.begin(1, 0)
    letters = [LetterPart("看图"), LetterPart(image="/p/1.jpg")]
    first = store.finish(1, letters, "u1", NOW)

    assert store.finish(1, letters, "u1", NOW) == first
    assert [(letter(store, n).text, letter(store, n).image) for n in (1, 2)] == [("看图", None), ("", "/p/1.jpg")]
    assert store.letter(3) is None
    assert stands(store) == ("done", None)
