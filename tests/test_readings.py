"""How texts are read aloud: sentences as people write them, each with the readings that a native speaker accepts.

`readings/LANGUAGE.tsv` has a sentence and its readings on each line, separated by `|`; punctuation, capitals and the
dots of ё do not count. They were written for this project.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.speech.reading import read

FOLDER = Path(__file__).parent / "readings"
LANGUAGES = sorted(file.stem for file in FOLDER.glob("*.tsv"))
SHARE = 0.9
"""Of the sentences of a language that must be read right."""

WORDS = {
    "ru": ["дорога", "зелёный", "уехали", "Наташа", "хорошо", "молоко", "написать", "вчера"],
    "en": ["garden", "yellow", "walked", "Peter", "slowly", "window", "write", "yesterday"],
    "kk": ["бала", "көк", "келді", "Айгүл", "жақсы", "терезе", "жазу", "кеше"],
}
STEM = 4
"""Letters by which a word is recognised: after a number it may be in another case."""
BETWEEN = [
    *(" ", ", ", ". ", "! ", " - ", " — ", ": ", "; ", "… ", " (", ") ", " «", "» ", " / ", " & ", " + ", " = ", " % "),
    *(
        " 5 ",
        " 12 ",
        " 2024 ",
        " 1/2 ",
        " 3,5 ",
        " 10:30 ",
        " 15.03.2025 ",
        " № 7 ",
        " $5 ",
        " -3°C ",
        " 5 кг ",
        " IV ",
    ),
    *(
        " т. е. ",
        " e.g. ",
        " U.S. ",
        " ул. ",
        " x@y.org ",
        " a.ru ",
        "\n",
        " [1] ",
        " * ",
        " # ",
        " XX ",
        " 21st ",
        " 5-й ",
    ),
]
PLAIN = st.sampled_from(BETWEEN)


def folded(text: str) -> str:
    """What of a reading counts."""
    letters = text.lower().replace("ё", "е").replace("\u0301", "").replace("'", "")
    return " ".join(re.sub(r"[\W_]+", " ", letters).split())


def reading(text: str, language: str) -> str:
    return " ".join(sentence.spoken for sentence in read(text, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_read_as_a_native_speaker_reads_them(language: str) -> None:
    lines = (FOLDER / f"{language}.tsv").read_text("utf-8").splitlines()
    cases = [(written, accepted.split("|")) for written, accepted in (line.split("\t") for line in lines)]
    wrong = [
        f"{written}\n  {reading(written, language)}\n  {accepted[0]}"
        for written, accepted in cases
        if folded(reading(written, language)) not in map(folded, accepted)
    ]
    assert len(wrong) <= (1 - SHARE) * len(cases), "\n".join(wrong)


@pytest.mark.parametrize("language", sorted(WORDS))
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_word_is_ever_lost(language: str, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(WORDS[language]), min_size=1, max_size=12))
    text = "".join(word + data.draw(PLAIN) for word in words)
    said = iter(folded(reading(text, language)).split())
    stems = (folded(word)[:STEM] for word in words)
    assert all(any(word.startswith(stem) for word in said) for stem in stems), reading(text, language)
