"""What English writes with signs and abbreviations, in the order in which it is put into words."""

from __future__ import annotations

import re

from pipeline.speech.languages.base import DIGITS_MAX, Match, Rule, rule
from pipeline.speech.languages.en_dates import DATES, TIMES
from pipeline.speech.languages.en_numbers import cardinal, digits, fraction, mixed, ordinal
from pipeline.speech.languages.en_places import PLACES

BEFORE_NUMBERS = {
    "ext": "extension", "no": "number", "nos": "numbers", "p": "page", "pp": "pages", "pg": "page", "fig": "figure",
    "figs": "figures", "vol": "volume", "ch": "chapter", "chap": "chapter", "sec": "section", "sect": "section",
    "art": "article", "para": "paragraph", "eq": "equation", "ref": "reference", "apt": "apartment", "ste": "suite",
    "rm": "room", "fl": "floor", "bldg": "building", "approx": "approximately", "est": "established", "ca": "circa",
    "tel": "telephone", "max": "maximum", "min": "minimum", "avg": "average", "ver": "version", "hwy": "highway",
    "rte": "route", "pt": "part", "ep": "episode", "lv": "level", "lvl": "level", "nr": "number", "qty": "quantity",
}  # fmt: skip
TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "Gen": "General",
    "Sen": "Senator",
    "Rep": "Representative", "Gov": "Governor", "Capt": "Captain", "Lt": "Lieutenant", "Col": "Colonel", "Maj": "Major",
    "Sgt": "Sergeant", "Cpl": "Corporal", "Adm": "Admiral", "Cmdr": "Commander", "Rev": "Reverend", "Hon": "Honorable",
    "Pres": "President", "Mt": "Mount", "Ft": "Fort", "Messrs": "Messieurs", "Supt": "Superintendent",
}  # fmt: skip
ANYWHERE = {
    "etc": "et cetera", "approx": "approximately", "dept": "department", "govt": "government", "Inc": "Incorporated",
    "Ltd": "Limited", "Corp": "Corporation", "Co": "Company", "Bros": "Brothers", "Jr": "Junior", "Sr": "Senior",
    "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Hwy": "Highway", "Dept": "Department", "Univ": "University",
    "Assn": "Association", "Intl": "International", "misc": "miscellaneous", "incl": "including", "excl": "excluding",
    "vs": "versus", "est": "estimated", "max": "maximum", "min": "minimum", "avg": "average", "tel": "telephone",
}  # fmt: skip
PER = {
    "h": "hour", "hr": "hour", "hour": "hour", "s": "second", "sec": "second", "min": "minute", "d": "day",
    "day": "day", "wk": "week", "week": "week", "mo": "month", "month": "month", "yr": "year", "year": "year",
    "kg": "kilogram", "lb": "pound", "km": "kilometer", "mi": "mile", "m": "meter", "cm": "centimeter",
    "ml": "milliliter",
    "mL": "milliliter", "L": "liter", "l": "liter", "g": "gram", "gal": "gallon", "night": "night", "person": "person",
    "m²": "square meter", "m³": "cubic meter", "cm²": "square centimeter", "cm³": "cubic centimeter",
    "s²": "second squared", "f": "F",
}  # fmt: skip
SCALES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mm": "million", "MM": "million", "mn": "million",
    "mln": "million", "b": "billion", "B": "billion", "bn": "billion", "t": "trillion", "T": "trillion",
    "tn": "trillion",     "trn": "trillion",
}  # fmt: skip
WHOLES = {
    "lbs": "pound", "lb": "pound", "oz": "ounce", "kg": "kilogram", "km": "kilometer", "mi": "mile", "ft": "foot",
    "in": "inch", "hrs": "hour", "hr": "hour", "tsp": "teaspoon", "tbsp": "tablespoon",
}  # fmt: skip
"""Units that fractions count."""
PLURALS = {"foot": "feet", "inch": "inches"}
SIGNS = "$€£¥₹₽₩₺₴₸₿"
NOT_FRACTIONS = frozenset({"24/7", "9/11", "50/50", "20/20", "7/11", "80/20"})


