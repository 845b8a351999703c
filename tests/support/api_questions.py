"""The API asked by schemathesis in many ways, right and wrong ones, and each answer looked at."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    status_code_conformance,
)

from scripts.lib.openapi import spec
from support.described import conforms

ENDLESS = "/v1/messages/stream"
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    negative_data_rejection,
)


def ask(address: str, token: str, names: list[str], examples: int, but: Collection[str] = ()) -> None:
    """Ask each route so often, with accounts of these names, but those of these paths."""
    description = narrowed(names)
    for path, methods in description["paths"].items():
        for method in methods.keys() - {"parameters"} if path not in but else ():
            ask_route(address, token, description, (method, path), examples)


def narrowed(names: list[str]) -> dict[str, Any]:
    """Return the description with accounts that exist, so that more than 404 is seen, and with streams that end."""
    found = copy.deepcopy(spec())
    del found["paths"][ENDLESS]
    for path in found["paths"].values():
        for part in path.values():
            parameters = part if isinstance(part, list) else part.get("parameters", [])
            parameters[:] = [one for one in parameters if one.get("name") != "follow"]
            for one in parameters:
                if one.get("name") == "name":
                    form = one["schema"]
                    form.get("items", form)["enum"] = names
    for form in found["components"]["schemas"].values():
        for name, field in form.get("properties", {}).items():
            if name == "name" and form["properties"].keys() & {"cookie", "order", "conversation", "buyer", "message"}:
                field["enum"] = names
    return found


def ask_route(address: str, token: str, description: dict[str, Any], operation: tuple[str, str], examples: int) -> None:
    """Ask one route in many ways, right and wrong ones, and look at each answer."""
    config = SchemathesisConfig.from_dict({"base-url": address})
    method, path = operation
    schema = schemathesis.openapi.from_dict(description, config=config)
    headers = {"Authorization": f"Bearer {token}"}
    bounds = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    for mode in modes(description, operation):

        @settings(bounds, max_examples=examples)
        @given(case=schema[path][method].as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            answer = case.call(headers=headers, timeout=20)
            case.validate_response(answer, checks=CHECKS)
            conforms(method, path, answer.status_code, answer.content)

        one()


def modes(description: dict[str, Any], operation: tuple[str, str]) -> list[GenerationMode]:
    """Return how a route may be asked: nothing can be wrong where nothing is to be said but the language."""
    method, path = operation
    shared, own = description["paths"][path]["parameters"], description["paths"][path][method]
    sayable = len(shared) > 1 or own.get("parameters") or "requestBody" in own
    return list(GenerationMode) if sayable else [GenerationMode.POSITIVE]
