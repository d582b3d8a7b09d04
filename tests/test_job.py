"""The job parser: valid jobs, limits and error hints. `test_hostile_json.py` has the bad jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.outputs.schemas import DescribedFields
from pipeline.config import Config, LimitsSettings, WebSettings
from pipeline.errors import JobError, JobErrors, all_errors
from pipeline.job import Job, job_warnings, parse_job
from pipeline.job_file import parse_json_object
from pipeline.speech.language_tags import tag_hint
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
        ("9" * 30, f"size {'9' * 20!r} is not WIDTHxHEIGHT", 'like "720x720", or vertical, square, wide'),
        ("721x720", "size 721x720: width and height must be even", 'like "720x720"'),
    ],
)
def test_a_wrong_size_is_explained(size: str, message: str, hint: str) -> None:
    error = refused(json.dumps({"text": "a", "size": size}))
    assert (error.field, error.message, error.hint) == ("size", message, hint)


def test_a_job_needs_a_source() -> None:
    error = refused("{}")
    assert (error.code, error.field) == ("missing", "text")


@pytest.mark.parametrize(
    ("keys", "code", "field"),
    [
        ({}, "keep_open", "keep_open"),
        ({"mode": "parallel"}, "keep_open", "keep_open"),
        ({"mode": "stream", "audio": "a.wav"}, "keep_open", "keep_open"),
        ({"mode": "stream", "keep_open": False, "window_seconds": 60}, "keep_open", "window_seconds"),
        ({"mode": "stream", "window_seconds": 29}, "range", "window_seconds"),
        ({"mode": "stream", "window_seconds": 60.5}, "type", "window_seconds"),
        ({"mode": "stream", "keep_open": "yes"}, "type", "keep_open"),
    ],
)
def test_only_a_stream_of_a_text_stays_open(keys: dict[str, object], code: str, field: str) -> None:
    error = refused(json.dumps({"text": "a", "keep_open": True, **keys}))
    assert (error.code, error.field) == (code, field)


@pytest.mark.parametrize(("captions", "code"), [('"lines"', "range"), ("[]", "type")])
def test_captions_are_wanted_or_not_or_with_words(captions: str, code: str) -> None:
    error = refused(f'{{"text": "a", "captions": {captions}}}')
    assert (error.code, error.field) == (code, "captions")
    assert error.message.startswith("captions must be true, false or 'words'")


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
        ({"text": "a", "speed": 9}, "range", "speed", "speed must be at most 2", None),
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
        ("articulation", (0.5, 1.5, 1), (0.49, 1.51)),
        ("voice", ("v", "v" * 200), ("", "v" * 201)),
        ("size", ("64x64", "4096x64", "1920x1920"), ("62x64", "64x62", "4098x64", "64x4098", "1922x1920", "64x65")),
        ("fps", (24, 25, 30, 50, 60), (23, 26, 120)),
        ("language", ("ru", "kaz", "en-" + "a" * 20), ("r", "kazz", "en-" + "a" * 21, "RUSS")),
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
        ({"url": "https://hooks.example", "evnts": []}, "unknown_field", "webhook.evnts", "did you mean 'events'?"),
        ({"url": "https://hooks.example", "languag": "en"}, "unknown_field", "webhook.languag", "known: events, url"),
        ({"url": 7}, "type", "webhook.url", None),
        ({"events": ["done"]}, "missing", "webhook.url", None),
    ],
)
def test_a_bad_webhook_names_its_own_keys(webhook: object, code: str, field: str, hint: str | None) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(json.dumps({"text": "a", "webhook": webhook}).encode(), WEB, ())
    assert (caught.value.code, caught.value.field, caught.value.hint) == (code, field, hint)


# What to write instead


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("", 'the file is empty; write an object, like {"text": "Hello"}'),
        ("{'text': 'a'}", "use straight double quotes (\"), not '"),
        ("{“text”: “a”}", 'use straight double quotes ("), not “'),
        ("{\"text\": 'a'}", "use straight double quotes (\"), not '"),
        ('{"text": "a",}', "remove the comma after the last entry"),
        ('{"metadata": {"k": [1, ]}}', "remove the comma after the last entry"),
        ('{"text": "a\nb"}', r"write a line break within a text as \n, a tab as \t"),
        ('{"text": "say "hi" now"}', r"put a comma between two entries; write a quotation mark within a text as \""),
        ('{"text": "a" // why\n}', "remove the comment: JSON has none"),
        ('{"text": "a", "captions": True}', "write true instead of True"),
        ('{"text": None}', "write null instead of None"),
        ('{text: "a"}', 'write keys in double quotes, like {"text": "Hello"}'),
        ('{"text" "a"}', 'put a colon between a key and its value, like {"text": "Hello"}'),
        ('{"text": "a"', "the end of the file is missing"),
        ('{"text": "a', 'end the text with a double quote (")'),
        ('{"text": "a"} {"text": "b"}', "one file is one job; write several jobs to a .jsonl file, one per line"),
        (r'{"text": "C:\x"}', r"write a backslash within a text as \\"),
        ("Hello", "write text in double quotes; is a part of the file missing?"),
    ],
)
def test_a_mistake_in_json_is_answered_with_what_to_write(content: str, hint: str) -> None:
    error = refused(content)
    assert (error.code, error.hint) == ("not_json", hint)
    assert " at at " not in error.message


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32-le", "UTF-32"), ("utf-32-be", "UTF-32")],
)
def test_a_byte_order_mark_of_another_encoding_is_recognized(encoding: str, name: str) -> None:
    error = refused('\ufeff{"text": "a"}'.encode(encoding))
    assert (error.code, error.message, error.hint) == ("encoding", f"the file is {name}, not UTF-8", "save as UTF-8")


@pytest.mark.parametrize(
    ("key", "value", "code", "message", "hint"),
    [
        ("text", ["a", "b"], "type", "text must be a string, not a list", "join the parts into one string"),
        ("text", {"a": 1}, "type", "text must be a string, not an object", None),
        (
            "fps",
            "25",
            "type",
            "fps must be 24, 25, 30, 50 or 60, not a string",
            'write 25 without quotes, like "fps": 25',
        ),
        (
            "speed",
            " 1.5",
            "type",
            "speed must be a number, not a string",
            'write 1.5 without quotes, like "speed": 1.5',
        ),
        ("speed", "fast", "type", "speed must be a number, not a string", None),
        (
            "captions",
            "True",
            "type",
            "captions must be true, false or 'words', not a string",
            'write true without quotes, like "captions": true',
        ),
        ("captions", 1, "type", "captions must be true, false or 'words', not 1", "write true or false"),
        ("num_workers", 2.5, "type", "num_workers must be a whole number, not 2.5", None),
        ("priority", True, "type", "priority must be a whole number, not true or false", None),
        ("metadata", None, "type", "metadata must be an object, not null", None),
        ("webhook", 5, "type", "webhook must be a URL or an object, not 5", None),
        ("burn_captions", 5, "type", "burn_captions must be true, false or an object, not 5", None),
        ("provenance", 5, "type", "provenance must be an object, not 5", None),
        ("intro", 5, "type", "intro must be a string, not 5", None),
        ("speed", 0.1, "range", "speed must be at least 0.5", None),
        ("fps", 26, "range", "fps must be 24, 25, 30, 50 or 60", None),
        ("voice", "v" * 201, "range", "voice must have at most 200 characters", None),
        (
            "mode",
            "Paralel",
            "range",
            "mode must be 'auto', 'sequential', 'parallel' or 'stream'",
            "did you mean 'parallel'?",
        ),
        ("avatar", "presentor", "avatar", "there is no avatar 'presentor'", "did you mean 'presenter'?"),
        ("language", "Русский язык", "range", "'Русский язык' is not a language code", "did you mean 'ru'?"),
        ("language", "engilsh", "range", "'engilsh' is not a language code", "did you mean 'en'?"),
        ("language", "!", "range", "'!' is not a language code", "write a language's code, such as 'en', 'ru' or 'kk'"),
    ],
)
def test_a_wrong_value_is_answered_with_what_to_write(
    key: str, value: object, code: str, message: str, hint: str | None
) -> None:
    error = refused(json.dumps({"text": "a", key: value}))
    assert (error.code, error.field, error.message, error.hint) == (code, key, message, hint)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *(("EN", "en"), (" RU", "ru"), ("En-GB", "en-GB"), ("en_US", "en-US"), ("ru_RU", "ru-RU"), ("RUS-RU", "ru-RU")),
        *(("kaz", "kk"), ("RUS", "ru"), ("русский", "ru"), ("English", "en"), ("Қазақша", "kk"), ("ua", "ua")),
    ],
)
def test_a_language_is_normalized_where_it_is_unambiguous(written: str, read: str) -> None:
    assert parse(json.dumps({"text": "a", "language": written})).language == read


@pytest.mark.parametrize(("tag", "meant"), [("eng", "en"), ("ua", "uk"), ("kz", "kk"), ("ua-UA", "uk"), ("rus", "ru")])
def test_a_code_that_no_voice_speaks_is_answered_with_the_usual_one(tag: str, meant: str) -> None:
    assert tag_hint(tag) == f"did you mean {meant!r}?"


# Several errors at once


def test_all_errors_of_a_job_are_reported_in_one_go() -> None:
    error = refused(json.dumps({"text": "?!", "foo": 1, "speed": 9, "avatar": "bob", "size": "1x1", "model": "Q"}))
    assert isinstance(error, JobErrors)
    assert [(one.code, one.field) for one in error.errors] == [
        ("range", "speed"),
        ("unknown_field", "foo"),
        ("no_speech", "text"),
        ("range", "size"),
        ("range", "model"),
        ("avatar", "avatar"),
    ]
    assert (error.code, error.field, error.message) == ("range", "speed", "speed must be at most 2")


@pytest.mark.parametrize(
    ("job", "fields"),
    [
        ({"text": 5}, ["text"]),  # not also `missing`
        ({"audio": 5, "speed": 9}, ["audio", "speed"]),
        ({"audio": None, "speed": 9}, ["speed", "text"]),
        ({"text": "a", "webhook": {"url": 1, "events": 2}, "fps": 1}, ["fps", "webhook.url"]),
    ],
)
def test_an_invalid_key_does_not_hide_or_cause_other_errors(job: dict[str, object], fields: list[str]) -> None:
    error = refused(json.dumps(job))
    assert [one.field for one in all_errors(error)] == fields
    assert isinstance(error, JobErrors) == (len(fields) > 1)


# Warnings


@pytest.mark.parametrize(
    ("job", "warns"),
    [
        ({"text": "Hello, world!"}, True),
        ({"text": "Café 25"}, True),
        ({"text": "Hello", "language": "en"}, False),
        ({"text": "Hello", "language": "ru"}, False),
        ({"text": "Hello", "voice": "hibari:heart"}, False),
        ({"text": "Привет, iPhone"}, False),
        ({"text": "2 + 2"}, False),
        ({"text": "你好"}, False),
        ({"audio": "a.wav"}, False),
    ],
)
def test_a_latin_text_in_a_cyrillic_default_language_is_warned_about(job: dict[str, str], warns: bool) -> None:
    hint = 'if it is English, set "language": "en"'
    assert default_language_hints(job, CONFIG) == [hint] * warns
    assert default_language_hints(job, Config(language="en")) == []


def default_language_hints(job: dict[str, str], config: Config) -> list[str | None]:
    return [one.hint for one in job_warnings(parse(json.dumps(job)), config) if one.code == "default_language"]


KAZAKH = "Қайырлы күн, бүгін біз ауа райы туралы айтамыз"
RUSSIAN = "Добрый день, сегодня мы поговорим о погоде"
GERMAN = "Guten Tag, heute sprechen wir über das Wetter"


@pytest.mark.parametrize(
    ("text", "language", "other"),
    [
        (KAZAKH, None, "kk"),
        (KAZAKH, "kk", None),
        (RUSSIAN, "kk", "ru"),
        (RUSSIAN, "ru-RU", None),
        (GERMAN, "en", "de"),
        ("Guten Tag!", "en", None),
        ("Привет", "en", "ru"),
        ("Сәлем, достар!", "de-AT", "kk"),
        ("你好世界", "en", "zh"),
        ("你好世界", "ru", "zh"),
        ("Привет, Bob", "en", None),
        ("Привет", "uz", None),
        ("Xin chào", "vi", None),
        ("OpenAI", "ru", None),
        ("Сәлем", "ru", None),
        ("Det er en fin dag, og vi skal snakke om været", "nb", None),
        ("Сегодня мы поговорим о Python, JavaScript и TypeScript", "ru", None),
        ("Lorem: 12345 67890 12345 67890 12345 67890", "ru", None),
    ],
)
def test_a_text_in_another_language_is_warned_about(text: str, language: str | None, other: str | None) -> None:
    job = parse(json.dumps({"text": text} | ({"language": language} if language else {})))
    warnings = [(one.code, one.hint) for one in job_warnings(job, CONFIG)]
    assert warnings == ([("other_language", f'set "language": "{other}"')] if other else [])


def test_what_is_not_an_object_is_told_what_one_looks_like() -> None:
    error = refused('["a"]')
    assert (error.code, error.message) == ("not_object", "the job file must be a JSON object")
    assert error.hint == 'like {"text": "Hello"}'


def test_a_key_that_appears_twice_is_named() -> None:
    error = refused('{"text": "a", "speed": 1, "text": "b"}')
    assert (error.code, error.field) == ("duplicate_key", "text")


@pytest.mark.parametrize("text", ["[" * 40, "{" * 40, "a\\n" + "[" * 40, '\\"' + "[" * 40])
def test_brackets_in_a_text_are_not_depth(text: str) -> None:
    assert parse(f'{{"text": "{text}a"}}').text is not None
