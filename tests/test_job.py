"""The job parser: valid jobs, limits and error hints. `test_hostile_json.py` has the bad jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.outputs.schemas import DescribedFields
from pipeline.config import Config, LimitsSettings, WebSettings
from pipeline.errors import JobError
from pipeline.job import Job, parse_job
from pipeline.job_file import parse_json_object
from pipeline.webhooks import Webhook

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


@pytest.mark.parametrize(
    ("size", "message", "hint"),
    [
        ("9" * 30, f"size {'9' * 20!r} is not WIDTHxHEIGHT", 'like "720x720"'),
        ("721x720", "size 721x720: width and height must be even", 'like "720x720"'),
    ],
)
def test_a_wrong_size_is_explained(size: str, message: str, hint: str) -> None:
    error = refused(json.dumps({"text": "a", "size": size}))
    assert (error.field, error.message, error.hint) == ("size", message, hint)


@pytest.mark.parametrize(
    ("job", "code", "field"), [("{}", "missing", "text"), ('{"text": "a", "audio": "b.wav"}', "conflict", "audio")]
)
def test_a_job_has_one_source(job: str, code: str, field: str) -> None:
    error = refused(job)
    assert (error.code, error.field) == (code, field)


@pytest.mark.parametrize(
    ("job", "code", "field", "message", "hint"),
    [
        ({"text": "a" * 20_001}, "too_long", "text", "the text has 20001 characters, the limit is 20000", None),
        ({"text": "?!"}, "no_speech", "text", "the text contains nothing to speak", "add letters or digits"),
        (
            {"text": "a", "size": "63x64"},
            "range",
            "size",
            "size 63x64: width and height must be even",
            'like "720x720"',
        ),
        ({"text": "a", "metadata": {"a": "b" * 4096}}, "too_large", "metadata", "metadata is over 4096 bytes", None),
        (
            {"text": "a", "model": "m" * 101},
            "range",
            "model",
            f"there is no model {'m' * 100!r}",
            "known: both, gan, nogan",
        ),
        (
            {"text": "a", "avatar": "b" * 101},
            "avatar",
            "avatar",
            f"there is no avatar {'b' * 100!r}",
            "avatars: anna, presenter",
        ),
        ({"text": "a", "speed": 9}, "range", "speed", "speed: Input should be less than or equal to 2", None),
        ({}, "missing", "text", "a job needs text or audio", None),
    ],
)
def test_a_refusal_says_what_is_wrong(
    job: dict[str, object], code: str, field: str, message: str, hint: str | None
) -> None:
    error = refused(json.dumps(job))
    assert (error.code, error.field, error.message, error.hint) == (code, field, message, hint)


@pytest.mark.parametrize(
    ("job", "field"),
    [
        (r'{"text": "a\u0007"}', "text"),
        (r'{"text": "a", "metadata": {"deep": {"list": ["\u0007"]}}}', "metadata"),
        (r'{"text": "a", "metadata": {"de\u0007ep": 1}}', "metadata"),
        (r'{"te\u0007xt": "a"}', None),
    ],
)
def test_a_control_character_is_found_wherever_it_is(job: str, field: str | None) -> None:
    error = refused(job)
    expected = ("control_char", field, "control characters are not allowed", "remove them")
    assert (error.code, error.field, error.message, error.hint) == expected


def test_a_long_key_is_cut_in_messages() -> None:
    assert refused(json.dumps({"text": "a", "k" * 150: 1})).field == "k" * 100


def test_limits_come_from_the_configuration() -> None:
    config = Config(limits=LimitsSettings(text_characters=3))
    with pytest.raises(JobError, match="limit is 3"):
        parse_job(b'{"text": "long"}', config, AVATARS)


def accepted(data: bytes, config: Config = CONFIG) -> str | None:
    """The error code of a job file; None if it is accepted."""
    try:
        parse_job(data, config, AVATARS)
    except JobError as error:
        return error.code
    return None


def test_a_text_of_exactly_the_limit_is_accepted() -> None:
    config = Config(limits=LimitsSettings(text_characters=7))
    for letter in ("a", "ж", "😀"):
        text = "a" + letter * 6
        assert accepted(json.dumps({"text": text}, ensure_ascii=False).encode(), config) is None
        assert accepted(json.dumps({"text": text + letter}, ensure_ascii=False).encode(), config) == "too_long"


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("num_workers", (1, 16), (0, 17)),
        ("priority", (-10, 10), (-11, 11)),
        ("speed", (0.5, 2.0, 1), (0.49999, 2.00001)),
        ("voice", ("v", "v" * 200), ("", "v" * 201)),
        ("size", ("64x64", "4096x64", "1920x1920"), ("62x64", "64x62", "4098x64", "64x4098", "1922x1920", "64x65")),
        ("fps", (24, 25, 30, 50), (23, 26, 60)),
        ("language", ("ru", "kaz", "en-" + "a" * 20), ("r", "kazz", "en-" + "a" * 21, "RU")),
    ],
)
def test_bounds_are_inclusive(key: str, inside: tuple[object, ...], outside: tuple[object, ...]) -> None:
    assert [accepted(json.dumps({"text": "a", key: value}).encode()) for value in inside] == [None] * len(inside)
    assert [accepted(json.dumps({"text": "a", key: value}).encode()) for value in outside] == ["range"] * len(outside)


def test_metadata_of_exactly_4_kib_is_accepted() -> None:
    """Its size is measured with letters as UTF-8, however the file writes them."""
    frame = len(json.dumps({"k": ""}))
    fits, too_large = ("я" * ((4096 - frame) // 2) + "x" * extra for extra in ((4096 - frame) % 2, 2))
    for ascii_only in (True, False):
        files = [
            json.dumps({"text": "a", "metadata": {"k": value}}, ensure_ascii=ascii_only).encode()
            for value in (fits, too_large)
        ]
        assert [accepted(data) for data in files] == [None, "too_large"]


def test_a_file_of_exactly_64_kib_is_accepted() -> None:
    data = b'{"text": "a"}'.ljust(65_536)
    assert accepted(data) is None
    assert accepted(data + b" ") == "too_large"


def test_sixteen_levels_are_accepted() -> None:
    fits = b'{"k": ' + b"[" * 15 + b"]" * 15 + b"}"
    assert parse_json_object(fits)
    with pytest.raises(JobError) as caught:
        parse_json_object(b'{"k": ' + b"[" * 16 + b"]" * 16 + b"}")
    assert caught.value.code == "too_deep"


def test_numbers_of_thirty_digits_are_accepted() -> None:
    assert parse_json_object(b'{"k": ' + b"9" * 30 + b"}") == {"k": 10**30 - 1}
    with pytest.raises(JobError) as caught:
        parse_json_object(b'{"k": ' + b"9" * 31 + b"}")
    assert caught.value.code == "number"


def test_a_model_is_one_of_the_configuration_or_both() -> None:
    config = Config.model_validate({"models": {"fast": {"engine": "builtin"}}})
    for model in ("fast", "gan", "nogan", "both"):
        assert parse_job(json.dumps({"text": "a", "model": model}).encode(), config, AVATARS).model == model
    for model, hint in (("fasst", "did you mean 'fast'?"), ("Q", "known: both, fast, gan, nogan")):
        with pytest.raises(JobError) as caught:
            parse_job(json.dumps({"text": "a", "model": model}).encode(), config, AVATARS)
        assert (caught.value.code, caught.value.field, caught.value.hint) == ("range", "model", hint)


def test_every_key_is_described() -> None:
    schema = Job.model_json_schema(schema_generator=DescribedFields)
    assert schema["description"]
    assert [name for name, key in schema["properties"].items() if not key.get("description")] == []


WEB = Config(web=WebSettings(webhook_hosts=["https://hooks.example"]))


def test_a_webhook_is_a_url_or_an_object() -> None:
    url = "https://hooks.example/done"
    for webhook, events in ((url, Webhook(url=url).events), ({"url": url, "events": ["failed"]}, ["failed"])):
        job = parse_job(json.dumps({"text": "a", "webhook": webhook}).encode(), WEB, ())
        assert job.webhook is not None
        assert (job.webhook.url, list(job.webhook.events)) == (url, list(events))


@pytest.mark.parametrize(
    ("webhook", "code", "field", "hint"),
    [
        ({"url": "https://hooks.example", "evnts": []}, "unknown_field", "evnts", "did you mean 'events'?"),
        ({"url": "https://hooks.example", "languag": "en"}, "unknown_field", "languag", "known: events, url"),
        ({"url": 7}, "type", "webhook.url", None),
        ({"events": ["done"]}, "missing", "webhook.url", None),
    ],
)
def test_a_bad_webhook_names_its_own_keys(webhook: object, code: str, field: str, hint: str | None) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(json.dumps({"text": "a", "webhook": webhook}).encode(), WEB, ())
    assert (caught.value.code, caught.value.field, caught.value.hint) == (code, field, hint)
