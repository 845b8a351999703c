"""The `/_sim/` routes: faults, figures, pushes, for tests and for people who rehearse. Shell (HTTP)."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from aiohttp import web

from xyfleet.supervisor.simulator.acts import Acts
from xyfleet.supervisor.simulator.compose import PushRequest
from xyfleet.supervisor.simulator.fault_kinds import ending
from xyfleet.supervisor.simulator.faults import BadFault, Fault, parse
from xyfleet.supervisor.simulator.gateway import Gateway

PREFIX: Final = "/_sim"


class Control:
    """Handlers of the control routes."""

    def __init__(self, gateway: Gateway, acts: Acts) -> None:
        self._gateway = gateway
        self._acts = acts

    def routes(self) -> list[web.RouteDef]:
        """Return all routes."""
        return [
            web.get(f"{PREFIX}/stats", self._stats),
            web.get(f"{PREFIX}/messages", self._messages),
            web.get(f"{PREFIX}/acks", self._acks),
            web.get(f"{PREFIX}/faults", self._list),
            web.post(f"{PREFIX}/faults", self._add),
            web.delete(f"{PREFIX}/faults", self._remove),
            web.post(f"{PREFIX}/push", self._push),
            web.post(f"{PREFIX}/drop", self._drop),
            web.post(f"{PREFIX}/reset", self._reset),
        ]

    async def _stats(self, request: web.Request) -> web.Response:
        return _json(self._gateway.stats(request.query.getall("unb", [])))

    async def _messages(self, request: web.Request) -> web.Response:
        account = self._gateway.accounts.get(request.query.get("unb", ""))
        return _json({"messages": account.mailbox.messages() if account else []})

    async def _acks(self, request: web.Request) -> web.Response:
        account = self._gateway.accounts.get(request.query.get("unb", ""))
        if account is None:
            return _json({"mids": [], "ms": []})
        return _json({"mids": list(account.acked), "ms": list(account.ack_ms)})

    async def _list(self, request: web.Request) -> web.Response:
        now = time.monotonic()
        return _json({"faults": [_view(fault, now) for fault in self._gateway.faults if not fault.over(now)]})

    async def _add(self, request: web.Request) -> web.Response:
        try:
            fault = parse(msgspec.json.decode(await request.read()), time.monotonic())
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, 400)
        except BadFault as error:
            return _json({"error": "; ".join(error.problems)}, 400)
        return _json({"id": self._acts.add(fault)})

    async def _remove(self, request: web.Request) -> web.Response:
        wanted = request.query.get("id")
        if wanted is not None and not wanted.isdigit():
            return _json({"error": "id must be a number"}, 400)
        removed = self._acts.remove(int(wanted) if wanted is not None else None)
        if wanted is not None and not removed:
            return _json({"error": f"no fault {wanted}"}, 404)
        return _json({"removed": removed})

    async def _push(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=PushRequest)
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, 400)
        return _json(self._gateway.deliver(wanted))

    async def _drop(self, request: web.Request) -> web.Response:
        """End live connections now: `{"unb": "*", "how": "none" | "reset" | code}`."""
        try:
            wanted: Any = msgspec.json.decode(await request.read() or b"{}")
            how = ending(wanted.get("how", "none"))
        except (msgspec.MsgspecError, ValueError, AttributeError) as error:
            return _json({"error": str(error)}, 400)
        unb = str(wanted.get("unb", "*"))
        struck = [one for one in self._gateway.live() if one.account is not None and unb in ("*", one.account.unb)]
        for connection in struck:
            self._gateway.end(connection, how)
        return _json({"dropped": len(struck)})

    async def _reset(self, request: web.Request) -> web.Response:
        """Be as new: no faults, no connections, no accounts."""
        self._acts.remove()
        self._gateway.forget()
        return _json({})


def _view(fault: Fault, now: float) -> dict[str, Any]:
    return {
        "id": fault.id,
        "kind": fault.kind.name,
        "unb": fault.unb,
        "strikes": fault.strikes,
        "in_force": fault.since(now) is not None,
    }


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
