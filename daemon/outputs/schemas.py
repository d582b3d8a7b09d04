"""JSON Schemas of the files that users write and read: `python -m daemon.outputs.schemas FOLDER` writes them."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import DEFAULT_REF_TEMPLATE, GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassSchema, ModelSchema

from daemon.outputs.report import REPORT
from daemon.spool.health import HealthReport
from pipeline.job import Job

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class DescribedFields(GenerateJsonSchema):
    """Takes the description of each field from the docstring below it.

    Not `use_attribute_docstrings`, with which models read their own source whenever a command imports them.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """The schema of one model."""
        return self._described(super().model_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        """The schema of one dataclass."""
        return self._described(super().dataclass_schema(schema), schema["cls"])

    def _described(self, described: JsonSchemaValue, model: type) -> JsonSchemaValue:
        for base in reversed(model.__mro__):
            for field, text in field_docstrings(base).items():
                if field in described.get("properties", {}):
                    described["properties"][field]["description"] = text
        return described


def field_docstrings(model: type) -> dict[str, str]:
    """The docstrings below the fields that a class itself declares; none for a class without Python source."""
    try:
        source = ast.parse(inspect.getsource(model)).body[0]
    except (OSError, TypeError):
        return {}
    assert isinstance(source, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in itertools.pairwise(source.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file, by the name of its schema file."""
    return {
        "job.schema.json": _titled("A lipdrop job", job_schema()),
        "report.schema.json": _titled(
            "The timing JSON of a lipdrop job", REPORT.json_schema(schema_generator=DescribedFields)
        ),
        "health.schema.json": _titled(
            "run/health.json of a lipdrop spool",
            TypeAdapter(HealthReport).json_schema(schema_generator=DescribedFields),
        ),
    }


@cache
def job_schema(ref_template: str = DEFAULT_REF_TEMPLATE) -> dict[str, Any]:
    """The keys of a job. Rules that depend on the configuration, such as avatar names, are not part of the schema."""
    return {
        **Job.model_json_schema(schema_generator=DescribedFields, ref_template=ref_template),
        "anyOf": [_has_string("text"), _has_string("audio"), _has_scenes()],
    }


def _has_string(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"type": "string"}}}


def _has_scenes() -> dict[str, Any]:
    return {"required": ["scenes"], "properties": {"scenes": {"type": "array"}}}


def _titled(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, **schema, "title": title}


def file_text(schema: dict[str, Any]) -> str:
    """The text of a schema file."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def main(folder: Path) -> None:
    """Write all schemas."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / name).write_text(file_text(schema), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
