"""English."""

from __future__ import annotations

from pipeline.speech.languages.base import Language, Match, Noun, in_words, listed, rule

MONTHS = listed("January February March April May June July August September October November December")
_M = "|".join(MONTHS)


def _ordinal(value: int) -> str:
    return in_words(value, "en", to="ordinal")


def _year(value: int) -> str:
    return in_words(value, "en", to="year")


def _decade(match: Match) -> str:
    """`1990s`, `90s`."""
    words = _year(int(match[1])) if len(match[1]) == 4 else in_words(int(match[1]), "en")
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _month_day(match: Match) -> str:
    """`December 31, 2026`."""
    return f"{match[1]} {_ordinal(int(match[2]))}" + (f", {_year(int(match[3]))}" if match[3] else "")


def _day_month(match: Match) -> str:
    """`31 December 2026`."""
    return f"{_ordinal(int(match[1]))} of {match[2]}" + (f", {_year(int(match[3]))}" if match[3] else "")


def _half_day(match: Match) -> str:
    """`5 p.m.`, `5:30 pm`."""
    hours, minutes = int(match[1]), match[2]
    return f"{ENGLISH.time(hours, int(minutes)) if minutes else ENGLISH.cardinal(hours)} {match[3].lower()} m"


class English(Language):
    """English numbers and dates."""

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """One, two, three ..."""
        return in_words(value, "en").replace(",", "")

    def decimal(self, whole: str, fraction: str) -> str:
        """Three point one four."""
        return f"{self.cardinal(int(whole))} point {' '.join(self.cardinal(int(digit)) for digit in fraction)}"

    def time(self, hours: int, minutes: int) -> str:
        """Twelve thirty, twelve oh five, twelve o'clock."""
        if minutes == 0:
            return f"{self.cardinal(hours)} o'clock" if hours <= 12 else f"{self.cardinal(hours)} hundred"
        return f"{self.cardinal(hours)} {'oh ' if minutes < 10 else ''}{self.cardinal(minutes)}"

    def date(self, day: int, month: int, year: int) -> str:
        """December thirty-first, twenty twenty-six."""
        return f"{MONTHS[month - 1]} {_ordinal(day)}, {_year(year)}"


def _month(match: Match) -> str:
    """`Jan 5`, `5 Sept.`"""
    return next(month for month in MONTHS if month.startswith(match[1][:3]))


_SHORT = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"

RULES = (
    rule(rf"\b({_SHORT})\b\.?(?= \d)", _month), rule(rf"(?<=\d )({_SHORT})\b\.?", _month),
    rule(r"\b911\b", "nine one one"),
    rule(rf"\b({_M}) (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?\b", _month_day),
    rule(rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_M})(?:,? (\d{{4}}))?\b", _day_month),
    rule(r"\b(\d{1,2})(?::([0-5]\d))? ?([AaPp])\.?[Mm]\b\.?(?=\s*$|\s+[a-z(]|[,;:!?)])", _half_day),
    rule(r"\b(\d{1,2})(?::([0-5]\d))? ?([AaPp])\.?[Mm]\b", _half_day),
    rule(r"\b(\d{4}|\d0)s\b", _decade),
    rule(r"\b(\d{1,15})(?:st|nd|rd|th)\b", lambda match: _ordinal(int(match[1]))),
    rule(r"\b([Ii]n|[Ss]ince|[Bb]y|[Ff]rom|[Uu]ntil|[Dd]uring|[Bb]efore|[Aa]fter|year|of|" + _M + r") "
         r"(1[1-9]\d{2}|20\d{2})\b(?!\s?[%$€£°]|[.,]\d)"
         r"(?=\s*$|\s*[,.;:!?)]|\s+(?:the|and|to|was|were|he|she|it|we|they|I|is|are|has|had|will)\b)",
         lambda match: f"{match[1]} {_year(int(match[2]))}"),
    rule(r"\bC#", "C sharp"), rule(r"(?<!\w)#(?=[^\W\d])", "hashtag "),
    rule(r"\bMr\.", "Mister"), rule(r"\bMrs\.", "Missus"), rule(r"\bMs\.", "Miz"), rule(r"\bDr\.", "Doctor"),
    rule(r"\bProf\.", "Professor"), rule(r"\bSt\. (?=[A-Z])", "Saint "), rule(r"\bSt\.", "Street"),
    rule(r"\bMt\. (?=[A-Z])", "Mount "), rule(r"\b[Ee]\.\s?g\.", "for example"), rule(r"\b[Ii]\.\s?e\.", "that is"),
    rule(r"\betc\.", "et cetera"), rule(r"\bvs\.?(?!\w)", "versus"), rule(r"\b[Nn]o\. ?(?=\d)", "number "),
    rule(r"\bpp?\. ?(?=\d)", "page "), rule(r"\b[Ff]ig\. ?(?=\d)", "figure "), rule(r"\b[Vv]ol\. ?(?=\d)", "volume "),
    rule(r"\b[Cc]h\. ?(?=\d)", "chapter "), rule(r"\bapprox\.", "approximately"), rule(r"\bJr\.", "Junior"),
    rule(r"\bSr\.", "Senior"), rule(r"\bdept\.", "department"), rule(r"\best\. (?=\d)", "established "),
    rule(r"\b((?:[A-Z]\.){2,})", lambda match: " ".join(match[1].replace(".", ""))),
)  # fmt: skip


