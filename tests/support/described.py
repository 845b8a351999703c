"""Answers of the API, compared with what docs/openapi.json says of them."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import jsonschema_rs

from support.places import DOCS


@functools.cache
def description() -> dict[str, Any]:
    """Return the description. Nobody changes it."""
    found: dict[str, Any] = json.loads((DOCS / "openapi.json").read_text("utf-8"))
    return found


def responses(method: str, path: str) -> dict[str, Any]:
    """Return the answers of a route by status; where there is no such route, that it is not found."""
    for described, operations in description()["paths"].items():
        fits = path == described or re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", described), path)
        if fits and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]["responses"]
            return found
    return {"404": {"$ref": "#/components/responses/unknown_action"}}


@functools.cache
def form(method: str, path: str, status: int) -> tuple[str, jsonschema_rs.Validator]:
    """Return content type and form of an answer. Raises `KeyError` for one that is not described."""
    response = responses(method, path)[str(status)]
    if "$ref" in response:
        response = description()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    ((kind, content),) = response["content"].items()
    return kind, jsonschema_rs.validator_for({**content["schema"], "components": description()["components"]})


def conforms(method: str, path: str, status: int, body: bytes) -> None:
    """
    Fail unless a body, or each of its lines, has the form that is described.

    Args:
        path: Of a request, or as it is described: `/v1/logs/{name}`.
    """
    kind, wanted = form(method, path, status)
    for text in body.splitlines() if kind == "application/x-ndjson" else [body]:
        wanted.validate(json.loads(text))
