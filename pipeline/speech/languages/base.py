"""What a language defines for reading a text aloud.

A language spells out numbers and dates, and lists its abbreviations, units and currencies. The order of the steps is
the same for all languages and defined in `pipeline.speech.spoken`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DIGITS_MAX = 15
"""Longer numbers are read digit by digit."""

Match = re.Match[str]
Rule = tuple[re.Pattern[str], str | Callable[[Match], str]]
"""A pattern and its replacement."""


@dataclass(frozen=True)
class Noun:
    """The forms of a counted noun: after one, after two to four (and decimals), after many."""

    one: str
    few: str
    many: str
    feminine: bool = False


@dataclass(frozen=True, eq=False)
class Language:
    """The words of one language. Abbreviations are in lower case, without their last full stop."""

    code: str
    """The language code of num2words."""
    before_name: frozenset[str] = frozenset()
    """Abbreviations followed by a name: no sentence ends after them."""
    before_number: frozenset[str] = frozenset()
    """Abbreviations that do not end a sentence if a number follows."""
    closing: frozenset[str] = frozenset()
    """Abbreviations that end a sentence if a capital letter follows."""
    starters: frozenset[str] = frozenset()
    """Words that begin a sentence and no name: an abbreviation before them ends a sentence. Empty: any capital may."""
    conjunctions: frozenset[str] = frozenset()
    """A long sentence can be cut before these words."""
    rules: Sequence[Rule] = ()
    """Replacements applied in order, before numbers are read."""
    magnitudes: Mapping[str, Noun] = field(default_factory=dict)
    units: Mapping[str, Noun] = field(default_factory=dict)
    currencies: Mapping[str, tuple[Noun, Noun]] = field(default_factory=dict)
    """By sign or code: the currency and its hundredth."""
    symbols: Mapping[str, str] = field(default_factory=dict)
    fractions: Mapping[str, str] = field(default_factory=dict)
    """By `1/2` and the like."""
    range_word: str = "—"
    """Spoken between the ends of a range."""
    thousands: str = " "
    """Separator of groups of three digits."""
    address_signs: Mapping[str, str] = field(default_factory=dict)
    """How signs are spoken in addresses of the web and of e-mail; others are silent."""
    dot: str = ""
    """Spoken in version numbers."""
    minus: str = ""
    plus: str = ""
    month_first: bool = False
    """Whether 1/2/2026 is in January."""
    telephone_digits: bool = False
    """Whether telephone numbers are read digit by digit, not group by group."""

    def rewritten(self, text: str) -> str:
        """A text as a library for this language rewrites it, before any rule; here: unchanged."""
        return text

    def in_address(self, letters: str) -> str:
        """Letters of an address as they are spoken: as a word."""
        return letters

    def number(self, number: str, *, feminine: bool = False) -> str:
        """A number in words; `number` is digits, perhaps with a decimal point or comma."""
        whole, _, fraction = number.replace(",", ".").partition(".")
        if len(number) > DIGITS_MAX or (len(whole) > 1 and whole[0] == "0"):
            return self.digits(number)
        return self.decimal(whole, fraction) if fraction else self.cardinal(int(whole), feminine=feminine)

    def digits(self, number: str) -> str:
        """A number read digit by digit, in groups of three; up to four digits are one group."""
        digits = [self.cardinal(int(digit)) for digit in number if digit.isdigit()]
        size = 3 if len(digits) > 4 else 4
        return ", ".join(" ".join(digits[i : i + size]) for i in range(0, len(digits), size))

    def telephone(self, groups: Sequence[str]) -> str:
        """A telephone number, given in groups of digits."""
        return ", ".join(self.digits(group) if self.telephone_digits else self.number(group) for group in groups)

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """One, two, three ..."""
        return in_words(value, self.code)

    def decimal(self, whole: str, fraction: str) -> str:
        """A number with decimals."""
        return in_words(float(f"{whole}.{fraction}"), self.code)

    def form(self, number: str, noun: Noun) -> str:
        """The form of a noun after this number."""
        return noun.one if number == "1" else noun.many

    def counted(self, number: str, noun: Noun) -> str:
        """A number with the noun that it counts."""
        return f"{self.number(number, feminine=noun.feminine)} {self.form(number, noun)}"

    def money(self, number: str, currency: tuple[Noun, Noun]) -> str:
        """An amount of money: two decimals are hundredths of the currency."""
        whole, _, cents = number.replace(",", ".").partition(".")
        if len(cents) != 2:
            return self.counted(number, currency[0])
        parts = [self.counted(whole, currency[0])]
        return " ".join(parts if cents == "00" else [*parts, self.counted(str(int(cents)), currency[1])])

    def time(self, hours: int, minutes: int) -> str:
        """A time of day."""
        return f"{self.cardinal(hours)} {self.cardinal(minutes)}"

    def date(self, day: int, month: int, year: int) -> str:
        """A calendar date."""
        return f"{self.cardinal(day)} {self.cardinal(month)} {self.cardinal(year)}"


def in_words(value: float, code: str, **options: Any) -> str:
    """A number in words, by num2words."""
    import num2words

    words: str = num2words.num2words(value, lang=code, **options)
    return words


def rule(pattern: str, say: str | Callable[[Match], str]) -> Rule:
    """Make a rule from a pattern's source and its replacement."""
    return re.compile(pattern), say


def listed(words: str) -> tuple[str, ...]:
    """Split a string into words."""
    return tuple(words.split())


def roman(numeral: str) -> int:
    """The value of a Roman numeral."""
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
