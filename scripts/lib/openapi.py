"""The HTTP API as OpenAPI 3.1, made from its routes and the types that it reads and answers. Shell (`main` writes it).

`python -m scripts.lib.openapi [FILE]` writes it (docs/openapi.json). What the routes are is the application's word, the
bodies' forms are those of the structs that read and write them; only what no type says stands in `api_routes.py`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from scripts.lib.api_routes import PATH_PARAMETERS, REFUSALS, ROUTES, Refusal, Route
from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.control.types import Control
from xyfleet.worker.version import VERSION

FILE: Final = "docs/openapi.json"
_REF: Final = "#/components/schemas/{name}"
_LANGUAGE: Final = {"$ref": "#/components/parameters/language"}
_ABOUT: Final = """Everything that xyfleet does to a running fleet. docs/api.md explains it, with examples.

Served on the fleet's Unix socket, and on TCP with `fleet.http` to who sends the fleet's token. Fields are added, \
never renamed or removed: ignore those you don't know. What is unknown is null. A path or a method that is not here \
is answered with 404 `not_found` or 405 `method_not_allowed`."""
_FACTS: Final[dict[str, Any]] = {
    "names": {"type": "array", "items": {"type": "string"}, "description": "unknown_account: what fits no account"},
    "similar": {"type": "array", "items": {"type": "string"}, "description": "unknown_account: names that are like it"},
    "problems": {"type": "array", "items": {"type": "string"}, "description": "bad_file: all that is wrong with it"},
    "lost": {"type": "array", "items": {"type": "string"}, "description": "not_possible: what a reload would end"},
    "count": {"type": "integer", "description": "not_confirmed: how many accounts are meant"},
    "seconds": {"type": "number", "description": "of a question to the platform: when to ask again"},
}


class _Nobody:
    """A fleet that is asked nothing: the routes are looked at, never called."""

    language = "en"


def routes() -> Iterator[tuple[str, str]]:
    """Yield method and path of every route of the application."""
    for route in make_app(cast(Control, _Nobody())).router.routes():
        if route.method != "HEAD" and isinstance(route.resource, web.Resource):
            yield route.method, route.resource.canonical


def spec() -> dict[str, Any]:
    """Return the whole description."""
    types = {kind: None for route in ROUTES.values() for kind in (*route.answers, route.body) if kind is not None}
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    schemas = dict(zip(types, found, strict=True))
    sparse = {kind.__name__ for kind in types if _is_sparse(kind)}
    for name, component in components.items():
        component.pop("title", None)
        if "properties" in component and name not in sparse:
            component["required"] = list(component["properties"])
            for field in component["properties"].values():
                field.pop("default", None)
    paths: dict[str, dict[str, Any]] = {}
    for method, path in routes():
        operation = _operation(method, path, ROUTES[f"{method} {path}"], schemas)
        paths.setdefault(path, {"parameters": [*_path(path), _LANGUAGE]})[method.lower()] = operation
    document = {
        "openapi": "3.1.0",
        "info": {"title": "xyfleet", "version": VERSION, "description": _ABOUT, "license": {"name": "MIT"}},
        "servers": [{"url": "http://127.0.0.1:9180", "description": "`fleet.http`"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": {**dict(sorted(components.items())), "Error": _error()},
            "responses": {name: _response(refusal) for name, refusal in REFUSALS.items()},
            "parameters": {"language": _language()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The file `http-token`; on TCP only."}
            },
        },
    }
    return cast(dict[str, Any], _portable(document))


def _operation(method: str, path: str, route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    """Return one route's description."""
    words = re.findall(r"\w+", path.removeprefix("/v1/"))
    operation: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *words]),
        "summary": route.summary,
        "responses": {str(route.status): _answer(route, schemas)},
    }
    if route.query:
        operation["parameters"] = [
            {"name": name, "in": "query", "description": about, "schema": form}
            for name, (form, about) in route.query.items()
        ]
    if route.body is not None:
        content = {"application/json": {"schema": schemas[route.body]}}
        operation["requestBody"] = {"required": not route.bodiless, "content": content}
    for name in route.refusals:
        operation["responses"][str(REFUSALS[name].status)] = {"$ref": f"#/components/responses/{name}"}
    return operation


def _answer(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    """Return a good answer's description."""
    forms = [schemas[kind] for kind in route.answers] or [{"type": "string"}]
    form = forms[0] if len(forms) == 1 else {"anyOf": forms}
    about = {"lines": "One JSON object a line; each is of this form.", "stream": "Server-sent events, see docs/api.md."}
    answer = {"description": about.get(route.form, "Done."), "content": {route.content_type: {"schema": form}}}
    headers = {
        name: {"description": said, "schema": {"type": "string"}, "required": sure}
        for name, (said, sure) in route.headers.items()
    }
    return {**answer, "headers": headers} if headers else answer


def _path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]} for name in re.findall(r"{(\w+)}", path)
    ]


def _response(refusal: Refusal) -> dict[str, Any]:
    codes = {"properties": {"error": {"properties": {"code": {"enum": list(refusal.codes)}}}}}
    form = {"$ref": _REF.format(name="Error"), **codes}
    return {"description": refusal.about, "content": {"application/json": {"schema": form}}}


def _error() -> dict[str, Any]:
    """Return the form of every refusal."""
    fields = {
        "code": {"type": "string", "description": "For programs."},
        "message": {"type": "string", "description": "For people."},
    }
    inner = {"type": "object", "required": ["code", "message"], "properties": {**fields, **_FACTS}}
    return {
        "type": "object",
        "description": "A refusal.",
        "required": ["error"],
        "properties": {"error": inner},
    }


def _language() -> dict[str, Any]:
    about = "Of texts for people; without it `fleet.language`."
    return {
        "name": "Accept-Language",
        "in": "header",
        "description": about,
        "schema": {"type": "string", "examples": ["zh", "en"]},
    }


def _is_sparse(kind: Any) -> bool:
    """Tell whether a form may lack fields: what is asked may; what is answered, where its type leaves it out."""
    asked = any(kind is route.body for route in ROUTES.values())
    return asked or (isinstance(kind, type(msgspec.Struct)) and kind.__struct_config__.omit_defaults)


def _portable(value: Any) -> Any:
    r"""Return the value with patterns as every regular expression engine reads them: `$` is the end, `\Z` Python's."""
    if isinstance(value, dict):
        return {
            key: each.replace(r"\Z", "$") if key == "pattern" and isinstance(each, str) else _portable(each)
            for key, each in value.items()
        }
    return [_portable(each) for each in value] if isinstance(value, list) else value


def render() -> str:
    """Return the description as the text of its file."""
    return json.dumps(spec(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the description to the file named on the command line, else to its place in the repository."""
    Path(*(sys.argv[1:2] or [FILE])).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
