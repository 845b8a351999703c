"""The inbox in trouble: killed, another program's file, a disk that is full or silent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.jobs import QUICK, Heard, Job, adding, content_of, fill, ids_in, put, until
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore, Closed, Times
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.schema import VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of an inbox that is not there yet."""
    return tmp_path / "inbox" / "a.db"


@pytest.fixture
async def inbox(path: Path) -> AsyncIterator[AsyncStore]:
    """Give an inbox."""
    made = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, times=QUICK)
    yield made
    await made.close()


KILLED = """
    import asyncio, os, sys, time, uvloop
    from xyfleet.worker.protocol.incoming import IncomingItem
    from xyfleet.worker.storage.inbox import AsyncStore
    from xyfleet.worker.storage.operations import Add
    from xyfleet.worker.storage.results import HandlerRules
    from xyfleet.worker.settings import MailSettings

    async def push(inbox, tag):
        number = 0
        while True:
            number += 1
            ids = [f"{sys.argv[2]}.{tag}.{number}.{n}" for n in range(number % 3 + 1)]
            found = [IncomingItem(id=i, kind="text", text="x" * 300, time=1) for i in ids * 2]
            rules = HandlerRules(handler=False, max_age=0, takeover=0)
            await inbox.do(Add(found, False, rules))
            os.write(1, "".join(f"{i}\\n" for i in ids).encode())

    async def main():
        inbox = AsyncStore(MailSettings(file=sys.argv[1]), "a", lambda: None, idle=0.001)
        await asyncio.gather(*(push(inbox, tag) for tag in range(5)))

    asyncio.run(main(), loop_factory=uvloop.new_event_loop) if sys.version_info >= (3, 12) else uvloop.run(main())
"""


def run(script: str, *args: str) -> subprocess.Popen[bytes]:
    """Start a child process."""
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), *args], stdout=subprocess.PIPE)


def test_nothing_acked_is_lost_when_killed(path: Path) -> None:
    """SIGKILL at any moment: what the child said was on disk is there, once; whoever comes next goes on."""
    chance = random.Random()
    acked: list[str] = []
    for life in range(5):
        with run(KILLED, str(path), str(life)) as child:
            assert child.stdout is not None
            acked.append(child.stdout.readline().decode().strip())
            time.sleep(chance.uniform(0.0, 0.1))
            child.send_signal(signal.SIGKILL)
            # A last line may be torn.
            acked += [line.strip() for line in child.stdout.read().decode().splitlines(True) if line.endswith("\n")]
    stored = ids_in(path)

    assert len(acked) > 20
    assert set(acked) - set(stored) == set()
    assert len(stored) == len(set(stored))


async def test_a_newer_file(path: Path) -> None:
    """It is refused, named and unharmed; when somebody takes it away, what waited goes into a new one."""
    MessageStore(str(path), "a").close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    content = content_of(path)
    heard = Heard(path)
    future = heard.inbox.do(adding("1.PNM"))
    await until(lambda: heard.inbox.trouble)
    await asyncio.sleep(0.1)
    waited = not future.done()
    os.rename(path, path.with_name("newer"))
    await future
    await heard.inbox.close()

    assert waited
    assert content_of(path.with_name("newer")) == content
    assert ids_in(path) == ["1.PNM"]
    assert [trouble is None for trouble in heard.troubles] == [False, True]
    assert heard.troubles[0] == (
        f"messages can't be stored in {path}: it was written by a newer xyfleet (schema {VERSION + 1}, this one knows"
        f" {VERSION}); update xyfleet"
    )


async def test_garbage_in_the_place_of_the_open_file(path: Path) -> None:
    """A file broken under us is a trouble, and gone when somebody puts the good one back at once."""
    heard = Heard(path, Times(retry=0.2, close=0.1))
    await heard.inbox.do(adding("1.PNM"))
    for end in ("", "-wal", "-shm"):
        shutil.copy(f"{path}{end}", f"{path}{end}.good")
    put(path, b"garbage" * 1000)
    future = heard.inbox.do(adding("2.PNM"))
    await until(lambda: heard.inbox.trouble)
    content = content_of(path)
    for end in ("-wal", "-shm", ""):
        os.replace(f"{path}{end}.good", f"{path}{end}")
    await future
    await heard.inbox.close()

    assert content == b"garbage" * 1000
    assert ids_in(path) == ["1.PNM", "2.PNM"]
    assert "not an SQLite file" in str(heard.troubles[0])
    assert heard.troubles[1:] == [None]


async def test_a_file_deleted_under_us(path: Path, inbox: AsyncStore) -> None:
    """The next job goes into a new file, not into nowhere, and numbers go on."""
    await inbox.do(adding("1.PNM", "2.PNM"))
    for end in ("", "-wal", "-shm"):
        os.unlink(f"{path}{end}")
    added = await inbox.do(adding("3.PNM"))
    shutil.rmtree(path.parent)
    again = await inbox.do(adding("4.PNM"))

    assert [row.row for row in added.rows + again.rows] == [3, 4]
    assert ids_in(path) == ["4.PNM"]
    assert inbox.trouble is None


async def test_a_folder_that_can_not_be(tmp_path: Path) -> None:
    """A file where the folder should be: named, and mended without a restart."""
    (tmp_path / "inbox").touch()
    heard = Heard(tmp_path / "inbox" / "a.db")
    future = heard.inbox.do(adding("1.PNM"))
    await until(lambda: heard.inbox.trouble)
    (tmp_path / "inbox").unlink()
    await future
    await heard.inbox.close()

    assert "Not a directory" in str(heard.troubles[0])
    assert heard.troubles[1:] == [None]


