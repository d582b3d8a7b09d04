"""Jobs with scenes: several avatars and voices in one video."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.outputs.captions import cues_of
from daemon.outputs.report import DoneReport, read_report
from daemon.scheduling.estimates import estimate
from daemon.scheduling.flow import Flow
from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.pace import Pace
from pipeline.avatars import Avatars
from pipeline.config import Config, LimitsSettings
from pipeline.errors import ErrorReport, JobError, all_errors
from pipeline.job import Job, Outline, job_warnings, parse_job
from pipeline.messages import (
    AlignItem,
    Chunk,
    Item,
    Load,
    Origin,
    Piece,
    Sentence,
    SoundItem,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)
from tests.media import audio, frames, speech_like, streams, write_recording
from tests.running import ONE_WORKER, ROOT, RunningDaemon, until

AVATARS = ("host", "presenter")
SIZE = (64, 64)
TWO: list[dict[str, Any]] = [{"text": "One.", "avatar": "presenter"}, {"text": "Two.", "avatar": "host"}]


def mistakes(scenes: object, config: Config | None = None, **keys: object) -> list[tuple[str, str | None]]:
    """The codes and fields of what is wrong with a job."""
    try:
        parse_job(json.dumps({"scenes": scenes, **keys}).encode(), config or Config(), AVATARS)
    except JobError as error:
        return [(one.code, one.field) for one in all_errors(error)]
    return []


@pytest.mark.parametrize(
    ("scenes", "keys", "expected"),
    [
        (TWO, {}, []),
        ([{"text": "a"}, {"audio": "b.wav"}, {"audio": "b.wav", "text": "a"}], {}, []),
        ([], {}, [("range", "scenes")]),
        ({"text": "a"}, {}, [("type", "scenes")]),
        (["a", 1, None], {}, [("type", f"scenes.{index}") for index in range(3)]),
        ([{"avatar": "host"}], {}, [("missing", "scenes.0.text")]),
        ([{"text": "a"}, {"text": 5}], {}, [("type", "scenes.1.text")]),
        ([{"text": "..."}], {}, [("no_speech", "scenes.0.text")]),
        ([{"text": "[pause 99] a"}], {}, [("range", "scenes.0.text")]),
        ([{"text": "a", "pause_seconds": 11}], {}, [("range", "scenes.0.pause_seconds")]),
        ([{"text": "a", "lexicon": {"a": {"say": 1}}}], {}, [("type", "scenes.0.lexicon.a.say")]),
        ([{"text": "a", "mode": "stream"}], {}, [("unknown_field", "scenes.0.mode")]),
        ([{"text": "a", "scenes": []}], {}, [("unknown_field", "scenes.0.scenes")]),
        (TWO, {"text": "a"}, [("scenes", "text")]),
        (TWO, {"audio": "a.wav"}, [("scenes", "audio")]),
        (TWO, {"pause_seconds": 1}, [("unknown_field", "pause_seconds")]),
        (TWO, {"mode": "stream", "keep_open": True}, [("keep_open", "keep_open")]),
        ([*TWO, {"audio": "a.wav"}], {"mode": "stream"}, [("scenes", "mode")]),
        ([{"text": "a"}] * 51, {}, [("too_long", "scenes")]),
        ([{"text": "a"}] * 501, {}, [("too_long", "scenes")]),
        ([{"text": "a" * 10_001}] * 2, {}, [("too_long", "scenes")]),
    ],
)
def test_what_is_wrong_names_the_scene(
    scenes: object, keys: dict[str, object], expected: list[tuple[str, str | None]]
) -> None:
    assert mistakes(scenes, None, **keys) == expected


def test_everything_that_is_wrong_is_said_at_once() -> None:
    scenes = [{"text": "a", "avatar": "hast"}, {"avatr": "host", "speed": 9}, 3, {"text": "a", "voice": ""}]
    assert sorted(mistakes(scenes, fps=7), key=str) == sorted(
        [
            ("avatar", "scenes.0.avatar"),
            ("unknown_field", "scenes.1.avatr"),
            ("range", "scenes.1.speed"),
            ("missing", "scenes.1.text"),
            ("type", "scenes.2"),
            ("range", "scenes.3.voice"),
            ("range", "fps"),
        ],
        key=str,
    )


def test_hints_are_those_of_a_job() -> None:
    with pytest.raises(JobError) as refused:
        parse_job(b'{"scenes": [{"text": "a", "avatar": "hast"}, {"text": "a", "speed": "2"}]}', Config(), AVATARS)
    hints = {one.field: one.hint for one in all_errors(refused.value)}
    assert hints["scenes.0.avatar"] == "did you mean 'host'?"
    assert hints["scenes.1.speed"] == 'write 2 without quotes, like "speed": 2'


def test_the_example_is_a_job() -> None:
    job = parse_job((ROOT / "examples" / "dialogue.json").read_bytes(), Config(), AVATARS)
    assert [part.avatar for part in job.parts] == ["presenter", "host", "presenter"]


def test_thousands_of_scenes_are_refused_at_once() -> None:
    """The file may be 64 KiB long; the configuration may lower the limit."""
    assert mistakes([0] * 20_000) == [("too_long", "scenes")]
    assert mistakes([{"text": "a"}] * 3, Config(limits=LimitsSettings(scenes=2))) == [("too_long", "scenes")]


def test_what_a_scene_leaves_out_is_as_the_job_says() -> None:
    scenes = [{"text": "a"}, {"text": "b", "avatar": "host", "speed": 2.0, "lexicon": {"b": "be"}}]
    job = Job.model_validate({"scenes": scenes, "avatar": "presenter", "voice": "x", "lexicon": {"a": "ay"}})
    one, two = job.parts
    assert (one.text, one.avatar, one.voice, one.speed, list(one.lexicon)) == ("a", "presenter", "x", 1.0, ["a"])
    assert (two.text, two.avatar, two.voice, two.speed, list(two.lexicon)) == ("b", "host", "x", 2.0, ["a", "b"])
    assert Job(text="a").parts == (Job(text="a"),)


def test_warnings_name_the_scene() -> None:
    job = Job.model_validate({"scenes": [{"text": "Ну что [pause x]"}, {"text": "Hello there, my friends."}]})
    found = {warning.code: warning.message for warning in job_warnings(job, Config())}
    assert found["text_mark"].startswith("scenes.0: ")
    assert found["default_language"].startswith("scenes.1: ")


def test_an_estimate_adds_the_scenes_up() -> None:
    job = Job.model_validate({"scenes": [{"text": "a" * 30}, {"text": "a" * 60, "speed": 2.0}]})
    found = estimate(Pace(), Outline.of(job), Config())
    assert found is not None
    assert found.video_seconds == pytest.approx(4.0)
    assert Outline.of(Job.model_validate({"scenes": [{"text": "a"}, {"audio": "b.wav"}]})).characters is None


# The flow


def made(folder: Path, scenes: Sequence[Mapping[str, object]], **keys: object) -> Flow:
    job = Job.model_validate({"scenes": list(scenes), **keys})
    recordings = {audio: folder / audio for audio in job.recordings}
    return make_flow(
        "job", job, folder=folder, recordings=recordings, config=Config(), journal=Journal(folder, "mark", 0.0)
    )


def spoken(item: Item) -> Speech:
    assert isinstance(item, (TtsItem, AlignItem))
    said = (Sentence(item.text, 0.0, 1.0),)
    if isinstance(item, AlignItem):
        return Speech(item.job, item.folder, item.audio, sentences=said, index=item.index)
    return Speech(item.job, item.folder, item.folder / "speech.wav", "a:b", said, index=item.index)


def cut(item: SplitItem, frames: int = 25) -> Chunk:
    """The only chunk of a text."""
    assert item.piece is not None
    path, span = item.speech.folder, Span(0.0, 1.0)
    timeline = Timeline(
        samples=frames * 640,
        frames=frames,
        unseen=(),
        fps=25,
        mode=item.mode,
        pcm=path,
        track=path,
        mel=path,
        convert=span,
        split=span,
        first_frame=item.piece.first_frame,
        speech_index=item.speech.index,
        size=(720, 640),
    )
    return Chunk(
        job=item.job,
        folder=path,
        index=item.index,
        count=None,
        start_frame=item.piece.first_frame,
        stop_frame=item.piece.first_frame + frames,
        model="gan",
        mixed=False,
        fade_from=None,
        avatar=item.avatar,
        size=item.size,
        phonemes=None,
        timeline=timeline,
    )


def test_each_scene_is_spoken_by_its_own_voice_and_pauses_as_it_asks(tmp_path: Path) -> None:
    scenes: list[dict[str, Any]] = [
        {"text": "One.", "voice": "x", "language": "en"},
        {"text": "Two.", "avatar": "host", "pause_seconds": 2.0},
    ]
    items = made(tmp_path, scenes).begin()
    assert all(isinstance(item, TtsItem) and not item.may_be_silent for item in items)
    facts = [(i.text, i.voice, i.language, i.avatar, i.pause_seconds) for i in items if isinstance(i, TtsItem)]
    pause = Config().tts.pause_seconds
    assert facts == [("One.", "x", "en", "presenter", pause), ("Two.", None, "ru", "host", 2.0)]


def test_all_frames_are_as_large_as_those_of_the_first_avatar(tmp_path: Path) -> None:
    """A recording without a text is spoken already; its scene follows once the one before it is cut."""
    scenes: list[dict[str, Any]] = [*TWO, {"audio": "a.wav", "pause_seconds": 0.5}]
    flow = made(tmp_path, scenes)
    first, second = flow.begin()
    assert flow.accept(spoken(second)) == []
    (split,) = flow.accept(spoken(first))
    sizes = []
    for begins in (True, True, True):
        assert isinstance(split, SplitItem) and split.piece is not None
        sizes.append((split.avatar, split.size, split.avatars, split.pause_seconds, split.piece.first_frame))
        assert split.piece.begins_scene is begins
        *_, split = flow.accept(cut(split))
    both = ("presenter", "host")
    assert sizes == [
        ("presenter", None, both, 0.0, 0),
        ("host", (720, 640), both, 0.0, 25),
        ("presenter", (720, 640), both, 0.5, 50),
    ]


def test_each_text_is_cut_by_what_the_workers_have_got_before(tmp_path: Path) -> None:
    """And by how much more will be said, which is not known of recordings. A slow text counts twice."""
    scenes: list[dict[str, Any]] = [{"text": "One.", "speed": 0.5}, {"text": "Two."}, {"text": "Three..."}]
    loads = []
    for folder, last in (("texts", {"text": "Four"}), ("recording", {"audio": "a.wav"})):
        (tmp_path / folder).mkdir()
        flow = made(tmp_path / folder, [*scenes, last])
        items = [item for spoke in flow.begin() if isinstance(spoke, TtsItem) for item in flow.accept(spoken(spoke))]
        while items and isinstance(item := items[-1], SplitItem):
            chunk = cut(item, frames=10 * (item.speech.index + 1))
            parts = [replace(chunk, stop_frame=chunk.start_frame + 5), replace(chunk, index=chunk.index + 1, lane=1)]
            parts[1] = replace(parts[1], start_frame=parts[0].stop_frame)
            loads.append(item.load)
            items = [following for part in parts for following in flow.accept(part)]
        assert isinstance(sound := items[-1], SoundItem)
        assert [chunk.index for chunk in sound.chunks] == list(range(8))
    known = [8 / 24, 12 / 24, 20 / 24, 1.0]
    before = [((0, 0), -1), ((5, 5), 1), ((10, 20), 1), ((15, 45), 1)]
    assert loads[:4] == [Load(*had, share) for had, share in zip(before, known, strict=True)]
    assert loads[4:] == [Load(*had, share) for had, share in zip(before, (None, None, None, 1.0), strict=True)]


def test_a_recording_with_its_text_is_aligned_and_one_file_serves_several_scenes(tmp_path: Path) -> None:
    scenes = [{"audio": "a.wav", "text": "One.", "language": "en"}, {"audio": "b.wav"}, {"audio": "a.wav"}]
    flow = made(tmp_path, scenes)
    (item,) = flow.begin()
    assert isinstance(item, AlignItem)
    assert (item.audio, item.text, item.language, item.index) == (tmp_path / "a.wav", "One.", "en", 0)
    assert item.folder == tmp_path / "piece-000"
    assert flow.job.recordings == ("a.wav", "b.wav")
    (split,) = flow.accept(spoken(item))
    heard = []
    while isinstance(split, SplitItem):
        heard.append((split.speech.audio.name, split.speech.folder.name))
        *_, split = flow.accept(cut(split))
    assert heard == [("a.wav", "piece-000"), ("b.wav", "piece-001"), ("a.wav", "piece-002")]


def test_a_scene_without_speech_is_an_error_even_if_others_speak(tmp_path: Path) -> None:
    long = " ".join(f"Предложение номер {number} ни о чём, и так далее." for number in range(20))
    flow = made(tmp_path, [{"text": "Раз."}, {"text": long}])
    items = flow.begin()
    results = [spoken(item) for item in items]
    silent = [results[0], *(Speech(r.job, r.folder, r.audio, r.voice, index=r.index) for r in results[1:])]
    *_, last = [item for result in silent for item in flow.accept(result) if isinstance(item, TtsItem)]
    assert isinstance(last, TtsItem)
    assert not last.may_be_silent


def test_errors_of_stages_name_the_scene(tmp_path: Path) -> None:
    flow = made(tmp_path, TWO)
    first, second = flow.begin()
    (split,) = flow.accept(spoken(first))
    no_speech = ErrorReport("no_speech", "", field="text")
    assert flow.located(second, no_speech).field == "scenes.1.text"
    assert flow.located(split, ErrorReport("no_face", "", field="avatar")).field == "scenes.0.avatar"
    assert flow.located(split, ErrorReport("segment", "")).field is None
    assert (
        make_flow(
            "job",
            Job(text="a"),
            folder=tmp_path,
            recordings={},
            config=Config(),
            journal=Journal(tmp_path, "mark", 0.0),
        ).located(second, no_speech)
        == no_speech
    )


def test_the_origin_of_all_avatars_counts() -> None:
    drawn, photo, film = Origin("drawn"), Origin("picture", "Anna agrees"), Origin("video", "Bob agrees")
    assert Origin.of_all([drawn]) == drawn
    assert Origin.of_all([drawn, photo, photo]) == photo
    assert Origin.of_all([photo, film, drawn]) == Origin("video", "Anna agrees; Bob agrees")
    assert Piece(0, 0).begins_scene is False


# The daemon

LETTERS = "abc"
SCRIPT = """#!/bin/sh
letter=$(head -c 1 | tr A-Z a-z)
while [ "$letter" = c ] && [ ! -e go ]; do sleep 0.05; done
cat $letter.wav
"""
SCENES: list[dict[str, Any]] = [
    {"text": "A is said here.", "avatar": "presenter"},
    {"text": "B is said here.", "avatar": "sway", "pause_seconds": 0.4},
    {"audio": "said.wav", "avatar": "host"},
    {"text": "C is said here.", "avatar": "presenter"},
]


def facts(timing: dict[str, Any]) -> dict[str, Any]:
    """What of a timing JSON does not depend on the clock or the name."""
    ends = [(chunk["start_seconds"], chunk["end_seconds"]) for chunk in timing["chunks"]]
    video = {key: value for key, value in timing["video"].items() if key != "file"}
    return {"video": video, "chunks": ends} | {key: timing[key] for key in ("audio", "scenes", "sentences")}


def nearest(frame: NDArray[np.uint8], looks: dict[str, NDArray[np.float64]]) -> str:
    """The avatar that a frame shows."""
    return min(looks, key=lambda name: float(np.abs(frame - looks[name]).mean()))


@pytest.mark.slow
def test_scenes_become_one_video_whatever_happens(sway: Path, tmp_path: Path) -> None:
    """Pictures, a video avatar and a recording; the daemon is killed, and the same is made without that, and streamed.

    Frames on both sides of each cut show the right avatar, and nothing depends on the mode: the same file, bit for bit.
    """
    for at, letter in enumerate(LETTERS):
        write_recording(tmp_path / f"{letter}.wav", speech_like(0.9 + at / 10))
    (tmp_path / "speak").write_text(SCRIPT)
    (tmp_path / "speak").chmod(0o755)
    (tmp_path / "avatars" / "sway").mkdir(parents=True)
    shutil.copy(sway, tmp_path / "avatars" / "sway")
    voice = {"backend": "command", "command": {"argv": ["./speak"]}}
    settings = {"executor": "threads", **ONE_WORKER, "tts_workers": 2, "tts": voice, "language": "en"}
    settings["provenance"] = {"mark": False}
    job = {"scenes": SCENES, "model": "gan", "size": "64x64", "captions": True}
    with RunningDaemon(tmp_path, **settings) as daemon:
        (tmp_path / "inbox").mkdir()
        write_recording(tmp_path / "inbox" / "said.wav", speech_like(1.23))
        daemon.start().ready()
        daemon.drop("torn", **job, mode="parallel")
        journal = tmp_path / "work" / "torn" / "journal"
        until(lambda: (journal.exists() and journal.read_bytes().count(b'"kind": "Segment"') > 1) or None, "segment")
        daemon.restarted()
        (tmp_path / "go").touch()
        torn = daemon.ending("torn")
        assert torn["status"] == "done", torn
        daemon.drop("calm", **job, mode="sequential")
        calm = daemon.ending("calm")
        daemon.drop("calm", **job, mode="sequential")
        until(lambda: daemon.ending("calm")["cached"] or None, "the same again")
        daemon.drop("played", **{**job, "scenes": [*SCENES[:2], SCENES[3]]}, mode="stream")
        played = daemon.ending("played")
        video = daemon.video("torn")
    assert (torn["mode"], calm["mode"]) == ("parallel", "sequential")
    assert facts(torn) == facts(calm)
    rendered = [run["index"] for run in torn["runs"] if run["stage"] == "lipsync"]
    assert [rendered.count(index) for index in (0, 1)] == [1, 1], "what was finished is not made again"
    check_lengths(torn, video)
    check_cuts(torn, video, tmp_path)
    check_captions(torn)
    assert [scene["avatar"]["name"] for scene in played["scenes"]] == ["presenter", "sway", "presenter"]
    assert played["mode"] == "stream"
    assert sum(scene["frames"] for scene in played["scenes"]) == played["video"]["frames"]


def check_lengths(timing: dict[str, Any], video: Path) -> None:
    """Picture and sound are equally long, and the scenes fill them; speech is followed by the silence asked for."""
    scenes, found = timing["scenes"], streams(video)
    assert scenes[0]["start_seconds"] == 0
    assert all(before["end_seconds"] == after["start_seconds"] for before, after in pairwise(scenes))
    assert int(found["video"]["nb_read_packets"]) == timing["video"]["frames"] == sum(s["frames"] for s in scenes)
    assert float(found["audio"]["duration"]) == pytest.approx(timing["video"]["frames"] / 25, abs=0.001)
    pause = Config().tts.pause_seconds
    seconds = [0.9 + pause, 1.0 + 0.4, 1.23, 1.1]
    for scene, expected in zip(scenes, seconds, strict=True):
        assert 0 <= scene["frames"] / 25 - expected < 0.041
    assert [scene["voice"] is None for scene in scenes] == [False, False, True, False]
    sound, said = audio(video), audio(video.parent.parent / "inbox" / "said.wav")
    start = round(scenes[2]["start_seconds"] * 16_000)
    lag = int(np.argmax(np.correlate(sound[start - 400 : start + 8400].astype(float), said[:8000].astype(float))))
    assert abs(lag - 400) <= 40


def check_cuts(timing: dict[str, Any], video: Path, spool: Path) -> None:
    """Each scene shows its avatar from its first frame to its last."""
    avatars = Avatars(Config(base=spool, spool="."))
    picture = frames(video, SIZE).astype(np.float64)
    middles = {s["avatar"]["name"]: s["first_frame"] + s["frames"] // 2 for s in timing["scenes"]}
    looks = {name: picture[frame] for name, frame in middles.items()}
    still = avatars.fitted("host", SIZE).scene.regions(np.zeros(1, np.intp), np.zeros((1, 2), np.intp), SIZE)[0]
    assert nearest(still.mean(2), looks) == "host"
    for scene in timing["scenes"]:
        for frame in (scene["first_frame"], scene["first_frame"] + scene["frames"] - 1):
            assert nearest(picture[frame], looks) == scene["avatar"]["name"]


def check_captions(timing: dict[str, Any]) -> None:
    """One after the other, each within its scene."""
    report = read_report(json.dumps(timing).encode())
    assert isinstance(report, DoneReport)
    shown = cues_of(report)
    assert [cue.text for cue in shown] == [scene["text"] for scene in SCENES if "text" in scene]
    assert [sentence.scene for sentence in report.sentences] == [0, 1, 3]
    for cue, sentence in zip(shown, report.sentences, strict=True):
        assert report.scenes is not None and sentence.scene is not None
        scene = report.scenes[sentence.scene]
        assert scene.start_seconds <= cue.start_seconds < cue.end_seconds <= scene.end_seconds
