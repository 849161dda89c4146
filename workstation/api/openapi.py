"""The OpenAPI document, made from the declarations of the resources."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from workstation.api.encoding import ARROW, JSON
from workstation.api.parameters import Parameter
from workstation.api.resources import RESOURCES, Resource

_REASONS = {
    "400": "A parameter is unknown, missing or wrong; the error names it.",
    "401": "Nobody is logged in, and no machine token was sent.",
    "403": "The caller's role is too low.",
    "404": "There is nothing of that name.",
    "405": "Only GET is served.",
    "406": "It is not given in a media type of the Accept header.",
    "422": "More rows share one instant than a page may hold.",
    "421": "The Host or Origin header names another server.",
    "429": "Too many requests wait.",
    "503": "The history does not answer.",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "parameter", "message"],
            "properties": {
                "status": {"type": "integer"},
                "parameter": {"type": "string"},
                "message": {"type": "string"},
            },
        }
    },
}
_ROWS = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": {"type": "object"}},
        "units": {"type": "object", "additionalProperties": {"type": "string"}},
        "next": {
            "type": ["string", "null"],
            "description": "cursor of the next page; null on the last one",
        },
    },
}


def document(resources: Sequence[Resource] = RESOURCES) -> dict[str, Any]:
    """The document.

    Examples
    --------
    >>> made = document()
    >>> made["openapi"], "/api/gex" in made["paths"]
    ('3.1.0', True)
    """
    paths = {f"/api{one.path}": {"get": _operation(one)} for one in resources}
    paths["/metrics"] = {
        "get": _plain("metrics", "Counts in the text format of Prometheus.", {"text/plain": {"schema": {"type": "string"}}})
    }  # fmt: skip
    paths["/api/openapi.json"] = {
        "get": _plain("openapi", "This document.", {JSON: {"schema": {"type": "object"}}})
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "workstation",
            "version": version("workstation"),
            "description": "Rows and snapshots of the desk. Times are int64 nanoseconds since 1970, UTC; unknown numbers are null. "
            "Pages are ordered by (event_ns, seq) and go on from the cursor in `next`. Live alerts and candles: the websocket "
            "/api/stream?tables=alerts,candles&instrument=...&every=1min.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, "Rows": _ROWS},
            "securitySchemes": {
                "machine": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `workstation token`.",
                }
            },
        },
        "security": [{}, {"machine": []}],
    }


def _refusals(*statuses: str) -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": _REASONS[status], "content": content} for status in statuses}


def _plain(name: str, summary: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}, **_refusals("401", "405", "429"), "421": {"description": _REASONS["421"]}},
    }  # fmt: skip


def _operation(resource: Resource) -> dict[str, Any]:
    kinds = {
        JSON: {"schema": {"$ref": "#/components/schemas/Rows"}},
        ARROW: {"schema": {"type": "string", "format": "binary"}},
    }
    return {
        "operationId": resource.path.strip("/").partition("/")[0],
        "summary": resource.summary,
        "description": f"Role: {resource.role.name.lower()}.",
        "parameters": [_described(one, resource.path) for one in resource.parameters],
        "responses": {
            "200": {"description": resource.summary, "content": {media: kinds[media] for media in resource.media}},
            "421": {"description": _REASONS["421"]},
            **_refusals("400", "401", "403", "404", "405", "406", "422", "429", "503"),
        },
    }  # fmt: skip


def _described(parameter: Parameter, path: str) -> dict[str, Any]:
    in_path = f"{{{parameter.name}}}" in path
    return {
        "name": parameter.name,
        "in": "path" if in_path else "query",
        "required": in_path or parameter.required,
        "description": parameter.doc,
        "schema": dict(parameter.schema),
    }
