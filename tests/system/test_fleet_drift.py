"""The program notices when the platform moves, and says so without anybody's words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.places import REPOSITORY

COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]


def test_unknown_things_are_counted_and_reported(tmp_path: Path, gateway: Gateway) -> None:
    """Pushes, a frame of no class, an answer's key: in status, in the fleet's notes, in the report, in a vector."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    gateway.fault(unb(0), kind="token_key", key="novelty")
    with running(fleet):
        fleet.wait_connected()
        said = "绝密的一句话"
        payload = {"9": {"conversation": "51000000001@goofish", "words": said}, "what": 3}
        odd = {"contentType": 77, "hologram": {"words": said}}
        items: list[dict[str, Any]] = [
            {"type": "msgpack", "payload": payload, "object_type": 40999},
            {"type": "text", "text": said, "content": odd},
        ]
        gateway.push(unb(0), items=items)
        gateway.push(unb(0), said, lwp="/s/brandnew")
        gateway.fault(unb(0), kind="garbage_frame", what="shape")
        wanted = {"answer data.novelty": 1, "frame others": 1}
        wanted |= {"objectType 40999": 1, "payload unknown": 1, "contentType 77": 1, "lwp /s/brandnew": 1}
        fleet.until(lambda: fleet.accounts()["a0"]["drift"] == wanted, "it is counted")
        assert fleet.accounts()["a1"]["drift"] == {}
        assert any("wire-report a0" in note for note in fleet.status()["fleet"]["notes"])

        done = subprocess.run(
            [*COMMAND, "--fleet", "test", "wire-report", "a0"],
            env=fleet.env,
            capture_output=True,
            text=True,
            check=True,
        )
        report = json.loads(done.stdout)
        names = {f"{one['place']} {one['name']}": one for one in report["unknown"]}
        assert set(names) == set(wanted)
        assert names["objectType 40999"]["shape"]["9"] == {"conversation": "<id 19@goofish>", "words": "<text 6>"}
        assert names["frame others"]["shape"] == {"event": "<text 2>", "n": 1}
        assert names["answer data.novelty"]["shape"]["data"]["novelty"] == "<text 1>"
        assert said not in done.stdout
        assert "51000000001" not in done.stdout

    (tmp_path / "report.json").write_text(done.stdout)
    tool = REPOSITORY / "scripts" / "lib" / "wire_vector.py"
    made = subprocess.run(
        [sys.executable, str(tool), str(tmp_path / "report.json")], capture_output=True, text=True, check=True
    )
    vector = json.loads(made.stdout)["objectType_40999"]
    assert vector["decoded"]["9"]["conversation"].endswith("@goofish")
    assert len(vector["decoded"]["9"]["words"]) == 6
