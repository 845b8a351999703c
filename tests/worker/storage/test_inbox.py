"""Tests of `xyfleet.worker.storage.inbox`: jobs are on disk when their futures are done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from support.jobs import ASKS, NO_HANDLER, QUICK, Heard, Job, adding, content_of, ids_in, log_of, threads, until
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import MOST_WAITING, AsyncStore, Closed, Times
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.perform import perform
from xyfleet.worker.storage.results import Added, Counts


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
    assert inbox.counts._replace(bytes=0, log=0) == Counts(stored=2)


async def test_jobs_that_wait_go_together(inbox: AsyncStore) -> None:
    """While a transaction is on, others gather for the next one; their order is kept."""
    statements: list[str] = []
    await inbox.do(Job(lambda store: store.db.set_trace_callback(statements.append)))
    added = await asyncio.gather(*(inbox.do(adding(f"{number}.PNM")) for number in range(100)))
    await inbox.do(Job(lambda store: store.db.set_trace_callback(None)))

    assert statements.count("COMMIT") < 20
    assert [row.row for each in added for row in each.rows] == list(range(1, 101))


async def test_a_program_error_fails_alone(path: Path, inbox: AsyncStore) -> None:
    """What a failing job did is undone; jobs in the same transaction are not touched."""

    def fails(store: MessageStore) -> None:
        perform(store, adding("2.PNM"), 1)
        raise KeyError("x")

    done = await asyncio.gather(
        inbox.do(adding("1.PNM")),
        inbox.do(Job(fails)),
        inbox.do(Job(lambda store: store.db.execute("SELECT nonsense"))),
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
        await inbox.do(Job(lambda store: store.db.execute("DROP TABLE outbox")))
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

    _, last = await asyncio.gather(heard.inbox.do(adding("1.PNM")), heard.inbox.do(Job(meets_trouble)))
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
    await inbox.do(Job(lambda store: store.begin(1, 0)))
    busy = threads()
    await until(lambda: threads() == before)
    closed = not log_of(path)
    state = await inbox.do(Job(lambda store: store.row(1)))
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
            added = perform(store, adding(on_unknown, rules=ASKS), time.time_ns() // 1_000_000)
            store.begin(added.rows[0].row, 0)
        inbox = AsyncStore(MailSettings(file=str(path)), "a", lambda: None)
        inbox.apply(MailSettings(file=str(path), on_unknown=on_unknown))
        row = await inbox.do(Job(lambda store, number=added.rows[0].row: store.row(number)))
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
    await inbox.trimming.trim()
    await inbox.close()

    assert threads() == before
    assert os.listdir(path.parent.parent) == []


def test_a_loop_that_ends_without_closing(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The thread finds nobody to tell, and says nothing."""

    async def leave() -> threading.Thread:
        AsyncStore(MailSettings(file=str(path)), "a", lambda: None, idle=0.0).do(Job(lambda store: time.sleep(0.05)))
        return next(thread for thread in threading.enumerate() if thread.name == "xyfleet-inbox")

    thread = asyncio.run(leave())
    time.sleep(0.1)

    assert capfd.readouterr() == ("", "")
    assert thread.daemon


async def test_full(inbox: AsyncStore) -> None:
    """So many jobs may wait and no more should be handed in."""
    futures = [inbox.do(Job(lambda store: None)) for _ in range(MOST_WAITING - 1)]
    states = [inbox.full()]
    futures.append(inbox.do(Job(lambda store: None)))
    states.append(inbox.full())
    await asyncio.gather(*futures)
    states.append(inbox.full())

    assert states == [False, True, False]


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
    floor = await inbox.do(Job(lambda store: store.meta("floor")))
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
    waits = [inbox.trimming.until_next(oldest) for oldest in (None, now, now - 129_600_000, 0)]
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