def _per(match: Match) -> str:
    """`60 km/h`, `$20/mo`, `12/kg`."""
    return f"{match[1]} per {PER[match[2]]}"


def _scaled(match: Match) -> str:
    """`$25.4T`, `£3bn`, `$5k`."""
    return f"{match[1]}{match[2]} {SCALES[match[3]]}"


def _feet(match: Match) -> str:
    """`5'10"`, `6 ft 2 in`."""
    feet, inches = int(match["feet"]), match["inches"]
    words = f"{cardinal(feet)} {'foot' if feet == 1 else 'feet'}"
    return f"{words} {inches} {'inch' if inches == '1' else 'inches'}" if inches else words


def _inches(match: Match) -> str:
    """`12"`, unless the mark closes a quotation."""
    if match.string.count('"', 0, match.start()) % 2 and match.string.count('"', match.end()) % 2 == 0:
        return match[0]
    return f"{match[1]} {'inch' if match[1] == '1' else 'inches'}"


def _fraction(match: Match) -> str:
    """`3/4`, `3 1/2`, `1/4th`."""
    whole, numerator, denominator = match["whole"], int(match["numerator"]), int(match["denominator"])
    written = f"{numerator}/{denominator}"
    if denominator == 0 or written in NOT_FRACTIONS:
        return f"{match['whole'] or ''} {numerator} {denominator}"
    if numerator == denominator:
        return f"{cardinal(numerator)} out of {cardinal(denominator)}"
    if denominator == 1:
        return f"{whole + ' and ' if whole else ''}{cardinal(numerator)} over one"
    words = mixed(int(whole), numerator, denominator) if whole else fraction(numerator, denominator)
    unit = WHOLES.get(match["unit"] or "", "")
    return f"{words} {PLURALS.get(unit, unit + 's') if whole else f'of a {unit}'}" if unit else words


def _saint_or_street(match: Match) -> str:
    """`St. John`, `Main St.`"""
    before = match.string[: match.start()].rsplit(None, 1)
    after = match.string[match.end() :]
    is_name = bool(before) and match.start() > 0 and bool(re.match(r"[A-Z][a-z]|\d+(?:st|nd|rd|th)", before[-1]))
    if re.match(r"\s+[A-Z]", after) and not (is_name and re.search(r"\d", match.string[: match.start()][-40:])):
        return "Saint"
    ends = match[0].endswith(".") and (not after.strip() or bool(re.match(r"\s+[A-Z]", after)))
    return ("Street" + "." * ends) if is_name or match[0].endswith(".") else match[0]


def _letters(match: Match) -> str:
    """`U.S.`, `Ph.D.`: letters, with the full stop if it ends the text."""
    end = "." if not match.string[match.end() :].strip() else ""
    return " ".join(re.sub(r"\W", "", match[0])) + end


def _whole(number: str) -> str:
    """A whole number in words; others stay."""
    return cardinal(int(number.replace(",", ""))) if "." not in number and len(number) <= DIGITS_MAX else number


def _words(table: dict[str, str]) -> str:
    return "|".join(sorted(map(re.escape, table), key=len, reverse=True))


_AFTER_IN = r"(?!(?:wide|long|tall|high|deep|thick|across|by|x|in diameter|screen|display|monitor|of)\b)[A-Za-z0-9$€£]"
"""After a number, `in` before anything but these is the preposition, not inches."""

_NUMBER = r"(?<![\d.,])\d++(?:,\d{3})*+(?:\.\d++)?"

