"""Calls of the API as a client makes them."""

from __future__ import annotations

from typing import Any

import aiohttp


async def get(http: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, Any]:
    """Ask; return status and JSON."""
    async with http.get(path, headers=headers) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def post(http: aiohttp.ClientSession, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Send JSON; return status and JSON."""
    async with http.post(path, json=body, headers=headers) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()
