"""Tests of `xyfleet.worker.storage.inbox` and `committer`: jobs are on disk when their futures are done."""

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
import tempfile
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

import pytest

from xyfleet.worker.protocol.items import IncomingItem
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import MOST_WAITING, AsyncStore, Closed, Times
from xyfleet.worker.storage.message_store import Added, Counts, HandlerRules, MessageStore
from xyfleet.worker.storage.schema import VERSION
from xyfleet.worker.storage.writer_thread import rehearse

NO_HANDLER = HandlerRules(handler=False, max_age=0, takeover=0)
ASKS = NO_HANDLER._replace(handler=True)
QUICK = Times(retry=0.02, close=0.1)


def adding(*ids: str, text: str = "hi", rules: HandlerRules = NO_HANDLER) -> Callable[[MessageStore], Added]:
    """Return a job that adds messages."""
    found = [IncomingItem(id=id_, conversation="c1", sender="b", kind="text", text=text) for id_ in ids]
    return lambda store: store.add(found, recovered=False, now=time.time_ns() // 1_000_000, rules=rules)


def ids_in(path: Path) -> list[str]:
    """Return the ids of all messages that are in a file, as another program sees it."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return [id_ for (id_,) in db.execute("SELECT id FROM messages ORDER BY row")]


def log_of(path: Path) -> bool:
    """Tell whether there is a write-ahead log: the file is open, or a crash left it."""
    return Path(f"{path}-wal").exists()


def content_of(path: Path) -> bytes:
    """Return what is in a file."""
    return path.read_bytes()


def put(path: Path, content: bytes) -> None:
    """Have a file, in the place of any that is there."""
    path.parent.mkdir(exist_ok=True)
    path.with_name("new").write_bytes(content)
    path.with_name("new").rename(path)


def fill(file: Path) -> None:
    """Fill a disk to its last page."""
    with contextlib.suppress(OSError), open(file, "wb", buffering=0) as ballast:
        while ballast.write(b"x" * 4096):
            pass


async def until(condition: Callable[[], object], timeout: float = 5.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)


def threads() -> int:
    """Return how many inboxes have a thread."""
    return sum(thread.name == "xyfleet-inbox" for thread in threading.enumerate())


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


async def test_on_disk_when_done(path: Path, inbox: AsyncStore) -> None:
    """The file is made at the first job, whose work others can read when the future is done."""
    existed = inbox.exists()
    added = await inbox.do(adding("1.PNM", "2.PNM"))

    assert ids_in(path) == ["1.PNM", "2.PNM"]
    assert [row.message.account for row in added.rows] == ["a", "a"]
    assert (existed, inbox.exists()) == (False, True)
    assert inbox.counts._replace(bytes=0) == Counts(stored=2)


async def test_jobs_that_wait_go_together(inbox: AsyncStore) -> None:
    """While a transaction is on, others gather for the next one; their order is kept."""
    statements: list[str] = []
    await inbox.do(lambda store: store.db.set_trace_callback(statements.append))
    added = await asyncio.gather(*(inbox.do(adding(f"{number}.PNM")) for number in range(100)))
    await inbox.do(lambda store: store.db.set_trace_callback(None))

    assert statements.count("COMMIT") < 20
    assert [row.row for each in added for row in each.rows] == list(range(1, 101))


async def test_a_program_error_fails_alone(path: Path, inbox: AsyncStore) -> None:
    """What a failing job did is undone; jobs in the same transaction are not touched."""

    def fails(store: MessageStore) -> None:
        adding("2.PNM")(store)
        raise KeyError("x")

    done = await asyncio.gather(
        inbox.do(adding("1.PNM")),
        inbox.do(fails),
        inbox.do(lambda store: store.db.execute("SELECT nonsense")),
        inbox.do(adding("3.PNM")),
        return_exceptions=True,
    )

    assert [type(result) for result in done] == [Added, KeyError, sqlite3.OperationalError, Added]
    assert ids_in(path) == ["1.PNM", "3.PNM"]
    assert inbox.trouble is None


async def test_a_program_error_outside_of_a_job(path: Path, inbox: AsyncStore) -> None:
    """A transaction that can't end fails those who wait for it, is undone, and the next ones go on."""
    await inbox.do(adding("1.PNM"))
    with pytest.raises(sqlite3.OperationalError):
        await inbox.do(lambda store: store.db.execute("DROP TABLE outbox"))
    await inbox.do(adding("2.PNM"))

    assert ids_in(path) == ["1.PNM", "2.PNM"]


async def test_a_transaction_undone_under_a_job(path: Path) -> None:
    """Where SQLite undid the whole transaction, all of it is done again, whatever the job made of that."""
    heard = Heard(path)
    tries: list[int] = []

    def meets_trouble(store: MessageStore) -> int:
        tries.append(1)
        if len(tries) == 1:
            store.db.execute("ROLLBACK")
            raise ValueError("no transaction")
        return store.last_row()

    _, last = await asyncio.gather(heard.inbox.do(adding("1.PNM")), heard.inbox.do(meets_trouble))
    await heard.inbox.close()

    assert last == 1
    assert ids_in(path) == ["1.PNM"]
    assert heard.troubles == [f"messages can't be stored in {path}: ValueError: no transaction (Undone)", None]


async def test_cancelled_futures(path: Path, inbox: AsyncStore) -> None:
    """Nobody waits any more: the job is done all the same, and those behind it as well."""
    futures = [inbox.do(adding(f"{number}.PNM")) for number in range(6)]
    for future in futures[:5]:
        future.cancel()
    await futures[5]

    assert ids_in(path) == [f"{number}.PNM" for number in range(6)]


async def test_rest(path: Path) -> None:
    """Without jobs the file is closed and the thread ends; the next job finds all as it was."""
    before = threads()
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, idle=0.05)
    await inbox.do(adding("1.PNM", rules=ASKS))
    await inbox.do(lambda store: store.begin(1))
    busy = threads()
    await until(lambda: threads() == before)
    closed = not log_of(path)
    state = await inbox.do(lambda store: store.row(1))
    await inbox.close()

    assert (busy, closed) == (before + 1, True)
    assert state is not None
    assert state.state == "calling"  # Only the first opening of a process settles what a crash left.
    assert threads() == before


