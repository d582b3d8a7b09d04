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

COMMON_FRACTIONS = {
    "3/4": {"n": "три четверти", "g": "трёх четвертей", "d": "трём четвертям", "i": "тремя четвертями",
            "p": "трёх четвертях"},
    "2/3": {"n": "две трети", "g": "двух третей", "d": "двум третям", "i": "двумя третями", "p": "двух третях"},
}  # fmt: skip

PER = {
    "мес": "в месяц", "год": "в год", "г": "в год", "день": "в день", "сут": "в сутки", "нед": "в неделю", "ч": "в час",
    "час": "в час", "кг": "за килограмм", "шт": "за штуку", "м²": "за квадратный метр", "км": "за километр",
    "л": "за литр", "чел": "с человека",
}  # fmt: skip

ADJECTIVE_ENDINGS = {"й": "ый", "ый": "ый", "я": "ая", "ая": "ая", "е": "ое", "ое": "ое", "го": "ого", "ого": "ого",
                     "му": "ому", "м": "ым", "х": "ых", "ю": "ую", "ую": "ую", "ой": "ой"}  # fmt: skip

TITLES = {
    "г-н": "господин", "г-на": "господина", "г-ну": "господину", "г-ном": "господином", "г-да": "господа",
    "г-жа": "госпожа", "г-жи": "госпожи", "г-же": "госпоже", "г-жу": "госпожу", "г-жой": "госпожой",
    "д-р": "доктор", "д-ра": "доктора", "д-ру": "доктору", "пр-т": "проспект", "б-р": "бульвар", "р-н": "район",
    "р-не": "районе", "з-д": "завод", "к-т": "комитет", "ф-ка": "фабрика", "о-в": "остров", "о-ва": "острова",
}  # fmt: skip

CYRILLIC_TWINS = str.maketrans("cokyaCOKABT", "сокуаСОКАВТ")
"""Latin letters that look like Russian words of one letter, and are typed instead."""

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


def _span(match: Match) -> str:
    """`-5...-7 °C`: from one to the other; ru-normalizr agrees the second number with its unit."""
    first = match[1].lstrip("+-")
    sign = {"-": "минус ", "+": "плюс "}.get(match[1][0], "")
    return f"от {sign}{cardinal(int(first), 'g')} до {match[2]}"


def _she(match: Match) -> str:
    """`она 5-й`, `она была 5-й`: what is not said of a noun is said of her."""
    return f"{match[1]}{ordinal(int(match[2]), 'i', 'f')}"


def _he(match: Match) -> str:
    """`он — 4-м`, `он пришёл 4-м`."""
    return f"{match[1]}{ordinal(int(match[2]), 'i')}"


def _common_fraction(match: Match) -> str:
    """`3/4`, `более 2/3`."""
    before = match[1] or ""
    return f"{before}{COMMON_FRACTIONS[match[2]][CASE_OF.get(before.strip().lower(), 'n')]}"


def _half(match: Match) -> str:
    """`1,5 часа`, `2,5 минуты`: one and a half, two and a half; the noun tells the gender."""
    before, whole, noun = match[1] or "", int(match[2]), match[3]
    if before.strip().lower() in CASE_OF:
        return match[0]
    gender = "f" if noun[-1] in "ыи" else "m"
    half = "полторы" if gender == "f" else "полтора"
    return f"{before}{half if whole == 1 else f'{cardinal(whole, gender=gender)} с половиной'} {noun}"


def _price(match: Match) -> str:
    """`50 ₽/кг`, `100 тыс. руб./мес.`"""
    before = match["before"] or ""
    if before.strip().lower() in CASE_OF:
        return f"{before}{match['number']} {match['scale'] or ''} рублей {PER[match['per']]}"
    if match["scale"]:
        return f"{before}{match['number']} {match['scale']} рублей {PER[match['per']]}"
    return f"{before}{counted(int(match['number']), ('рубль', 'рубля', 'рублей'))} {PER[match['per']]}"


def _percent(match: Match) -> str:
    """`100 %-й`."""
    return f"{beginning(int(match[1]))}процентн{ADJECTIVE_ENDINGS[match[2]]}"


def _day(match: Match) -> str:
    """`20.05 в 10:00`."""
    return f"{ordinal(int(match[1]), 'g', 'n')} {MONTHS[int(match[2]) - 1]}"


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


def _inches(match: Match) -> str:
    """`55"`, unless the mark closes a quotation."""
    if match.string.count('"', 0, match.end() - 1) % 2:
        return match[0]
    return counted(int(match[1]), ("дюйм", "дюйма", "дюймов"))


def _per_second(match: Match) -> str:
    """`8 км/с`, `300 000 км/с`."""
    value = int(match[1].replace(" ", ""))
    return f"{counted(value, ('километр', 'километра', 'километров'))} в секунду"


