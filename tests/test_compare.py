"""`lipdrop compare`: the ways, equal speech, equal frames, the figures, and the page that plays the videos in step."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser
from rich.console import Console

from daemon.bench import compare as compare_module
from daemon.bench import equality, suite
from daemon.bench.compare import Comparison, Measured, Plan, Subject, Way, trial_config, ways
from daemon.bench.compare import compare as run_comparison
from daemon.bench.compare_tables import notes, show, show_suite
from daemon.bench.equality import Difference
from daemon.cli import compare as command
from daemon.cli.place import Place
from daemon.outputs.report import DoneReport, Video
from daemon.spool.spool import Spool
from pipeline.avatars import BUILT_IN_FOLDER
from pipeline.config import Config
from pipeline.errors import ConfigError, JobError
from tests import reports
from tests.browser import CHROMIUM
from tests.pages import Visit
from tests.running import BRIEF_WAITS, in_process

TIMES = "[...document.querySelectorAll('video')].map(video => video.currentTime)"
FRAME_SECONDS = 1 / 25


def plain(**asked: Any) -> tuple[Way, ...]:
    return ways(**{"stream": False, "models": [], "engines": [], "workers": [], **asked})


# Ways and configuration


def test_each_option_adds_ways_behind_sequential_and_parallel() -> None:
    found = plain(stream=True, models=["gan"], engines=["builtin"], workers=[1, 4])
    assert [(way.name, dict(way.changes)) for way in found] == [
        ("sequential", {"mode": "sequential"}),
        ("parallel", {"mode": "parallel"}),
        ("stream", {"mode": "stream"}),
        ("model-gan", {"mode": "parallel", "model": "gan"}),
        ("engine-builtin", {"mode": "parallel", "model": "engine-builtin"}),
        ("workers-1", {"mode": "parallel", "num_workers": 1}),
        ("workers-4", {"mode": "parallel", "num_workers": 4}),
    ]


def test_the_trial_has_the_users_files_engines_and_enough_workers(tmp_path: Path) -> None:
    settings = {
        "models": {"mine": {"engine": "wav2lip", "checkpoint": "models/mine.pth"}},
        "tts": {"piper": {"folder": "voices"}, "command": {"argv": ["./say", "{text}"]}},
    }
    config = Config.model_validate({"base": tmp_path, **settings})
    found = trial_config(config, plain(engines=["wav2lip"], workers=[3]), ["wav2lip"])
    assert found.models["engine-wav2lip"].checkpoint == str(tmp_path / "models" / "mine.pth")
    assert found.avatars.folder == str(tmp_path / "avatars")
    assert found.tts.piper.folder == str(tmp_path / "voices")
    assert found.tts.command.argv == (str(tmp_path / "say"), "{text}")
    assert [worker.model for worker in found.workers] == ["gan", "nogan", "gan"]
    assert yaml.safe_dump(found.model_dump(mode="json"))


def test_an_engine_without_its_checkpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a checkpoint"):
        trial_config(Config(), plain(), ["wav2lip"])


# Equal frames


def film(path: Path, seconds: float = 1, *, marked: str = "0", size: str = "64x64") -> tuple[Path, Video]:
    """A lossless video in which the frames that `marked` selects have a box."""
    box = f"drawbox=c=white:t=fill:w=8:h=8:enable='{marked}'"
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=s={size}:d={seconds},{box}", "-qp", "0"]
    subprocess.run([*argv, "-pix_fmt", "yuv420p", path], check=True)
    width, height = map(int, size.split("x"))
    known = {"frames": round(seconds * 25), "fps": 25, "bytes": path.stat().st_size, "sha256": "", "file": path.name}
    return path, Video(width=width, height=height, **known)


def test_frames_are_compared_bit_for_bit(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4")
    assert equality.difference(*whole, *film(tmp_path / "same.mp4")) == Difference(25, 0, None)
    one = equality.difference(*whole, *film(tmp_path / "one.mp4", marked="eq(n,7)"))
    assert (one.frames, one.differing) == (25, 1)
    assert one.least_psnr_db is not None and 5 < one.least_psnr_db < 40
    assert equality.difference(*whole, *film(tmp_path / "short.mp4", 0.8)) == Difference(25, 5, None)
    assert equality.difference(*whole, *film(tmp_path / "wide.mp4", size="96x64")) == Difference(25, 25, None)


# Equal speech


SECONDS = {"sequential": 4.0, "parallel": 2.0, "stream": 1.0}


class FakeTrial:
    """A trial that notes the jobs it is given; the time of each comes from its mode."""

    def __init__(self, root: Path) -> None:
        self.spool = Spool(root)
        self.spool.create()
        self.jobs: list[tuple[str, dict[str, Any]]] = []

    def run(self, name: str, **job: Any) -> tuple[float, DoneReport]:
        self.jobs.append((name, job))
        self.spool.video_file(name).write_text(name)
        report = reports.done()
        timing = report.timing.model_copy(update={"total_seconds": SECONDS[job["mode"]] + len(self.jobs) / 100})
        return 0.0, report.model_copy(update={"job": name, "timing": timing})


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTrial:
    monkeypatch.setattr(equality, "difference", lambda *_: Difference(25, 0, None))
    monkeypatch.setattr(equality, "extract_sound", lambda video, wav, seconds: wav.write_text(f"sound of {video.name}"))
    return FakeTrial(tmp_path / "spool")


def compared(trial: FakeTrial, tmp_path: Path, chosen: tuple[Way, ...], runs: int = 2) -> Comparison:
    subject = Subject("a", {"text": "hello", "language": "en", "avatar": "anna"})
    return run_comparison(trial, subject, Plan(chosen, runs, tmp_path), lambda _: None)  # type: ignore[arg-type]


def test_the_ways_take_turns_after_a_round_that_is_not_measured(
    trial: FakeTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equality, "sound_hash", lambda *_: "the same")
    found = compared(trial, tmp_path, plain())
    assert [job["mode"] for _, job in trial.jobs] == ["sequential", "parallel"] * 3
    assert all(job["text"] == "hello" for _, job in trial.jobs)
    assert found.measured[0].totals == [4.03, 4.05]
    assert found.speed_up(found.parallel) == pytest.approx(4.04 / 2.05)
    assert (tmp_path / "parallel.mp4").read_text() == "parallel-a-0"
    assert not found.is_recorded


@pytest.mark.parametrize("stream", [False, True])
def test_a_speech_that_would_differ_is_made_once(
    stream: bool, trial: FakeTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a voice that never says the same twice; or a stream, whose text is spoken in pieces."""
    monkeypatch.setattr(equality, "sound_hash", lambda video, _: "the same" if stream else video.name)
    found = compared(trial, tmp_path, plain(stream=stream), runs=1)
    measured = [job for name, job in trial.jobs if not name.endswith("-warm")]
    assert len(measured) == 2 + stream
    assert all((job["audio"], job["avatar"]) == ("speech.wav", "anna") for job in measured)
    assert not any(job.keys() & {"text", "language"} for job in measured)
    assert (trial.spool.inbox / "speech.wav").read_text() == "sound of sequential-a-warm.mp4"
    assert found.is_recorded


