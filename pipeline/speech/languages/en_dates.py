"""English dates, years and times of day."""

from __future__ import annotations

import re

from pipeline.speech.languages.base import Match, Rule, listed, rule
from pipeline.speech.languages.en_numbers import cardinal, decade, ordinal, year

MONTHS = listed("January February March April May June July August September October November December")
DAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_MONTH = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:1\d|20)\d\d"
_COMMA = r"\s*,?\s*"
_END = r"(?![\w%]|[.,:/-]\d)"
_WEEKDAY = r"(Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun)"
_DASH = r"\s?[-–—]\s?"
_COUNTED = (
    r"(?! ?(?:[a-z]+(?:[^s\W]s|children|men|women)\b(?<!\bwas)(?<!\bhas)(?<!\bthis)(?<!\bits)(?<!\bhis)(?<!\bas)"
    r"(?<!\bis)"
    r"|people|of (?:them|these|those|the)|percent|feet|[%°$€£]"
    r"|(?:km|kg|m|cm|mm|g|mg|ml|lbs?|mi|ft|oz|Hz|kHz|MHz|W|kW|V|K|x)\b))"
)
"""Not before a plural noun or a unit: that is a number of things, not a year."""
_NOT_COUNTING = (
    r"(?<![\w$€£¥₹#№.,:/+-])(?<!than )(?<!over )(?<!about )(?<!nearly )(?<!least )(?<!most )(?<!room )(?<!flight )"
    r"(?<!number )(?<!code )(?<!ext )(?<!ending in )(?<!pin )(?<!PIN )(?<!\d )(?<!minus )(?<!- )"
)


def month(name: str) -> str:
    """The full name of a month."""
    return next(full for full in MONTHS if full.lower().startswith(name.lower().rstrip(".")[:3]))


def weekday(name: str) -> str:
    """The full name of a day of the week."""
    return next(full for full in DAYS if full.startswith(name[:3]))


def _is_verb(name: str, with_year: bool) -> bool:
    """`may 5`, `march 10`: a month only with a year."""
    return name in ("may", "march") and not with_year


def _number(day: str) -> int:
    return int(re.sub(r"\D", "", day))


def _years(text: str | None) -> str:
    return f", {year(int(text))}" if text else ""


def _month_day(match: Match) -> str:
    """`July 25, 2012`, `jul 25th`, `Jan-15-2020`, `July 5-7`."""
    if _is_verb(match["month"], bool(match["year"])):
        return match[0]
    last = f" to {ordinal(_number(match['last']))}" if match["last"] else ""
    return f"{month(match['month'])} {ordinal(_number(match['day']))}{last}{_years(match['year'])}"


def _day_month(match: Match) -> str:
    """`25 July 2012`, `the 25th of July`, `5-7 July`."""
    if _is_verb(match["month"], bool(match["year"])):
        return match[0]
    last = f" to the {ordinal(_number(match['last']))}" if match["last"] else ""
    return f"the {ordinal(_number(match['day']))}{last} of {month(match['month'])}{_years(match['year'])}"


def _month_year(match: Match) -> str:
    """`July 1876`."""
    return match[0] if match[1] in ("may", "march") else f"{month(match[1])} {year(int(match[2]))}"


def _numeric(match: Match) -> str:
    """`12/31/2026`, `15-01-2020`, `31.12.2026`, `11/17/05`: the month comes first with slashes, if it can."""
    first, second, text = int(match[1]), int(match[3]), match[4]
    day, name = (second, first) if match[2] == "/" and first <= 12 else (first, second)
    if name > 12:
        day, name = name, day
    if not (1 <= day <= 31 and 1 <= name <= 12):
        return match[0]
    return f"{MONTHS[name - 1]} {ordinal(day)}, {year(int(text)) if len(text) == 4 else _short_year(int(text))}"


def _short_date(match: Match) -> str:
    """`ends 12/31`, `Friday 3/14`; `from 1/2` and `1/4 of` may be fractions."""
    if (match[2], match[3]) in (("1", "2"), ("1", "3"), ("1", "4"), ("3", "4"), ("2", "3")):
        return match[0]
    return f"{match[1]} {MONTHS[int(match[2]) - 1]} {ordinal(int(match[3]))}"


