"""A proxy that is changed while a login hook waits for its place: the hook goes by the new one, once that answers."""

from __future__ import annotations

from pathlib import Path

import msgspec

from support.hooks import script
from support.idlefleet import idle_fleet
from support.jobs import until
from xyfleet.supervisor.settings import Refresh
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Login
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.secret import Secret

SLOW = """
name = json.load(sys.stdin)["account"]
open("ran", "a").write(name + "\\n")
while not os.path.exists("go"): time.sleep(0.01)
print("{}")
"""


async def test_the_new_proxy_is_probed_before_the_hook_runs(tmp_path: Path, forkserver: Forkserver) -> None:
    """The hook's place comes when the account has another proxy, a dead one: nothing runs, and no run is counted."""
    listed = [{"name": name, "cookie": f"unb=22{ord(name)}; cookie2=x"} for name in "ab"]
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:
        command = (script(tmp_path, SLOW),)
        fleet.hooks.settings = Refresh(command=command, max_concurrent=1, timeout=20.0)
        fleet.settings = msgspec.structs.replace(fleet.settings, refresh=fleet.hooks.settings)
        first, second = fleet.members["a"], fleet.members["b"]
        first.happened(Event(kind=Kind.REFRESH))
        await until(lambda: (tmp_path / "ran").exists())
        second.happened(Event(kind=Kind.REFRESH))
        await until(lambda: "b" in fleet.hooks.waits())
        second.account = msgspec.structs.replace(second.account, proxy=Secret("socks5://127.0.0.1:1"))
        (tmp_path / "go").touch()
        await until(lambda: second.condition.waits_for == "proxy")

        assert second.condition.login is Login.HOOK_WAITING
        assert (tmp_path / "ran").read_text() == "a\n"
        assert fleet.store.get("b").attempts == ()