def _plural(one: str, many: str | None = None) -> Noun:
    return Noun(one, many or one + "s", many or one + "s")


_CENT = _plural("cent")
_DOLLAR, _EURO = (_plural("dollar"), _CENT), (_plural("euro"), _CENT)
_RUBLE = (_plural("ruble"), _plural("kopeck"))
_TENGE = (_plural("tenge", "tenge"), _plural("tiyn", "tiyn"))
_POUND = (_plural("pound"), _plural("penny", "pence"))

ENGLISH = English(
    code="en",
    before_name=frozenset(listed("mr mrs ms dr prof st mt rev gen sen rep gov capt lt col sgt e.g i.e vs approx cf")),
    before_number=frozenset(listed("no nos p pp fig vol ch sec est")),
    closing=frozenset(listed("etc u.s u.k u.s.a a.m p.m jr sr inc ltd co corp ph.d b.c a.d dept ave blvd")),
    conjunctions=frozenset(
        listed("and or but because which who whose where when while although though so that if unless until since")
    ),
    rules=RULES,
    magnitudes={name: Noun(name, name, name) for name in ("thousand", "million", "billion", "trillion")}
    | {"bn": Noun("billion", "billion", "billion"), "mln": Noun("million", "million", "million")},
    units={
        "km/h": _plural("kilometer per hour", "kilometers per hour"), "mph": _plural("mile per hour", "miles per hour"),
        "m/s": _plural("meter per second", "meters per second"), "m²": _plural("square meter"),
        "m³": _plural("cubic meter"), "km": _plural("kilometer"), "cm": _plural("centimeter"),
        "mm": _plural("millimeter"), "m": _plural("meter"), "kg": _plural("kilogram"), "mg": _plural("milligram"),
        "g": _plural("gram"), "mi": _plural("mile"), "ft": _plural("foot", "feet"), "lbs": _plural("pound"),
        "lb": _plural("pound"), "oz": _plural("ounce"), "ml": _plural("milliliter"), "hrs": _plural("hour"),
        "hr": _plural("hour"), "min": _plural("minute"), "sec": _plural("second"), "kW": _plural("kilowatt"),
        "W": _plural("watt"), "Hz": _plural("hertz", "hertz"), "kHz": _plural("kilohertz", "kilohertz"),
        "MHz": _plural("megahertz", "megahertz"), "GHz": _plural("gigahertz", "gigahertz"), "KB": _plural("kilobyte"),
        "kB": _plural("kilobyte"), "MB": _plural("megabyte"), "GB": _plural("gigabyte"), "TB": _plural("terabyte"),
        "%": _plural("percent", "percent"), "°C": _plural("degree Celsius", "degrees Celsius"),
        "°F": _plural("degree Fahrenheit", "degrees Fahrenheit"), "°": _plural("degree"),
    },
    currencies={
        "$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO, "£": _POUND, "GBP": _POUND, "₽": _RUBLE, "RUB": _RUBLE,
        "₸": _TENGE, "KZT": _TENGE, "¥": (_plural("yen", "yen"), _plural("sen", "sen")),
        "₴": (_plural("hryvnia"), _plural("kopiyka")), "₹": (_plural("rupee"), _plural("paisa", "paise")),
    },
    symbols={
        "№": "number", "#": "number", "&": "and", "@": "at", "+": "plus", "=": "equals", "±": "plus or minus",
        "×": "times", "÷": "divided by", "≈": "about", "%": "percent", "°": "degrees", "§": "section",
        "<": "less than", ">": "greater than", "$": "dollar", "€": "euro", "£": "pound", "₽": "ruble", "₸": "tenge",
        "©": "copyright",
    },
    fractions={"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter",
               "3/4": "three quarters"},
    address_signs={".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", "+": "plus", "&": "ampersand"},
    range_word="to", thousands=",", dot="dot", minus="minus", plus="plus", month_first=True,
    telephone_digits=True,
)  # fmt: skip