def _short_year(value: int) -> str:
    return f"oh {cardinal(value)}" if value < 10 else cardinal(value)


def _iso(match: Match) -> str:
    """`2026-12-31`, `2016/07/03`."""
    name, day = int(match[3]), int(match[4])
    if not (1 <= day <= 31 and 1 <= name <= 12):
        return match[0]
    return f"{MONTHS[name - 1]} {ordinal(day)}, {year(int(match[1]))}"


def _year_range(match: Match) -> str:
    """`1990-1995`, `1960-80`."""
    first, last = int(match[1]), match[2]
    if (len(last) == 4 and int(last) <= first) or (len(last) == 2 and int(last) <= first % 100):
        return match[0]
    return f"{year(first)} to {year(int(last)) if len(last) == 4 else _short_year(int(last))}"


def _clock(hours: int, minutes: str | None) -> str:
    if minutes is None or minutes == "00":
        return cardinal(hours)
    return f"{cardinal(hours)} {'oh ' if minutes[0] == '0' else ''}{cardinal(int(minutes))}"


def _half_day(match: Match) -> str:
    """`9am`, `5:30 p.m.`, `8:12 PM EST`."""
    zone = f" {' '.join(match['zone'].replace('.', ''))}" if match["zone"] else ""
    return f"{_clock(int(match['hours']), match['minutes'])} {match['half'].lower()} m{zone}"


def _duration(match: Match) -> str:
    """`1:02:03`."""
    hour, minute, second = map(_counted, match.groups(), ("hour", "minute", "second"))
    return f"{hour} {minute} and {second}"


def _hours_minutes(match: Match) -> str:
    """`1h 30m`, `2h15m10s`."""
    return " ".join(map(_counted, filter(None, match.groups()), ("hour", "minute", "second")))


def _counted(number: str, unit: str) -> str:
    return f"{cardinal(int(number))} {unit}{'' if int(number) == 1 else 's'}"


_HALF = r"(?P<half>[AaPp])(?:\.[Mm]\.?|[Mm]\b\.?)"
_ZONE = r"(?: (?P<zone>(?:[ECMP][SD]?T|GMT|UTC|[ecmp]\.[sd]\.t\.?)\b))?"

TIMES: tuple[Rule, ...] = (
    rule(rf"(?<=[AaPp]m){_DASH}(?=\d)|(?<=[AaPp]M){_DASH}(?=\d)|(?<=[AaPp]\.m\.){_DASH}(?=\d)", " to "),
    rule(rf"(?<![\d:.])(\d{{1,2}}(?::[0-5]\d)?){_DASH}(?=\d{{1,2}}(?::[0-5]\d)? ?[AaPp]\.?[Mm]\b)",
         lambda match: f"{_clock(*_hours(match[1]))} to "),
    rule(rf"(?<![\d:.,/])(?P<hours>0?\d|1[0-2])(?::(?P<minutes>[0-5]\d)(?::00)?)? ?{_HALF}{_ZONE}"
         r"(?=\s*$|\s+[a-z(]|[,;:!?)])",
         _half_day),
    rule(rf"(?<![\d:.,/])(?P<hours>0?\d|1[0-2])(?::(?P<minutes>[0-5]\d)(?::00)?)? ?"
         rf"(?P<half>[AaPp])\.?[Mm]\b{_ZONE}", _half_day),
    rule(r"(?<![\d:.])(\d\d?):([0-5]\d):([0-5]\d)(?![\d:])", _duration),
    rule(r"(?<![\w.,])(\d{1,3})h ?([0-5]?\d)m(?:in)?(?: ?([0-5]?\d)s)?\b", _hours_minutes),
    rule(r"(?<![\w.,])([0-5]?\d)m ?([0-5]?\d)s\b",
         lambda match: f"{_counted(match[1], 'minute')} {_counted(match[2], 'second')}"),
    rule(rf"(?<![\d:.])((?:[01]?\d|2[0-3]):[0-5]\d){_DASH}(?=(?:[01]?\d|2[0-3]):[0-5]\d)", r"\1 to "),
    rule(r"(?<![\d:.])(\d{1,3}):(\d)(?![\d:])", r"\1 to \2"),
)  # fmt: skip


def _hours(text: str) -> tuple[int, str | None]:
    hours, _, minutes = text.partition(":")
    return int(hours), minutes or None


