"""The control routes of a rehearsing fleet's built-in gateway, for `xyfleet simulate say` and `scan`. Shell (HTTP)."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import Any
from urllib.parse import urlencode

from xyfleet.supervisor.api.client import Client


class RehearsalGateway:
    """
    Where the built-in gateway has an account.

    Raises:
        ClientError: the fleet does not rehearse, has no such account, or does not answer.
    """

    def __init__(self, client: Client, name: str) -> None:
        where: dict[str, Any] = json.loads(client.get("/v1/simulator", name=name).body)
        self.unb: str = where["unb"]
        self._url: str = where["url"]
        self._tls = ssl.create_default_context(cafile=where["ca_file"]) if where["ca_file"] else None

    def post(self, route: str, asked: dict[str, Any]) -> None:
        """Ask one of the routes for something to be done."""
        self._ask(urllib.request.Request(f"{self._url}/_sim/{route}", json.dumps(asked).encode()))

    def get(self, route: str, **query: str) -> dict[str, Any]:
        """Ask one of the routes for what it knows."""
        return self._ask(urllib.request.Request(f"{self._url}/_sim/{route}?{urlencode(query)}"))

    def own(self) -> list[dict[str, Any]]:
        """Return what the account has written."""
        return [each for each in self.get("messages", unb=self.unb)["messages"] if each["sender"] == self.unb]

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        with urllib.request.urlopen(request, timeout=10, context=self._tls) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found
