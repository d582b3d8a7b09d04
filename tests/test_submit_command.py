"""`submit` as users run it: what it reads, what it finds wrong, what it says about a job beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from daemon.scheduling.pace import Pace
from tests.running import in_process

KNOWN = {"speech": 0.1, "speak": 0.01, "prepare": 0.05, "render": 0.1, "finish": 0.1, "size": 1000.0}


def submit(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return in_process("submit", *arguments, "--spool", folder, cwd=folder)


def dropped(folder: Path) -> dict[str, dict[str, object]]:
    return {file.stem: json.loads(file.read_bytes()) for file in (folder / "inbox").glob("*.json")}


# Files


def test_folders_and_patterns_stand_for_their_files(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "one.json").write_text('{"text": "один"}')
    (jobs / "two.txt").write_text("два")
    (jobs / "three.csv").write_text('text,language\n"Hello, ""you""",en\n')
    for ignored in (".hidden.json", "notes.md", "speech.wav"):
        (jobs / ignored).write_text("?")
    (tmp_path / "more-1.txt").write_text("три")
    ended = submit(tmp_path, "jobs", "more-*.txt")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split() == ["one", "three-0001", "two", "more-1"]
    assert dropped(tmp_path)["three-0001"] == {"text": 'Hello, "you"', "language": "en"}


def test_keys_of_all_jobs_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "раз"}\n{"text": "два", "name": "x", "fps": 50}\n')
    ended = submit(tmp_path, "a.jsonl", "--name", "n", "--priority", "-3", "--set", "fps=30", "--set", "avatar=host")
    assert ended.stdout.split() == ["n-0001", "n-0002"]
    changed = {"fps": 30, "avatar": "host", "priority": -3}
    assert dropped(tmp_path) == {"n-0001": {"text": "раз", **changed}, "n-0002": {"text": "два", **changed}}


def test_one_job_gets_its_name_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("раз")
    assert json.loads(submit(tmp_path, "a.txt", "--name", "n", "--json").stdout) == {"job": "n", "event": "queued"}
    assert list(dropped(tmp_path)) == ["n"]
    refused = submit(tmp_path, "a.txt", "--name", "../n")
    assert (refused.returncode, refused.stderr.split(":")[1]) == (65, " name")


@pytest.mark.parametrize("file", ["my job (2).json", "Мой ролик.txt", "-x.json"])
def test_a_job_that_cannot_have_its_files_name_says_its_own(file: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text('{"text": "раз"}' if file.endswith("json") else "раз")
    ended = submit(tmp_path, "--json", f"./{file}")
    told = json.loads(ended.stdout)
    assert told["dropped_as"] == file
    assert list(dropped(tmp_path)) == [told["job"]]
    assert f"{file}: the job is named {told['job']}" in ended.stderr
    asked = submit(tmp_path, "--name", "asked", f"./{file}")
    assert (asked.stdout, asked.stderr) == ("asked\n", "")


def test_ten_thousand_jobs_are_checked_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "big.jsonl").write_text('{"text": "раз"}\n' * 10_000)
    ended = submit(tmp_path, "big.jsonl", "--dry-run")
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) < 50
    assert "... and 9990 more jobs: big-0011 to big-10000" in ended.stdout


# Errors


def test_the_errors_of_all_jobs_of_all_files_are_reported(tmp_path: Path) -> None:
    bad = {"text": "?", "language": "kz", "avatar": "presentor", "speed": 9}
    (tmp_path / "a.json").write_text(json.dumps(bad))
    (tmp_path / "b.jsonl").write_text('{"text": "раз"}\n{"text": "a", "language": "ua"}\nnonsense\n{"tex": "a"}\n')
    (tmp_path / "c.json").write_text('{"text": "a", "voice": "hibari:heart"}')
    ended = submit(tmp_path, "a.json", "b.jsonl", "c.json")
    assert (ended.returncode, ended.stdout, list(tmp_path.glob("inbox/*"))) == (65, "", [])
    found = [line.split(": ", 2)[1:] for line in ended.stderr.splitlines()]
    assert [code for code, _ in found] == [
        *("range", "no_speech", "avatar", "language"),
        *("language", "unknown_field", "missing", "not_json"),
        "voice",
    ]
    assert found[2][1] == "a.json: there is no avatar 'presentor' (did you mean 'presenter'?)"
    assert found[3][1].endswith("(did you mean 'kk'?)")
    assert found[4][1].startswith("b.jsonl: job 2: no installed voice speaks 'ua'")
    assert found[4][1].endswith("(did you mean 'uk'?)")
    assert "Usage" not in ended.stderr


def test_a_file_that_is_no_job_is_called_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    (tmp_path / "my talk.wav").write_bytes(b"RIFF")
    assert submit(tmp_path, "me.png").stderr == (
        "Error: me.png is a PNG, not a job; to make it an avatar: lipdrop avatars add me.png\n"
    )
    assert submit(tmp_path, "my talk.wav").stderr == (
        "Error: my talk.wav is a recording, not a job; to speak it: "
        "lipdrop make --audio 'my talk.wav' -o 'my talk'.mp4\n"
    )


