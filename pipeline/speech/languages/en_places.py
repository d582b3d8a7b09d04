"""English addresses of houses, telephone numbers, and names with Roman numerals."""

from __future__ import annotations

import re

from pipeline.speech.languages.base import Match, Rule, listed, roman, rule
from pipeline.speech.languages.en_numbers import cardinal, digits, house, ordinal

STREETS = {
    "St": "Street", "Ave": "Avenue", "Av": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Dr": "Drive", "Ln": "Lane",
    "Ct": "Court", "Pl": "Place", "Hwy": "Highway", "Expy": "Expressway", "Pkwy": "Parkway", "Ter": "Terrace",
    "Sq": "Square", "Cir": "Circle", "Fwy": "Freeway", "Rte": "Route",
}  # fmt: skip
DIRECTIONS = {"N": "North", "S": "South", "E": "East", "W": "West", "NE": "Northeast", "NW": "Northwest",
              "SE": "Southeast", "SW": "Southwest"}  # fmt: skip
STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "D C", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine",
    "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi", "MO": "Missouri",
    "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico",
    "NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon",
    "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee",
    "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington", "WV": "West Virginia",
    "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip
ALSO_WORDS = frozenset({"HI", "IN", "ME", "OH", "OK", "OR", "MS", "DE", "LA", "MA", "PA", "AL", "CO", "ID"})
"""State codes that are also words: only states before a ZIP code."""

RULERS = listed(
    "Henry Louis Charles George Edward Richard William James Elizabeth Mary Victoria Catherine Nicholas Alexander "
    "Peter Paul Pius John Benedict Leo Gregory Clement Innocent Urban Philip Ferdinand Frederick Wilhelm Otto "
    "Ivan Napoleon Margaret Anne Alfonso Robert David Harold Stephen Michael Constantine Theodore Darius Xerxes "
    "Cyrus Ramses Ramesses Thutmose Amenhotep Ptolemy Cleopatra Mehmed Murad Selim Leopold Joseph Francis "
    "Maximilian Rudolf Sigismund Christian Gustav Oscar Haakon Olaf Albert Baudouin Juan Carlos Felipe Isabella "
    "Umberto Victor Emmanuel Sam Thomas Adrian Boniface"
)
HEADINGS = listed(
    "chapter part act scene volume book section figure table type class phase stage level grade appendix article title "
    "episode season round lesson unit module war division group category tier mark bowl vol fig sec no"
)
NUMERAL = r"(?=[IVXLC]+\b)(?:X[LC]|L?X{0,3})(?:IX|IV|V?I{0,3})(?<=[IVXLC])"
_TITLES = r"(?:King|Queen|Pope|Emperor|Empress|Tsar|Czar|Prince|Princess|Sultan|Pharaoh|Kaiser|Duke|Saint|Shah)"

_STREET = (
    r"(?:(?:(?P<way>[NSEW]|N[EW]|S[EW])\.? )?(?P<name>(?:(?:[A-Z][\w'’]+|\d+(?:st|nd|rd|th)) ){1,3})"
    rf"(?P<kind>(?i:{'|'.join(STREETS)})|Street|Avenue|Boulevard|Road|Drive|Lane|Court|Place|Highway|Way|Square)\b)"
)


def _house(match: Match) -> str:
    """`123 Main St.`, `1211 E Arques Ave`."""
    way = f"{DIRECTIONS[match['way']]} " if match["way"] else ""
    kind = STREETS.get(match["kind"].title(), match["kind"])
    return f"{house(match['house'])} {way}{match['name']}{kind}{_stop(match)}"


def _stop(match: Match) -> str:
    """The full stop of an abbreviation, if it also ends the sentence."""
    rest = match.string[match.end() :]
    return "." if match[0].endswith(".") and (not rest.strip() or re.match(r"\s+[A-Z]", rest)) else ""


def _state(match: Match) -> str:
    """`, IL 62704`, `, NY`."""
    state, code = match[1], match[2]
    if not code and state in ALSO_WORDS:
        return match[0]
    return f", {STATES[state]}" + (f" {digits(code)}" if code else "")


