"""The built-in gateway as a process of the fleet: started with it, gone with it. Shell."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from typing import Final, Self

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.settings import Simulator
from xyfleet.supervisor.workers.worker_config import Gateway

START_TIMEOUT: Final = 20.0
STOP_TIMEOUT: Final = 3.0


class GatewayFailed(Exception):
    """The built-in gateway could not be started; the text says why."""


class EmbeddedGateway:
    """Runs `python -m xyfleet.supervisor.simulator` and knows its addresses."""

    def __init__(self, settings: Simulator) -> None:
        # -P: a file of the working directory must not stand in for a module.
        words = [sys.executable, "-P", "-m", "xyfleet.supervisor.simulator", "--parent-pid", str(os.getpid())]
        if settings.faults is not None:
            words += ["--faults", str(settings.faults)]
        if settings.tls:
            words.append("--tls")
        if settings.strict:
            words.append("--strict")
        # Its own process group: Ctrl-C at our terminal is ours to handle, the gateway ends after the workers.
        # A file takes whatever it says; a pipe that nobody reads would stop it one day.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=self._words, process_group=0)
        own_children.began(self.pid)
        try:
            self.gateway = self._addresses()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The gateway's process id."""
        return self._process.pid

    def _addresses(self) -> Gateway:
        assert self._process.stdout is not None
        readable = select.select([self._process.stdout], [], [], START_TIMEOUT)[0]
        line = self._process.stdout.readline() if readable else b""
        if not line:
            raise GatewayFailed(self._failure())
        found = json.loads(line)
        return Gateway(found["endpoint"], found["token_url"], found["ca_file"])

    def _failure(self) -> str:
        """Return why the gateway did not start: its own last words, or that it said nothing."""
        self._process.kill()
        self._process.wait()
        self._words.seek(0)
        words = self._words.read().decode(errors="replace").strip()
        text = _("the built-in gateway did not start: %(why)s")
        return text % {"why": words or _("no answer in %(seconds)d s") % {"seconds": START_TIMEOUT}}

    def close(self) -> None:
        """End the gateway's process."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        own_children.ended(self.pid)
        self._words.close()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
