"""The HTTP interface as a page shows it, from the OpenAPI document."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A parameter of an operation, a key of a body, or a response."""

    name: str
    kind: str = ""
    """A type, or where a parameter is."""
    text: str = ""
    is_required: bool = False


@dataclass(frozen=True)
class Operation:
    """A method of a path."""

    method: str
    path: str
    name: str
    summary: str
    text: str
    parameters: list[Entry] = field(default_factory=list)
    bodies: dict[str, list[Entry]] = field(default_factory=dict)
    """Keys of the request's body, by media type."""
    responses: list[Entry] = field(default_factory=list)


def operations(document: dict[str, Any]) -> dict[str, list[Operation]]:
    """All operations by their tag."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            tag = described.get("tags", ["other"])[0]
            groups.setdefault(tag, []).append(_operation(document, method.upper(), path, described))
    return groups


def _operation(document: dict[str, Any], method: str, path: str, described: dict[str, Any]) -> Operation:
    summary, _, text = inspect.cleandoc(described.get("description", described.get("summary", ""))).partition("\n")
    content = described.get("requestBody", {}).get("content", {})
    parameters = [
        Entry(found["name"], found["in"], _kind(document, found["schema"]), found.get("required", False))
        for found in described.get("parameters", [])
    ]
    return Operation(
        method,
        path,
        described["operationId"],
        summary,
        text.strip(),
        parameters,
        {media_type: list(_keys(document, body.get("schema", {}))) for media_type, body in content.items()},
        [
            Entry(status, ", ".join(found.get("content", {})), found["description"])
            for status, found in sorted(described.get("responses", {}).items())
        ],
    )


def _keys(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[Entry]:
    schema = _resolved(document, schema)
    for name, described in schema.get("properties", {}).items():
        text = _resolved(document, described).get("description", "")
        yield Entry(name, _kind(document, described), text, name in schema.get("required", []))


def _kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """A type in words: `string`, `integer or null`, `"a" or "b"`."""
    schema = _resolved(document, schema)
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if options := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(_kind(document, option) for option in options))
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    return "file" if schema.get("format") == "binary" else str(schema.get("type", "any"))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema itself instead of a reference to it; the reference if it leads out of the document."""
    reference = schema.get("$ref", "")
    if not reference.startswith("#/components/schemas/"):
        return schema
    found: dict[str, Any] = document["components"]["schemas"].get(reference.rpartition("/")[2], schema)
    return found