async def test_rest_and_jobs_do_not_race(path: Path) -> None:
    """However a job falls in with the thread's end, it is done."""
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, idle=0.002)
    chance = random.Random(1)
    for number in range(50):
        async with asyncio.timeout(5):
            await inbox.do(adding(f"{number}.PNM"))
        await asyncio.sleep(chance.uniform(0.0, 0.006))
    await inbox.close()

    assert ids_in(path) == [f"{number}.PNM" for number in range(50)]


async def test_the_first_opening_settles_a_crash(path: Path) -> None:
    """Calls that were cut off are parked, or wait again, as the settings say."""
    ways: dict[Literal["park", "retry"], str] = {"park": "parked", "retry": "waiting"}
    for on_unknown, state in ways.items():
        with contextlib.closing(MessageStore(str(path), "a")) as store:
            added = adding(on_unknown, rules=ASKS)(store)
            store.begin(added.rows[0].row)
        inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None)
        inbox.apply(MailSettings(file=str(path), on_unknown=on_unknown))
        row = await inbox.do(lambda store, number=added.rows[0].row: store.row(number))
        await inbox.close()

        assert row is not None
        assert row.state == state


async def test_closing(path: Path) -> None:
    """What was handed in is on disk when closing ends; later jobs are refused, closing again does nothing."""
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None)
    futures = [inbox.do(adding(f"{number}.PNM")) for number in range(300)]
    await inbox.close()
    await inbox.close()

    assert all(future.done() for future in futures)
    assert not log_of(path)
    assert len(ids_in(path)) == 300
    with pytest.raises(Closed):
        await inbox.do(adding("late"))


async def test_an_inbox_that_was_never_used(path: Path) -> None:
    """No job: no thread, no file."""
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None)
    before = threads()
    await inbox.trim()
    await inbox.close()

    assert threads() == before
    assert os.listdir(path.parent.parent) == []