ABBREVIATIONS: tuple[Rule, ...] = (
    rule(rf"\b((?i:{_words(BEFORE_NUMBERS)}))\.(?= ?\d)", lambda match: f"{BEFORE_NUMBERS[match[1].lower()]} "),
    rule(r"\b((?i:pp?|ext|apt|fig|vol)) (?=\d)", lambda match: f"{BEFORE_NUMBERS[match[1].lower()]} "),
    rule(rf"\b({_words(TITLES)})\. ?(?=[A-Z]|(?:and|or|&) (?:{_words(TITLES)})\b)",
         lambda match: f"{TITLES[match[1]]} "),
    rule(r"\bSt\b\.?", _saint_or_street),
    rule(r"\b[Ee]\. ?g\.", "for example"), rule(r"\b[Ii]\. ?e\.", "that is"), rule(r"\bcf\.", "compare"),
    rule(r"\bca?\. ?(?=\d{3,4}\b)", "circa "),
    rule(r"(?<=\d)( ?)mins?\.(?=\s*$|\s+[A-Z])", r"\1minutes."),
    rule(r"(?<=\d)( ?)(mins?|secs?|hrs?|oz|lbs?|qts?|tsp|tbsp)\.(?=\s*[,;:!?)]|\s+[a-z(])", r"\1\2"),
    rule(r"\bet al\.", "and others"), rule(r"\ba\.k\.a\.|\baka\b", "also known as"), rule(r"\bw/o\b", "without"),
    rule(r"\bw/ ?(?=\w)", "with "), rule(r"\bvs\b(?!\.)", "versus"), rule(r"\bPh\.? ?D\b\.?", "P H D"),
    rule(rf"\b({_words(ANYWHERE)})\.(?=\s*[,;:!?)]|\s+[a-z(]|['’])", lambda match: ANYWHERE[match[1]]),
    rule(rf"\b({_words(ANYWHERE)})\.(?=\s|$)", lambda match: f"{ANYWHERE[match[1]]}."),
    rule(r"\b(?:[A-Z]\.){2,}|\b(?:[A-Z]\. )+[A-Z]\.(?= [A-Z])|\b[A-Z](?:\.[A-Z])+\b", _letters),
)  # fmt: skip


def _apart(match: Match) -> str:
    """`747-400`, `1-413-te-b`: a name, neither a range nor a score."""
    return re.sub(r"(?<=\d)-(?=\d)", " ", match[0])


MAGNITUDES: tuple[Rule, ...] = (
    rule(r"(?<![\w-])(?=[\w-]*[A-Za-z])(?=[\w-]*\d-\d)\w+(?:-\w+){3,}(?![\w-])", _apart),
    rule(r"(?<![\w.,$-])(\d{3,4})-(\d{3})(?![\w-]|[.,]\d)",
         lambda match: _apart(match) if int(match[1]) > int(match[2]) else match[0]),
    rule(r"(?<![\w.,$-])(\d+\.\d+) ?s\b(?!['’])", r"\1 seconds"),
    rule(rf"([{SIGNS}]{_NUMBER} ?(?:{_words(SCALES)})?)\s?[-–—]\s?(?=[{SIGNS}]\d)", r"\1 to "),
    rule(r"(?<=\d)\s?(sq|cu)\.? ?(ft|in|mi|yd|m|km|cm|mm)\b\.?",
         lambda match: f" {match[2]}{'²' if match[1] == 'sq' else '³'}"),
    rule(r"(?<=\d)( ?)(mm|cm|km|m|ft|in|mi|yd)([23])\b", lambda match: f" {match[2]}{'²' if match[3] == '2' else '³'}"),
    rule(r"\b(US|C|CA|A|AU|NZ|HK|S|R|MX)\$ ?(?=\d)", "$"),
    rule(rf"\b(USD|EUR|GBP|RUB|JPY|INR|KZT|CHF|CNY) ?(?=\d)({_NUMBER})", r"\2 \1"),
    rule(rf"([{SIGNS}]) ?({_NUMBER}) ?({_words(SCALES)})(?![\w²³/])", _scaled),
    rule(r"(?<![\w.,$-])(\d+(?:\.\d+)?)([MB])\b(?! [A-Z])", lambda match: f"{match[1]} {SCALES[match[2]]}"),
    rule(r"(?<![\w.,$-])(\d{2,}|\d+\.\d+)[kK]\b(?! run| race)", r"\1 thousand"),
)  # fmt: skip

