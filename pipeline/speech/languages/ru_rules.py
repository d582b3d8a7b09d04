"""Russian that ru-normalizr leaves alone or reads wrongly: these rules come before it.

Numbers that a rule does not put into words are left as digits: ru-normalizr agrees them with their nouns.
"""

from __future__ import annotations

import re

from pipeline.speech.languages.base import Match, in_words, listed, roman, rule

MONTHS = listed("января февраля марта апреля мая июня июля августа сентября октября ноября декабря")

UP = '(?=[А-ЯЁA-Z«"])'

CASES_AFTER = {
    "g": "с со до от после около из позже позднее раньше ранее более менее свыше ближе кроме ради против без",
    "d": "к ко по-к благодаря",
    "i": "между перед над под",
    "p": "о об при",
}
"""Prepositions by the case that they give to the time after them."""
CASE_OF = {word: case for case, words in CASES_AFTER.items() for word in words.split()}


HOURS = {"n": ("час", "часа", "часов"), "g": ("часа", "часов", "часов"), "d": ("часу", "часам", "часам"),
         "i": ("часом", "часами", "часами"), "p": ("часе", "часах", "часах")}  # fmt: skip
"""The forms after one, two to four, and more."""
MINUTES = {"n": ("минута", "минуты", "минут"), "g": ("минуты", "минут", "минут"),
           "d": ("минуте", "минутам", "минутам"), "i": ("минутой", "минутами", "минутами"),
           "p": ("минуте", "минутах", "минутах")}  # fmt: skip
SECONDS = {case: tuple(form.replace("минут", "секунд") for form in forms) for case, forms in MINUTES.items()}

WEEKDAYS = {
    "пн": "понедельник", "вт": "вторник", "ср": "среда", "чт": "четверг", "пт": "пятница", "сб": "суббота",
    "вс": "воскресенье",
}  # fmt: skip

YEAR_CASES = {"ый": "n", "ого": "g", "ому": "d", "ым": "i", "ом": "p", "": "n"}

COMPOUND_BEGINNINGS = {1: "одно", 40: "сорока", 90: "девяносто", 100: "сто", 1000: "тысяче"}
"""Numbers whose form in compounds is not the genitive: столетний, not сталетний."""

SIGNS = {"$": "долларов", "€": "евро", "£": "фунтов", "₽": "рублей", "¥": "юаней", "₸": "тенге", "₴": "гривен"}


def cardinal(value: int, case: str = "n", gender: str = "m") -> str:
    """A number in a case (num2words' letters) and a gender."""
    words = in_words(value, "ru", case=case, gender=gender)
    return re.sub(r"^одн(?:а|ой) (?=тысяч)", "", words)


def ordinal(value: int, case: str = "n", gender: str = "m", *, plural: bool = False) -> str:
    """An ordinal in a case and a gender."""
    return in_words(
        value, "ru", to="ordinal", case=case, gender="m" if plural else gender, plural=plural, animate=False
    )


def counted(value: int, forms: tuple[str, ...], case: str = "n", gender: str = "m") -> str:
    """A number with the noun that it counts, both in a case."""
    tens, units = value // 10 % 10, value % 10
    form = 2 if tens == 1 or units == 0 or units > 4 else 0 if units == 1 else 1
    return f"{cardinal(value, case, gender)} {forms[form]}"


def _time(match: Match) -> str:
    """`к 15:30`, `с 9:00 до 18:00`, `9:00-18:00`, `12:30:05`, `14:00 ч.`"""
    before, hour, minute, second = match["before"] or "", int(match["hour"]), int(match["minute"]), match["second"]
    if before.lower().startswith("счёт"):
        return f"{before} {cardinal(hour)} {cardinal(minute)}"
    case = CASE_OF.get(before.lower(), "n")
    parts = [before, _clock(hour, minute, case) if second is None else _exact(hour, minute, int(second), case)]
    return " ".join(filter(None, parts)) + (" — " if match["dash"] else "")


def _clock(hour: int, minute: int, case: str) -> str:
    if minute == 0:
        words = counted(hour, HOURS[case], case)
        return words.split(" ", 1)[1] if hour == 1 and case != "n" else words
    return f"{cardinal(hour, case)} {'ноль ' if minute < 10 else ''}{cardinal(minute, case)}"


def _exact(hour: int, minute: int, second: int, case: str) -> str:
    minutes, seconds = counted(minute, MINUTES[case], case, "f"), counted(second, SECONDS[case], case, "f")
    return f"{counted(hour, HOURS[case], case)} {minutes} {seconds}"


