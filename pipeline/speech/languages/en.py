"""English."""

from __future__ import annotations

import re
from functools import cache

from pipeline.speech.languages import en_numbers
from pipeline.speech.languages.base import Language, Match, Noun, listed
from pipeline.speech.languages.en_dates import MONTHS
from pipeline.speech.languages.en_rules import RULES

_SHORT_WORDS = frozenset(listed("am an as at be by do go he hi if in is it me my no of ok on or so to up us we"))
"""Words of two letters in addresses; other two letters are a country's or an initialism."""


class English(Language):
    """English numbers and dates."""

    def rewritten(self, text: str) -> str:
        """See `Language`: here, everything but plain numbers, units and signs."""
        for pattern, say in RULES:
            text = pattern.sub(say, text)
        attributive, ranged = _unit_patterns()
        return ranged.sub(r"\1 to ", attributive.sub(_attribute, text))

    def in_address(self, letters: str) -> str:
        """A word, or single letters if it cannot be one: `b b c`, `u k`."""
        lower = letters.lower()
        is_word = any(letter in "aeiouy" for letter in lower) and (len(letters) != 2 or lower in _SHORT_WORDS)
        return letters if is_word or len(letters) > 4 else " ".join(letters)

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """One, two, three ..."""
        return en_numbers.cardinal(value)

    def decimal(self, whole: str, fraction: str) -> str:
        """Three point one four; zero point five."""
        return f"{self.cardinal(int(whole))} point {en_numbers.digits(fraction)}"

    def money(self, number: str, currency: tuple[Noun, Noun]) -> str:
        """An amount of money; less than one is only hundredths."""
        whole, _, cents = number.partition(".")
        if len(cents) == 2 and not int(whole) and int(cents):
            return self.counted(str(int(cents)), currency[1])
        return super().money(number, currency)

    def time(self, hours: int, minutes: int) -> str:
        """Twelve thirty, twelve oh five, twelve o'clock."""
        if minutes == 0:
            return f"{self.cardinal(hours)} o'clock" if hours <= 12 else f"{self.cardinal(hours)} hundred"
        return f"{self.cardinal(hours)} {'oh ' if minutes < 10 else ''}{self.cardinal(minutes)}"

    def date(self, day: int, month: int, year: int) -> str:
        """December thirty-first, twenty twenty-six."""
        return f"{MONTHS[month - 1]} {en_numbers.ordinal(day)}, {en_numbers.year(year)}"


@cache
def _unit_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """`a 512 GB` or `a 2-5lb` before a noun, and a range before any other unit."""
    units = "|".join(re.escape(unit) for unit in sorted(ENGLISH.units, key=len, reverse=True))
    signs = "|".join(map(re.escape, (sign for sign in ENGLISH.currencies if not sign.isalpha())))
    scales = "|".join(ENGLISH.magnitudes)
    number = r"\d+(?:\.\d+)?"
    attributive = (
        rf"\b(?P<before>[Aa]n?|[Ee]very|[Pp]er) (?:(?:(?P<from>{number})\s?[-–—]\s?)?(?P<number>{number}) ?"
        rf"(?P<unit>{units})|(?P<sign>{signs})(?P<price>{number}(?: (?:{scales}))?))"
        r"(?= [a-zA-Z]{3,})"
        r"(?! (?:and|or|in|of|to|for|from|per|with|by|at|on|as|than|more|less|each|every|is|was|apart|away)\b)"
    )
    return re.compile(attributive), re.compile(rf"(?<![\w.,$/-])({number})\s?[-–—]\s?(?={number} ?(?:{units})(?!\w))")


def _attribute(match: Match) -> str:
    """`a 512 GB disk`, `a 2-5lb bag`, `a $2 million house`: units before a noun have no plural."""
    before = match["before"]
    if match["unit"]:
        numbers = [ENGLISH.number(number) for number in (match["from"], match["number"]) if number]
        return f"{before} {' to '.join(numbers)} {ENGLISH.units[match['unit']].one}"
    number, _, scale = match["price"].partition(" ")
    words = f"{ENGLISH.number(number)} {scale}".strip()
    return f"{before} {words} {ENGLISH.currencies[match['sign']][0].one}"


def _plural(one: str, many: str | None = None) -> Noun:
    return Noun(one, many or one + "s", many or one + "s")


_PREFIXES = {"m": "milli", "k": "kilo", "M": "mega", "G": "giga", "T": "tera", "µ": "micro", "n": "nano"}
_PREFIXED = {
    "g": ("gram", "mkµ"), "W": ("watt", "mkMGT"), "V": ("volt", "mk"), "B": ("byte", "kMGT"), "J": ("joule", "kM"),
    "l": ("liter", "mµ"), "L": ("liter", "mµ"), "s": ("second", "mµn"), "A": ("ampere", "m"), "Pa": ("pascal", "kM"),
    "Wh": ("watt hour", "kMG"), "cal": ("calorie", "k"), "bit": ("bit", "kMG"), "Ω": ("ohm", "kM"),
}  # fmt: skip
_LENGTHS = {
    "mm": ("millimeter", None), "cm": ("centimeter", None), "m": ("meter", None), "km": ("kilometer", None),
    "ft": ("foot", "feet"), "in": ("inch", "inches"), "mi": ("mile", None), "yd": ("yard", None),
}  # fmt: skip
_OTHERS = {
    "mph": ("mile per hour", "miles per hour"), "kph": ("kilometer per hour", "kilometers per hour"),
    "kmh": ("kilometer per hour", "kilometers per hour"), "fps": ("frame per second", "frames per second"),
    "kbps": ("kilobit per second", "kilobits per second"), "mbps": ("megabit per second", "megabits per second"),
    "gbps": ("gigabit per second", "gigabits per second"), "rpm": ("revolution per minute", "revolutions per minute"),
    "lbs": ("pound", None), "lb": ("pound", None), "oz": ("ounce", None), "hrs": ("hour", None), "hr": ("hour", None),
    "h": ("hour", None), "mins": ("minute", None), "min": ("minute", None), "secs": ("second", None),
    "sec": ("second", None), "yrs": ("year", None), "yr": ("year", None), "ha": ("hectare", None),
    "dB": ("decibel", None),
    "hp": ("horsepower", "horsepower"),
    "psi": ("P S I", "P S I"), "gal": ("gallon", None), "tbsp": ("tablespoon", None),
    "tsp": ("teaspoon", None), "qt": ("quart", None), "fl oz": ("fluid ounce", None),
    "pts": ("point", None), "px": ("pixel", None), "°": ("degree", None),
    "%": ("percent", "percent"), "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "cc": ("C C", "C C"),
}  # fmt: skip
_ANY_CASE = listed("kg mg km cm mm kbps mbps gbps mph kph lbs lb oz rpm fps hz khz mhz ghz kb gb tb kw kwh hrs hr mins")
"""Also written in capitals or with one."""


