"""Tests of `xyfleet.supervisor.login_hook.service` and the modules under it, with real hooks."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import re
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.log import MAX_FILE, MAX_RUN
from xyfleet.supervisor.login_hook.policy import Failed, NewCookie, NothingToChange, Result, left_today, next_allowed
from xyfleet.supervisor.login_hook.service import HookAccount, HookService
from xyfleet.supervisor.settings import Refresh
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

pytestmark = pytest.mark.pythons

UNB = "2200000000001"
COOKIE = Secret(f"unb={UNB}; cookie2=sim-old-secret")
NEW = f"unb={UNB}; cookie2=sim-new-secret"
SHOP = HookAccount(
    name="shop",
    user_agent="Agent/1",
    username="li",
    password=Secret("pass-word"),
    proxy=Secret("socks5://me:hidden@127.0.0.1:1"),
)
HEAD = "import json, os, signal, subprocess, sys, time\ndef say(**what): print(json.dumps(what))\n"
Service = Callable[..., HookService]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with the account `shop`."""
    store = Store(tmp_path / "state")
    store.load([])
    store.adopt("shop", COOKIE, "file")
    yield store
    assert await store.close()


@pytest.fixture
async def service(store: Store, tmp_path: Path) -> AsyncIterator[Service]:
    """Makes services for a hook: a Python text, or a command."""
    made: list[HookService] = []

    def make(hook: str | tuple[str, ...] | None, **settings: Any) -> HookService:
        command = (script(tmp_path, hook),) if isinstance(hook, str) else hook
        folder, log_dir = settings.pop("folder", tmp_path), settings.pop("log_dir", tmp_path / "logs")
        made.append(HookService(store, Refresh(command=command, **settings), folder, log_dir))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    """Write a Python hook and return its path. `say` prints JSON."""
    path = folder / "hook"
    path.write_text(f"#!{sys.executable} -S\n{HEAD}{textwrap.dedent(text)}")
    path.chmod(mode)
    return str(path)


async def run(hooks: HookService, account: HookAccount = SHOP) -> Result:
    """Run the hook once."""
    return await hooks.run(account, Cause.AUTH, 5)


def log_of(folder: Path, name: str = "shop") -> str:
    """Return an account's hook log."""
    return (folder / "logs" / f"{name}.hook.log").read_text()


def written(path: Path) -> str:
    """Wait until a hook has written a text with a dot at its end, and return it without."""
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().endswith(".")):
        assert time.monotonic() < deadline, "the hook never wrote it"
        time.sleep(0.01)
    return path.read_text()[:-1]


def gone(pid: int, within: float = 3.0) -> bool:
    """Wait until a process is gone."""
    deadline = time.monotonic() + within
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# The contract.


async def test_a_new_cookie(service: Service, store: Store) -> None:
    """A hook's cookie comes back in plain form, and the run is on record as a success."""
    hooks = service(f"say(cookie=' cookie2=sim-new-secret;unb={UNB} ')")

    assert await run(hooks) == NewCookie(Secret(f"cookie2=sim-new-secret; unb={UNB}"))
    (attempt,) = store.get("shop").attempts
    assert (attempt.ok, attempt.ran, store.get("shop").hook_runs) == (True, True, 1)
    assert store.get("shop").cookie == COOKIE


async def test_what_the_hook_is_told(service: Service, store: Store, tmp_path: Path) -> None:
    """All facts are on stdin, absent values null; the environment is clean, the folder the file's, no terminal."""
    store.get("shop").device_id = "DEVICE-1"
    hooks = service("""
        told = json.load(sys.stdin)
        leader = os.getsid(0) != os.getsid(os.getppid()) or os.getpgid(0) == os.getppid()
        seen = [told, dict(os.environ), os.getcwd(), leader, sys.argv[1:]]
        open("seen.json", "w").write(json.dumps(seen))
        say()
    """)
    os.environ["XYFLEET_TEST_LEAK"] = "leak"
    try:
        assert await run(hooks) == NothingToChange()
        told, env, folder, leads, words = json.loads((tmp_path / "seen.json").read_text())
        assert await run(hooks, HookAccount(name="bare", user_agent="A")) == NothingToChange()
        bare = json.loads((tmp_path / "seen.json").read_text())[0]
    finally:
        del os.environ["XYFLEET_TEST_LEAK"]

    assert told == {
        "account": "shop",
        "username": "li",
        "password": "pass-word",
        "cookie": COOKIE.reveal(),
        "proxy": "socks5://me:hidden@127.0.0.1:1",
        "user_agent": "Agent/1",
        "device_id": "DEVICE-1",
        "cause": "auth",
        "failures": 5,
        "attempt": 1,
    }
    assert {key: bare[key] for key in ("username", "password", "cookie", "proxy", "device_id")} == dict.fromkeys(
        ("username", "password", "cookie", "proxy", "device_id")
    )
    assert env.pop("XYFLEET_ACCOUNT") == "shop"
    assert env.keys() - {"LC_CTYPE"} <= {"PATH", "HOME", "LANG", "TZ"}
    assert (folder, leads, words) == (str(tmp_path), True, [])


