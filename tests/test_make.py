"""`lipdrop make`: a video from one command. Real processes, real stages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from daemon.make.language import guessed
from tests.media import streams
from tests.members import slow
from tests.running import ONE_PROCESS, in_process, named, until
from tests.test_avatar_commands import PORTRAIT

LEFT_SECONDS = 60
"""What is killed and removed in the background is gone after this time."""


class Place:
    """A folder in which commands are run: with a configuration, and a folder of its own for temporary files."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.temporary = root / "temporary"
        self.temporary.mkdir(parents=True)
        (root / "config.yaml").write_text(yaml.safe_dump({"spool": "spool", **ONE_PROCESS, **settings}))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `lipdrop make`."""
        return subprocess.Popen(
            [sys.executable, "-m", "daemon", "make", *arguments],
            cwd=self.root,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "PYTHONPATH": str(Path(__file__).parent.parent),
                "TMPDIR": str(self.temporary),
                "BROWSER": "false",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        """Run `lipdrop make`: exit code, output and errors."""
        process = self.start(*arguments)
        output, errors = process.communicate(stdin, timeout=120)
        return process.returncode, output, errors

    def files(self) -> set[str]:
        """Everything in the folder but what was there at first."""
        found = set()
        for folder, folders, files in os.walk(self.root):  # unlike rglob, it bears that folders disappear meanwhile
            found |= {str((Path(folder) / name).relative_to(self.root)) for name in (*folders, *files)}
        return found - {"config.yaml", "temporary"}

    def processes(self) -> list[str]:
        """The command lines of all processes that know the temporary folder."""
        lines = (" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
        return [line for line in lines if str(self.temporary) in line]

    def is_clean(self) -> bool:
        return not self.files() and not self.processes()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, tuple[int, str, str]]]:
    """A place, and how the command in it ended."""
    place = Place(tmp_path_factory.mktemp("make"))
    options = ("-o", "hello.mp4", "--photo", str(PORTRAIT), "--captions", "--size", "256x128")
    yield place, place.make("-", *options, stdin="Hello from standard input.\n")


def test_a_text_becomes_a_video_and_nothing_else_remains(made: tuple[Place, tuple[int, str, str]]) -> None:
    place, (code, output, errors) = made
    assert code == 0, errors
    assert output == "hello.mp4\n"
    assert place.files() == {"hello.mp4", "hello.srt", "hello.vtt"}
    video, audio = streams(place.root / "hello.mp4")["video"], streams(place.root / "hello.mp4")["audio"]
    assert (video["width"], video["height"]) == (256, 128)
    assert audio["codec_name"] == "aac"
    assert "Hello from standard input." in (place.root / "hello.srt").read_text()
    assert (place.root / "hello.mp4").stat().st_mode & 0o777 == (place.root / "config.yaml").stat().st_mode & 0o777


def test_the_progress_is_in_lines_if_nobody_looks(made: tuple[Place, tuple[int, str, str]]) -> None:
    lines = made[1][2].splitlines()
    assert lines[0] == "language: en, guessed from the letters; --language chooses another"
    assert lines[1] == "hello.mp4: starting"
    steps = ("speaking", "preparing", "rendering", "joining")
    assert any(line.startswith(tuple(f"hello.mp4: {step}, " for step in steps)) for line in lines)
    assert any("256x128" in line for line in lines[2:])
    assert "\x1b" not in made[1][2]


@pytest.mark.slow
def test_a_stream_is_played_while_it_renders_until_ctrl_c(place: Place) -> None:
    process = place.start("Hello there.", "-o", "played.mp4", "-q", "--play", "--size", "128x128", "--language", "en")
    assert process.stderr is not None and process.stdout is not None
    address = next(line.split()[-1] for line in process.stderr if line.startswith("playing at "))
    with urllib.request.urlopen(address) as page:
        assert b"<video" in page.read()
    assert process.stdout.readline() == "played.mp4\n"
    with urllib.request.urlopen(address.replace("player.html", "index.m3u8")) as playlist:
        assert b"#EXT-X-ENDLIST" in playlist.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(LEFT_SECONDS) == 0
    assert place.files() == {"played.mp4"}


@pytest.mark.parametrize("number", [slow(signal.SIGINT), slow(signal.SIGKILL)], ids=lambda number: number.name)
def test_nothing_remains_of_a_command_that_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    place = Place(tmp_path, executor="processes")
    process = place.start("One two three.", "-o", "stopped.mp4", "--language", "en")
    until(lambda: list(place.temporary.glob("*/spool/run/health.json")) or None, "running daemon")
    assert len(place.processes()) >= 2
    process.send_signal(number)
    assert process.wait(LEFT_SECONDS) == (130 if number == signal.SIGINT else -number)
    until(lambda: place.is_clean() or None, f"clean folder: {place.files()}, {place.processes()}", LEFT_SECONDS)
    assert not list(named(psutil.Process().children(recursive=True), "python-for-workers"))


@pytest.mark.slow
def test_a_full_disk_ends_it(tmp_path: Path) -> None:
    place = Place(tmp_path, limits={"free_megabytes": 1 << 30})
    code, output, errors = place.make("Hello.", "-o", "a.mp4", "--language", "en", "-q")
    assert (code, output) == (74, "")
    assert errors.startswith("lipdrop: disk_full: the disk is full: ")
    assert "TMPDIR" in errors
    assert place.is_clean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"avatars": {"default": "nobody"}}, "lipdrop: avatar: there is no avatar 'nobody' [avatars.default]"),
        ({"tts": {"backend": "http"}}, "lipdrop: tts_missing: no speech service is configured [tts.http.url]"),
    ],
    ids=("before the daemon starts", "by the daemon"),
)
def test_a_bad_configuration_ends_it_with_one_line(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    place = Place(tmp_path, **settings)
    code, output, errors = place.make("Hello.", "-o", "a.mp4", "--language", "en", "-q")
    assert (code, output) == (78, "")
    assert errors.startswith(message)
    assert len(errors.splitlines()) == 1
    assert place.is_clean()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-o", "a.mp4"), 2, "Error: give a text, --audio FILE, or both"),
        (("Hi", "-o", "a.avi"), 2, "Error: the output must end with .mp4: a.avi"),
        (("Hi", "-o", "none/a.mp4"), 2, "Error: there is no folder 'none'"),
        (("Hi", "-o", "old.mp4"), 2, "Error: old.mp4 already exists; --force replaces it"),
        (("Hi", "-o", "a.mp4", "--captions"), 2, "Error: a.srt already exists; --force replaces it"),
        (("Hi", "-o", "a.mp4", "--play", "--mode", "auto"), 2, "Error: --play needs --mode stream"),
        (("Hi", "-o", "a.mp4", "--photo", "a.srt", "--avatar", "host"), 2, "Error: give either --photo or --avatar"),
        (("Hi", "-o", "a.mp4", "--photo", "a.srt"), 2, "Error: a.srt is empty"),
        (
            ("a.srt", "-o", "a.mp4"),
            2,
            "Error: a.srt is a file; to speak the text in it: lipdrop make - -o NAME.mp4 < a.srt",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    for name in ("old.mp4", "a.srt", "config.yaml"):
        (tmp_path / name).touch()
    ended = in_process("make", *arguments, cwd=tmp_path)
    assert ended.returncode == code
    assert ended.stderr.splitlines()[-1].startswith(message)


def test_a_text_may_be_longer_than_a_files_name(tmp_path: Path) -> None:
    (tmp_path / "a.srt").touch()
    ended = in_process("make", "Сказано. " * 20, "-o", "a.mp4", "--photo", "a.srt", cwd=tmp_path)
    assert ended.stderr.splitlines()[-1].startswith("Error: a.srt is empty")


@pytest.mark.slow
def test_a_bad_job_is_refused_before_anything_is_rendered(place: Place) -> None:
    (place.root / "a.wav").write_text("not a recording")
    wrong = {
        ("Hi", "--avatar", "presentor"): "avatar: there is no avatar 'presentor' (did you mean 'presenter'?)",
        ("Hi", "--voice", "hibari:heart", "--language", "ru"): "voice: there is no voice 'hibari:heart' for language "
        """'ru' (it speaks 'en': set "language": "en")""",
        ("--audio", str(place.root / "a.wav")): "media: the recording cannot be read: ",
    }
    for arguments, message in wrong.items():
        code, output, errors = place.make(*arguments, "-o", "a.mp4", "-q")
        assert (code, output) == (65, "")
        assert errors.startswith(f"lipdrop: {message}")
    (place.root / "a.wav").unlink()
    assert place.is_clean()


@pytest.mark.parametrize(
    ("text", "default", "language"),
    [
        ("Привет", "ru", "ru"),
        ("Hello", "ru", "en"),
        ("iPhone вышел", "ru", "ru"),
        ("12345", "ru", "ru"),
        ("Hello", "en", "en"),
        ("Hallo", "de", "de"),
        ("Привет", "en", "ru"),
        ("Сәлем, әлем", "en", "kk"),
        ("Сәлем, әлем", "kk", "kk"),
        ("Hello мир", "en", "en"),
        ("Hello", "kk-KZ", "en"),
    ],
)
def test_the_language_is_guessed_only_if_the_letters_rule_out_the_default(
    text: str, default: str, language: str
) -> None:
    assert guessed(text, default) == language
