"""The entry of a worker process: what multiprocessing calls after the fork. Shell.

The supervisor imports this module for the name of the function alone, so everything heavy is imported inside it: in a
worker it is there already (`xyfleet.worker.preload`).
"""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from typing import Final

_MOST_NAMES: Final = 40
"""So many modules are named in the first message; it must fit into one write."""


def run_worker(
    settings_json: bytes, ticket_json: bytes | None, up: Connection, down: Connection, forkserver_pid: int
) -> None:
    """
    Run one account until told to stop; leaves the process with the exit code of `xyfleet.worker.process.runtime`.

    Args:
        settings_json: From `codec.encode_settings`.
        ticket_json: The body of a `Ticket` message, if there is one to begin with.
        up: Where reports go; see `messages`.
        down: Where commands come from.
        forkserver_pid: Our parent; when it dies, so do we.
    """
    # The forkserver ignores these signals, and children inherit that. A hang-up is not ours to die of.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from xyfleet.worker.ipc import codec, messages
    from xyfleet.worker.process import hardening, runtime, shield

    hardening.die_with(forkserver_pid)
    hardening.keep_secrets()
    imported = shield.imported_since(most=_MOST_NAMES)
    settings = codec.decode_settings(settings_json)
    hardening.name_process(f"xyfleet: {settings.account}")
    ticket = codec.decode_down(ticket_json) if ticket_json is not None else None
    assert ticket is None or isinstance(ticket, messages.Ticket)
    hello = messages.Hello(pid=os.getpid(), marker=shield.MARKER, imported=imported)
    life = runtime.WorkerRuntime(settings, ticket, hello, shield.SSL_CONTEXT)
    # Nothing is left to be done after it that the kernel does not do, and faster.
    os._exit(life.run(up.fileno(), down.fileno()))
