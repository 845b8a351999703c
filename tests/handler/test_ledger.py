"""Keys are given once, in one durable step, whatever crashes in between."""

from __future__ import annotations

import concurrent.futures
import os
import time
from pathlib import Path

import pytest

from xyfleet.handler.ledger import BadKeys, Ledger, OutOfKeys, Sale, Taken


def sale(order: str = "o1", message: str = "1.PNM") -> Sale:
    """Return an order that somebody asks for."""
    return Sale(order, "shop-001", message)


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """Give a file of three keys, one of them twice, as Windows writes it."""
    path = tmp_path / "cards.txt"
    path.write_bytes("\ufeffKEY-1\r\nKEY-2 密\r\n\r\nKEY-1\r\nKEY-3".encode())
    path.chmod(0o640)
    return path


def test_a_key_moves(tmp_path: Path, cards: Path) -> None:
    """It leaves its file, and stands with time, order, account and message in the other one; the rest stays."""
    ledger = Ledger(tmp_path / "delivered.txt")

    assert ledger.take(sale(), cards, 1) == Taken(("KEY-1",), 2)
    assert ledger.take(sale("o2", "2.PNM"), cards, 2) == Taken(("KEY-2 密", "KEY-3"), 0)
    lines = [line.split("\t") for line in (tmp_path / "delivered.txt").read_text().splitlines()]
    assert [line[1:] for line in lines] == [
        ["o1", "shop-001", "1.PNM", "1/1", "KEY-1"],
        ["o2", "shop-001", "2.PNM", "1/2", "KEY-2 密"],
        ["o2", "shop-001", "2.PNM", "2/2", "KEY-3"],
    ]
    assert cards.read_text().split() == []
    assert cards.stat().st_mode & 0o777 == 0o640


def test_who_asks_again(tmp_path: Path, cards: Path) -> None:
    """The same message gets the same keys; another one of the same order gets none."""
    ledger = Ledger(tmp_path / "delivered.txt")
    first = ledger.take(sale(), cards, 2)
    assert first is not None

    again = ledger.take(sale(), cards, 2)
    assert again is not None
    assert again.keys == first.keys
    assert ledger.take(sale(message="2.PNM"), cards, 2) is None
    assert (ledger.holder("o1"), ledger.holder("o")) == ("1.PNM", None)


def test_too_few(tmp_path: Path, cards: Path) -> None:
    """Where there are not enough, none is taken."""
    ledger = Ledger(tmp_path / "delivered.txt")
    with pytest.raises(OutOfKeys, match="4 keys are wanted, 3 are left"):
        ledger.take(sale(), cards, 4)

    assert ledger.take(sale("o2"), cards, 3) is not None


def test_a_crash_before_a_key_left_its_file(tmp_path: Path, cards: Path) -> None:
    """A key that a line has is passed over, though it still stands in its file."""
    before = cards.read_bytes()
    ledger = Ledger(tmp_path / "delivered.txt")
    ledger.take(sale(), cards, 1)
    cards.write_bytes(before)

    assert ledger.take(sale("o2"), cards, 1) == Taken(("KEY-2 密",), 1)


def test_half_a_line(tmp_path: Path, cards: Path) -> None:
    """What a crash left of a line is no delivery, and is cut off before the next line."""
    ledger = Ledger(tmp_path / "delivered.txt")
    (tmp_path / "delivered.txt").write_bytes(b"2026-01-01\to1\tshop-001\t1.PNM\t1/1\tKEY")

    assert ledger.take(sale("o2"), cards, 1) == Taken(("KEY-1",), 2)
    assert (tmp_path / "delivered.txt").read_bytes().count(b"\n") == 1
    assert ledger.holder("o1") is None


def test_a_crash_within_an_order(tmp_path: Path, cards: Path) -> None:
    """Of an order that got some of its keys, only the others are taken when its message asks again."""
    (tmp_path / "delivered.txt").write_bytes(b"2026-01-01\to1\tshop-001\t1.PNM\t1/2\tKEY-3\n")

    assert Ledger(tmp_path / "delivered.txt").take(sale(), cards, 2) == Taken(("KEY-3", "KEY-1"), 1)


def test_all_shops_at_once(tmp_path: Path) -> None:
    """However many take at one time, each key goes to one order."""
    cards = tmp_path / "cards.txt"
    cards.write_text("".join(f"K{number}\n" for number in range(60)))

    def take(number: int) -> str:
        taken = Ledger(tmp_path / "delivered.txt").take(sale(f"o{number}"), cards, 1)
        assert taken is not None
        return taken.keys[0]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        keys = list(pool.map(take, range(60)))

    assert sorted(keys) == sorted(f"K{number}" for number in range(60))


def test_keys_that_are_no_utf8(tmp_path: Path) -> None:
    """A key saved in another encoding is taken by nobody, and said; those before it go out."""
    cards, ledger = tmp_path / "cards.txt", Ledger(tmp_path / "delivered.txt")
    cards.write_bytes(b"KEY-1\n" + "卡号 2\n".encode("gbk"))

    assert ledger.take(sale(), cards, 1) == Taken(("KEY-1",), 1)
    with pytest.raises(BadKeys, match=r"cards\.txt is not UTF-8"):
        ledger.take(sale("o2", "2.PNM"), cards, 1)
    assert ledger.holder("o2") is None
    assert cards.read_bytes() == "卡号 2\n".encode("gbk")


def test_a_large_shop(tmp_path: Path) -> None:
    """With 20,000 keys and as many deliveries a key is there at once: its worker's heartbeats wait for it."""
    cards, file = tmp_path / "cards.txt", tmp_path / "delivered.txt"
    cards.write_text("".join(f"CARD-{number:012}\n" for number in range(20_000)))
    file.write_text("".join(f"t\to{number}\ta\t{number}.PNM\t1/1\tOLD-{number:012}\n" for number in range(20_000)))
    began = time.process_time()

    assert Ledger(file).take(sale("new"), cards, 1) == Taken(("CARD-000000000000",), 19_999)
    assert time.process_time() - began < 2


def test_a_file_that_its_owner_saves_meanwhile(tmp_path: Path, cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an editor puts there while a key is taken out stays; the used key is passed over, and leaves later."""
    ledger, sync = Ledger(tmp_path / "delivered.txt"), os.fsync

    def save(fd: int) -> None:
        sync(fd)
        if (tmp_path / ".cards.txt.new").exists() and "KEY-4" not in cards.read_text():
            (tmp_path / "edited").write_text("KEY-1\nKEY-4\nKEY-5\n")
            (tmp_path / "edited").replace(cards)

    monkeypatch.setattr("os.fsync", save)

    assert ledger.take(sale(), cards, 1) == Taken(("KEY-1",), 2)
    assert cards.read_text() == "KEY-1\nKEY-4\nKEY-5\n"
    assert ledger.take(sale("o2"), cards, 1) == Taken(("KEY-4",), 1)
    assert cards.read_text() == "KEY-5\n"


def test_a_link_to_the_cards(tmp_path: Path, cards: Path) -> None:
    """Where the cards file is a link, keys leave the file that it leads to."""
    link = tmp_path / "link.txt"
    link.symlink_to(cards)

    assert Ledger(tmp_path / "delivered.txt").take(sale(), link, 1) == Taken(("KEY-1",), 2)
    assert (link.is_symlink(), cards.read_text().split()) == (True, ["KEY-2", "密", "KEY-3"])
