"""JSON Schemas of the files that users write and read: `python -m daemon.outputs.schemas FOLDER` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from daemon.outputs.report import REPORT
from daemon.spool.health import HealthReport
from pipeline.job import Job

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file, by the name of its schema file."""
    return {
        "job.schema.json": _titled("A lipdrop job", _job()),
        "report.schema.json": _titled("The timing JSON of a lipdrop job", REPORT.json_schema()),
        "health.schema.json": _titled("run/health.json of a lipdrop spool", HealthReport.model_json_schema()),
    }


def _job() -> dict[str, Any]:
    """The keys of a job. Rules that depend on the configuration, such as avatar names, are not part of the schema."""
    return {**Job.model_json_schema(), "oneOf": [_has_string("text"), _has_string("audio")]}


def _has_string(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"type": "string"}}}


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
