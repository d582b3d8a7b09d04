"""The schemas that operations of the OpenAPI document share. They are made when it is read: a start need not wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"
"""Where a schema is in the document."""

_makers: dict[str, Callable[[], Schema]] = {}


def shared(name: str, make: Callable[[], Schema]) -> Schema:
    """A reference to a schema, which `make` makes once the document is read; its own `$defs` become shared ones too."""
    _makers[name] = make
    return {"$ref": REFERENCE.format(model=name)}


def install(app: FastAPI) -> None:
    """Add the shared schemas to the document of an application."""
    describe = app.openapi

    def described() -> Schema:
        is_new = app.openapi_schema is None
        document = describe()
        if is_new:
            document.setdefault("components", {}).setdefault("schemas", {}).update(_made())
        return document

    app.openapi = described  # type: ignore[method-assign]


def _made() -> Schema:
    schemas: Schema = {}
    for name, make in _makers.items():
        schemas[name] = dict(make())
        schemas |= schemas[name].pop("$defs", {})
    return schemas
