"""The scripts in `examples/` do what they say: the very files, on a daemon with cheap stages."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.running import BRIEF_WAITS, ONE_WORKER, ROOT, CheapDaemon, until

EXAMPLES = ROOT / "examples"
SCRIPTS = sorted([*EXAMPLES.glob("*.sh"), *EXAMPLES.glob("**/*.py")])
ONCE = (
    "#!/bin/sh\n"
    '[ "$1" = run ] && exec "{python}" -m tests.cheap_daemon --once tts=tests.web_stages:PickyTts\n'
    'exec "{python}" -m daemon "$@"\n'
)
"""The command `lipdrop`, with cheap stages when it runs the daemon."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the PATH that has `lipdrop`."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "lipdrop").write_text(ONCE.format(python=sys.executable))
    (folder / "lipdrop").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheapDaemon]:
    with CheapDaemon(tmp_path_factory.mktemp("examples") / "spool", **ONE_WORKER, **BRIEF_WAITS) as running:
        yield running.start("--brisk", "tts=tests.talkative:ObedientTts").ready()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("monday", "tuesday"):
        (folder / f"{name}.txt").write_text(f"1 Good {name}!", "utf-8")
    return folder


def environment(programs: Path, **variables: str) -> dict[str, str]:
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables}


def run(
    script: str, *arguments: str | Path, programs: Path, cwd: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    argv = [str(EXAMPLES / script), *map(str, arguments)]
    env = environment(programs, **variables)
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_the_bash_batch_copies_every_video(daemon: CheapDaemon, texts: Path, tmp_path: Path, programs: Path) -> None:
    options = f"--spool {daemon.spool}"
    ended = run("batch.sh", texts, tmp_path / "v", programs=programs, cwd=tmp_path, LIPDROP_OPTIONS=options)
    assert ended.returncode == 0, ended.stderr
    assert sorted(file.name for file in (tmp_path / "v").iterdir()) == ["monday.mp4", "tuesday.mp4"]
    assert sorted(ended.stdout.split()) == [f"{tmp_path}/v/monday.mp4", f"{tmp_path}/v/tuesday.mp4"]
    (texts / "wednesday.txt").write_text("1 bad")
    again = run("batch.sh", texts, tmp_path / "v", programs=programs, cwd=tmp_path, LIPDROP_OPTIONS=options)
    assert again.returncode == 1
    assert "wednesday: failed: voice" in again.stderr
    assert len(again.stdout.split()) == 2


def test_the_python_batch_reports_every_job(daemon: CheapDaemon, texts: Path, tmp_path: Path, programs: Path) -> None:
    for file in texts.iterdir():
        file.rename(file.with_stem(f"python-{file.stem}"))
    (texts / "worse.txt").write_text("1 bad")
    ended = run("batch.py", daemon.spool, texts, "language=en", "captions=true", programs=programs, cwd=tmp_path)
    assert ended.returncode == 1
    assert sorted(line.partition(":")[0] for line in ended.stdout.splitlines()) == ["python-monday", "python-tuesday"]
    assert ended.stderr.startswith("worse: failed: voice: ")
    assert (daemon.spool / "outbox" / "python-monday.srt").exists()


@pytest.mark.slow
def test_the_nightly_script_makes_new_videos_only(texts: Path, tmp_path: Path, programs: Path) -> None:
    spool = tmp_path / "spool"
    CheapDaemon(spool, language="en", **ONE_WORKER, **BRIEF_WAITS)  # writes its configuration

    def nightly() -> subprocess.CompletedProcess[str]:
        return run("nightly.sh", texts, spool, programs=programs, cwd=spool)

    first = nightly()
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    made = {file: file.stat().st_mtime_ns for file in (spool / "outbox").glob("*.mp4")}
    assert len(made) == 2
    (texts / "Good friday.txt").write_text("1 Good friday!")
    assert nightly().returncode == 0
    assert (spool / "outbox" / "Good-friday.mp4").exists()
    assert {file: file.stat().st_mtime_ns for file in made} == made
    log = (spool / "nightly.log").read_bytes()
    idle = nightly()
    assert (idle.returncode, idle.stdout, idle.stderr) == (0, "", "")
    assert (spool / "nightly.log").read_bytes() == log, "nothing was submitted"
    (texts / "Good friday.txt").write_text("bad")
    failed = nightly()
    assert failed.returncode == 1
    assert "failed" in failed.stderr
    assert nightly().returncode == 1, "a failed one is tried again"


def test_the_crontab_names_the_script() -> None:
    [line] = [line for line in (EXAMPLES / "nightly.crontab").read_text().splitlines() if line.startswith("0 ")]
    assert line.split()[5] == "/opt/lipdrop/examples/nightly.sh"


class Storage(BaseHTTPRequestHandler):
    """Keeps what is put; refuses the first upload."""

    kept: dict[str, bytes] = {}  # noqa: RUF012
    refused = False

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not Storage.refused:
            Storage.refused = True
            self.send_error(503)
            return
        assert self.headers["Authorization"] == "Bearer secret"
        Storage.kept[self.path] = body
        self.send_response(201)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_each_video_is_uploaded_once(daemon: CheapDaemon, programs: Path, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    (spool / "outbox").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    daemon.drop("upload", text="1 hello")
    report = daemon.ending("upload")
    for suffix in (".mp4", ".json"):
        shutil.copy(daemon.spool / "outbox" / f"upload{suffix}", spool / "outbox")
    (spool / "outbox" / "poor.json").write_text(json.dumps({**report, "status": "failed"}))
    script = (EXAMPLES / "watch_and_upload.py").read_text().replace("RETRY_SECONDS = 30.0", "RETRY_SECONDS = 0.1")
    argv = [sys.executable, "-u", "-c", script, str(spool), f"http://127.0.0.1:{server.server_port}/videos/"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        watcher = subprocess.Popen(
            argv, env=environment(programs, UPLOAD_TOKEN="secret"), stdout=file, stderr=subprocess.STDOUT
        )
    until(lambda: "upload: uploaded" in log.read_text() or None, "upload", 30)
    until(lambda: (spool / "uploaded" / "upload").exists() or None, "stamp", 30)
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(30) == 130
    server.shutdown()
    assert Storage.kept == {"/videos/upload.mp4": (spool / "outbox" / "upload.mp4").read_bytes()}
    assert "upload: HTTP Error 503" in log.read_text()
    assert log.read_text().count("failed, nothing to upload") == 1


def test_a_course_is_made_of_its_table(daemon: CheapDaemon, programs: Path, tmp_path: Path) -> None:
    """A shortened table, with the same script."""
    table = (EXAMPLES / "course" / "computers.csv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "computers.csv").write_text("".join(table[:4]), "utf-8")
    course = tmp_path / "course"
    arguments = (tmp_path / "computers.csv", course, "--spool", daemon.spool)
    ended = run("course/make_course.py", *arguments, programs=programs, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"3 of 3 lessons: {course}/index.html"
    page = (course / "index.html").read_text("utf-8")
    assert page.index("What a computer is") < page.index("Bits") < page.index("Bytes")
    assert page.count("data-video=") == 3
    assert len(list(course.glob("lesson-0?.mp4"))) == 3
    metadata = json.loads((daemon.spool / "outbox" / "lesson-02.json").read_text())["metadata"]
    assert metadata == {"title": "Bits"}


def test_the_course_has_fifty_lessons_with_texts() -> None:
    with (EXAMPLES / "course" / "computers.csv").open(encoding="utf-8", newline="") as file:
        lessons = list(csv.DictReader(file))
    assert [int(lesson["lesson"]) for lesson in lessons] == list(range(1, 51))
    assert all(lesson["title"] and len(lesson["text"]) > 40 for lesson in lessons)


def test_every_example_is_listed_and_executable() -> None:
    pages = [EXAMPLES / "README.md", ROOT / "docs" / "how-to" / "submit-batches.md"]
    for script in SCRIPTS:
        assert os.access(script, os.X_OK), script
        assert all(script.name in page.read_text("utf-8") for page in pages), script


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    scripts = [str(script) for script in SCRIPTS if script.suffix == ".sh"]
    checked = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
