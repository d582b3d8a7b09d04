"""What a voice says so that people can hear how it sounds."""

from __future__ import annotations

SAMPLES = {
    "en": "Hello! This is how my voice sounds.",
    "kk": "Сәлеметсіз бе! Менің дауысым осылай естіледі.",
    "ru": "Здравствуйте! Так звучит мой голос.",
}
NUMBERS = "1, 2, 3, 4, 5."
"""For other languages: numbers are spoken in the voice's language."""


def sample_text(language: str) -> str:
    """A short text that a voice of this language can speak."""
    return SAMPLES.get(language.partition("-")[0], NUMBERS)