def test_a_failed_job_ends_the_comparison(trial: FakeTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "run", lambda *_, **__: (0.0, reports.failed()))
    with pytest.raises(JobError, match="broken"):
        compared(trial, tmp_path, plain())


# The command


def a_comparison(folder: Path, sequential: float = 3.0, parallel: float = 2.0) -> Comparison:
    """Figures without measuring."""

    def measured(way: Way, seconds: float, found: Difference | None) -> Measured:
        report = reports.retried()
        timing = report.timing.model_copy(update={"total_seconds": seconds})
        return Measured(way, (report.model_copy(update={"timing": timing}),), folder / f"{way.name}.mp4", found)

    one, other = plain()
    return Comparison((measured(one, sequential, None), measured(other, parallel, Difference(25, 3, 44.1))), False)


def test_the_exit_code_says_whether_parallel_is_fast_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(config: Config, subject: Subject, plan: Plan, progress: Any) -> Comparison:
        for way in plan.ways:
            (plan.folder / f"{way.name}.mp4").touch()
        return a_comparison(plan.folder)

    monkeypatch.setattr(compare_module, "measure", measure)
    codes = {
        least: in_process("compare", "hello", "--at-least", least, cwd=tmp_path).returncode for least in ("1.4", "1.6")
    }
    assert codes == {"1.4": 0, "1.6": 1}
    shown = in_process("compare", "hello", "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["runs"][1]["speed_up"] == 1.5
    assert (tmp_path / "compare-text" / "index.html").exists()


def subject_of(place: Path, what: str) -> Subject:
    """What the command would compare, in a spool."""
    config = Config.model_validate({"base": place})
    options = dict.fromkeys(("language", "voice", "avatar"))
    return command._subject(Place(config, Spool(place)), what, options)


def test_a_text_a_file_or_a_job_can_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("inbox", "done"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine.json").write_text('{"text": "hi", "mode": "stream", "size": "64x64", "priority": 1}')
    (tmp_path / "old.txt").write_text("good day")
    (tmp_path / "done" / "earlier.json").write_text('{"audio": "said.wav", "captions": true}')
    (tmp_path / "inbox" / "said.wav").touch()
    (tmp_path / "other.mp3").touch()
    found = {
        what: subject_of(tmp_path, what) for what in ("Hello there.", "mine.json", "old.txt", "earlier", "other.mp3")
    }
    assert {what: (one.name, one.job) for what, one in found.items()} == {
        "Hello there.": ("text", {"text": "Hello there."}),
        "mine.json": ("mine", {"text": "hi", "size": "64x64"}),
        "old.txt": ("old", {"text": "good day"}),
        "earlier": ("earlier", {"audio": "said.wav"}),
        "other.mp3": ("recording", {"audio": "recording.mp3"}),
    }
    assert found["earlier"].recording == tmp_path / "inbox" / "said.wav"
    (tmp_path / "inbox" / "said.wav").unlink()
    (tmp_path / "outbox").mkdir()
    video = tmp_path / "outbox" / "earlier.mp4"
    video.touch()
    assert subject_of(tmp_path, "earlier").recording == video
    video.unlink()
    ended = in_process("compare", "earlier", cwd=tmp_path)
    assert (ended.returncode, "not there any more" in ended.stderr) == (2, True)
    (tmp_path / "talk.json").write_text('{"scenes": [{"text": "hi"}, {"audio": "said.wav"}]}')
    ended = in_process("compare", "talk.json", cwd=tmp_path)
    assert (ended.returncode, "all have texts" in ended.stderr) == (2, True)
    assert in_process("compare", "missing.json", cwd=tmp_path).returncode == 2
    assert in_process("compare", cwd=tmp_path).returncode == 2


def test_the_suite_shows_our_figures_beside_the_predecessors(tmp_path: Path) -> None:
    rows = [suite.SuiteRow(length, a_comparison(tmp_path)) for length in suite.LENGTHS]
    printed = io.StringIO()
    show_suite(rows, Console(file=printed, width=200))
    lines = [line for line in printed.getvalue().splitlines() if "predecessor" not in line and "×)" in line]
    assert len(lines) == 4
    assert "50.4 / 27.6 (1.83×)" in lines[3]
    assert all("1.50×" in line and "3 of 25 (≥ 44.1 dB)" in line for line in lines)
    assert "predecessor on an RTX 3090" in printed.getvalue()
    assert printed.getvalue().count("One run each") == 1


def test_a_narrow_terminal_cuts_off_no_figures_and_no_words(tmp_path: Path) -> None:
    rows = [suite.SuiteRow(length, a_comparison(tmp_path)) for length in suite.LENGTHS]
    printed = io.StringIO()
    show_suite(rows, Console(file=printed, width=80, force_terminal=True, color_system=None))
    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and "…" not in printed.getvalue()
    assert sum("3 of 25 (≥ 44.1" in line for line in lines) == 4
    note = " ".join(line.strip() for line in lines)
    assert "the difference is hardly visible. The encoder starts again" in note


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_suite_writes_a_page_for_all_lengths_and_one_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    def measure(config: Config, plan: Plan, progress: Any) -> list[suite.SuiteRow]:
        for length in suite.LENGTHS:
            (plan.folder / length.name).mkdir(parents=True)
            for way in plan.ways:
                (plan.folder / length.name / f"{way.name}.mp4").touch()
        return [suite.SuiteRow(length, a_comparison(plan.folder / length.name)) for length in suite.LENGTHS]

    monkeypatch.setattr(suite, "measure_suite", measure)
    ended = in_process("compare", "--suite", cwd=tmp_path)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "compare-suite/index.html"), ended.stderr
    assert len(json.loads((tmp_path / "compare-suite" / "times.json").read_text())) == 4
    visit = Visit(browser, "file:///")
    visit.page.goto((tmp_path / "compare-suite" / "index.html").as_uri())
    assert "50.4 / 27.6 (1.83×)" in visit.page.inner_text("tbody tr:last-child")
    assert visit.page.locator(".bar-median").count() == 8
    assert all(visit.fits(width) for width in (390, 1280))
    assert visit.errors == []
    visit.page.click("tbody tr:last-child a")
    assert visit.page.inner_text("#speed-up") == "1.50×"
    visit.page.close()


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits_into_the_terminal(width: int, tmp_path: Path) -> None:
    printed = io.StringIO()
    show(a_comparison(tmp_path), Console(file=printed, width=width))
    table = [line for line in printed.getvalue().splitlines() if line.startswith("|")]
    assert max(map(len, table)) <= width
    assert "1.50×" in table[3] and "3 of 25 (≥ 44.1 dB)" in table[3]


def test_a_wide_spread_is_mentioned(tmp_path: Path) -> None:
    calm, other = a_comparison(tmp_path), a_comparison(tmp_path, 4.0)
    assert not any("Uncertain" in note for note in notes(calm))
    one = calm.measured[0]
    shaken = Measured(one.way, one.reports + other.measured[0].reports, one.video, None)
    found = list(notes(Comparison((shaken, calm.parallel), False)))
    assert "up to 1.3 times" in found[0]


# Real runs


@pytest.fixture(scope="module")
def made(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a comparison that was really run, of small videos, by a daemon in one process."""
    place = tmp_path_factory.mktemp("comparison")
    shutil.copytree(BUILT_IN_FOLDER / "presenter", place / "avatars" / "anna")
    models = {"gan": {}, "nogan": {}, "neural": {"engine": "wav2lip", "checkpoint": str(checkpoint)}}
    config = {**BRIEF_WAITS, "spool": ".", "executor": "threads", "models": models}
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    job = {"text": "One, two, three.", "language": "en", "voice": "hibari:heart", "avatar": "anna"}
    (place / "count.json").write_text(json.dumps({**job, "size": "64x64"}))
    ended = in_process("compare", "count.json", "--runs", "1", "--engines", "wav2lip", "--output", "out", cwd=place)
    assert ended.returncode == 0, ended.stderr
    assert "| sequential " in ended.stdout and "| parallel, engine wav2lip " in ended.stdout
    assert ended.stdout.endswith("out/index.html\n")
    yield place / "out"


@pytest.mark.slow
def test_a_real_comparison_has_equal_speech_and_a_speed_up(made: Path) -> None:
    times = json.loads((made / "times.json").read_text())
    one, other, neural = times["runs"]
    assert not times["is_recorded"]
    assert other["speed_up"] == pytest.approx(one["median_seconds"] / other["median_seconds"], abs=0.001)
    assert other["difference"]["least_psnr_db"] is None or other["difference"]["least_psnr_db"] > 35
    videos = [made / run["video"] for run in (one, other, neural)]
    assert len({equality.sound_hash(video, 60) for video in videos}) == 1
    assert neural["name"] == "engine-wav2lip"
    assert neural["difference"]["differing"] == neural["difference"]["frames"] > 20


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_page_plays_all_videos_in_step_without_other_files(made: Path, browser: Browser, tmp_path: Path) -> None:
    page = shutil.copy(made / "index.html", tmp_path)
    visit = Visit(browser, "file:///")
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.goto(Path(page).as_uri())
    visit.until("[...document.querySelectorAll('video')].every(video => video.readyState >= 3)")
    visit.page.click("#play")
    visit.until(f"Math.min(...{TIMES}) > 0.5")
    drifts = sorted(max(times) - min(times) for times in (visit.value(TIMES) for _ in range(20)))
    assert drifts[10] <= FRAME_SECONDS
    assert visit.value("[...document.querySelectorAll('video')].filter(video => !video.muted).length") == 1
    assert visit.page.locator("#timelines .gantt").count() == 3
    assert visit.page.inner_text("h1") == "One, two, three."
    assert [url for url in visit.requests if not url.startswith(("file:", "blob:", "data:"))] == []
    assert visit.errors == []
    assert all(visit.fits(width) for width in (390, 1280))
    visit.page.close()