AVENUES = {"ом": "проспекте", "ем": "проспекте", "ого": "проспекта", "его": "проспекта", "ому": "проспекту",
           "ему": "проспекту"}  # fmt: skip
"""By the ending of the adjective before it."""


def _avenue(match: Match) -> str:
    """`Невский пр., 28`, `на Невском пр. 5`."""
    return f"{match[1]}{AVENUES.get(match[2], 'проспект')}"


_DAY = "|".join(WEEKDAYS)
_NO_NOUN = r"(?=\s*(?:[,.;:!?)]|$|[—–-]\s)|\s(?:в|во|на|из|по|и|а|но|с|за|к|среди|после|раз)\s)"
_BEFORE = "|".join(sorted([*CASE_OF, "счётом", "счёт", "счёте", "счёта"], key=len, reverse=True))
_ADJECTIVE = r"(?:учебн|финансов|отопительн|театральн|футбольн|хоккейн)"

_CLOCK = r"(?:[01]?\d|2[0-3])"
_UNIT_AFTER = r"(?![\w%°/-]|[.,]\d|\s?(?:раз|руб|коп|кг|г\b|м\b|км|см|мм|л\b|млн|млрд|тыс|процент|балл|[%$€₽°]))"

TITLE = re.compile(rf"(?<!\w)(?:{'|'.join(TITLES)})(?!\w)", re.IGNORECASE)