def _season(match: Match) -> str:
    """`2023/24`, `FY2023/24`: two years."""
    first, last = int(match[2]), int(match[3])
    if last != (first + 1) % 100:
        return match[0]
    return f"{'F Y ' if match[1] else ''}{year(first)} {_short_year(last)}"


DATES: tuple[Rule, ...] = (
    rule(r"\b(FY ?)?(?<![\d/])((?:19|20)\d\d)/(\d\d)(?![\d/])", _season),
    rule(r"(?<=\b[QH][1-4] )((?:19|20)\d\d)\b", lambda match: year(int(match[1]))),
    rule(r"(?<=\d{4}-\d\d-\d\d)T(?=\d\d:)", " "),
    rule(rf"\b([Ff]rom) (\d{{1,2}}) to (?=\d{{1,2}} {_MONTH})",
         lambda match: f"{match[1]} the {ordinal(int(match[2]))} to "),
    rule(rf"\b{_WEEKDAY}\b\.?{_DASH}{_WEEKDAY}\b\.?", lambda match: f"{weekday(match[1])} to {weekday(match[2])}"),
    rule(rf"\b{_WEEKDAY}\b\.?(?=,? (?:{_MONTH} )?\d|,? {_MONTH})", lambda match: weekday(match[1])),
    rule(r"\b(Mon|Tues?|Wed|Thurs?|Thu|Fri)\b\.?(?=\s*(?:$|[,;:!?)&/]"
         r"| (?:and|at|from|to|through|until|by|after|before)\b))",
         lambda match: weekday(match[1])),
    rule(rf"\b({_MONTH}){_DASH}({_MONTH})(?= \d|[,;)]|$)", lambda match: f"{month(match[1])} to {month(match[2])}"),
    rule(r"(?<![\d/-])(\d{4})([-/])(\d\d?)\2(\d\d?)(?![\d/-])", _iso),
    rule(r"(?<![\w./-])(\d\d?)([./-])(\d\d?)\2(\d{4})(?![\d/-])", _numeric),
    rule(r"(?<![\w./-])(\d\d?)(/)(\d\d?)/(\d\d)(?![\d/-])", _numeric),
    rule(r"\b((?i:on|by|until|till|before|after|since|from|due|ends?|starts?|begins?|opens?|closes?|expires?|dated|"
         rf"{'|'.join(DAYS)}),?) (0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])(?![\w/%]|[.,]\d| (?:of|inch|cup|mile))",
         _short_date),
    rule(rf"\b(?P<month>{_MONTH})[ -](?P<day>{_DAY})(?:{_DASH}(?P<last>{_DAY}))?\b"
         rf"(?:(?:{_COMMA}|-)(?P<year>{_YEAR}))?{_END}", _month_day),
    rule(rf"(?<![\w.,:/-])(?:[Tt]he )?(?P<day>{_DAY})(?:{_DASH}(?P<last>{_DAY}))?(?: of|-)? ?(?P<month>{_MONTH})"
         rf"(?:(?:{_COMMA}|-)(?P<year>{_YEAR}))?{_END}", _day_month),
    rule(rf"\b({_MONTH}),? ({_YEAR}){_END}{_COUNTED}", _month_year),
    rule(rf"(?<![\w'’])['’]?((?:1\d|20)?\d0) ?['’]?s{_DASH}(?=['’]?\d)", lambda match: f"{decade(int(match[1]))} to "),
    rule(r"(?<![\w'’$])['’]?(\d{4} ?|[1-9]0)['’]?s\b(?![-'’])", lambda match: decade(int(match[1]))),
    rule(rf"(?<![\w$€£.,:/-])({_YEAR}){_DASH}({_YEAR}|\d\d)(?![\w%]|[.,:/-]\d)", _year_range),
    rule(r"\b(\d{3,4}) ?(?=(?:A\.?D|B\.?C|C\.?E|B\.?C\.?E)\b)", lambda match: f"{year(int(match[1]))} "),
    rule(rf"{_NOT_COUNTING}(1[1-9]\d\d|20\d\d){_END}(?![-–])(?!['’\"”″]){_COUNTED}", lambda match: year(int(match[1]))),
)  # fmt: skip