def test_a_loop_that_ends_without_closing(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The thread finds nobody to tell, and says nothing."""

    async def leave() -> threading.Thread:
        AsyncStore(MailSettings(file=str(path)), "a", lambda: None, idle=0.0).do(lambda store: time.sleep(0.05))
        return next(thread for thread in threading.enumerate() if thread.name == "xyfleet-inbox")

    thread = asyncio.run(leave())
    time.sleep(0.1)

    assert capfd.readouterr() == ("", "")
    assert thread.daemon


async def test_full(inbox: AsyncStore) -> None:
    """So many jobs may wait and no more should be handed in."""
    futures = [inbox.do(lambda store: None) for _ in range(MOST_WAITING - 1)]
    states = [inbox.full()]
    futures.append(inbox.do(lambda store: None))
    states.append(inbox.full())
    await asyncio.gather(*futures)
    states.append(inbox.full())

    assert states == [False, True, False]


def test_the_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forkserver's rehearsal leaves nothing behind, neither files nor threads."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = threads()
    rehearse()

    assert threads() == before
    assert list(tmp_path.iterdir()) == []


# Power and crashes.

KILLED = """
    import asyncio, os, sys, time, uvloop
    from xyfleet.worker.protocol.items import IncomingItem
    from xyfleet.worker.storage.inbox import AsyncStore
    from xyfleet.worker.storage.message_store import HandlerRules
    from xyfleet.worker.settings import MailSettings

    async def push(inbox, tag):
        number = 0
        while True:
            number += 1
            ids = [f"{sys.argv[2]}.{tag}.{number}.{n}" for n in range(number % 3 + 1)]
            found = [IncomingItem(id=i, kind="text", text="x" * 300, time=1) for i in ids * 2]
            rules = HandlerRules(handler=False, max_age=0, takeover=0)
            await inbox.do(lambda store: store.add(found, recovered=False, now=time.time_ns() // 10**6, rules=rules))
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


# Trouble.


class Heard:
    """Notes what troubles there were."""

    def __init__(self, file: Path, times: Times = QUICK) -> None:
        self.troubles: list[str | None] = []
        self.inbox = AsyncStore(MailSettings(file=str(file)), "a", self._changed, times=times)

    def _changed(self) -> None:
        self.troubles.append(self.inbox.trouble)


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
    """A file broken under us is a trouble, never deleted, and gone when somebody puts the good one back."""
    heard = Heard(path)
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
    assert "not an SQLite file; move the file away" in str(heard.troubles[0])
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
    put(path, b"garbage" * 1000)
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
    heard.inbox.do(lambda store: time.sleep(0.1))
    await asyncio.sleep(0.05)
    late = heard.inbox.do(adding("2.PNM"))
    closing = asyncio.create_task(heard.inbox.close())
    put(path, b"garbage" * 1000)
    began = time.monotonic()
    await closing

    assert time.monotonic() - began < 2.0
    assert isinstance(late.exception(), Closed)


async def test_a_silent_disk(path: Path) -> None:
    """A disk that neither works nor refuses is a trouble too, until it wakes."""
    heard = Heard(path, Times(stuck=0.1))
    await heard.inbox.do(lambda store: time.sleep(0.3))
    await heard.inbox.close()

    assert [str(trouble)[-24:] for trouble in heard.troubles] == ["the disk does not answer", "None"]


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
    from xyfleet.worker.protocol.items import IncomingItem
    from xyfleet.worker.storage.inbox import AsyncStore, Times
    from xyfleet.worker.storage.message_store import HandlerRules
    from xyfleet.worker.settings import MailSettings

    def adding(number):
        found = [IncomingItem(id=f"{number}.PNM", kind="text", text="x" * 2000, time=1)]
        rules = HandlerRules(handler=False, max_age=0, takeover=0)
        return lambda store: len(store.add(found, recovered=False, now=1, rules=rules).rows)

    async def main():
        troubles = []
        inbox = AsyncStore(MailSettings(file=sys.argv[1]), "a", lambda: troubles.append(inbox.trouble),
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
        added = await asyncio.gather(*futures)
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


# Retention.


async def test_retention_by_age(path: Path) -> None:
    """In the background, and by itself, what is older than the settings say goes; jobs go on meanwhile."""
    with contextlib.closing(MessageStore(str(path), "a")) as store:
        old = [IncomingItem(id=f"{number}.PNM", kind="text", time=1) for number in range(500)]
        store.db.execute("BEGIN")
        store.add(old, recovered=False, now=1, rules=NO_HANDLER)
        store.db.execute("COMMIT")
    inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, times=Times(trim=0.01))
    await inbox.do(adding("new"))
    await until(lambda: ids_in(path) == ["new"])
    await asyncio.sleep(0.05)
    floor = await inbox.do(lambda store: store.meta("floor"))
    await inbox.close()

    assert floor == 1


async def test_retention_by_size(path: Path) -> None:
    """Whenever the file has grown over its size the oldest go, a good deal of them."""
    inbox = AsyncStore(MailSettings(file=str(path), keep_bytes=400_000), "a", lambda: None)
    number = 0
    for _ in range(2):
        while inbox.counts.bytes <= 400_000:
            number += 1
            await inbox.do(adding(f"{number}.PNM", text="x" * 3000))
        await until(lambda: inbox.counts.bytes <= 360_000)
    await asyncio.sleep(0.1)
    await inbox.close()
    left = ids_in(path)

    assert left == [f"{each}.PNM" for each in range(number - len(left) + 1, number + 1)]
    assert len(content_of(path)) <= 400_000


async def test_retention_that_fails(path: Path) -> None:
    """A program error in it is told, and the next round comes all the same."""
    told: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    inbox = AsyncStore(MailSettings(file=str(path), keep_days=-1e30), "a", lambda: None, times=Times(trim=0.01))
    await inbox.do(adding("1.PNM"))
    await until(lambda: len(told) >= 2)
    await inbox.close()

    assert {context["message"] for context in told} == {"deleting old messages failed"}


async def test_a_sleeping_inbox_is_not_woken_in_vain(path: Path) -> None:
    """The next round is when the oldest message can be old enough, at least once a day."""
    inbox = AsyncStore(MailSettings(file=str(path), keep_days=2.0), "a", lambda: None)
    now = time.time_ns() // 1_000_000
    waits = [inbox._until_next_trim(oldest) for oldest in (None, now, now - 129_600_000, 0)]
    await inbox.close()

    assert waits[:2] == [3600.0, 86_400.0]
    assert waits[2] == pytest.approx(43_200, abs=5)
    assert waits[3] == 3600.0


@pytest.mark.timing
async def test_two_hundred_messages_a_second(inbox: AsyncStore) -> None:
    """Each is on disk within 50 ms, 99 times in 100."""
    await inbox.do(adding("first"))
    took: list[float] = []

    async def push(number: int) -> None:
        began = time.perf_counter()
        await inbox.do(adding(f"{number}.PNM", text="x" * 500))
        took.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(push(number))
            await asyncio.sleep(0.005)

    assert sorted(took)[197] < 0.05
