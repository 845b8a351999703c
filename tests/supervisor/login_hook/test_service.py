"""Tests of `xyfleet.supervisor.login_hook.service` with real hooks: the contract, how many run, and who ends them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import uvloop

from support.hooks import COOKIE, UNB, Service, gone, log_of, run, script, written
from support.records import change
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.policy import Failed, NewCookie, NothingToChange, left_today, next_allowed
from xyfleet.supervisor.login_hook.request import HookAccount
from xyfleet.supervisor.settings import Refresh
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret

pytestmark = pytest.mark.pythons


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
    change(store, "shop", device_id="DEVICE-1")
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
        no_cookie = await run(hooks, HookAccount(name="bare", user_agent="A"))
        assert no_cookie == Failed(Reason("hook_no_first_cookie")), "whom nobody ever logged in is no success"
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

    assert [await run(hooks) for _ in range(4)] == [
        Failed(words("1")),
        Failed(words("2")),
        NothingToChange(),
        Failed(words("1")),
    ]
    assert store.get("shop").hook_runs == 4


async def test_the_first_login_needs_no_user(service: Service) -> None:
    """An account without a cookie takes whatever user the hook logs in."""
    result = await run(service("say(cookie='unb=77; a=b')"), HookAccount(name="new", user_agent="A"))

    assert result == NewCookie(Secret("unb=77; a=b"))


async def test_an_error_with_wishes(service: Service, store: Store) -> None:
    """Error, wish and call for a person come through, and move the next run."""
    before = time.time()
    result = await run(service("say(error='captcha', retry_after=7200, needs_human=True)"))

    assert result == Failed(words("captcha"), retry_after=7200.0, needs_human=True)
    held = store.get("shop")
    assert held.needs_human
    assert next_allowed(held.attempts, time.time()) == pytest.approx(before + 7200, abs=5)
    assert left_today(held.attempts, time.time()) == 5


# How many, how long, and who ends it.


async def test_one_run_at_a_time_per_account(service: Service, store: Store) -> None:
    """Who asks while the hook runs shares its result."""
    hooks = service("time.sleep(0.2); say(error=str(os.getpid()))")
    found = await asyncio.gather(*(run(hooks) for _ in range(3)))

    assert len({str(result.reason) for result in found if isinstance(result, Failed)}) == 1
    assert store.get("shop").hook_runs == 1


async def test_few_at_a_time_over_the_fleet(service: Service, tmp_path: Path) -> None:
    """No more than `max_concurrent` hooks run at once; a raised limit holds for the next."""
    hooks = service(
        """
        start = time.time(); time.sleep(0.5)
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
    from xyfleet.supervisor.login_hook.request import HookAccount
    from xyfleet.supervisor.login_hook.service import HookService
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

    assert (done.stdout, done.stderr) == ("NewCookie(cookie=***, user_agent=None)\n", "")
    assert uvloop.__name__


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