def _telephone(match: Match) -> str:
    """`(123) 123-5678`, `1-800-GO-FEDEX`, `555.555.5555`."""
    groups = re.findall(r"\d+|[A-Z]+", match[0])
    spoken = [
        f"{cardinal(int(group))}"
        if group.endswith("00") and len(group) == 3
        else digits(group)
        if group.isdecimal()
        else group
        for group in groups
    ]
    return (" plus " if "+" in match[0] else " ") + ", ".join(spoken)


def _network_address(match: Match) -> str:
    """`192.168.0.1`."""
    return " dot ".join(map(digits, match[1].split(".")))


def _ruler(match: Match) -> str:
    """`Henry VIII`: the eighth. A lone I is the first only where it cannot be the pronoun."""
    return f"{match[1]} the {ordinal(roman(match[2]))}"


def _heading(match: Match) -> str:
    """`Chapter IV`, `World War II`."""
    return f"{match[1]} {cardinal(roman(match[2].upper()))}"


_NAMES = "|".join(RULERS)
_HEADING = "|".join(HEADINGS)
_AFTER_FIRST = r"(?=['’]s\b|[,.;:)]|\s*$| (?:of|was|and|ruled|reigned|became|died|is|had|in|the|--))"

PLACES: tuple[Rule, ...] = (
    rule(r"(?<![\w.,-])0\d{2,4}(?: \d{3,6}){1,2}(?![\w-]|[.,]\d)", _telephone),
    rule(r"\bD\.?C\.?,? (\d{5})(?:-\d{4})?\b", lambda match: f"D C {digits(match[1])}"),
    rule(rf"(?<=[a-z] )\b({'|'.join(STREETS)})\.(?= (?:NW|NE|SW|SE|[NSEW])\b)", lambda match: STREETS[match[1]]),
    rule(r"(?<![\w.-])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.]\w)", _network_address),
    rule(r"(?<![\w+(-])(?:\+?1[ .-]?)?(?:\(\d{3}\)[ -]{0,2}|\d{3}[.-])\d{3}[.-]\d{4}(?![\w-])", _telephone),
    rule(r"(?<![\w-])1-8\d\d-(?:[A-Z]+|\d+)(?:-(?:[A-Z]+|\d+))*(?![\w-])", _telephone),
    rule(r"(?<![\w.,$-])\d{3}-\d{4}(?![\w-])", _telephone),
    rule(rf"(?<![\w$.,-])(?P<house>\d{{1,5}}) {_STREET}\.?", _house),
    rule(rf"(?<=[a-z]), ?({'|'.join(STATES)})\b(?:,? (\d{{5}})(?:-\d{{4}})?\b)?", _state),
    rule(rf"(?<=[a-z] )\b({'|'.join(STREETS)})\b\.(?=\s*[,;)]|\s*$)", lambda match: STREETS[match[1]] + _stop(match)),
    rule(rf"\b((?:{_NAMES})) ({NUMERAL})\b(?<! I)(?!\.[A-Z])", _ruler),
    rule(rf"\b({_TITLES} [A-Z]\w+) ({NUMERAL})\b(?<! I)(?!\.[A-Z])", _ruler),
    rule(rf"\b((?:{_TITLES} [A-Z]\w+|{_NAMES})) (I)\b{_AFTER_FIRST}", _ruler),
    rule(r"\bWW(I{1,3})\b", lambda match: f"World War {cardinal(len(match[1]))}"),
    rule(rf"\b((?i:{_HEADING})) ({NUMERAL})\b(?!['’])"
         r"(?!(?<= I)(?<!War I) (?!(?:of|was|and|is|had|in|the|to)\b)[a-z])", _heading),
    rule(rf"\b({NUMERAL}) (?=centur)", lambda match: f"{ordinal(roman(match[1]))} "),
    rule(rf"\b([A-Z][a-z]+) ({NUMERAL})\b(?<! I)(?<! [CLXV])(?!['’.]\w)", _heading),
)  # fmt: skip