def _units() -> dict[str, Noun]:
    """Every unit by every way to write it."""
    names = (
        _LENGTHS
        | _OTHERS
        | {unit: (name, None) for unit, (name, _) in _PREFIXED.items() if unit not in ("s", "A", "B", "J")}
    )
    names |= {
        prefix + unit: (_PREFIXES[prefix] + name, None)
        for unit, (name, prefixes) in _PREFIXED.items()
        for prefix in prefixes
    }
    names |= {f"{prefix}Hz": (f"{_PREFIXES[prefix]}hertz",) * 2 for prefix in "kMG"} | {
        "Hz": ("hertz", "hertz"),
        "KB": ("kilobyte", None),
    }
    units = {unit: _plural(one, many) for unit, (one, many) in names.items()}
    for unit, (one, many) in _LENGTHS.items():
        units |= {f"{unit}²": _plural(f"square {one}", many and f"square {many}")}
        units |= {f"{unit}³": _plural(f"cubic {one}", many and f"cubic {many}")}
    lower = {unit.lower(): noun for unit, noun in units.items()}
    for unit in _ANY_CASE:
        units |= {way: lower[unit] for way in (unit, unit.upper(), unit.capitalize()) if way not in units}
    return units


_CENT = _plural("cent")
_DOLLAR, _EURO = (_plural("dollar"), _CENT), (_plural("euro"), _CENT)
_RUBLE = (_plural("ruble"), _plural("kopeck"))
_TENGE = (_plural("tenge", "tenge"), _plural("tiyn", "tiyn"))
_POUND = (_plural("pound"), _plural("penny", "pence"))

ENGLISH = English(
    code="en",
    before_name=frozenset(listed("mr mrs ms dr prof st mt ft rev gen sen rep gov pres capt lt col "
               "maj sgt adm hon e.g i.e vs approx cf")),
    before_number=frozenset(listed("c no nos p pp pg fig figs vol ch sec est ext apt art para eq "
               "ref rm bldg tel ca max min avg jan feb mar apr jun jul aug sep sept oct nov dec")),
    closing=frozenset(listed("etc u.s u.k u.n u.s.a d.c a.m p.m jr sr inc ltd co corp "
               "ph.d b.c a.d dept ave blvd rd dr st hwy est")),
    starters=frozenset(
        listed(
            "The It He She They We I You This That These Those There Then But And So If When While After Before What "
            "Who Why How Where Is Are Was Were Do Does Did Can Will Please His Her Their Our My Its Your Not Now "
            "Also However Later"
        )
    ),
    conjunctions=frozenset(
        listed("and or but because which who whose where when while although though so that if unless until since")
    ),
    magnitudes={
        name: _plural(name, name) for name in ("hundred", "thousand", "million", "billion", "trillion", "quadrillion")
    }
    | {"bn": _plural("billion", "billion"), "mln": _plural("million", "million")},
    units=_units(),
    currencies={
        "$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO, "£": _POUND, "GBP": _POUND, "₽": _RUBLE, "RUB": _RUBLE,
        "₸": _TENGE, "KZT": _TENGE, "¥": (_plural("yen", "yen"), _plural("sen", "sen")),
        "₴": (_plural("hryvnia"), _plural("kopiyka")), "₹": (_plural("rupee"), _plural("paisa", "paise")),
        "₩": (_plural("won", "won"), _plural("jeon", "jeon")), "₺": (_plural("lira"), _plural("kurus", "kurus")),
        "¢": (_CENT, _CENT), "₿": (_plural("bitcoin"), _CENT), "JPY": (_plural("yen", "yen"), _plural("sen", "sen")),
        "CHF": (_plural("franc"), _plural("centime")), "CNY": (_plural("yuan", "yuan"), _plural("fen", "fen")),
        "INR": (_plural("rupee"), _plural("paisa", "paise")),
    },
    symbols={
        "№": "number", "#": "number", "&": "and", "@": "at", "+": "plus", "=": "equals", "±": "plus or minus",
        "×": "times", "÷": "divided by", "≈": "about", "%": "percent", "°": "degrees", "§": "section",
        "<": "less than", ">": "greater than", "$": "dollar", "€": "euro", "£": "pound", "₽": "ruble", "₸": "tenge",
        "©": "copyright", "¥": "yen", "₩": "won", "¢": "cents",
    },
    address_signs={".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", "+": "plus", "&": "ampersand"},
    range_word="to", thousands=",", dot="dot", minus="minus", plus="plus", month_first=True,
    telephone_digits=True,
)  # fmt: skip