@pytest.mark.parametrize("end", ["", ".json", ".wav", "*"])
def test_a_text_instead_of_a_file_is_a_usage_error(end: str, tmp_path: Path) -> None:
    ended = submit(tmp_path, "Скажи это, пожалуйста. " * 20 + end)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: ")


@pytest.mark.parametrize(("file", "content"), [("a.csv", ""), ("a.csv", "name,text\n,,\n\n"), ("a.jsonl", "\n\n")])
def test_a_batch_without_jobs_says_so(file: str, content: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(content)
    ended = submit(tmp_path, file)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", f"{file}: no jobs in it\n")


def test_many_errors_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "?"}\n' * 50)
    ended = submit(tmp_path, "a.jsonl")
    assert len(ended.stderr.splitlines()) == 21
    assert ended.stderr.splitlines()[-1] == "lipdrop: and 30 more errors"


def test_english_without_a_language_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hello!")
    ended = submit(tmp_path, "a.txt")
    assert (ended.returncode, ended.stdout) == (0, "a\n")
    assert ended.stderr == (
        "a: warning: the text has only Latin letters, but the language of the job is 'ru', the default "
        '(if it is English, set "language": "en")\n'
    )


# Rehearsal


def test_a_rehearsal_shows_what_will_be_spoken(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "Привет! Это 5 минут.", "voice": "espeak:ru"}')
    shown = submit(tmp_path, "a.json", "--dry-run")
    assert shown.stdout.splitlines() == [
        "a: espeak:ru (ru), presenter, sequential",
        "    1  Привет!",
        "    =  Приве́т!",
        "    2  Это 5 минут.",
        "    =  Э́то пять мину́т.",
        "       about 1 s of video; no estimate of time and size before the first job in this spool",
    ]
    assert not (tmp_path / "inbox").exists()


def test_a_rehearsal_estimates_from_what_the_daemon_has_learnt(tmp_path: Path) -> None:
    pace = Pace()
    for kind, rate in KNOWN.items():
        pace.measured(kind, size=10, cost=10 * rate)
    (tmp_path / "run").mkdir()
    pace.save(tmp_path / "run" / "pace.json")
    (tmp_path / "a.json").write_text(json.dumps({"text": "раз два три " * 20}))
    [found] = map(json.loads, submit(tmp_path, "a.json", "--dry-run", "--json").stdout.splitlines())
    assert (found["job"], found["language"], found["mode"]) == ("a", "ru", "parallel")
    assert found["sentences"][0]["text"] == found["sentences"][0]["spoken"]
    expected = {"video_seconds": 24, "work_seconds": 2.4 + 1.2 + 30 + 2.4, "video_bytes": 600_000}
    assert found["estimate"] == pytest.approx(expected)
    assert "about 24 s of video, 0.6 MB, ready in 36 s" in submit(tmp_path, "a.json", "--dry-run").stdout


def test_a_rehearsal_shows_who_says_what_in_each_scene(tmp_path: Path) -> None:
    """Also as JSON; an error says which scene it is about."""
    scenes = [{"text": "Привет!"}, {"text": "Hello!", "language": "en", "voice": "espeak:en-us", "avatar": "host"}]
    (tmp_path / "a.json").write_text(json.dumps({"scenes": scenes, "voice": "espeak:ru"}))
    assert submit(tmp_path, "a.json", "--dry-run").stdout.splitlines() == [
        "a: 2 scenes, sequential",
        "    scenes.0: espeak:ru (ru), presenter",
        "    1  Привет!",
        "    =  Приве́т!",
        "    scenes.1: espeak:en-us (en), host",
        "    1  Hello!",
        "       about 1 s of video; no estimate of time and size before the first job in this spool",
    ]
    [found] = map(json.loads, submit(tmp_path, "a.json", "--dry-run", "--json").stdout.splitlines())
    assert [(one["avatar"], one["voice"], len(one["sentences"])) for one in found["scenes"]] == [
        ("presenter", "espeak:ru", 1),
        ("host", "espeak:en-us", 1),
    ]
    scenes[1]["voice"] = "espeak:nobody"
    (tmp_path / "a.json").write_text(json.dumps({"scenes": scenes, "voice": "espeak:ru"}))
    refused = submit(tmp_path, "a.json")
    assert refused.returncode == 65
    assert "scenes.1.voice" in refused.stderr


def test_a_recording_is_rehearsed_without_a_text(tmp_path: Path) -> None:
    from tests.media import speech_like, write_recording

    (tmp_path / "inbox").mkdir()
    write_recording(tmp_path / "inbox" / "a.wav", speech_like(0.2))
    (tmp_path / "a.json").write_text('{"audio": "a.wav"}')
    assert submit(tmp_path, "a.json", "--dry-run").stdout.splitlines() == [
        "a: a recording, presenter, auto",
        "       as long as the recording",
    ]
