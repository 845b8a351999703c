"""`python -m xyfleet.supervisor.webhooks`: the one process of a fleet that posts to webhooks. Shell.

It ends when its standard input does, and dies with the supervisor. Addresses and keys come in only there.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Final

import uvloop

from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.webhooks.client import WebhookClient
from xyfleet.supervisor.webhooks.protocol import decode_table
from xyfleet.supervisor.webhooks.server import WebhookServer
from xyfleet.worker.process import hardening

TITLE: Final = "xyfleet: webhooks"
MAX_TABLE: Final = 64 * 1024 * 1024
"""Bytes of a table: twice what an accounts file may have."""


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m xyfleet.supervisor.webhooks", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    # A supervisor that ran before the program was updated on disk names none; its workers do not either.
    parser.add_argument("--fleet")
    parser.add_argument("--parent-pid", type=int, required=True)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run until standard input ends."""
    hardening.keep_secrets()
    os.umask(0o077)
    arguments = _arguments(argv)
    hardening.die_with(arguments.parent_pid)
    hardening.name_process(TITLE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level=logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.socket, arguments.fleet))
        os._exit(0)  # The rest is the kernel's: uvloop refuses to close its loop while a TLS connection says goodbye.


async def serve(path: Path, fleet: str | None) -> None:
    """Listen at `path` for this fleet's workers from the first table on; say so on standard output."""
    tables = asyncio.StreamReader(limit=MAX_TABLE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(tables), sys.stdin.buffer)
    poster = WebhookClient(tls_context(None))
    door = WebhookServer(path, fleet, poster)
    try:
        while (line := await tables.readline()).endswith(b"\n"):
            door.table = decode_table(line)
            await door.ensure()
            os.write(1, b"ready\n")
    finally:
        door.close()  # first: calls that the poster lets go of would be told as failed ones, and be made again
        await poster.close()


if __name__ == "__main__":
    main()
