"""The published JSON Schemas are current, and match the files that lipdrop writes and accepts."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from daemon.outputs.report import Submission, failed_report, json_bytes, repeated_report
from daemon.outputs.schemas import file_text, schemas
from daemon.spool.health import HealthReport
from pipeline.config import Config
from pipeline.errors import ErrorReport, JobError
from pipeline.job import parse_job
from tests import reports
from tests.running import CheapDaemon

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"


def validator(kind: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"{kind}.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_published_schemas_are_current() -> None:
    """If not, run `make schemas`."""
    published = {file.name: file.read_text("utf-8") for file in FOLDER.iterdir()}
    assert published == {name: file_text(schema) for name, schema in schemas().items()}


GOOD_JOBS: list[dict[str, Any]] = [
    {"text": "hello"},
    {"audio": "speech.wav"},
    {"text": "hello", "audio": "speech.wav", "captions": "words"},
    {"text": "hello", "language": "en", "voice": "hibari:heart", "speed": 1.5, "mode": "stream", "fps": 30},
    {"text": "hello", "model": "both", "num_workers": 2, "size": "128x128", "captions": True, "priority": -10},
    {"text": "hello", "metadata": {"any": [None, 1]}},
]
BAD_JOBS: list[dict[str, Any]] = [
    {},
    {"text": None},
    {"text": 1},
    {"text": "hello", "speed": 3},
    {"text": "hello", "fps": 26},
    {"text": "hello", "mode": "fast"},
    {"text": "hello", "captions": "yes"},
    {"text": "hello", "num_workers": 17},
    {"text": "hello", "unknown": 1},
    {"text": "hello", "language": "!"},
]


@pytest.mark.parametrize("job", GOOD_JOBS)
def test_the_schema_allows_what_lipdrop_accepts(job: dict[str, Any]) -> None:
    parse_job(json.dumps(job).encode(), Config(), ["presenter"])
    validator("job").validate(job)


@pytest.mark.parametrize("job", BAD_JOBS)
def test_the_schema_forbids_what_lipdrop_refuses(job: dict[str, Any]) -> None:
    with pytest.raises(JobError):
        parse_job(json.dumps(job).encode(), Config(), ["presenter"])
    with pytest.raises(ValidationError):
        validator("job").validate(job)


def test_reports_of_all_kinds_match_the_schema() -> None:
    submission = Submission(0.0, time.monotonic())
    error = ErrorReport(code="internal", message="broken", traceback="Traceback")
    made = [
        reports.done(),
        repeated_report(reports.done(), submission),
        failed_report("a", error, submission, 1, {"note": None}),
    ]
    for report in made:
        validator("report").validate(json.loads(json_bytes(report)))


@pytest.mark.parametrize("key", ["job", "status", "timing", "metadata"])
def test_a_report_without_a_key_does_not_match(key: str) -> None:
    report = json.loads(json_bytes(reports.done()))
    del report[key]
    with pytest.raises(ValidationError):
        validator("report").validate(report)


def test_the_files_of_a_real_daemon_match_the_schemas(tmp_path: Path) -> None:
    with CheapDaemon(tmp_path).start().ready() as daemon:
        daemon.drop("good", text="1 hello")
        daemon.drop("bad", text="hello", avatar="missing")
        endings = {name: daemon.ending(name) for name in ("good", "bad")}
        health = json.loads((tmp_path / "run" / "health.json").read_bytes())
    assert {name: ending["status"] for name, ending in endings.items()} == {"good": "done", "bad": "failed"}
    for ending in endings.values():
        validator("report").validate(ending)
    validator("health").validate(health)
    assert list(health) == [field.name for field in fields(HealthReport)]