async def test_attempts_are_counted_since_the_last_success(service: Service, store: Store) -> None:
    """`attempt` grows with failures in a row; the fleet-wide number of runs grows for ever."""
    hooks = service("""
        told = json.load(sys.stdin)
        print(told["attempt"], file=sys.stderr)
        say() if told["attempt"] == 3 else say(error=str(told["attempt"]))
    """)

    assert [await run(hooks) for _ in range(4)] == [Failed("1"), Failed("2"), NothingToChange(), Failed("1")]
    assert store.get("shop").hook_runs == 4


async def test_the_first_login_needs_no_user(service: Service) -> None:
    """An account without a cookie takes whatever user the hook logs in."""
    result = await run(service("say(cookie='unb=77; a=b')"), HookAccount(name="new", user_agent="A"))

    assert result == NewCookie(Secret("unb=77; a=b"))


async def test_an_error_with_wishes(service: Service, store: Store) -> None:
    """Error, wish and call for a person come through, and move the next run."""
    before = time.time()
    result = await run(service("say(error='captcha', retry_after=7200, needs_human=True)"))

    assert result == Failed("captcha", retry_after=7200.0, needs_human=True)
    held = store.get("shop")
    assert held.needs_human
    assert next_allowed(held.attempts, time.time()) == pytest.approx(before + 7200, abs=5)
    assert left_today(held.attempts, time.time()) == 5


# Bad hooks, each named.


@pytest.mark.parametrize(
    ("hook", "result"),
    [
        ("sys.exit(3)", Failed("exit code 3")),
        ("sys.exit('words')", Failed("exit code 1")),
        ("os.kill(os.getpid(), signal.SIGSEGV)", Failed("killed by SIGSEGV")),
        ("os.kill(os.getpid(), signal.SIGKILL)", Failed("killed by SIGKILL")),
        ("pass", Failed("prints nothing")),
        ("print('unb=1')", Failed("prints no JSON")),
        ("print('[]')", Failed("wrong shape: a JSON object is wanted, not a list")),
        ("say(Cookie='x')", Failed("wrong shape: no cookie in it")),
        ("say(cookie='a=b')", Failed("cookie without unb")),
        ("say(cookie='unb=1；a=b')", Failed("cookie holds the character U+FF1B")),
        ("say(cookie='unb=5; a=b')", Failed(f"cookie of another user: unb is 5, expected {UNB}")),
        ("say(error='pass-word was wrong')", Failed("*** was wrong")),
        ("sys.stdout.write('x' * 65537)", Failed("floods its output: more than 64 KiB, killed")),
        ("while True: sys.stdout.write('x' * 9999)", Failed("floods its output: more than 64 KiB, killed")),
    ],
)
async def test_a_bad_hook_is_named(service: Service, store: Store, hook: str, result: Failed) -> None:
    """Every wrong answer and every wrong end has its name, counts as a failed run, and leaves the old cookie."""
    assert await run(service(hook)) == result
    assert [attempt.ok for attempt in store.get("shop").attempts] == [False]
    assert store.get("shop").cookie == COOKIE


async def test_the_largest_output_is_taken(service: Service) -> None:
    """Exactly 64 KiB is no flood."""
    hooks = service(
        f"text = json.dumps(dict(cookie='unb={UNB}; a=b')); sys.stdout.write(text + ' ' * (65536 - len(text)))"
    )

    assert await run(hooks) == NewCookie(Secret(f"unb={UNB}; a=b"))


