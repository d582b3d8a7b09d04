"""The stages as plain objects: no processes, no queues."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, FittedAvatar
from pipeline.config import Config, ProvenanceSettings, SignSettings
from pipeline.engines.base import Engine, SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel, at_rest
from pipeline.engines.settings import BuiltinSettings, ModelSettings, Wav2LipSettings
from pipeline.engines.wav2lip.engine import DEVICE_BATCH_FRAMES
from pipeline.errors import ConfigError, JobError, StageError
from pipeline.executors.base import WorkerSpec
from pipeline.media import encoder as encoding
from pipeline.media import ffmpeg, fragments, muxing, pcm, rate
from pipeline.media.encoder import SegmentEncoder
from pipeline.messages import (
    PCM_RATE_HZ,
    AlignItem,
    Chunk,
    Load,
    Mark,
    MergeItem,
    Piece,
    Segment,
    SoundItem,
    Speech,
    SplitItem,
    TtsItem,
    Video,
)
from pipeline.provenance import certificates, reading
from pipeline.speech.languages import ru
from pipeline.speech.voices import hibari
from pipeline.speech.voices.base import Utterance
from pipeline.speech.voices.catalogue import Voices
from pipeline.speech.voices.espeak import Espeak
from pipeline.stages import lipsync
from pipeline.stages.early_pieces import BATCH_FRAMES, shortened
from pipeline.stages.lipsync import FADE_FRAMES, LipSyncStage, cross_fade
from pipeline.stages.merge import MergeStage
from pipeline.stages.split import SplitStage
from pipeline.stages.tts import TtsStage
from tests.media import audio, frames, speech_like, streams, top_level_boxes, write_recording
from tests.members import slow

SIZE = (128, 128)
ENCODING = ("veryfast", rate.moving(25, 20))


def spec(config: Config | None = None, model: str = "gan") -> WorkerSpec:
    return WorkerSpec(f"{model}-0", "test", "", config or Config(), model=model)


def split(tmp_path: Path, seconds: float, **changes: object) -> list[Chunk]:
    write_recording(tmp_path / "in.wav", speech_like(seconds))
    item = SplitItem("job", Speech("job", tmp_path, tmp_path / "in.wav"), 25, "auto", None, "presenter", SIZE)
    stage = SplitStage(spec())
    stage.setup("cpu")
    return list(stage.process(replace(item, **changes)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stage() -> LipSyncStage:
    made = LipSyncStage(spec())
    made.setup("cpu")
    return made


def digests(stage: LipSyncStage, chunks: list[Chunk]) -> list[str]:
    """A hash of every frame, before encoding."""
    found = []
    for chunk in chunks:
        avatar = stage._avatars.load(chunk.avatar).fitted(chunk.size)
        for batch in stage._frames(chunk, avatar):
            found += [hashlib.sha256(frame.numpy().tobytes()).hexdigest() for frame in batch]
    return found


def cut(chunk: Chunk, edges: list[int]) -> list[Chunk]:
    """The same job cut into other chunks."""
    pairs = list(itertools.pairwise(edges))
    return [
        replace(chunk, index=index, count=len(pairs), start_frame=start, stop_frame=stop)
        for index, (start, stop) in enumerate(pairs)
    ]


# TTS


def test_the_time_of_every_sentence_is_known(tmp_path: Path) -> None:
    stage = TtsStage(spec())
    stage.setup("cpu")
    [speech] = stage.process(TtsItem("job", tmp_path, "Раз. Два! Три?", "ru", None, 1.0))
    assert [sentence.text for sentence in speech.sentences] == ["Раз.", "Два!", "Три?"]
    gaps = [b.start_seconds - a.end_seconds for a, b in zip(speech.sentences[:-1], speech.sentences[1:], strict=True)]
    assert gaps == pytest.approx([Config().tts.pause_seconds] * 2, abs=1e-3)
    assert speech.sentences[0].start_seconds == 0


class Quiet(Espeak):
    """A voice that reports nothing but its sound."""

    def speak(self, *told: Any, **named: Any) -> Utterance:
        spoken = super().speak(*told, **named)
        return Utterance(spoken.samples, spoken.sample_rate_hz)


ALIGNED = "There are 5 maps & books. My mother bought them in Paris."


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Speech:
    """A text as espeak speaks it."""
    stage = TtsStage(spec())
    stage.setup("cpu")
    [speech] = stage.process(TtsItem("job", tmp_path_factory.mktemp("told"), ALIGNED, "en", "espeak:en-us+m3", 1.0))
    return speech


def words(speech: Speech) -> list[str]:
    return [word.text for sentence in speech.sentences for word in sentence.words]


def late(speech: Speech, truth: Speech) -> list[float]:
    """How far the starts of the words are from the true ones, in seconds."""
    both = zip(*((word for s in one.sentences for word in s.words) for one in (speech, truth)), strict=True)
    return [abs(word.start_seconds - true.start_seconds) for word, true in both]


def test_what_a_voice_does_not_report_is_found_in_its_sound(
    told: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = TtsStage(spec())
    stage.setup("cpu")
    monkeypatch.setattr(stage, "_voice", lambda *wanted: (Quiet(), "en-us+m3"))
    [speech] = stage.process(TtsItem("job", tmp_path, ALIGNED, "en", None, 1.0))
    assert words(speech) == words(told)
    assert np.median(late(speech, told)) < 0.03
    assert speech.phonemes is not None


def aligned(told: Speech, folder: Path, text: str, language: str = "en") -> Speech:
    stage = TtsStage(spec())
    stage.setup("cpu")
    [speech] = stage.process(AlignItem("job", folder, told.audio, text, language))
    assert speech.voice is None
    return speech


def test_a_recording_is_aligned_with_its_text(told: Speech, tmp_path: Path) -> None:
    speech = aligned(told, tmp_path, ALIGNED)
    assert (
        words(speech)
        == words(told)
        == ["There", "are", "5", "maps &", "books.", "My", "mother", "bought", "them", "in", "Paris."]
    )
    assert np.median(late(speech, told)) < 0.03
    assert speech.notices == ()
    assert speech.phonemes is not None
    assert len(json.loads(speech.phonemes.read_text("utf-8"))) > 30


@pytest.mark.parametrize(
    ("text", "language", "told_that"),
    [
        ("Who would have thought? Nobody is here.", "en", ("transcript_mismatch", "does not say the text")),
        ("Something.", "tlh", ("transcript_unused", "does not speak 'tlh'")),
    ],
)
def test_a_text_that_cannot_be_found_is_told(
    told: Speech, tmp_path: Path, text: str, language: str, told_that: tuple[str, str]
) -> None:
    speech = aligned(told, tmp_path, text, language)
    [notice] = speech.notices
    assert (speech.sentences, speech.phonemes, notice.code) == ((), None, told_that[0])
    assert told_that[1] in notice.message


def test_without_espeak_a_text_is_not_aligned(told: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ConfigError("tts_missing", "the espeak-ng library is not installed", hint="pip install espeakng-loader")

    monkeypatch.setattr("pipeline.speech.alignment.aligner.Espeak", missing)
    [notice] = aligned(told, tmp_path, ALIGNED).notices
    assert (notice.code, notice.hint) == ("transcript_unused", "pip install espeakng-loader")


def test_voices_and_rules_are_loaded_before_they_are_needed() -> None:
    """The default language comes first. One that no voice speaks stops nothing."""
    tts = {"voices": {"en": "hibari:heart", "xx": None, "ru": "espeak:ru"}}
    stage = TtsStage(spec(Config.model_validate({"tts": tts})))
    stage.setup("cpu")
    hibari._model.cache_clear()
    ru._library.cache_clear()
    steps = stage.prepare()
    next(steps)
    assert (ru._library.cache_info().currsize, hibari._model.cache_info().currsize) == (1, 0)
    assert len(list(steps)) >= 3, "a task would wait for long"
    model, _ = hibari._model("heart")
    assert hibari._model.cache_info().hits == 2, "speaking would load it again"
    assert model._g2p is not None


def test_speech_over_the_limit_is_refused(tmp_path: Path) -> None:
    config = Config.model_validate({"limits": {"audio_seconds": 1}})
    stage = TtsStage(spec(config))
    stage.setup("cpu")
    with pytest.raises(JobError) as caught:
        list(stage.process(TtsItem("job", tmp_path, "Раз два три. " * 20, "ru", None, 1.0)))
    assert caught.value.code == "too_long"


@pytest.mark.parametrize(
    ("avatar", "named", "configured", "spoken"),
    [
        ("host", None, None, "espeak:ru"),
        ("presenter", None, None, "espeak:ru+f2"),
        ("host", "espeak:ru+f3", None, "espeak:ru+f3"),
        ("host", None, "espeak:ru+m3", "espeak:ru+m3"),
        ("host", None, "espeak:ru+f3", "espeak:ru"),
        ("mine", None, None, "espeak:ru+m5"),
        ("mine", None, "espeak:ru+f3", "espeak:ru+m5"),
        ("absent", None, "espeak:ru+f3", "espeak:ru+f3"),
        ("plain", None, None, "espeak:ru+f2"),
    ],
)
def test_an_avatar_speaks_with_its_own_voice(
    tmp_path: Path, *, avatar: str, named: str | None, configured: str | None, spoken: str
) -> None:
    """The job's voice wins, then the avatar's if it is installed, then the configured one."""
    own = {"mine": "voice: {ru: [rhvoice:nobody, espeak:ru+m5]}", "absent": "voice: rhvoice:nobody", "plain": ""}
    for name, settings in own.items():
        (tmp_path / "avatars" / name).mkdir(parents=True)
        (tmp_path / "avatars" / name / "avatar.yaml").write_text(settings)
    tts = {"backend": "espeak", "voices": {"ru": configured}}
    stage = TtsStage(spec(Config.model_validate({"tts": tts, "base": tmp_path})))
    stage.setup("cpu")
    [speech] = stage.process(TtsItem("job", tmp_path / "job", "Раз.", "ru", named, 1.0, avatar))
    assert speech.voice == spoken


def test_a_bad_voice_in_an_avatars_settings_fails_the_job(tmp_path: Path) -> None:
    (tmp_path / "avatars" / "mine").mkdir(parents=True)
    (tmp_path / "avatars" / "mine" / "avatar.yaml").write_text("voice: {Russian: male}")
    stage = TtsStage(spec(Config.model_validate({"base": tmp_path})))
    stage.setup("cpu")
    with pytest.raises(JobError) as caught:
        list(stage.process(TtsItem("job", tmp_path / "job", "Раз.", "ru", None, 1.0, "mine")))
    assert (caught.value.code, caught.value.field) == ("avatar", "avatar")
    assert "{ru: rhvoice:aleksandr, en: male}" in (caught.value.hint or "")


class Mute:
    """A back end that produces no speech."""

    name = "mute"

    def voices(self, language: str) -> list[str]:
        return ["mute"]

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        return Utterance(np.zeros(0, np.float32), 16_000)


def test_a_text_without_any_speech_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Voices, "choose", lambda *_: (Mute(), "mute"))
    stage = TtsStage(spec())
    stage.setup("cpu")
    with pytest.raises(JobError) as caught:
        list(stage.process(TtsItem("job", tmp_path, "Ы. Э.", "ru", None, 1.0)))
    assert (caught.value.code, caught.value.field) == ("no_speech", "text")


def test_a_stream_piece_without_any_speech_is_a_short_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Voices, "choose", lambda *_: (Mute(), "mute"))
    stage = TtsStage(spec())
    stage.setup("cpu")
    [speech] = stage.process(TtsItem("job", tmp_path, "Ы. Э.", "ru", None, 1.0, may_be_silent=True))
    assert (speech.sentences, speech.phonemes, speech.voice) == ((), None, "mute:mute")
    heard = audio(speech.audio)
    assert 0 < len(heard) < PCM_RATE_HZ / 2
    assert not heard.any()


# Split


@pytest.mark.parametrize(("seconds", "count"), [(0.3, 1), (9.99, 1), (10, 2), (31.37, 2), slow(95, 4)])
def test_the_timeline_is_exact(seconds: float, count: int, tmp_path: Path) -> None:
    chunks = split(tmp_path, seconds)
    timeline = chunks[0].timeline
    assert len(chunks) == count
    assert timeline.frames == round(round(seconds * 16_000) * 25 / 16_000)
    assert timeline.samples == timeline.frames * 640
    assert timeline.pcm.stat().st_size - 44 == timeline.samples * 2
    assert timeline.track.stat().st_size - 44 == timeline.samples * 6
    assert (chunks[0].start_frame, chunks[-1].stop_frame) == (0, timeline.frames)


@pytest.mark.parametrize(("own", "asked", "used"), [(1.3, None, 1.3), (1.3, 0.6, 0.6)])
def test_a_mouth_moves_as_far_as_the_job_or_else_the_avatar_says(
    own: float, asked: float | None, used: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "avatars" / "mine").mkdir(parents=True)
    shutil.copytree(BUILT_IN_FOLDER / "presenter", tmp_path / "avatars" / "mine", dirs_exist_ok=True)
    settings = tmp_path / "avatars" / "mine" / "avatar.yaml"
    settings.write_text(re.sub("articulation: .*", f"articulation: {own}", settings.read_text()))
    seen = []

    def track(_: MouthModel, speech: SpeechFeatures) -> NDArray[np.float32]:
        seen.append(speech.articulation)
        return at_rest(speech.frames)

    monkeypatch.setattr(MouthModel, "track", track)
    stage = LipSyncStage(spec(Config.model_validate({"base": tmp_path})))
    stage.setup("cpu")
    [chunk] = split(tmp_path, 0.3, articulation=asked)
    list(stage.process(replace(chunk, avatar="mine")))
    assert seen[1:] == [used]


def test_both_models_alternate_and_fade(tmp_path: Path) -> None:
    chunks = split(tmp_path, 61)
    assert [chunk.model for chunk in chunks] == ["gan", "nogan", "gan", "nogan"]
    assert [chunk.fade_from for chunk in chunks] == [None, "gan", "nogan", "gan"]
    assert all(chunk.mixed for chunk in chunks)


@pytest.mark.parametrize("model", ["gan", "nogan"])
def test_one_model_never_fades(model: str, tmp_path: Path) -> None:
    chunks = split(tmp_path, 31, model=model)
    assert {(chunk.model, chunk.fade_from, chunk.mixed) for chunk in chunks} == {(model, None, False)}


def test_the_pieces_of_a_text_have_one_model_and_fade_only_from_the_text_before(tmp_path: Path) -> None:
    write_recording(tmp_path / "in.wav", speech_like(4))
    speech = Speech("job", tmp_path, tmp_path / "in.wav", index=1)
    pieces = split(tmp_path, 4, speech=speech, mode="stream", piece=Piece(2, 40))
    assert [piece.index for piece in pieces] == [2, 3, 4]
    assert [piece.start_frame for piece in pieces] == [40, 75, 105]
    assert pieces[-1].stop_frame == pieces[-1].timeline.stop_frame == 140
    assert [(piece.model, piece.fade_from) for piece in pieces] == [("nogan", "gan"), ("nogan", None), ("nogan", None)]


@pytest.mark.parametrize("piece", [None, Piece(2, 40)])
def test_streams_are_cut_into_shorter_pieces_for_slow_workers(piece: Piece | None, tmp_path: Path) -> None:
    usual, short = (
        [(chunk.start_frame, chunk.stop_frame) for chunk in split(tmp_path, 12, mode="stream", piece=piece, **slow)]
        for slow in ({}, {"is_slow": True})
    )
    assert short == shortened(usual, 25)
    assert len(short) > len(usual)


def test_shorter_pieces_of_a_recording_change_neither_its_models_nor_where_they_fade(tmp_path: Path) -> None:
    usual, short = (split(tmp_path, 12, mode="stream", is_slow=is_slow) for is_slow in (False, True))
    assert {chunk.model for chunk in usual} == {"gan", "nogan"}
    models = [
        [chunk.model for chunk in chunks for _ in range(chunk.start_frame, chunk.stop_frame)]
        for chunks in (usual, short)
    ]
    assert models[0] == models[1]
    fades = [{chunk.start_frame: chunk.fade_from for chunk in chunks if chunk.fade_from} for chunks in (usual, short)]
    assert fades[0] == fades[1]
    assert len(fades[0]) == len(usual) - 1
    assert {chunk.count for chunk in short} == {len(short)}


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_a_scene_with_a_recording_is_cut_in_any_mode_alike_and_begins_without_a_fade(mode: str, tmp_path: Path) -> None:
    """Its silence is part of it, and the last chunk ends with it."""
    write_recording(tmp_path / "in.wav", speech_like(12))
    speech = Speech("job", tmp_path, tmp_path / "in.wav", index=1)
    piece, load = Piece(2, 40, begins_scene=True), Load((40, 0), last=0, share=None)
    changes = {"speech": speech, "mode": mode, "piece": piece, "load": load, "pause_seconds": 1.5}
    one, two = split(tmp_path, 12, model="both", **changes)
    assert (one.index, one.start_frame, two.index, two.stop_frame) == (2, 40, 3, 40 + 12 * 25 + 38)
    assert one.stop_frame == two.start_frame
    assert [(chunk.model, chunk.fade_from) for chunk in (one, two)] == [("nogan", None), ("gan", "nogan")]
    follows = split(tmp_path, 12, model="both", **{**changes, "piece": Piece(2, 40)})
    assert [chunk.fade_from for chunk in follows] == ["gan", "nogan"]
    sound = pcm.read_wav(one.timeline.track)
    assert len(sound) == one.timeline.frames * 1920
    assert not sound[12 * 48_000 :].any()


def test_a_recording_over_the_limit_is_refused(tmp_path: Path) -> None:
    write_recording(tmp_path / "in.wav", speech_like(3))
    stage = SplitStage(spec(Config.model_validate({"limits": {"audio_seconds": 2}})))
    item = SplitItem("job", Speech("job", tmp_path, tmp_path / "in.wav"), 25, "auto", None, "presenter", None)
    with pytest.raises(JobError) as caught:
        list(stage.process(item))
    assert (caught.value.code, caught.value.field) == ("too_long", "audio")


def test_a_recording_without_sound_is_refused(tmp_path: Path) -> None:
    write_recording(tmp_path / "in.wav", np.zeros(0, np.int16))
    item = SplitItem("job", Speech("job", tmp_path, tmp_path / "in.wav"), 25, "auto", None, "presenter", None)
    with pytest.raises(JobError) as caught:
        list(SplitStage(spec()).process(item))
    assert caught.value.code == "media"


# Lip-sync


def test_frames_do_not_depend_on_how_the_job_is_cut(stage: LipSyncStage, tmp_path: Path) -> None:
    [whole] = split(tmp_path, 4.2)
    assert whole.stop_frame == 105
    expected = digests(stage, [whole])
    assert len(set(expected)) > 50
    for edges in ([0, 50, 105], [0, 28, 50, 82, 105], [0, 5, 100, 105]):
        assert digests(stage, cut(whole, edges)) == expected


@pytest.mark.slow
def test_wav2lip_frames_do_not_depend_on_how_the_job_is_cut(tmp_path: Path, checkpoint: Path) -> None:
    model = Wav2LipSettings(checkpoint=str(checkpoint), silence_gate=True)
    stage = LipSyncStage(spec(Config(models={"gan": model})))
    stage.setup("cpu")
    [whole] = split(tmp_path, 0.6)
    expected = digests(stage, [whole])
    assert len(set(expected)) == 15
    for edges in ([0, 5, 15], [0, 8, 15]):
        assert digests(stage, cut(whole, edges)) == expected


def test_slow_workers_compute_no_batch_twice_that_could_be_cut_off_whole() -> None:
    assert DEVICE_BATCH_FRAMES["cpu"] == BATCH_FRAMES


class Flat:
    """A renderer of uniform frames."""

    def __init__(self, value: int) -> None:
        self.value = value

    def render(self, start_frame: int, stop_frame: int) -> list[torch.Tensor]:
        return [torch.full((stop_frame - start_frame, 6, 4), self.value, dtype=torch.uint8)]


def test_a_cross_fade_is_linear() -> None:
    faded = cross_fade(Flat(0), Flat(120), 0, FADE_FRAMES)  # type: ignore[arg-type]
    assert faded[:, 0, 0].tolist() == [20, 40, 60, 80, 100]


def wav2lip(checkpoint: str, silence_gate: bool = False) -> ModelSettings:
    return Wav2LipSettings(checkpoint=checkpoint, silence_gate=silence_gate)


@pytest.mark.parametrize(
    ("gan", "nogan", "values"),
    [
        (BuiltinSettings(silence_gate=True), BuiltinSettings(), [120, 120, 120, 120, 120, 120, 120]),
        (wav2lip("a.pth"), wav2lip("b.pth"), [20, 40, 60, 80, 100, 120, 120]),
        # In pauses, only one of them shows the avatar's own mouth.
        (wav2lip("a.pth", silence_gate=True), wav2lip("a.pth"), [20, 40, 60, 80, 100, 120, 120]),
        (wav2lip("a.pth"), wav2lip("a.pth"), [120, 120, 120, 120, 120, 120, 120]),
    ],
)
def test_chunks_fade_where_the_models_differ(
    gan: ModelSettings, nogan: ModelSettings, values: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FlatEngine:
        name = "flat"

        def __init__(self, value: int) -> None:
            self.value = value

        def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> Flat:
            return Flat(self.value)

    def load(model: str, *_: object) -> Engine:
        return FlatEngine({"gan": 0, "nogan": 120}[model])  # type: ignore[return-value]

    monkeypatch.setattr(lipsync, "load_engine", load)
    stage = LipSyncStage(spec(Config(models={"gan": gan, "nogan": nogan})))
    stage.setup("cpu")
    chunk = split(tmp_path, 12)[1]
    avatar = stage._avatars.load("presenter").fitted(SIZE)
    made = [int(frame[0, 0]) for batch in stage._frames(chunk, avatar) for frame in batch]
    assert made[:7] == values
    assert len(made) == chunk.stop_frame - chunk.start_frame


def test_the_encoder_runs_on_the_given_cores(tmp_path: Path) -> None:
    """Given a worker pinned to one core, like `worker_specs` pins it."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with SegmentEncoder(tmp_path / "a.mp4", SIZE, 25, *ENCODING, threads=1, cpus=cores) as encoder:
            assert os.sched_getaffinity(encoder._process.pid) == cores
            encoder.write(np.zeros((1, SIZE[1] * 3 // 2, SIZE[0]), np.uint8))
    finally:
        os.sched_setaffinity(0, cores)


# Merge


@pytest.fixture(scope="module")
def merge_item(tmp_path_factory: pytest.TempPathFactory, stage: LipSyncStage) -> MergeItem:
    """A rendered job of two chunks."""
    folder = tmp_path_factory.mktemp("job")
    chunks = split(folder, 10.4)
    results = [result for chunk in chunks for result in stage.process(chunk)]
    segments = tuple(result for result in results if isinstance(result, Segment))
    return MergeItem("job", folder, segments, chunks[0].timeline)


@pytest.fixture(scope="module")
def merged(merge_item: MergeItem, tmp_path_factory: pytest.TempPathFactory) -> Video:
    """The same, joined."""
    [video] = MergeStage(spec()).process(merge_item)
    kept = Path(shutil.copy(video.path, tmp_path_factory.mktemp("merged")))
    return replace(video, path=kept)


def test_joining_neither_adds_nor_loses_frames(merge_item: MergeItem, merged: Video) -> None:
    video = merged
    joined = frames(video.path, SIZE)
    parts = np.concatenate([frames(segment.path, SIZE) for segment in merge_item.segments])
    assert len(joined) == video.frames == 260
    assert np.array_equal(joined, parts)


def test_the_sound_is_the_same_if_it_was_encoded_before(merge_item: MergeItem, merged: Video, tmp_path: Path) -> None:
    """Each packet with its time and length, and what is hidden at the beginning and the end."""
    item = SoundItem("job", tmp_path, tuple(split(tmp_path, 10.4)))
    assert item.seconds == 10.4
    [sound] = MergeStage(spec()).process(item)
    assert np.array_equal(pcm.read_wav(sound.track), pcm.read_wav(merge_item.timeline.track))
    [video] = MergeStage(spec()).process(replace(merge_item, sound=sound))
    found, expected = (probed_sound(path) for path in (video.path, merged.path))
    assert len(found["packets"]) > 480
    assert found == expected
    assert video.bytes == merged.bytes


def probed_sound(video: Path) -> dict[str, Any]:
    argv = ["ffprobe", "-v", "error", "-select_streams", "a", "-show_packets", "-show_streams"]
    done = subprocess.run([*argv, "-show_data_hash", "md5", "-of", "json", video], capture_output=True, check=True)
    probed: dict[str, Any] = json.loads(done.stdout)
    for packet in probed["packets"]:
        del packet["pos"]  # where it is in the file
    return probed


def test_a_video_is_marked_and_signed_and_its_frames_are_the_same(merge_item: MergeItem, tmp_path: Path) -> None:
    made = certificates.make_local("Me", 9, certificates.utc_now())
    (tmp_path / "certificate.pem").write_bytes(made.chain)
    (tmp_path / "key.pem").write_bytes(made.key)
    sign = SignSettings(certificate="certificate.pem", key="key.pem")
    config = Config(provenance=ProvenanceSettings(sign=sign), base=tmp_path)
    [plain] = MergeStage(spec()).process(merge_item)
    assert reading.read(plain.path).statement is None
    before = frames(plain.path, SIZE)
    mark = Mark("compositeSynthetic", "lipdrop 0.1.0", "job", "2026-11-29T10:00:00.000Z")
    [video] = MergeStage(spec(config)).process(replace(merge_item, mark=mark))
    found = reading.read(video.path, made.authority.decode())
    assert (found.places, found.media) == (("xmp", "tags", "c2pa"), "unchanged")
    assert found.signature is not None
    assert found.signature.state == "trusted"
    assert video.sha256 == hashlib.sha256(video.path.read_bytes()).hexdigest()
    assert video.bytes == video.path.stat().st_size
    assert np.array_equal(frames(video.path, SIZE), before)


def test_a_still_picture_does_not_pulse_at_keyframes(merge_item: MergeItem) -> None:
    """With a keyframe every two seconds, as good as its neighbours, the joint changes it by 1.1 grey levels."""
    parts = [frames(segment.path, SIZE)[:, : SIZE[1] // 3].astype(np.int16) for segment in merge_item.segments]
    changes = np.abs(np.diff(np.concatenate(parts), axis=0)).mean((1, 2))
    assert changes.max() < 0.8
    assert [keyframes(segment.path) for segment in merge_item.segments] == [[0], [0]]


def keyframes(path: Path) -> list[int]:
    """The numbers of a segment's keyframes."""
    samples = fragments.read_video(path, 3600).samples
    return [number for number, sample in enumerate(samples) if sample.flags == fragments.KEYFRAME_FLAGS]


def test_still_pictures_of_any_length_can_be_joined(tmp_path: Path) -> None:
    parameters = set()
    for count, expected in ((2, [0]), (26, [0]), (501, [0, 167, 334])):
        path, options = tmp_path / f"{count}.mp4", rate.still(count, 25, 20, "veryfast", gop_seconds=10, followed=True)
        with SegmentEncoder(path, (32, 32), 25, "ultrafast", options, threads=1) as encoder:
            encoder.write(np.full((count, 48, 32), 128, np.uint8))
        video = fragments.read_video(path, 3600)
        assert len(video.samples) == count
        assert keyframes(path) == expected
        parameters.add(video.parameters)
    assert len(parameters) == 1


def test_what_stands_still_is_the_same_in_every_keyframe_of_a_video(tmp_path: Path) -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (96, 64), np.uint8), (0, 0), 2)
    shown = []
    for number, count in enumerate((75, 20, 41)):
        path = tmp_path / f"{number}.mp4"
        options = rate.still(count, 25, 20, "veryfast", gop_seconds=1, followed=True, usual_seconds=1)
        with SegmentEncoder(path, (64, 64), 25, "veryfast", options, threads=1) as encoder:
            encoder.write(np.stack([picture] * count))
        frames = ffmpeg.source(path, ffmpeg.OUR_FORMATS)
        decoded = ffmpeg.pictures(frames, (64, 64), timeout_seconds=60)
        shown += [decoded[frame] for frame in keyframes(path)]
    assert len(shown) == 3 + 1 + 2
    assert all(np.array_equal(keyframe, shown[0]) for keyframe in shown)


def test_a_video_has_its_index_first_and_names_its_colours(merge_item: MergeItem, merged: Video) -> None:
    video = merged
    boxes = top_level_boxes(video.path)
    assert boxes.index("moov") < boxes.index("mdat")
    for path in (video.path, merge_item.segments[0].path):
        picture = streams(path)["video"]
        tags = [picture.get(key) for key in ("color_space", "color_transfer", "color_primaries", "color_range")]
        assert tags == ["bt709", "bt709", "bt709", "tv"]
        assert picture["pix_fmt"] == "yuv420p"


def test_a_video_that_differs_from_its_plan_is_refused(merge_item: MergeItem) -> None:
    short = replace(merge_item, segments=merge_item.segments[:1])
    with pytest.raises(StageError) as caught:
        list(MergeStage(spec()).process(short))
    assert caught.value.code == "merge_check"
    assert caught.value.hint


def test_an_encoder_that_cannot_write_says_why(tmp_path: Path) -> None:
    black = np.zeros((1, SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
    with pytest.raises(StageError) as caught:  # noqa: SIM117
        with SegmentEncoder(tmp_path / "gone" / "a.mp4", SIZE, 25, *ENCODING, threads=1) as encoder:
            encoder.write(black)
    assert caught.value.code == "encoder"
    assert "No such file" in caught.value.message
    assert caught.value.hint


def test_an_encoder_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "WAIT_SECONDS", 0.2)
    with pytest.raises(StageError) as caught:  # noqa: SIM117
        with SegmentEncoder(tmp_path / "a.mp4", SIZE, 25, *ENCODING, threads=1) as encoder:
            encoder.write(np.zeros((1, SIZE[1] * 3 // 2, SIZE[0]), np.uint8))
            os.kill(encoder._process.pid, signal.SIGSTOP)
    assert caught.value.code == "encoder"
    assert caught.value.hint
    assert encoder._process.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"frames": 259}, {"size": (64, 64)}, {"seconds": 10.398}])
def test_the_check_detects_each_deviation(wrong: dict[str, object], merged: Video) -> None:
    plan = {"frames": 260, "fps": 25, "size": SIZE, "seconds": 10.4}
    muxing.verify(merged.path, **plan)  # type: ignore[arg-type]
    with pytest.raises(StageError):
        muxing.verify(merged.path, **(plan | wrong))  # type: ignore[arg-type]
