"""English numbers in words."""

from __future__ import annotations

from pipeline.speech.languages.base import in_words

DENOMINATORS = {2: ("half", "halves"), 4: ("quarter", "quarters")}


def cardinal(value: int) -> str:
    """One, two, three ..."""
    return in_words(value, "en").replace(",", "")


def ordinal(value: int) -> str:
    """First, second, third ..."""
    return in_words(value, "en", to="ordinal").replace(",", "")


def year(value: int) -> str:
    """Nineteen ninety-five, two thousand and five, twenty twelve."""
    return in_words(value, "en", to="year")


def decade(value: int) -> str:
    """Nineteen nineties, nineties."""
    words = year(value) if value >= 100 else cardinal(value)
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def digits(number: str) -> str:
    """Every digit of a number."""
    return " ".join(cardinal(int(digit)) for digit in number if digit.isdecimal())


def house(number: str) -> str:
    """The number of a house or a room: one twenty-three, twelve eleven, seven oh eight."""
    value = int(number)
    if len(number) in (3, 4) and value % 100:
        rest = value % 100
        return f"{cardinal(value // 100)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"
    return digits(number) if len(number) > 4 else cardinal(value)


def fraction(numerator: int, denominator: int) -> str:
    """Three quarters, one third, seven sixteenths."""
    one, many = DENOMINATORS.get(denominator) or (ordinal(denominator), ordinal(denominator) + "s")
    return f"{cardinal(numerator)} {one if numerator == 1 else many}"


def mixed(whole: int, numerator: int, denominator: int) -> str:
    """Three and a half, one and three quarters."""
    part = fraction(numerator, denominator)
    if denominator in DENOMINATORS and numerator == 1:
        part = part.replace("one", "a", 1)
    return f"{cardinal(whole)} and {part}"