async def test_a_hook_that_hangs_is_killed_with_all_it_started(service: Service, tmp_path: Path) -> None:
    """After `timeout` the hook is ended: SIGTERM, then SIGKILL, for its children in other sessions too."""
    hooks = service(
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "60"], start_new_session=True)
        open("pids", "w").write(f"{os.getpid()} {child.pid}")
        while True: time.sleep(1)
        """,
        timeout=0.5,
    )

    assert await run(hooks) == Failed("hangs: not done within 0 s, killed")
    assert all(gone(int(pid), within=0.0) for pid in (tmp_path / "pids").read_text().split())


async def test_a_guard_that_was_killed_takes_its_group_along(service: Service, tmp_path: Path) -> None:
    """SIGKILL of the guard by somebody else: the rest of its group is ended and the run has failed."""
    hooks = service("""
        child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open("pids", "w").write(f"{child.pid}")
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    """)

    assert await run(hooks) == Failed("killed by SIGKILL")
    assert gone(int((tmp_path / "pids").read_text()))


async def test_a_hook_that_does_not_read_is_no_fault(service: Service, store: Store) -> None:
    """A hook that closes its stdin unread, with more in it than a pipe holds, is understood all the same."""
    store.get("shop").cookie = Secret(f"unb={UNB}; big={'x' * 300_000}")

    assert await run(service("os.close(0); time.sleep(0.1); say()")) == NothingToChange()


async def test_a_large_request_is_read_whole(service: Service, store: Store) -> None:
    """More than a pipe holds goes through when the hook reads it."""
    store.get("shop").cookie = Secret(f"unb={UNB}; big={'x' * 300_000}")

    result = await run(service("say(error=str(len(json.load(sys.stdin)['cookie'])))"))

    assert result == Failed(str(len(f"unb={UNB}; big=") + 300_000))


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (None, 0o755, "missing: {path}"),
        (b"#!/bin/sh\necho {}\n", 0o644, "not executable; do: chmod +x {path}"),
        (b"#!/bin/sh\r\necho {}\r\n", 0o755, "bad interpreter: first line ends in CRLF (Windows line ends); do: sed"),
        (b"#!/no/such/python\n", 0o755, "bad interpreter: /no/such/python is not there"),
        (b"#!\n", 0o755, "bad interpreter: none is not there"),
        (b"echo {}\n", 0o755, "cannot be started: exec format error"),
        (b"", 0o755, "cannot be started: exec format error"),
    ],
)
async def test_a_hook_that_can_not_be_started_is_named(
    service: Service, store: Store, tmp_path: Path, content: bytes | None, mode: int, reason: str
) -> None:
    """A file that can't be run is named with the remedy, and costs none of the day's logins."""
    path = tmp_path / "given"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    result = await run(service((str(path), "--fast")))

    assert isinstance(result, Failed)
    assert result.reason.startswith(reason.format(path=path))
    assert not result.ran
    attempts = store.get("shop").attempts
    assert left_today(attempts, time.time()) == 6
    assert next_allowed(attempts, time.time()) is not None


async def test_a_folder_is_no_hook(service: Service, tmp_path: Path) -> None:
    """A folder as the command is named as such."""
    assert await run(service((str(tmp_path),))) == Failed(f"not a file: {tmp_path}", ran=False)


async def test_no_hook_is_configured(service: Service) -> None:
    """Without a command nothing runs."""
    assert await run(service(None)) == Failed("no hook configured", ran=False)


async def test_a_system_that_refuses_a_process_is_named(service: Service, tmp_path: Path) -> None:
    """When no process can be started, here because the file's folder is gone, the reason is the system's word."""
    folder = tmp_path / "moved away"
    hooks = service("say()", folder=folder)

    assert await run(hooks) == Failed("cannot be started: No such file or directory", ran=False)


async def test_arguments_are_no_shell_words(service: Service, tmp_path: Path) -> None:
    """Arguments reach the hook as they are."""
    hooks = service((script(tmp_path, "say(error=' '.join(sys.argv[1:]))"), "$HOME;", "a b"))

    assert await run(hooks) == Failed("$HOME; a b")


# How many, how long, and who ends it.


async def test_one_run_at_a_time_per_account(service: Service, store: Store) -> None:
    """Who asks while the hook runs shares its result."""
    hooks = service("time.sleep(0.2); say(error=str(os.getpid()))")
    found = await asyncio.gather(*(run(hooks) for _ in range(3)))

    assert len({result.reason for result in found if isinstance(result, Failed)}) == 1
    assert store.get("shop").hook_runs == 1


async def test_few_at_a_time_over_the_fleet(service: Service, tmp_path: Path) -> None:
    """No more than `max_concurrent` hooks run at once; a raised limit holds for the next."""
    hooks = service(
        """
        start = time.time(); time.sleep(0.25)
        open("times", "a").write(f"{start} 1\\n{time.time()} -1\\n"); say()
        """,
        max_concurrent=2,
    )
    names = [HookAccount(name=f"a{number}", user_agent="A") for number in range(5)]
    await asyncio.gather(*(run(hooks, name) for name in names))
    few = most_at_once(tmp_path / "times")
    (tmp_path / "times").unlink()
    hooks.settings = Refresh(command=hooks.settings.command, max_concurrent=5)
    await asyncio.gather(*(run(hooks, name) for name in names))

    assert few == 2
    assert most_at_once(tmp_path / "times") > 2


def most_at_once(times: Path) -> int:
    """Return how many ran at once, at most, by a file of `time 1` and `time -1` lines."""
    steps = sorted(tuple(map(float, line.split())) for line in times.read_text().splitlines())
    return int(max(itertools.accumulate(step for _, step in steps)))


async def test_a_run_that_is_not_wanted_any_more_is_ended(service: Service, store: Store, tmp_path: Path) -> None:
    """Cancelled, the hook and all it started are gone when the cancellation returns; the run stays on record."""
    hooks = service("""
        child = subprocess.Popen(["sleep", "60"], start_new_session=True)
        open("pids", "w").write(f"{os.getpid()} {child.pid} .")
        time.sleep(60)
    """)
    running = asyncio.create_task(run(hooks))
    pids = await asyncio.to_thread(written, tmp_path / "pids")
    running.cancel()
    await asyncio.wait([running])

    assert all(gone(int(pid), within=0.0) for pid in pids.split())
    assert [attempt.ok for attempt in store.get("shop").attempts] == [False]
    await hooks.close()
    assert "ended: not wanted any more" in log_of(tmp_path)


async def test_a_run_is_on_disk_before_it_starts(service: Service, store: Store, tmp_path: Path) -> None:
    """A supervisor that dies while a hook runs does not forget the attempt."""
    hooks = service("time.sleep(0.3); say()")
    running = asyncio.create_task(run(hooks))
    await asyncio.sleep(0.15)
    assert await store.flush()
    later = Store(tmp_path / "state")
    later.load(["shop"])

    assert [attempt.ok for attempt in later.get("shop").attempts] == [False]
    await running


SUPERVISOR = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    import uvloop
    from xyfleet.supervisor.login_hook.service import HookAccount, HookService
    from xyfleet.supervisor.settings import Refresh
    from xyfleet.supervisor.credentials.store import Store
    from xyfleet.worker.causes import Cause

    async def main():
        folder = Path(sys.argv[1])
        store = Store(folder / "state")
        store.load([])
        hooks = HookService(store, Refresh(command=(sys.argv[2],)), folder, folder)
        print(await hooks.run(HookAccount(name="shop", user_agent="A"), Cause.AUTH, 1))
        await hooks.close()
        await store.close()

    factory = uvloop.new_event_loop if sys.argv[3] == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
""")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_the_hook_dies_with_the_supervisor(tmp_path: Path, loop: str) -> None:
    """SIGKILL of the supervisor: the hook and its children are gone, on uvloop and on asyncio's own loop."""
    hook = script(
        tmp_path,
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "60"])
        print(os.getpid(), child.pid, file=sys.stderr)
        open("pids", "w").write(f"{os.getpid()} {child.pid} {os.getppid()} .")
        time.sleep(60)
        """,
    )
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, tmp_path, hook, loop]) as fake:
        pids = written(tmp_path / "pids")
        fake.kill()

    assert all(gone(int(pid)) for pid in pids.split())


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_it_works_on_either_loop(tmp_path: Path, loop: str) -> None:
    """A good run, whole, with warnings as errors and the loop's debug checks on."""
    hook = script(tmp_path, "print('hello', file=sys.stderr); say(cookie='unb=1; a=b' + ' ' * 60000)")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SUPERVISOR, tmp_path, hook, loop],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("NewCookie(cookie=***)\n", "")
    assert uvloop.__name__


