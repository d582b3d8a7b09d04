"""The pages in a real browser, and what their server part promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from daemon.web.pages import FOLDER
from daemon.web.pages.languages import LANGUAGES

TEXTS = FOLDER / "texts"
PLACEHOLDER = re.compile(r"\{\w+\}")


def texts(language: str) -> dict[str, str]:
    files = sorted((TEXTS / language).glob("*.json"))
    return {f"{file.stem}.{key}": text for file in files for key, text in json.loads(file.read_text("utf-8")).items()}


def test_every_language_has_the_same_texts_with_the_same_placeholders() -> None:
    assert sorted(folder.name for folder in TEXTS.iterdir()) == sorted(LANGUAGES)
    shapes = [{key: set(PLACEHOLDER.findall(text)) for key, text in texts(language).items()} for language in LANGUAGES]
    assert len(shapes[0]) > 50
    assert all(shape == shapes[0] for shape in shapes)


def sources() -> list[Path]:
    return [*FOLDER.glob("templates/*.html"), *FOLDER.glob("static/*.js")]


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_every_text_that_a_page_names_exists(source: Path) -> None:
    known = texts("en")
    named = re.findall(r"""\bt\(["']([a-z]+\.[a-z_]+)["'][,)]""", source.read_text("utf-8"))
    assert [key for key in named if key not in known] == []


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_pages_have_no_inline_scripts_or_styles_and_load_nothing_from_elsewhere(source: Path) -> None:
    text = source.read_text("utf-8")
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*(?:src=|application/json))", text) == []
    assert [link for link in re.findall(r"https?://[\w./-]+", text) if "www.w3.org" not in link] == []
