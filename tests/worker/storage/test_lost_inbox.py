"""An inbox that is ruined, removed, moved, or whose log is: what is put aside, begun anew, saved, and said."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.jobs import ASKS, QUICK, Heard, adding, content_of, ids_in, put, threads, until
from support.stores import NOW, add, incoming, own, stands
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Add, Count, Marks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of an inbox that is not there yet."""
    return tmp_path / "inbox" / "a.db"


def garbage(path: Path) -> None:
    """Have a file that is none of ours."""
    put(path, b"garbage" * 1000)


def torn(path: Path) -> None:
    """Have a file of which only the head is right."""
    MessageStore(str(path), "a").close()
    data = bytearray(path.read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    path.write_bytes(data)


def old_beside_newer_log(path: Path) -> None:
    """D8: somebody put an old copy back, beside the log of the newer one."""
    with contextlib.closing(MessageStore(str(path), "a")) as store:
        old = path.read_bytes()
        for number in range(300):
            add(store, incoming(f"{number}.PNM", text="x" * 3000))
        log = Path(f"{path}-wal").read_bytes()
    path.write_bytes(old[:100] + b"\xff" * (len(old) - 100))
    Path(f"{path}-wal").write_bytes(log[: len(log) // 2])


@pytest.mark.parametrize("ruin", [garbage, torn, old_beside_newer_log])
async def test_a_ruined_file_is_put_aside(path: Path, ruin: Callable[[Path], None]) -> None:
    """D8, H2: it gets a name with the time, its bytes are kept, a new one takes what waited, and that is said."""
    path.parent.mkdir()
    ruin(path)
    content = content_of(path)
    heard = Heard(path)
    await heard.inbox.do(adding("1.PNM"))
    lost = await heard.inbox.do(Marks())
    note = heard.inbox.note
    await heard.inbox.close()
    aside = [
        each for each in path.parent.iterdir() if each.name.startswith("a.db.ruined-") and each.suffix != ".db-wal"
    ]
    kept = next(each for each in aside if not each.name.endswith(("-wal", "-shm")))

    assert ids_in(path) == ["1.PNM"]
    assert len(kept.read_bytes()) >= len(content)
    assert time.strftime("%Y%m%dT%H", time.gmtime()) in kept.name
    assert str(note) == f"the inbox {path} was ruined: {kept}; what it had is fetched again"
    assert 0 <= time.time() - lost["lost"] / 1000 < 60


async def test_a_file_ruined_while_it_rests(path: Path) -> None:
    """It is put aside too, and numbers go on behind those that were given."""
    before = threads()
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, idle=0.05, times=QUICK)
    await inbox.do(adding("1.PNM", "2.PNM"))
    await until(lambda: threads() == before)
    garbage(path)
    added = await inbox.do(adding("3.PNM"))
    await inbox.close()

    assert inbox.losses == 1
    assert [row.row for row in added.rows] == [3]
    assert ids_in(path) == ["3.PNM"]


@pytest.mark.parametrize("what", ["removed", "moved", "folder removed"])
async def test_a_lost_file_is_said(path: Path, what: str) -> None:
    """A file that goes away while it is in use is begun anew, and a person hears of it."""
    heard = Heard(path)
    await heard.inbox.do(adding("1.PNM"))
    before = heard.inbox.note
    if what == "removed":
        for end in ("", "-wal", "-shm"):
            os.unlink(f"{path}{end}")
    else:
        (path if what == "moved" else path.parent).rename(path.parent.parent / "away")
    await heard.inbox.do(adding("2.PNM"))
    await heard.inbox.close()

    assert before is None
    assert f"the inbox {path} was gone, or an older copy was put there" in str(heard.inbox.note)
    assert heard.inbox.losses == 1


async def test_an_older_copy_is_put_there(path: Path) -> None:
    """D8: rows that the fleet knows are not in it: their numbers are not given again, and what is fetched is parked."""
    first = AsyncStore(MailSettings(file=str(path)), "a", lambda: None)
    await first.do(adding("1.PNM", "2.PNM"))
    await first.close()
    again = AsyncStore(MailSettings(file=str(path), known_row=9), "a", lambda: None)
    added = await again.do(adding("3.PNM"))
    marks = await again.do(Marks())
    await again.close()

    assert [row.row for row in added.rows] == [10]
    assert ids_in(path) == ["1.PNM", "2.PNM", "3.PNM"]
    assert (again.losses, "lost" in marks) == (1, True)


async def test_a_file_lost_between_two_lives(path: Path) -> None:
    """The fleet knows rows of an inbox that is not there: it was lost, and numbers go on; a first one was not."""
    first = AsyncStore(MailSettings(file=str(path.with_name("first.db"))), "a", lambda: None)
    await first.do(adding("1.PNM"))
    again = AsyncStore(MailSettings(file=str(path), known_row=41), "a", lambda: None)
    added = await again.do(adding("2.PNM"))
    marks = [await inbox.do(Marks()) for inbox in (first, again)]
    await first.close()
    await again.close()

    assert [row.row for row in added.rows] == [42]
    assert ["lost" in each for each in marks] == [False, True]
    assert (first.note, again.losses) == (None, 1)


# What is brought into its place.


@pytest.mark.parametrize("recovered", [True, False])
def test_what_comes_again_is_parked(path: Path, recovered: bool) -> None:
    """Found or pushed again, it may have been answered before: a dead letter, and own ones are no takeover."""
    path.parent.mkdir()
    with contextlib.closing(MessageStore(str(path), "a", lost=NOW)) as store:
        found = [incoming("1.PNM", time=NOW - 5), own("2.PNM", time=NOW - 4), incoming("3.PNM", time=NOW + 1)]
        add(store, *found, recovered=recovered, now=NOW + 2)
        stood = [stands(store, row) for row in range(1, 4)]
        redone = store.redo([])

    assert stood == [("parked", "inbox was lost"), ("kept", "inbox was lost"), ("waiting", None)]
    assert redone == 1


def test_what_says_no_time_may_be_old(path: Path) -> None:
    """For ten minutes a push without a time may be one that comes again; later nothing does."""
    path.parent.mkdir()
    with contextlib.closing(MessageStore(str(path), "a", lost=NOW)) as store:
        add(store, incoming("1.PNM", time=None), now=NOW + 600_000)
        add(store, incoming("2.PNM", time=None), now=NOW + 600_001)
        stood = [stands(store, row)[0] for row in (1, 2)]

    assert stood == ["parked", "waiting"]


async def test_what_came_before_the_last_commit(path: Path) -> None:
    """A message that is pushed once more after a loss is handed over to nobody; one that is newer than all is."""
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, clock=lambda: NOW, exact=lambda: NOW)
    first = await inbox.do(Add([incoming("1.PNM", time=NOW)], False, ASKS))
    os.unlink(path)
    again = await inbox.do(Add([incoming("1.PNM", time=NOW), incoming("2.PNM", time=NOW + 60_000)], False, ASKS))
    await inbox.close()

    assert [row.state for row in first.rows] == ["waiting"]
    assert [(row.state, row.message.id) for row in again.rows] == [("parked", "1.PNM"), ("waiting", "2.PNM")]


async def test_what_came_before_this_process(path: Path) -> None:
    """Of an inbox that was lost between two lives nothing is answered again, and what came since is."""
    inbox = AsyncStore(MailSettings(file=str(path), known_row=9), "a", lambda: None)
    began = time.time_ns() // 1_000_000
    found = [incoming("1.PNM", time=began - 2000), incoming("2.PNM", time=began + 1000)]
    added = await inbox.do(Add(found, False, ASKS))
    await inbox.close()

    assert [row.state for row in added.rows] == ["parked", "waiting"]


def test_an_old_message_in_a_lost_inbox_is_kept(path: Path) -> None:
    """What would not have been handed over anyway is no dead letter."""
    path.parent.mkdir()
    with contextlib.closing(MessageStore(str(path), "a", lost=NOW)) as store:
        add(store, incoming("1.PNM", time=NOW - 700_000), recovered=True)
        stood = stands(store)

    assert stood == ("kept", "inbox was lost")


# The log beside it.

WRITER = """
    import asyncio, sys
    from xyfleet.worker.protocol.incoming import IncomingItem
    from xyfleet.worker.settings import MailSettings
    from xyfleet.worker.storage.inbox import AsyncStore
    from xyfleet.worker.storage.operations import Add
    from xyfleet.worker.storage.results import HandlerRules

    async def main():
        inbox = AsyncStore(MailSettings(file=sys.argv[1]), "a", lambda: None)
        while True:
            for id_ in (await asyncio.to_thread(sys.stdin.readline)).split():
                await inbox.do(Add([IncomingItem(id=id_, kind="text")], False, HandlerRules(False, 0, 0)))
            print(inbox.trouble, flush=True)

    asyncio.run(main())
"""


def log_removed(path: Path) -> None:
    os.unlink(f"{path}-wal")


def both_removed(path: Path) -> None:
    os.unlink(f"{path}-wal")
    os.unlink(f"{path}-shm")


def linked(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.rename(path.parent / "elsewhere" / "moved.db")
    path.symlink_to(path.parent / "elsewhere" / "moved.db")


@pytest.mark.parametrize("harm", [log_removed, both_removed, linked])
def test_nothing_acked_goes_with_the_log(path: Path, harm: Callable[[Path], None]) -> None:
    """B15: the log is removed, or the file is moved and a link put in its place: what was acked outlives SIGKILL."""
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        said = []
        for ids in ("1", "2 3"):
            child.stdin.write(ids + "\n")
            child.stdin.flush()
            said.append(child.stdout.readline().strip())
            if ids == "1":
                harm(path)
        child.send_signal(signal.SIGKILL)

    assert said == ["None", "None"]
    assert ids_in(path.resolve()) == ["1", "2", "3"]


async def test_a_removed_log_that_somebody_reads(path: Path) -> None:
    """It can't be saved while a reader holds on to it: a trouble that says so, nothing is acked, nothing is lost."""
    heard = Heard(path)
    await heard.inbox.do(adding("1.PNM"))
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    await heard.inbox.do(adding("2.PNM"))
    os.unlink(f"{path}-wal")
    future = heard.inbox.do(adding("3.PNM"))
    await until(lambda: heard.inbox.trouble)
    await asyncio.sleep(0.3)
    waited = not future.done()
    reader.close()
    await future
    await heard.inbox.close()

    assert waited
    assert "its log was removed" in str(heard.troubles[0])
    assert ids_in(path) == ["1.PNM", "2.PNM", "3.PNM"]


async def test_a_log_that_a_reader_keeps_from_shrinking(path: Path) -> None:
    """D2: the size of the log is said while somebody reads without an end, and no more when he is gone."""
    inbox = AsyncStore(MailSettings(file=str(path), keep_bytes=1_000_000), "a", lambda: None, times=QUICK)
    await inbox.do(adding("first"))
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    number = 0
    while inbox.note is None and number < 200:
        number += 1
        found = [IncomingItem(id=f"{number}.{n}", kind="text", text="x" * 9000) for n in range(20)]
        await inbox.do(Add(found, False, ASKS))
    said = inbox.note
    reader.close()
    for _ in range(3):
        await inbox.do(adding(f"after.{_}", text="y" * 1_500_000))
        await inbox.do(Count())
    quiet = inbox.note
    await inbox.close()

    assert f"another program reads {path} without an end, so that its log can't shrink: 4 MB" in str(said)
    assert quiet is None


@pytest.mark.parametrize("end", ["", "-wal"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_file(path: Path, end: str, make: Callable[[str], None]) -> None:
    """B23: a pipe or a folder in the place of an inbox is a trouble, not a wait for ever, and over when it is gone."""
    path.parent.mkdir()
    if end:
        MessageStore(str(path), "a").close()
    make(f"{path}{end}")
    heard = Heard(path)
    future = heard.inbox.do(adding("1.PNM"))
    await until(lambda: heard.inbox.trouble)
    (os.unlink if make is os.mkfifo else os.rmdir)(f"{path}{end}")
    await future
    await heard.inbox.close()

    assert "is not a regular file" in str(heard.troubles[0])
    assert ids_in(path) == ["1.PNM"]