# Its log.


async def test_stderr_goes_redacted_to_its_log(service: Service, tmp_path: Path) -> None:
    """Lines of stderr are in the account's hook log, between ours, without a secret; the file is the owner's only."""
    hooks = service(f"""
        told = json.load(sys.stdin)
        print("trying", told["username"], "with", told["password"], "over", told["proxy"], file=sys.stderr)
        print("old", told["cookie"], file=sys.stderr)
        print("new {NEW}", file=sys.stderr)
        sys.stderr.write("no end")
        say(cookie="{NEW}")
    """)
    await run(hooks)
    await hooks.close()
    lines = log_of(tmp_path).splitlines()

    assert [line.partition(" xyfleet: ")[2] or line for line in lines] == [
        "attempt 1, cause auth",
        "trying li with *** over socks5://***@127.0.0.1:1",
        "old ***",
        f"new unb={UNB}; cookie2=***",
        "no end",
        "new cookie",
    ]
    assert "secret" not in log_of(tmp_path)
    assert stat.S_IMODE((tmp_path / "logs" / "shop.hook.log").stat().st_mode) == 0o600


async def test_a_flood_of_stderr_is_cut(service: Service, tmp_path: Path) -> None:
    """A talkative hook fills its share of the log and no more, endless lines are left out, and it is no fault."""
    hooks = service("""
        sys.stderr.write("x" * 100000 + "\\n")
        sys.stderr.buffer.write(b"\\xff bytes\\n")
        for number in range(50000): sys.stderr.write(f"line {number} of many\\n")
        say()
    """)

    assert await run(hooks) == NothingToChange()
    await hooks.close()
    log = log_of(tmp_path)
    assert (MAX_RUN - 100_000) * 0.9 < len(log) < (MAX_RUN - 100_000) * 1.1
    assert "(a line of 100000 characters, left out)\n\ufffd bytes\nline 0 of many\n" in log
    assert re.search(r"\(more than one run may write: the rest is left out\)\n.* xyfleet: nothing to change\n$", log)
    assert "xxx" not in log