AMOUNTS: tuple[Rule, ...] = (
    rule(rf"(?<![$€£\w.-])({_NUMBER}) in (?={_AFTER_IN})", lambda match: f"{_whole(match[1])} in "),
    rule(r"(?<=\d)\^(?=\d)", " to the power of "),
    rule(rf"([{SIGNS}])({_NUMBER})\s?[-–—]\s?(?=[{SIGNS}]\d)", r"\1\2 to "),
    rule(rf"([{SIGNS}])({_NUMBER})\s?[-–—]\s?(?=\d)", r"\2 to \1"),
    rule(rf"({_NUMBER}) ?%\s?[-–—]\s?(?=\d)", r"\1 percent to "),
    rule(rf"((?:[{SIGNS}]|\b){_NUMBER} ?(?:[a-zA-Zµ°²³]{{1,12}}|[%°])?) ?/ ?({_words(PER)})(?![\w/])", _per),
    rule(r"\$0?\.(\d)(?!\d| ?(?:million|thousand|billion|trillion|hundred))", r"$0.\g<1>0"),
    rule(r"([$€£]\d+)\.(\d)(?!\d| ?(?:million|thousand|billion|trillion|hundred))",
                                              r"\1.\g<2>0"),
    rule(r"(?<![\d/'])(?P<feet>\d{1,2}) ?['’′] ?(?P<inches>\d{1,2}(?:\.\d)?(?: ?[13]/[248])?)"
         r" ?(?:[\"”″]|''|in\b)?(?!\d)", _feet),
    rule(r"(?<![\d/'])(?P<feet>\d{1,3}) ?(?:ft|feet|foot)\.? (?P<inches>\d{1,2}) ?(?:in\b\.?|inches|inch)", _feet),
    rule(r"(?<![\w'])(?P<feet>\d{1,3})['’′](?P<inches>)(?= (?:tall|high|long|wide|deep|x|by)\b)", _feet),
    rule(r"\b([Aa]n? \d+(?:\.\d+)?)[\"”″](?= [A-Za-z])", r"\1 inch"),
    rule(r"(?<![\w.,])(\d+(?:\.\d+)?(?: \d/\d)?)(?:[\"”″]|'')", _inches),
    rule(r"(?<=\d)( ?(?:cm|mm|m|in|ft|km)?)\s?[x×]\s?(?=\d)", r"\1 by "), rule(r"\b(\d+)x\b", r"\1 times"),
    rule(r"(?<=\d)\s?\*\s?(?=\d)", " times "), rule(r"(?<=\d)\s?-\s?(?=\d+\s?=)", " minus "),
    rule(r"(?<![\d/.,])(?:(?P<whole>\d+)(?: and)? )?(?P<numerator>\d+) ?/ ?(?P<denominator>\d+)(?i:th|rd|nd|ths|rds)?"
         rf"(?: ?(?P<unit>{_words(WHOLES)}))?(?![\w/]|[.,]\d)",
         _fraction),
    rule(r"\b([abnrxyz])²", r"\1 squared"), rule(r"\b([abnrxyz])³", r"\1 cubed"),
    rule(r"(?<![\w,.])(\d{1,3}(?:,\d{3})++|\d{1,15})(?i:st|nd|rd|th)\b",
         lambda match: ordinal(int(match[1].replace(",", "")))),
    rule(r"(?<![\w.,])(\d+)-(?=(?:km|cm|mm|m|kg|g|mg|lb|mi|ft|oz|ml|l|L|mph)\b)", r"\1 "),
    rule(r"\b401\(?k\)?", "four oh one k"),
    rule(r"\b(ending in|(?:[Cc]ode|PIN|pin|otp|OTP|[Pp]asscode|[Pp]assword)(?: is|:)?) (\d{3,8})\b(?![,.]\d)",
         lambda match: f"{match[1]} {digits(match[2])}"),
    rule(r"\b(?<![,.:/\d-])0\d+\b(?![.,:/]\d)", lambda match: digits(match[0])),
    rule(r"\b911\b", "nine one one"), rule(r"\bC#", "C sharp"), rule(r"(?<!\w)#(?=[^\W\d])", "hashtag "),
    rule(r"\band/or\b", "and or"), rule(r"(?<=[a-z]{3}) ?/ ?(?=[a-z]{3})", " slash "),
)  # fmt: skip

RULES: tuple[Rule, ...] = (*PLACES, *TIMES, *ABBREVIATIONS, *MAGNITUDES, *DATES, *AMOUNTS)
"""Dates come after magnitudes and before ranges and fractions."""
