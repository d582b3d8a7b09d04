"""Finding the stress of Russian words, ё and the meaning of homographs with silero-stress, whose wheel has its weights.

Loading it takes half a second and 190 MB, so this happens when the first Russian sentence is spoken.
"""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import resources
from operator import attrgetter
from typing import IO, TYPE_CHECKING, Any

from pipeline.speech.stress import MARK, VOWELS, WORD, Stress, without_marks

if TYPE_CHECKING:
    import torch
    from torch.package.package_importer import PackageImporter

LANGUAGE = "ru"
SURE_LOGIT = 2.94
"""How far from undecided the choice between two homographs must be: 95 %. Of what is less sure, half is wrong."""

_CORRECTED = {
    without_marks(word): word for word in ("краси́вее", "щаве́ль", "некроло́г", "ветерина́рия", "зна́мение", "осведоми́ться")
}
"""Words that the package stresses wrongly: 6 of 300 that are common or often said wrongly."""

_SOLVED_WORD = re.compile(r"\+?[а-яё][а-яё+]*", re.IGNORECASE)
"""A word with a plus sign before its stressed vowel."""


def stressed(text: str, language: str, where: Stress) -> str:
    """A sentence with its Russian words marked where a voice wants it; in other languages it is unchanged."""
    if where == "none" or language.partition("-")[0] != LANGUAGE or not WORD.search(text) or "+" in text:
        return text
    return _accentor().marked(text, every_word=where == "every")


@cache
def _accentor() -> Accentor:
    """The loaded model; one for each process."""
    return Accentor()


class Accentor:
    """Marks the stress of Russian words, as `pipeline.speech.stress` describes."""

    def __init__(self) -> None:
        model = _loaded()
        self._homographs, self._words = model.homosolver, model.accentor
        self._leaning = self._homographs.model = _Leaning(self._homographs.model)
        self._lock = threading.Lock()

    def marked(self, sentence: str, *, every_word: bool) -> str:
        """Mark the stress of every word of two syllables or more, or only where a spelling has several readings.

        ё replaces е where it is said. Words that have a mark keep it. A homograph whose meaning is unclear stays as it
        is: a voice's own choice is as good.
        """
        plain = without_marks(sentence)
        with self._lock, _one_thread():
            solved, unclear = self._solved(plain)
            marked = self._words(solved, stress_single_vowel=False, words_to_ignore=unclear)
        found = iter(zip(_SOLVED_WORD.findall(solved), _SOLVED_WORD.findall(marked), strict=True))

        def word(match: re.Match[str]) -> str:
            return _word(match[0], *next(found), every_word=every_word)

        return WORD.sub(word, sentence)

    def _solved(self, plain: str) -> tuple[str, set[str]]:
        """The text with the stress of homographs, and the homographs whose meaning is unclear."""
        first, second = (self._chosen(plain, logit) for logit in (SURE_LOGIT, -SURE_LOGIT))
        if first == second:
            return first, set()
        words = list(zip(*(_SOLVED_WORD.findall(text) for text in (plain, first, second)), strict=True))
        clear = (one if one == other else word for word, one, other in words)
        solved = _SOLVED_WORD.sub(lambda _: next(clear), plain)
        return solved, {word.lower() for word, one, other in words if one != other}

    def _chosen(self, plain: str, lean: float) -> str:
        self._leaning.lean = lean
        text: str = self._homographs(plain, stress_single_vowel=False)
        return text


class _Leaning:
    """The network that chooses between two homographs, with a bias. What it says does not depend on the bias, so it is
    remembered for the second choice."""

    def __init__(self, network: Callable[..., torch.Tensor]) -> None:
        self._network = network
        self._logits: torch.Tensor | None = None
        self.lean = 0.0

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Logits of the second reading, shape [homographs, 1]."""
        if self.lean > 0 or self._logits is None:
            self._logits = self._network(*inputs)
        return self._logits + self.lean


def _word(written: str, solved: str, marked: str, *, every_word: bool) -> str:
    """A word with its mark: the author's, or that of a homograph, or any."""
    if MARK in written:
        return written
    if written.lower() in _CORRECTED:
        return _with_case(written, _CORRECTED[written.lower()])
    letters = re.sub(rf"\+([{VOWELS}])", rf"\1{MARK}", marked, flags=re.IGNORECASE).replace(f"ё{MARK}", "ё")
    has_choice = sum(letter in VOWELS for letter in written.lower()) > 1 and (every_word or "+" in solved)
    letters = letters.replace("+", "")  # before a consonant in words with foreign letters
    return letters if has_choice else letters.replace(MARK, "")


def _with_case(written: str, marked: str) -> str:
    """A corrected word with the capitals of the text."""
    letters = iter(written)
    return "".join(letter if letter == MARK else next(letters) for letter in marked)


def _loaded() -> Any:
    """The models of the package, as its own `load_accentor` loads them, but eight times as fast.

    Most of its time goes into compiling 1,500 regular expressions, few of which are ever used, and into an unpickler
    that is written in Python.
    """
    import torch
    from torch.package.package_importer import PackageImporter

    weights = resources.files("silero_stress.data") / "accentor.pt"
    with _one_thread(), torch.no_grad(), resources.as_file(weights) as file:
        package: Any = PackageImporter(str(file))
        package.Unpickler = partial(_Unpickler, package)
        model = package.load_pickle("accentor_models", "accentor")
        bert = model.homosolver.model.bert
        embedding = bert.embeddings.word_embeddings.weight
        embedding.data = embedding.data.float().sub_(bert.zero_point).mul_(bert.scale)
    return model


class _Unpickler(pickle.Unpickler):
    """Finds the classes of a package in it, and leaves regular expressions uncompiled until they are used."""

    def __init__(self, package: PackageImporter, file: IO[bytes]) -> None:
        super().__init__(file)
        self._package = package

    def find_class(self, module_name: str, global_name: str) -> Any:
        """See `pickle.Unpickler`."""
        if (module_name, global_name) == ("re", "_compile"):
            return _LazyPattern
        return attrgetter(global_name)(self._package.import_module(module_name))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread, as the package does: for networks so small others only cost time."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _LazyPattern:
    """A regular expression that is compiled when it is first used."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._arguments = pattern, flags

    def __getattr__(self, name: str) -> Any:
        return getattr(re.compile(*self._arguments), name)