RULES = (
    rule(r"\b([A-Za-z]{1,5})\.(?= [а-яё])", r"\1"),
    rule(r"(?<=\d) ?долл\.(?= [А-ЯЁа-яё]|\s*[,;:)])", " $"), rule(r"(?<=\d) ?долл\.?(?=\s*$)", " $."),
    rule(r"(?<=\d) ?тг\b\.?(?=\s+[а-яё]|\s*[,;:)])", " тенге"), rule(r"(?<=\d) ?тг\b", " тенге"),
    rule(r"(?<![\w.,])(\d{1,4}) ?Мп\b",
         lambda match: counted(int(match[1]), ("мегапиксель", "мегапикселя", "мегапикселей"))),
    rule(r"(?<![\w.,])(\d{1,3})[\"″](?=[\s,.;:)]|$)", _inches),
    rule(r"(?<![\w.,])(\d[\d ]*\d|\d) ?км/с\b", _per_second),
    rule(r"(?<=\b[Вв] )каб\. ?(?=\d)", "кабинете "), rule(r"\bкаб\. ?(?=\d)", "кабинет "),
    rule(r"(?<=\d )г\. ?в\.(?=\s+[а-яё]|[,;)])", "года выпуска"), rule(r"(?<=\d )г\. ?в\.", "года выпуска."),
    rule(rf"(?<=\d )({'|'.join(MONTHS)}) (\d{{4}})-го\b", r"\1 \2 года"),
    rule(r"(?<![\w.,])(\d{1,3},\d{1,3})-(?=[а-яё]{4,})", r"\1 "),
    rule(r"(?<![A-Za-z] )(?<![\w-])([cokyaCOKAB])(?= (?:\d|(?!точка|собака|слэш|тире|нижнее)[а-яё]))",
         lambda match: match[1].translate(CYRILLIC_TWINS)),
    rule(r"(?<=[\d.] )([Кк])в\. ?(м|км|см|мм)\b\.?", r"\2²"), rule(r"(?<=[\d.] )[Кк]уб\. ?(м|км|см|мм)\b\.?", r"\1³"),
    rule(r"(?<![\w.,])(\d+)\s?[хx×]\s?(?=\d)", r"\1 на "),
    rule(r"(?<![\w/.,-])(\d{3})/(\d\d) ?(?=Z?R ?\d\d\b)",
         lambda match: f"{cardinal(int(match[1]))} на {cardinal(int(match[2]))} "),
    rule(rf"(?<![\w.,:-])({_CLOCK})([.-])([0-5]\d)\s?[–—-]\s?({_CLOCK})\2([0-5]\d){_UNIT_AFTER}", r"\1:\3–\4:\5"),
    rule(rf"(?<!\w)((?i:в|с|до|к|около|после)) ({_CLOCK})[.-]([0-5]\d){_UNIT_AFTER}", r"\1 \2:\3"),
    rule(r"(?<![\w.,])([0-2]?\d|3[01])\.(0[1-9]|1[0-2])(?= (?:в|с|до|по|к) \d)", _day),
    rule(r"(?<![\w.,/-])(\d{1,4})[–-](\d{1,4})-(й|я|е|го|му|м|х|ю|ой|ая|ый|ое|ого)\b", r"\1-\3 — \2-\3"),
    rule(r"(?<![\w.,])(\d{1,3}) ?%-(й|ый|я|ая|е|ое|го|ого|му|м|х|ю|ую|ой)\b", _percent),
    rule(r"(?<![\d/.,])(\d+)/\1(?![\d/]|[.,]\d)", r"\1 на \1"), rule(r"(?<![\d/.,])24/7(?![\d/])", "24 на 7"),
    rule(r"(?<=[A-Za-z] )(\d{1,9})\.(\d{1,9})(?![\d.,]\d|[\w%])",
         lambda match: f"{cardinal(int(match[1]))} точка {cardinal(int(match[2]))}"),
    rule(r"(?<=[A-Za-z] )(\d{1,6})-(\d{1,6})(?![\w-]|[.,]\d)",
         lambda match: f"{cardinal(int(match[1]))} {cardinal(int(match[2]))}"),
    rule(r"(?<![\w.,-])(\d{1,6})([A-Z]{1,3})\b", lambda match: f"{cardinal(int(match[1]))} {match[2]}"),
    rule(r"\b([A-Z][a-z]?)(\d{1,3})(?=[A-Z]|\b)", lambda match: f"{match[1]} {cardinal(int(match[2]))} "),
    rule(r"(?<!\w)([Цц]ен[аы]|[Сс]тоимость|[Сс]умма|[Кк]оличество|[Чч]исло) (\d[\d ]{0,14})"
         r"(?= ?(?:[₽$€₸]|руб|тыс|млн|млрд|тг|тенге|долл|евро|штук|человек))",
         lambda match: f"{match[1]} — {match[2].strip()}"),
    rule(r"(?<!\w)(?P<before>[А-ЯЁа-яё~≈]+ )?(?<![\w.,-])(?P<number>\d{1,9}) ?(?:(?P<scale>тыс|млн)\.? ?)?(?:₽|руб\.?)"
         rf"/(?P<per>{'|'.join(sorted(PER, key=len, reverse=True))})(?!\w)\.?", _price),
    rule(r"((?<!\w)[А-ЯЁа-яё]+ )?(?<![\w.,-])([1-4]),5 ([а-яё]{2,}[аяыи])\b", _half),
    rule(r"\b(гг?\.|год[а-я]*|(?:половин|начал|кон[ец]|середин|четверт|рубеж)[а-я]*) ([IVXLC]+) в\.",
         lambda match: f"{match[1]} {ordinal(roman(match[2]), 'g')} века"),
    rule(r"\b[Дд]об\. ?(?=\d)", "добавочный "),
    rule(r"(?<![\w.,-])([+-]?\d{1,9}) ?(?:\.{2,3}|…) ?([+-]?\d)", _span),
    rule(r"\b((?i:она|[а-яё]{2,}(?:ла|лась))(?: (?:же|опять|снова|тоже|лишь|только))?(?: [—–-])? )"
         rf"(\d{{1,4}})-й\b{_NO_NOUN}", _she),
    rule(r"\b((?i:он|[а-яё]{2,}(?:л|лся|ёл))(?: (?:же|опять|снова|тоже|лишь|только))?(?: [—–-])? )"
         rf"(\d{{1,4}})-м\b{_NO_NOUN}", _he),
    rule(rf"((?i:\b(?:{'|'.join(CASE_OF)}) ))?(?<![\w/.,-])(3/4|2/3)(?![\w/])", _common_fraction),
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
    rule(r"(?<=[а-яё] )м²", "квадратный метр"), rule(r"(?<=[а-яё] )м³", "кубический метр"),
    rule(r"(?<=\d )ст\. ?(?=\d)", "статьи "),
    rule(r"(?<=\d )гл\. ?(?=\d)", "главы "), rule(r"№{2,} ?", "номера "), rule(r"\bC#", "C шарп"),
    rule(r"(?<!\w)#(?=[^\W\d])", "хэштег "),
    rule(r"\b[Тт]\. ?е\.", "то есть"), rule(r"\b[Тт]\. ?к\.", "так как"),
    rule(r"\b[Тт]\. ?н\.", "так называемый"),
    rule(r"\bи\. ?о\. (?=[а-яё])", "исполняющий обязанности "),
    rule(r"\bи пр\.", "и прочее"), rule(r"\b[Тт]ел\.:? ?", "телефон "), rule(r"\bим\. ?" + UP, "имени "),
    rule(r"\b[Пп]роф\. ?" + UP, "профессор "), rule(r"\b[Аа]кад\. ?" + UP, "академик "),
    rule(r"\bпр\. " + UP, "просп. "), rule(r"((ого|его|ому|ему|ом|ем|[а-яё]) )пр\.(?=,? (?:д\. ?)?\d)", _avenue),
    rule(r"\bкорп\. ?(?=\d)", "корпус "), rule(r"\bоф\. ?(?=\d)", "офис "),
)  # fmt: skip
