"""The job parser against good, bad and hostile bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config, LimitsSettings
from pipeline.errors import JobError
from pipeline.job import METADATA_MAX_BYTES, Job, parse_job

CONFIG = Config()
AVATARS = ["presenter", "anna"]


def parse(content: str | bytes) -> Job:
    return parse_job(content if isinstance(content, bytes) else content.encode(), CONFIG, AVATARS)


def refused(content: str | bytes) -> JobError:
    with pytest.raises(JobError) as caught:
        parse(content)
    return caught.value


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "not_json"),
        (" \n\t ", "not_json"),
        ('{"text": "a"', "not_json"),
        ('{"text": "a",}', "not_json"),
        ('{"text": "a"} // why', "not_json"),
        ("[" * 100_000, "too_large"),
        ("[" * 60_000, "too_deep"),
        ('{"a":' * 10_000, "too_deep"),
        ('{"text": "a", "metadata": {"n": ' + "9" * 4000 + "}}", "number"),
        ('{"text": "a", "metadata": {"n": ' + "9" * 5000 + "}}", "number"),
        ('{"text": "a", "speed": 1e400}', "number"),
        ('{"text": "a", "speed": NaN}', "number"),
        ('{"text": "a", "speed": -Infinity}', "number"),
        ('{"text": "a", "text": "b"}', "duplicate_key"),
        ('{"text": "a", "metadata": {"k": 1, "k": 2}}', "duplicate_key"),
        ('["a"]', "not_object"),
        ('"a"', "not_object"),
        ("25", "not_object"),
        ("null", "not_object"),
        (r'{"text": "\ud800"}', "encoding"),
        (r'{"text": "a", "metadata": {"\udfff": 1}}', "encoding"),
        ('{"text": "é"}'.encode("latin-1"), "encoding"),
        ('{"text": "a"}'.encode("utf-16"), "encoding"),
        (r'{"text": "a\u0000b"}', "control_char"),
        (r'{"text": "a\u001b[2J"}', "control_char"),
        (r'{"text": "a", "metadata": {"k": ["\u0007"]}}', "control_char"),
        ('{"text": "a", "fps": "25"}', "type"),
        ('{"text": "a", "fps": true}', "type"),
        ('{"text": 5}', "type"),
        ('{"text": "a", "captions": 1}', "type"),
        ('{"text": "a", "speed": true}', "type"),
        ('{"text": "a", "metadata": []}', "type"),
        ('{"text": "a", "langauge": "ru"}', "unknown_field"),
        ("{}", "missing"),
        ('{"text": "a", "audio": "b.wav"}', "conflict"),
        ('{"text": ""}', "no_speech"),
        ('{"text": "  \\n "}', "no_speech"),
        ('{"text": "👍🎉"}', "no_speech"),
        ('{"text": "... — !?"}', "no_speech"),
        (json.dumps({"text": "a" * 20_001}), "too_long"),
        (json.dumps({"text": "a" * 70_000}), "too_large"),
        ('{"text": "a", "fps": 0}', "range"),
        ('{"text": "a", "fps": -1}', "range"),
        ('{"text": "a", "fps": 1000000000}', "range"),
        ('{"text": "a", "size": "721x720"}', "range"),
        ('{"text": "a", "size": "0x0"}', "range"),
        ('{"text": "a", "size": "100000x100000"}', "range"),
        ('{"text": "a", "size": "99998x99998"}', "range"),
        ('{"text": "a", "size": "big"}', "range"),
        ('{"text": "a", "speed": 9}', "range"),
        ('{"text": "a", "num_workers": 0}', "range"),
        ('{"text": "a", "mode": "quickly"}', "range"),
        ('{"text": "a", "priority": 11}', "range"),
        ('{"text": "a", "language": "../ru"}', "range"),
        ('{"text": "a", "avatar": "../x"}', "avatar"),
        ('{"text": "a", "avatar": "/etc/passwd"}', "avatar"),
        ('{"text": "a", "avatar": "http://example.org/a.png"}', "avatar"),
        ('{"text": "a", "avatar": "concat:a|b"}', "avatar"),
        ('{"text": "a", "avatar": ""}', "avatar"),
        (json.dumps({"text": "a", "metadata": {"k": "x" * METADATA_MAX_BYTES}}), "too_large"),
    ],
)
def test_bad_jobs_are_refused_with_a_code(content: str | bytes, code: str) -> None:
    assert refused(content).code == code


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "שלום עולם",
        "Z̴͖̺a̷̢l̵̟g̴o",
        "Привет, hello, сәлем, 你好",
        "3.14 https://example.org/?a=b",
        "<break time='9999999s'/>hi",
        '"; rm -rf / $(id) `id`',
        "a\ttab\nand a line",
        "a" * 20_000,
    ],
)
def test_any_speakable_text_is_accepted(text: str) -> None:
    assert parse(json.dumps({"text": text})).text == text


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse(b'\xef\xbb\xbf{"text": "a"}').text == "a"


def test_every_key_is_read() -> None:
    keys: dict[str, Any] = {
        "text": "hello",
        "language": "en",
        "voice": "espeak:en-gb",
        "speed": 1.5,
        "mode": "parallel",
        "num_workers": 2,
        "model": "both",
        "avatar": "anna",
        "size": "640x480",
        "fps": 30,
        "captions": True,
        "priority": -3,
        "metadata": {"order": [1, {"deep": None}]},
    }
    job = parse(json.dumps(keys))
    assert {key: getattr(job, key) for key in keys} == keys
    assert job.frame_size == (640, 480)


def test_an_unknown_key_names_the_nearest() -> None:
    error = refused('{"text": "a", "langauge": "ru"}')
    assert error.field == "langauge"
    assert error.hint == "did you mean 'language'?"


def test_an_unknown_avatar_lists_the_names() -> None:
    error = refused('{"text": "a", "avatar": "bob"}')
    assert (error.field, error.hint) == ("avatar", "avatars: anna, presenter")


def test_bad_encoding_tells_the_byte_and_what_to_do() -> None:
    error = refused(b'{"text": "\xff"}')
    assert "byte 10" in error.message
    assert error.hint == "save as UTF-8"


def test_limits_come_from_the_configuration() -> None:
    config = Config(limits=LimitsSettings(text_characters=3))
    with pytest.raises(JobError, match="limit is 3"):
        parse_job(b'{"text": "long"}', config, AVATARS)


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


@settings(suppress_health_check=[HealthCheck.too_slow])  # building the strategy is slow, once
@given(st.dictionaries(st.sampled_from([*Job.model_fields, "surprise"]), json_values, max_size=5))
def test_any_json_object_ends_in_a_job_or_a_job_error(raw: dict[str, Any]) -> None:
    try:
        job = parse(json.dumps(raw))
    except JobError as error:
        assert error.code != "internal"
    else:
        assert (job.text is None) != (job.audio is None)
