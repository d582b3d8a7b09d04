"""How texts sound: espeak-ng's renderings, as references to align speech with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipeline.media.pcm import resampled
from pipeline.speech.alignment.matching import Reference, matched
from pipeline.speech.alignment.spectra import RATE_HZ, mel_power
from pipeline.speech.lexicon import Lexicon
from pipeline.speech.reading import marked
from pipeline.speech.voices.base import Utterance
from pipeline.speech.voices.espeak import Espeak

REFERENCE_SPEED = 0.9
"""Speed of the renderings: about the pace of natural voices."""

OTHER_VARIANT = "m3"
"""A man's voice, as the usual one is a woman's: what resembles one voice by accident seldom resembles both."""


class Aligner:
    """Finds phonemes and words in speech. Raises ConfigError `tts_missing` if espeak-ng is not installed."""

    def __init__(self) -> None:
        self._espeak = Espeak()

    def speaks(self, language: str) -> bool:
        """Whether texts in this language can be rendered."""
        return self._voice(language) is not None

    def marked(self, spoken: str, language: str, lexicon: Lexicon) -> str:
        """A sentence in plain words with the marks of stress and the phonemes that espeak-ng is given."""
        return marked(spoken, language, self._espeak, lexicon)

    def reference(self, spoken: str, language: str, speed: float = 1.0, variant: str | None = None) -> Reference | None:
        """The rendering of a sentence in plain words, marked or not; None if nothing is said, or nobody can.

        `variant`: the espeak variant that speaks, instead of the usual one.
        """
        voice = self._voice(language)
        if voice is None:
            return None
        if variant is not None:
            voice = f"{voice.partition('+')[0]}+{variant}"
        said = self._espeak.rendered(spoken, voice, REFERENCE_SPEED * speed)
        return Reference.of(said) if said.phonemes else None

    def heard(self, utterance: Utterance, spoken: str, language: str, speed: float) -> Utterance:
        """An utterance of a voice that reports no phonemes, with them and with words; unchanged if it does not match.

        `spoken`: the sentence in plain words, marked or not.
        """
        if utterance.phonemes or not len(utterance.samples):
            return utterance
        reference = self.reference(spoken, language, speed)
        power = mel_power(resampled(utterance.samples, utterance.sample_rate_hz, RATE_HZ))
        found = matched(power, reference) if reference else None
        if found is None or not found.is_likely:
            return utterance
        return replace(utterance, phonemes=found.phonemes, words=found.words)

    def _voice(self, language: str) -> str | None:
        """espeak's best voice for a language; a tag with a region falls back to the language alone."""
        return next(self._voices(language), None)

    def _voices(self, language: str) -> Iterator[str]:
        for tag in (language, language.partition("-")[0]):
            yield from self._espeak.voices(tag)[:1]
