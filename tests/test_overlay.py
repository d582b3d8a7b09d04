"""Texts in the picture: what libass draws, looked at pixel by pixel."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import Config, load_config
from pipeline.errors import ConfigError, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job, parse_job
from pipeline.media import ffmpeg
from pipeline.media.encoder import Overlay, SegmentEncoder
from pipeline.messages import Chunk, Label, Piece, Sentence, Speech, SplitItem, Word
from pipeline.overlay import fonts
from pipeline.overlay.document import Captions, document, line_characters, margins
from pipeline.overlay.settings import TEXTS, CaptionStyle, LabelSettings
from pipeline.speech.cues import cues
from pipeline.stages.split import SplitStage
from tests.media import frames, speech_like, write_recording
from tests.members import members, slow

LUMA, GREY = 100, 98
"""As it is encoded in limited range, and as it is decoded."""
NOISE = 3
LOSSLESS: dict[str, int | str] = {"qp": 0, "g": 250}


def drawn(folder: Path, size: tuple[int, int], text: str, frames_shown: range, *, fps: int = 25) -> NDArray[np.uint8]:
    """Grey frames of a job with a document drawn over them: [n, height, width]."""
    (folder / "overlay.ass").write_text(text, "utf-8")
    overlay, path = Overlay(folder / "overlay.ass", fonts.FOLDER, frames_shown.start), folder / "segment.mp4"
    with SegmentEncoder(path, size, fps, "ultrafast", LOSSLESS, threads=1, overlay=overlay) as encoder:
        grey = np.full((len(frames_shown), size[1] * 3 // 2, size[0]), LUMA, np.uint8)
        grey[:, size[1] :] = 128
        encoder.write(grey)
    return frames(path, size)


def where(frame: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """The box around everything drawn, in parts of the frame: left, top, right, bottom."""
    rows, columns = np.nonzero(np.abs(frame.astype(int) - GREY) > 20)
    height, width = frame.shape
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


SIZES = ((1280, 720), (720, 720), (480, 854), (320, 180), (128, 128))
LANGUAGES = ("ru", "kk", "en")


@pytest.mark.parametrize(
    ("size", "language"),
    members(product(SIZES, LANGUAGES), *zip(SIZES, cycle(LANGUAGES), strict=False)),
)
def test_a_label_is_legible_and_inside_its_safe_area(size: tuple[int, int], language: str, tmp_path: Path) -> None:
    label = LabelSettings(show="corner", place="bottom-right").label(language)
    assert label is not None
    assert label.text == TEXTS[language]
    [frame] = drawn(tmp_path, size, document(size, label), range(1))
    assert frame.max() > 220
    assert frame.min() < 40
    left, top, right, bottom = where(frame)
    free = margins(size)
    slack = 4 / min(size)
    assert left >= free.left / size[0] - slack
    assert right <= 1 - free.right / size[0] + slack
    assert bottom <= 1 - free.bottom / size[1] + slack
    assert (bottom - top) * size[1] >= 11
    assert (right + left) / 2 > 0.5 or size[0] < 200


@pytest.mark.parametrize(
    ("place", "x", "y"), [("top-left", 0, 0), ("top-right", 1, 0), ("bottom-left", 0, 1), ("bottom-right", 1, 1)]
)
def test_a_label_is_where_it_is_wanted(place: str, x: int, y: int, tmp_path: Path) -> None:
    [frame] = drawn(tmp_path, (640, 360), document((640, 360), Label("AI", place, None)), range(1))
    left, top, right, bottom = where(frame)
    assert ((left + right) / 2 > 0.5, (top + bottom) / 2 > 0.5) == (x == 1, y == 1)


def test_a_vertical_video_keeps_free_what_phones_cover() -> None:
    free = margins((1080, 1920))
    assert (free.bottom >= 0.2 * 1920, free.right >= 0.1 * 1080, free.top >= 0.1 * 1920) == (True, True, True)


@pytest.mark.parametrize("fps", members([24, 25, 30, 50, 60], 25, 60))
def test_an_intro_is_shown_for_its_time_in_whichever_chunk(fps: int, tmp_path: Path) -> None:
    """Frames equal those of other chunks, bit for bit."""
    text = document((128, 128), Label("AI", "top-left", 1.0))
    whole = drawn(tmp_path, (128, 128), text, range(2 * fps), fps=fps)
    shown = [bool((np.abs(frame.astype(int) - GREY) > NOISE).any()) for frame in whole]
    assert shown == [True] * shown.index(False) + [False] * (2 * fps - shown.index(False))
    assert abs(shown.index(False) - fps) <= 1
    cut = fps - 3
    parts = [drawn(tmp_path, (128, 128), text, part, fps=fps) for part in (range(cut), range(cut, 2 * fps))]
    assert np.array_equal(np.concatenate(parts), whole)


def test_commands_of_libass_in_a_label_are_text(tmp_path: Path) -> None:
    size = (640, 360)
    plain = where(drawn(tmp_path, size, document(size, Label("aNb", "top-left", None)), range(1))[0])
    for text in ("{\\an3}a", "a\\Nb", "\\fs200", "a{b}"):
        found = where(drawn(tmp_path, size, document(size, Label(text, "top-left", None)), range(1))[0])
        assert found[3] == pytest.approx(plain[3], abs=0.03), "one line, at the top"
        assert found[2] > 0.08


def test_nothing_is_drawn_and_no_filter_runs_without_a_label(tmp_path: Path) -> None:
    with SegmentEncoder(tmp_path / "a.mp4", (64, 64), 25, "ultrafast", LOSSLESS, threads=1) as encoder:
        assert "ass" not in " ".join(map(str, encoder._process.args))  # type: ignore[arg-type]
        encoder.write(np.full((1, 96, 64), LUMA, np.uint8))
    assert (np.abs(frames(tmp_path / "a.mp4", (64, 64)).astype(int) - GREY) <= NOISE).all()


def test_paths_with_special_characters_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a]: folder, with=100%;"
    folder.mkdir()
    assert drawn(folder, (64, 64), document((64, 64), Label("AI", "top-left", None)), range(1)).max() > 200


def speech(folder: Path, text: str) -> SplitItem:
    """A job of one sentence of two seconds, and a recording of noise."""
    write_recording(folder / "in.wav", speech_like(2))
    words = text.split()
    times = [2 * number / max(1, len(words)) for number in range(len(words) + 1)]
    sentence = Sentence(text, 0.0, 2.0, tuple(map(Word, words, times, times[1:])))
    said = Speech("job", folder, folder / "in.wav", sentences=(sentence,) if text else ())
    return SplitItem("job", said, 25, "auto", None, "presenter", (128, 128))


def split(folder: Path, item: SplitItem) -> Chunk:
    config = Config(spool=str(folder / "spool"))
    [chunk] = SplitStage(WorkerSpec("split-0", "split", "", config)).process(item)
    return chunk


def test_an_ffmpeg_without_libass_is_noticed_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "has_libass", lambda: False)
    with pytest.raises(ConfigError) as caught:
        split(tmp_path, replace(speech(tmp_path, "hello"), captions=CaptionStyle().look))
    assert caught.value.code == "no_libass"
    assert split(tmp_path, speech(tmp_path, "hello")).overlay is None


def test_letters_that_the_font_lacks_are_a_warning(tmp_path: Path) -> None:
    item = replace(speech(tmp_path, "hello 漢字"), captions=CaptionStyle().look, label=Label("ไ", "top-left", None))
    chunk = split(tmp_path, item)
    found = [notice for notice in chunk.timeline.notices if notice.code == "missing_glyphs"]
    assert [letters in notice.message for letters, notice in zip(("ไ", "漢字"), found, strict=True)] == [True, True]
    silent = split(tmp_path, replace(speech(tmp_path, ""), captions=CaptionStyle().look))
    assert [notice.code for notice in silent.timeline.notices][-1] == "no_captions"
    assert silent.overlay is not None
    assert "Dialogue" not in silent.overlay.read_text("utf-8")


def test_a_later_piece_has_its_captions_at_the_times_of_the_job(tmp_path: Path) -> None:
    """A piece that begins at 4 s, whose last caption may not outlast it."""
    item = replace(speech(tmp_path, "one two"), captions=CaptionStyle().look, mode="stream", piece=Piece(3, 100))
    chunks = list(SplitStage(WorkerSpec("split-0", "split", "", Config(spool=str(tmp_path)))).process(item))
    assert chunks[0].overlay is not None
    shown = re.findall(r"Dialogue: 0,(\S+?),(\S+?),", chunks[0].overlay.read_text("utf-8"))
    assert shown == [("0:00:04.00", "0:00:05.00"), ("0:00:05.00", "0:00:06.00")]


# Captions


def captioned(
    frame: tuple[int, int], text: str, *, label: Label | None = None, seconds: float = 2.0, **style: Any
) -> str:
    """The document of one sentence whose words are equally long."""
    look, words = CaptionStyle(**style).look, text.split()
    times = [seconds * number / len(words) for number in range(len(words) + 1)]
    sentence = Sentence(text, 0.0, seconds, tuple(map(Word, words, times, times[1:])))
    return document(frame, label, Captions(look, cues([sentence], line_characters(frame, look)), seconds))


@pytest.mark.parametrize("size", [(1280, 720), slow((720, 720)), slow((720, 1280)), (240, 240)])
@pytest.mark.parametrize("position", ["bottom", "top"])
def test_captions_are_inside_the_safe_area(size: tuple[int, int], position: str, tmp_path: Path) -> None:
    text = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства"
    shown = drawn(tmp_path, size, captioned(size, text, position=position, seconds=6.0), range(45, 48))
    free, slack = margins(size), 4 / min(size)
    for frame in shown:
        left, top, right, bottom = where(frame)
        assert left >= free.left / size[0] - slack
        assert right <= 1 - free.right / size[0] + slack
        assert top >= free.top / size[1] - slack
        assert bottom <= 1 - free.bottom / size[1] + slack
        assert (bottom < 0.5) == (position == "top")


def test_the_spoken_word_is_highlighted_and_nothing_moves(tmp_path: Path) -> None:
    """Three words, of which each is darker than the others in its third."""
    size = (640, 360)
    text = captioned(size, "one two three", highlight="#404040", box=None, seconds=3.0)
    shown = drawn(tmp_path, size, text, range(75))
    boxes = {where(frame) for frame in shown}
    assert max(box[0] for box in boxes) - min(box[0] for box in boxes) < 0.01
    bright = [np.nonzero((frame > 230).any(axis=0))[0] for frame in (shown[12], shown[37], shown[62])]
    first, second, third = ((columns.min() / 640, columns.max() / 640) for columns in bright)
    assert first[0] > second[0] + 0.05, "the first word is dark at first"
    assert third[1] < second[1] - 0.05, "the last word is dark at last"
    assert second[0] == pytest.approx(third[0], abs=0.02)


def test_a_word_of_a_right_to_left_text_is_highlighted_in_its_place(tmp_path: Path) -> None:
    """The first word is the rightmost one."""
    size = (640, 360)
    shown = drawn(tmp_path, size, captioned(size, "שלום עולם טוב", highlight="#404040", box=None), range(1))
    bright = np.nonzero((shown[0] > 230).any(axis=0))[0]
    left, _, right, _ = where(shown[0])
    assert bright.max() / 640 < right - 0.05
    assert bright.min() / 640 == pytest.approx(left, abs=0.02)


def test_captions_of_chunks_equal_those_of_the_whole(tmp_path: Path) -> None:
    size = (320, 180)
    text = captioned(size, "one two three four five six", label=Label("AI", "top-left", 1.0))
    whole = drawn(tmp_path, size, text, range(50))
    for cut in (7, 33):
        parts = [drawn(tmp_path, size, text, part) for part in (range(cut), range(cut, 50))]
        assert np.array_equal(np.concatenate(parts), whole)


def test_captions_keep_away_from_the_label(tmp_path: Path) -> None:
    size = (640, 360)
    label = Label("AI", "top-right", None)
    alone = where(drawn(tmp_path, size, document(size, label), range(1))[0])
    both = drawn(tmp_path, size, captioned(size, "hello", label=label, position="top"), range(1))[0].copy()
    both[: round(alone[3] * 360) + 1] = GREY
    assert where(both)[1] > alone[3]


def test_boxes_colours_and_sizes_are_as_wanted(tmp_path: Path) -> None:
    size = (640, 360)
    plain, boxed, large = (
        drawn(tmp_path, size, captioned(size, "Hello", highlight=None, **style), range(1))[0]
        for style in ({"box": None}, {"box": "#000000"}, {"box": None, "size": 15})
    )
    assert (boxed < 60).sum() > 2 * (plain < 60).sum()
    heights = [where(frame)[3] - where(frame)[1] for frame in (plain, large)]
    assert heights[1] > 2 * heights[0]
    dark = drawn(tmp_path, size, captioned(size, "Hello", highlight=None, box=None, colour="#000000"), range(1))[0]
    assert dark.max() > 200, "dark letters have a light outline"


def test_kazakh_letters_are_drawn_by_the_shipped_font(tmp_path: Path) -> None:
    """Not as boxes, and not as the Russian letters that they resemble."""
    size = (640, 360)
    kazakh, russian, boxes = (
        drawn(tmp_path, size, captioned(size, text, box=None, highlight=None), range(1))[0].astype(int)
        for text in ("әғқңөұүһ", "агкноуун", "\ue000" * 8)
    )
    assert (np.abs(kazakh - russian) > 50).sum() > 100
    assert (np.abs(kazakh - boxes) > 50).sum() > 500


def test_this_ffmpeg_has_libass() -> None:
    assert ffmpeg.has_libass()


def test_missing_letters_are_named() -> None:
    assert fonts.missing("Әлем 漢字 a漢\u200d\n", fonts.DEFAULT_FILE) == "漢字"
    for text in [*TEXTS.values(), "әғқңөұүһіӘҒҚҢӨҰҮҺІ", "ёЁ№«»—…", "שלום", "مرحبا"]:
        assert fonts.missing(text, fonts.DEFAULT_FILE) == ""


# What may be asked for


def job(provenance: Any) -> Job:
    return parse_job(json.dumps({"text": "Hello", "provenance": provenance}).encode(), Config(), ["presenter"])


def test_a_job_changes_what_the_configuration_says(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("provenance: {label: {show: intro, text: Робот, seconds: 3}}")
    configured = load_config(tmp_path / "config.yaml").provenance.label
    assert configured.label("ru") == Label("Робот", "top-right", 3)
    asked = job({"label": {"place": "bottom-left"}}).provenance
    assert asked is not None
    assert configured.changed_by(asked.label).label("ru") == Label("Робот", "bottom-left", 3)
    off = job({"label": "none"}).provenance
    assert off is not None
    assert configured.changed_by(off.label).label("ru") is None
    assert Config().provenance.label.label("ru") is None


@pytest.mark.parametrize(("language", "text"), [("ru", "ru"), ("kk", "kk"), ("en-gb", "en"), ("fr", "en")])
def test_a_label_speaks_the_language_of_the_job(language: str, text: str) -> None:
    assert LabelSettings(show="corner").label(language) == Label(TEXTS[text], "top-right", None)


@pytest.mark.parametrize(
    ("label", "code", "field"),
    [
        ("centre", "range", "provenance.label.show"),
        (True, "type", "provenance.label"),
        ({"show": "corner", "text": ""}, "type", "provenance.label.text"),
        ({"show": "corner", "text": "a\u202eb"}, "type", "provenance.label.text"),
        ({"show": "corner", "text": "a" * 81}, "range", "provenance.label.text"),
        ({"show": "intro", "seconds": 0}, "range", "provenance.label.seconds"),
        ({"place": "middle"}, "range", "provenance.label.place"),
        ({"colour": "red"}, "unknown_field", "provenance.label.colour"),
    ],
)
def test_a_wrong_label_is_refused_before_anything_is_rendered(label: Any, code: str, field: str) -> None:
    with pytest.raises(JobError) as caught:
        job({"label": label})
    assert (caught.value.code, caught.value.field) == (code, field)


def styled(style: Any) -> Job:
    return parse_job(json.dumps({"text": "Hello", "burn_captions": style}).encode(), Config(), ["presenter"])


def test_captions_in_the_picture_are_off_or_as_a_job_wants_them() -> None:
    assert styled(False).burn_captions is None
    assert styled(True).burn_captions == CaptionStyle()
    assert styled({"size": 8, "box": None}).burn_captions == CaptionStyle(size=8, box=None)
    assert styled({"font": "dejavu sans"}).burn_captions is not None


@pytest.mark.parametrize(
    ("style", "code", "field"),
    [
        ("yes", "type", "burn_captions"),
        ({"font": "No Such Font"}, "font", "burn_captions.font"),
        ({"font": "a,b{\\an8}"}, "font", "burn_captions.font"),
        ({"font": ""}, "range", "burn_captions.font"),
        ({"size": 1}, "range", "burn_captions.size"),
        ({"size": "5"}, "type", "burn_captions.size"),
        ({"colour": "red"}, "range", "burn_captions.colour"),
        ({"highlight": "#12345"}, "range", "burn_captions.highlight"),
        ({"position": "left"}, "range", "burn_captions.position"),
        ({"color": "#ffffff"}, "unknown_field", "burn_captions.color"),
    ],
)
def test_a_wrong_style_is_refused_before_anything_is_rendered(style: Any, code: str, field: str) -> None:
    with pytest.raises(JobError) as caught:
        styled(style)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_fonts_of_the_system_are_found_by_their_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the shipped font under another name, beside a damaged file. Installed and removed at any time."""
    from fontTools.ttLib import TTFont

    monkeypatch.setattr(fonts, "SYSTEM_FOLDERS", (str(tmp_path), str(tmp_path / "gone")))
    assert fonts.find("мой шрифт") is None
    with TTFont(fonts.DEFAULT_FILE) as font:
        for number in fonts.NAME_IDS:
            font["name"].setName("Мой Шрифт", number, 3, 1, 0x409)
        font.save(tmp_path / "x.ttf")
    (tmp_path / "broken.otf").write_bytes(b"no font")
    assert fonts.find("мой шрифт") == tmp_path / "x.ttf"
    assert fonts.find("x") is None
    assert "Мой Шрифт" in fonts.names()
    (tmp_path / "x.ttf").rename(tmp_path / "y.ttf")
    assert fonts.find("Мой Шрифт") == tmp_path / "y.ttf"
    (tmp_path / "y.ttf").unlink()
    assert fonts.find("Мой Шрифт") is None


def test_an_unknown_key_names_the_nearest_of_its_object() -> None:
    with pytest.raises(JobError) as caught:
        job({"label": {"plaec": "top-left"}})
    assert caught.value.hint == "did you mean 'place'?"
    with pytest.raises(JobError) as caught:
        job({"labels": "corner"})
    assert caught.value.hint == "did you mean 'label'?"