async def test_the_log_is_rotated(service: Service, tmp_path: Path) -> None:
    """A full log is put aside as `.1` and begun anew."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "shop.hook.log").write_bytes(b"old\n" * (MAX_FILE // 4))
    hooks = service("print('news', file=sys.stderr); say()")
    await run(hooks)
    await hooks.close()

    assert "news" in log_of(tmp_path)
    assert len(log_of(tmp_path)) < 1000
    assert (tmp_path / "logs" / "shop.hook.log.1").stat().st_size == MAX_FILE


async def test_a_full_disk_does_not_stop_a_login(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A log that can't be written is told once a run; the hook's answer counts."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "shop.hook.log").symlink_to("/dev/full")
    hooks = service("print('news', file=sys.stderr); say()")
    with caplog.at_level(logging.WARNING, "xyfleet.hook"):
        assert await run(hooks) == NothingToChange()
        await hooks.close()

    assert [record.getMessage() for record in caplog.records] == [
        "shop.hook.log: 3 lines not written: No space left on device"
    ]


async def test_without_a_folder_the_lines_go_to_the_supervisor_s_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """With `log.dir: none` the redacted lines are log records."""
    hooks = service("print('it is pass-word', file=sys.stderr); say()", log_dir=None)
    with caplog.at_level(logging.INFO, "xyfleet.hook"):
        await run(hooks)
        await hooks.close()

    assert "shop: it is ***" in [record.getMessage() for record in caplog.records]
    assert "pass-word" not in caplog.text


async def test_secrets_are_on_stdin_only(service: Service, tmp_path: Path) -> None:
    """Neither the guard's nor the hook's command line and environment hold a secret."""
    hooks = service("""
        for pid in (os.getpid(), os.getppid()):
            for name in ("cmdline", "environ"):
                open("seen", "ab").write(open(f"/proc/{pid}/{name}", "rb").read())
        say()
    """)
    await run(hooks)
    seen = (tmp_path / "seen").read_bytes()

    assert b"XYFLEET_ACCOUNT=shop" in seen
    assert not any(secret in seen for secret in (b"pass-word", b"sim-old", b"hidden", b"cookie2"))


async def test_no_descriptor_stays_open(service: Service) -> None:
    """Good runs, floods and hangs leave no pipe behind."""
    good, flood, hang = service("say()"), "sys.stdout.write('x' * 99999)", "time.sleep(60)"
    await run(good)
    await asyncio.sleep(0.05)
    before = len(os.listdir("/proc/self/fd"))
    for hook, settings in (("say()", {}), (flood, {}), (hang, {"timeout": 0.1})):
        for _ in range(3):
            await run(service(hook, **settings))
    await asyncio.sleep(0.05)

    assert len(os.listdir("/proc/self/fd")) <= before
