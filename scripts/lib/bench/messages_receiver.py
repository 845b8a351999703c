"""A webhook that notes when which message came: `messages_receiver FILE`; prints its port first. Shell."""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main() -> None:
    """Serve until killed."""
    with Path(sys.argv[1]).open("a", buffering=1) as file:

        class Hook(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = time.time()
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                file.write(f"{now} {message['id']}\n")
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
            sys.stdout.write(f"{server.server_address[1]}\n")
            sys.stdout.flush()
            server.serve_forever()


main()