async def test_closing_in_trouble_is_bounded(path: Path) -> None:
    """A disk that refuses does not hold up the end; those who wait learn that nothing came of it."""
    os.makedirs(path)
    heard = Heard(path)
    futures = [heard.inbox.do(adding(f"{number}.PNM")) for number in range(3)]
    await until(lambda: heard.inbox.trouble)
    began = time.monotonic()
    await heard.inbox.close()

    assert time.monotonic() - began < 1.0
    assert [type(future.exception()) for future in futures] == [Closed] * 3


async def test_trouble_that_comes_while_closing(path: Path) -> None:
    """It bounds the closing as one does that was there before."""
    heard = Heard(path)
    await heard.inbox.do(adding("1.PNM"))
    heard.inbox.do(Job(lambda store: time.sleep(0.1)))
    await asyncio.sleep(0.05)
    late = heard.inbox.do(adding("2.PNM"))
    closing = asyncio.create_task(heard.inbox.close())
    os.unlink(path)
    os.mkdir(path)
    began = time.monotonic()
    await closing

    assert time.monotonic() - began < 2.0
    assert isinstance(late.exception(), Closed)


async def test_a_silent_disk(path: Path) -> None:
    """A disk that neither works nor refuses is a trouble too, until it wakes."""
    heard = Heard(path, Times(stuck=0.1))
    await heard.inbox.do(Job(lambda store: time.sleep(0.3)))
    await heard.inbox.close()

    assert [str(trouble)[-24:] for trouble in heard.troubles] == ["the disk does not answer", "None"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_died(path: Path) -> None:
    """Whatever ended it in the middle of its work: another one takes up what it had in hand, and what waits."""
    heard = Heard(path, Times(stuck=0.05))
    tries: list[int] = []

    def dies(store: MessageStore) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise SystemExit
        return store.last_row()

    job, behind = heard.inbox.do(Job(dies)), heard.inbox.do(adding("1.PNM"))
    async with asyncio.timeout(5):
        await asyncio.gather(job, behind)
    await heard.inbox.close()

    assert ids_in(path) == ["1.PNM"]


async def test_no_thread_to_be_had(path: Path) -> None:
    """A machine that has no thread to give is a trouble, until it has one; the jobs wait."""
    heard = Heard(path, Times(stuck=0.05))
    before = threading.stack_size(1 << 50)
    try:
        job = heard.inbox.do(adding("1.PNM"))
        await until(lambda: heard.inbox.trouble)
    finally:
        threading.stack_size(before)
    await job
    await heard.inbox.close()

    assert "can't start new thread" in str(heard.troubles[0])
    assert heard.troubles[-1] is None
    assert ids_in(path) == ["1.PNM"]


async def test_a_full_disk(small_disk: Path) -> None:
    """Jobs wait while the disk is full; when there is room, all is stored, nothing twice."""
    path = small_disk / "inbox" / "a.db"
    heard = Heard(path)
    await heard.inbox.do(adding("first"))
    fill(small_disk / "ballast")
    futures = [heard.inbox.do(adding(f"{number}.PNM", text="x" * 2000)) for number in range(100)]
    await until(lambda: heard.inbox.trouble)
    await asyncio.sleep(0.2)
    stored, done = ids_in(path), sum(future.done() for future in futures)
    os.unlink(small_disk / "ballast")
    added = await asyncio.gather(*futures)
    await heard.inbox.close()

    assert len(stored) == 1 + done
    assert done < 100
    assert [len(each.rows) for each in added] == [1] * 100
    assert ids_in(path) == ["first", *(f"{number}.PNM" for number in range(100))]
    assert heard.troubles == [f"messages can't be stored in {path}: the disk is full; make room", None]


LIMITED = """
    import asyncio, json, os, resource, sys
    from xyfleet.worker.protocol.incoming import IncomingItem
    from xyfleet.worker.storage.inbox import AsyncStore, Times
    from xyfleet.worker.storage.operations import Add
    from xyfleet.worker.storage.results import HandlerRules
    from xyfleet.worker.settings import MailSettings

    def adding(number):
        found = [IncomingItem(id=f"{number}.PNM", kind="text", text="x" * 2000, time=1)]
        rules = HandlerRules(handler=False, max_age=0, takeover=0)
        return Add(found, False, rules)

    async def main():
        troubles = []
        def note():
            troubles.append(inbox.trouble and str(inbox.trouble))
        inbox = AsyncStore(MailSettings(file=sys.argv[1]), "a", note,
                      times=Times(retry=0.01))
        await asyncio.gather(*(inbox.do(adding(number)) for number in range(60)))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        futures = []
        while not inbox.trouble:
            futures.append(inbox.do(adding(60 + len(futures))))
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.15)  # Many tries: the file is opened anew in between.
        waiting = sum(not future.done() for future in futures)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        added = [len(each.rows) for each in await asyncio.gather(*futures)]
        await inbox.close()
        print(json.dumps([troubles, waiting, added]))

    asyncio.run(main())
"""


def test_a_file_that_may_not_grow(path: Path) -> None:
    """A limit of the file's size, such as a quota, is like a full disk."""
    with run(LIMITED, str(path)) as child:
        assert child.stdout is not None
        troubles, waiting, added = json.loads(child.stdout.read())

    assert waiting > 0
    assert set(added) == {1}
    assert ids_in(path) == [f"{number}.PNM" for number in range(60 + len(added))]
    assert troubles[-1] is None
    assert None not in troubles[:-1]