def beginning(value: int) -> str:
    """The first part of a compound: `двух` of `двухлетний`."""
    if value in COMPOUND_BEGINNINGS:
        return COMPOUND_BEGINNINGS[value]
    high, low = (value // 100 * 100, value % 100) if value % 100 else (0, value)
    tens, unit = (low // 10 * 10, low % 10) if low > 20 and low % 10 else (0, low)
    parts = [part for part in (high, tens, unit) if part]
    if len(parts) == 1:
        return cardinal(value, "g").replace(" ", "")
    return "".join(beginning(part) for part in parts)


def _school_year(match: Match) -> str:
    """`2022/23 учебный год`, `сезон 2022/2023`."""
    first, last, ending = int(match[1]), int(match[2]), match[4] or ""
    last = last if last >= 100 else first // 100 * 100 + last
    if not match[3]:
        return f"{cardinal(first)} {cardinal(last)}"
    case = YEAR_CASES[ending]
    return f"{ordinal(first, case)} — {ordinal(last % 100 or last, case)} {match[3]}"


def _date(match: Match) -> str:
    """`2/3/1906`, `01-01-86`, `03-фев-2002`."""
    day, month, year = int(match[1]), match[2], match[3]
    found = [name for at, name in enumerate(MONTHS, start=1) if month == str(at).zfill(len(month)) or name[:3] == month]
    if not found or not 1 <= day <= 31:
        return match[0]
    return f"{day} {found[0]} {year} года" if len(year) == 4 else f"{day} {found[0]} {ordinal(int(year), 'g')} года"


def _weekdays(match: Match) -> str:
    """`пн-пт`, `сб, вс`."""
    first, last = match[1].lower(), (match[2] or "").lower()
    return f"{WEEKDAYS[first]} — {WEEKDAYS[last]}" if last else WEEKDAYS[first]


def _spelled(match: Match) -> str:
    """A code: `0456`, digit by digit."""
    return " ".join(cardinal(int(digit)) for digit in match[0])


def _ordinal_roman(match: Match) -> str:
    """`II мировая`, `I международный`."""
    gender = {"я": "f", "е": "n"}.get(match[2][-1], "m")
    case = "g" if match[2].endswith(("ой", "ого")) else "a" if match[2].endswith("ую") else "n"
    return f"{ordinal(roman(match[1]), case, 'f' if match[2].endswith(('ой', 'ую')) else gender)} {match[2]}"


_DAY = "|".join(WEEKDAYS)
_BEFORE = "|".join(sorted([*CASE_OF, "счётом", "счёт", "счёте", "счёта"], key=len, reverse=True))
_ADJECTIVE = r"(?:учебн|финансов|отопительн|театральн|футбольн|хоккейн)"

RULES = (
    rule(r"(?<![\d.:])(?:(?<!\w)(?P<before>(?i:" + _BEFORE + r"))\s)?(?<![\d.:,])(?P<hour>[01]?\d|2[0-3]):"
         r"(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])(?P<dash>\s?[-–—]\s?(?=\d\d?:\d))?"
         r"(?:\s?(?:ч\.|час(?:ов|а|у|ам)?\b))?", _time),
    rule(rf"(?<![\w.])({_DAY})\.?\s?[-–—]\s?({_DAY})\b", _weekdays),
    rule(rf"(?<![\w.])({_DAY})(?=[,.]? (?:и|с|до|в|—)? ?(?:\d|{_DAY}\b))()", _weekdays),
    rule(rf"\b((?:19|20)\d\d)/((?:19|20)?\d\d)\b(?: ({_ADJECTIVE}(ый|ого|ому|ым|ом) ))?", _school_year),
    rule(r"(?<![\w.,:/+-])(?<!\d )0\d{2,8}(?![\w%]|[.,:/-]\d)", _spelled),
    rule(r"(?<!\w)([$€£₽¥₸₴]) ?(\d+(?:[.,]\d+)?) ?(тыс\.?|млн\.?|млрд\.?|трлн\.?)(?!\w)",
         lambda match: f"{match[2]} {match[3].rstrip('.')} {SIGNS[match[1]]}"),
    rule(r"\b(USD|EUR|RUB|KZT) (?=\d)(\d+(?:[.,]\d+)?)", r"\2 \1"),
    rule(r"(?<=\d) ?RUB\b", " руб."), rule(r"(?<=\d) ?KZT\b", " тенге"),
    rule(r"\b([Нн]ет|[Нн]е (?:было|будет|стало|хватает|хватило|хватит|осталось|нашлось|имеет|получил[аио]?)) "
         r"(\d{1,9})(?= [а-яё])(?!-)", lambda match: f"{match[1]} {cardinal(int(match[2]), 'g')}"),
    rule(r"\b([Вв]о?) (\d{1,6})(?= из \d)", lambda match: f"{match[1]} {cardinal(int(match[2]), 'p')}"),
    rule(r"(?<![\w.,])(\d{1,6})-([а-яё]{4,})\b", lambda match: beginning(int(match[1])) + match[2]),
    rule(r"\b(\d{1,6}) ?%-?(н[а-яё]+)\b", lambda match: f"{beginning(int(match[1]))}процент{match[2]}"),
    rule(r"(?<!\w)([1-9]0)-е(?= *(?:[,.;:!?)]|$|год|гг))", lambda match: ordinal(int(match[1]), plural=True)),
    rule(r"\b([IVX]+) ((?:миров|междунар|всемирн|всеросс|отечеств|олимп)[а-яё]+)", _ordinal_roman),
    rule(r"(?<![\w.,/-])(\d{1,2})[-/](\d{1,2}|[а-я]{3})[-/](\d{4}|\d\d)(?![\w,/-])(?:\s?г\.)?", _date),
    rule(r"\b([234])-х\b", lambda match: cardinal(int(match[1]), "g")),
    rule(r"(?<=\d )ст\. ?(?=\d)", "статьи "), rule(r"(?<=\d )гл\. ?(?=\d)", "главы "),
    rule(r"№{2,} ?", "номера "), rule(r"\bC#", "C шарп"), rule(r"(?<!\w)#(?=[^\W\d])", "хэштег "),
    rule(r"\b[Тт]\. ?е\.", "то есть"), rule(r"\b[Тт]\. ?к\.", "так как"),
    rule(r"\b[Тт]\. ?н\.", "так называемый"),
    rule(r"\bи\. ?о\. (?=[а-яё])", "исполняющий обязанности "),
    rule(r"\bи пр\.", "и прочее"), rule(r"\b[Тт]ел\.:? ?", "телефон "), rule(r"\bим\. ?" + UP, "имени "),
    rule(r"\b[Пп]роф\. ?" + UP, "профессор "), rule(r"\b[Аа]кад\. ?" + UP, "академик "),
    rule(r"\bпр\. " + UP, "просп. "), rule(r"\bкорп\. ?(?=\d)", "корпус "), rule(r"\bоф\. ?(?=\d)", "офис "),
)  # fmt: skip
