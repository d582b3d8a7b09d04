"""Texts in the picture: what libass draws, looked at pixel by pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import Config, load_config
from pipeline.errors import ConfigError, JobError
from pipeline.job import Job, parse_job
from pipeline.media import ffmpeg
from pipeline.media.encoder import Overlay, SegmentEncoder
from pipeline.messages import Label
from pipeline.overlay import fonts
from pipeline.overlay.document import document, margins
from pipeline.overlay.settings import TEXTS, LabelSettings
from tests.media import frames

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


@pytest.mark.parametrize("size", [(1280, 720), (720, 720), (480, 854), (320, 180), (128, 128)])
@pytest.mark.parametrize("language", ["ru", "kk", "en"])
def test_a_label_is_legible_and_inside_its_safe_area(size: tuple[int, int], language: str, tmp_path: Path) -> None:
    label = LabelSettings(show="corner", place="bottom-right").label(language)
    assert label is not None
    assert label.text == TEXTS[language]
    [frame] = drawn(tmp_path, size, document(size, label), range(1))
    assert frame.max() > 220
    assert frame.min() < 40
    left, top, right, bottom = where(frame)
    free = margins(size)
    slack = 9 / min(size)
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


@pytest.mark.parametrize("fps", [24, 25, 30, 50])
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


def test_an_ffmpeg_without_libass_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.stages import split

    monkeypatch.setattr(ffmpeg, "has_libass", lambda: False)
    with pytest.raises(ConfigError) as caught:
        split._write_overlay(Path("gone"), Label("AI", "top-left", None), (64, 64))
    assert caught.value.code == "no_libass"


def test_this_ffmpeg_has_libass() -> None:
    assert ffmpeg.has_libass()


def test_missing_letters_are_named() -> None:
    assert fonts.missing("Әлем 漢字 a漢\u200d\n", fonts.DEFAULT_FILE) == "漢字"
    for text in [*TEXTS.values(), "әғқңөұүһіӘҒҚҢӨҰҮҺІ", "ёЁ№«»—…", "שלום", "مرحبا"]:
        assert fonts.missing(text, fonts.DEFAULT_FILE) == ""


# What may be asked for


def job(provenance: Any) -> Job:
    import json

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


def test_an_unknown_key_names_the_nearest_of_its_object() -> None:
    with pytest.raises(JobError) as caught:
        job({"label": {"plaec": "top-left"}})
    assert caught.value.hint == "did you mean 'place'?"
    with pytest.raises(JobError) as caught:
        job({"labels": "corner"})
    assert caught.value.hint == "did you mean 'label'?"
