"""The job parser: what a good job says, and what an error tells. `test_hostile_json.py` has the bad ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.config import Config, LimitsSettings
from pipeline.errors import JobError
from pipeline.job import Job, parse_job

CONFIG = Config()
AVATARS = ["presenter", "anna"]


def parse(content: str | bytes) -> Job:
    return parse_job(content if isinstance(content, bytes) else content.encode(), CONFIG, AVATARS)


def refused(content: str | bytes) -> JobError:
    with pytest.raises(JobError) as caught:
        parse(content)
    return caught.value


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


def test_limits_come_from_the_configuration() -> None:
    config = Config(limits=LimitsSettings(text_characters=3))
    with pytest.raises(JobError, match="limit is 3"):
        parse_job(b'{"text": "long"}', config, AVATARS)
