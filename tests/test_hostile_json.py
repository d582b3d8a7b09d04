"""Untrusted job files: each bad one is refused by its rule, and any other bytes parse as a job or raise a JobError."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.job import Job, parse_job
from pipeline.job_file import JOB_MAX_BYTES, JSON_MAX_DEPTH, parse_json_object
from pipeline.speech.language_tags import normalized
from tests.fuzz import fuzz
from tests.hostile import BAD_JOBS, BAD_REQUESTS, GOOD_TEXTS

CONFIG = Config()
AVATARS = ["presenter", "anna"]
FUZZED_FILES = 3000


def parse(data: bytes) -> Job:
    return parse_job(data, CONFIG, AVATARS)


def refused(data: bytes) -> JobError:
    with pytest.raises(JobError) as caught:
        parse(data)
    return caught.value


@pytest.mark.parametrize(("data", "code"), BAD_JOBS)
def test_bad_jobs_are_refused_with_a_code(data: bytes, code: str) -> None:
    error = refused(data)
    assert error.code == code
    for shown in (error.message, error.field, error.hint):
        assert shown is None or (shown.isprintable() and len(shown) < 500)


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_any_speakable_text_is_treated_as_text(text: str) -> None:
    for ensure_ascii in (True, False):
        assert parse(json.dumps({"text": text}, ensure_ascii=ensure_ascii).encode()).text == text


@pytest.mark.parametrize(
    ("data", "byte"),
    [
        (b'{"text": "\xff"}', 10),
        (b'\xef\xbb\xbf{"text": "\xff"}', 13),
        ('{"text": "a"}'.encode("utf-16-le"), 1),
        (rb'{"text": "\ud800"}', 10),
        (b'\xef\xbb\xbf{"text": "\\ud800"}', 13),
        (rb'{"text": "\ud83d\ude00 \\ud800 \uDC00"}', 31),
        ('{"text": "é\\uD800\\ud83d\\ude00"}'.encode(), 12),
    ],
)
def test_bad_encoding_is_reported_with_byte_and_hint(data: bytes, byte: int) -> None:
    error = refused(data)
    assert error.code == "encoding"
    assert f"at byte {byte}" in error.message
    assert error.hint == "save as UTF-8"


@pytest.mark.parametrize("depth", [JSON_MAX_DEPTH - 1, JSON_MAX_DEPTH])
def test_brackets_count_only_outside_of_strings(depth: int) -> None:
    inner = "[" * (depth - 2) + "]" * (depth - 2)
    nested = r'{"text": "a[[[[[[[[[[[[[[[[[[\"{{{{{{{{{{{{{{{{{", "metadata": {"k": ' + inner + "}}"
    assert parse(nested.encode()).metadata


# Properties


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_job_or_a_job_error(data: bytes) -> None:
    try:
        parse(data)
    except JobError as error:
        assert error.code
        assert error.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


CODES = {code for _, code in BAD_JOBS} - {"not_json", "not_object", "duplicate_key"}
"""Possible codes for an object written by a JSON encoder."""


@settings(suppress_health_check=[HealthCheck.too_slow])  # building the strategy is slow
@given(st.dictionaries(st.sampled_from([*Job.model_fields, "surprise"]), json_values, max_size=5))
@example({"text": "a", "metadata": {"k": [1, None]}, "captions": True})
@example({"text": "a", "surprise": 1})
@example({"text": "a", "model": "surprise"})
@example({"text": "a", "lexicon": {"": None}})
@example({"webhook": {"": None}})
@example({"text": "a", "webhook": {"surprise": 1}})
@example({"text": "a", "lexicon": {"": {"": 1}}})
@example({"text": "a", "lexicon": {"a": {"say": 1}}})
def test_any_json_object_ends_in_the_same_job_or_an_error_about_one_of_its_keys(raw: dict[str, Any]) -> None:
    try:
        job = parse(json.dumps(raw).encode())
    except JobError as error:
        assert error.code in CODES
        key = (error.field or "").partition(".")[0]  # followed by the place within its value
        assert error.code in ("missing", "number", "encoding", "control_char") or key in raw
    else:
        assert "surprise" not in raw
        assert {key: getattr(job, key) for key in raw} == raw | (
            {"language": normalized(raw["language"])} if raw.get("language") else {}
        )
        assert (job.text is None) != (job.audio is None)


@given(st.text(st.characters(codec=None, categories=None), min_size=1, max_size=30), st.booleans())
@example("\ud83d\ude00", True)
@example("\\ud800", True)
def test_a_string_is_kept_unchanged_or_refused(text: str, metadata: bool) -> None:
    data = json.dumps({"metadata": {"k": text}} if metadata else {"k": text}).encode()
    try:
        read = parse_json_object(data)
    except JobError as error:
        assert error.code in ("encoding", "control_char")
    else:
        assert json.dumps(read).encode() == data
        text.encode("utf-16", "surrogatepass").decode("utf-16")  # no unpaired surrogate is left
        read["metadata"]["k"].encode() if metadata else read["k"].encode()


@pytest.mark.parametrize("seed", range(4))
def test_corrupted_job_files_end_in_a_job_or_a_job_error(seed: int) -> None:
    fuzz(random.Random(seed), FUZZED_FILES, seeds=[data for data, _ in (*BAD_JOBS, *BAD_REQUESTS)])


def test_no_file_is_larger_than_the_parser_reads() -> None:
    error = refused(json.dumps({"text": "а" * (JOB_MAX_BYTES // 6)}).encode())
    assert error.code == "too_large"
    assert error.hint == r"write letters as UTF-8, not as \u escapes"
