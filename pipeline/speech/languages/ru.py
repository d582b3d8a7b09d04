"""Russian. ru-normalizr reads numbers, dates, abbreviations and units in the case that a sentence asks for. The rules
of `ru_rules` come before it; the words for numbers and signs that it leaves, below, after it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pipeline.speech.languages.base import Language, Match, Noun, in_words, listed
from pipeline.speech.languages.ru_cases import WithAmounts, pages
from pipeline.speech.languages.ru_rules import CASE_OF, MONTHS, RULES, TITLE, TITLES, cardinal, ordinal

_OBLIQUE = frozenset({*CASE_OF, *listed("течение пределах порядка больше меньше выше ниже для из у за весом")})
"""Words before a range that give it another case than the nominative or the accusative."""

_TELEPHONE = re.compile(
    r"(?<![\w+-])(?:[78][ -]?)?(?:\(\d{3,5}\)[ -]?|\d{3,5}[ -])?\d{3}-\d\d-\d\d(?![\w-])"
    r"|(?<![\w+-])8 \(?\d{3}\)? \d{3} \d\d \d\d(?![\w-])"
)
_PLUS_STRESS = re.compile(r"\+([аеёиоуыэюя])", re.IGNORECASE)
"""ru-normalizr writes a stressed vowel so."""
_PLAIN = re.compile(r"[а-яё\u0301 ,!?…:;—–«»\"-]*(?:(?<![а-яё])[а-яё-]{5,}\.)?", re.IGNORECASE)
"""Text with nothing to put into words: letters, and a full stop only after a word too long for an abbreviation."""
_ONE_THOUSAND = re.compile(r"(?:(?<!\w)([а-яё]+) )?одн(?:а|ой) (тысяч[аи])\b")
_TENS_OR_HUNDREDS = re.compile(r"дцат|десят|сорок|девяност|(?:ст[оаи]|сот|стам|стах|стами)$")


_MANY = (
    r"(?:(?:пят|шест|сем|дев|дес|восем|надцат|дцат)[а-я]*(?:ь|и)|сорока?|(?:девяно)?ст[оа]|десяти?|двести|триста|четыреста"
    r"|[а-я]+сот|тысяч[аи]?|миллион(?:а|ов)?|миллиард(?:а|ов)?|ноль|нуля|двух|тр[её]х|четыр[её]х)"
)
"""The last word of a number before a noun in the genitive plural."""
_GRAMS = re.compile(rf"\b([а-я]*{_MANY} (?:кило|милли|микро)?)грамм\b")
"""ru-normalizr has the colloquial form."""
_BYTES = re.compile(rf"\b([а-я]*{_MANY} (?:кило|мега|гига|тера)?(?:байт|бит))ов\b")

_COLON = re.compile(r"(?<=[а-яё]):(?=[а-яё])")
"""Between the numbers of a score or a ratio."""


@cache
def _range_pattern() -> re.Pattern[str]:
    """A range with an abbreviated unit."""
    units = "|".join(re.escape(unit) for unit in sorted(RUSSIAN.units, key=len, reverse=True))
    return re.compile(
        r"(?<!\w)(?P<before>[А-ЯЁа-яё]+ )?(?<![\w.,-])(?P<first>\d{1,9})\s?[-–—]\s?(?P<last>\d{1,9})\s?"
        rf"(?:(?P<scale>тыс|млн|млрд)\.?\s?)?(?P<unit>{units}|руб|₽|\$|€)(?![\w²³/])(?P<stop>\.(?=\s?[,;:)]|\s[а-яё]))?"
    )


def _range(match: Match) -> str:
    """`5–7 м/с`: in the nominative, unless ru-normalizr finds the case by a preposition."""
    before, scale, unit = match["before"] or "", match["scale"], match["unit"]
    if before.strip().lower() in _OBLIQUE:
        return match[0]
    noun = RUSSIAN.units[unit] if unit in RUSSIAN.units else RUSSIAN.currencies[unit][0]
    counted = RUSSIAN.magnitudes[scale] if scale else noun
    first, last = (RUSSIAN.cardinal(int(match[end]), feminine=counted.feminine) for end in ("first", "last"))
    words = f"{before}{first} — {last} {RUSSIAN.form(match['last'], counted)}"
    return f"{words} {noun.many}" if scale else words


@cache
def _with_amounts() -> WithAmounts:
    return WithAmounts(RUSSIAN.units)


@cache
def _library() -> Any:
    from ru_normalizr import Normalizer  # loads a dictionary of 15 MB

    return Normalizer()


def _thousand(match: Match) -> str:
    """`тысяча`, but `сто одна тысяча`."""
    before = match[1]
    return match[0] if before and _TENS_OR_HUNDREDS.search(before) else f"{before} {match[2]}" if before else match[2]


class Russian(Language):
    """Russian numbers and dates."""

    def rewritten(self, text: str) -> str:
        """See `Language`."""
        text = TITLE.sub(lambda match: TITLES[match[0].lower()], text)
        if _PLAIN.fullmatch(text):
            return text
        text = _TELEPHONE.sub(lambda match: f" {self.telephone(re.findall('[0-9]+', match[0]))} ", text)
        for pattern, say in RULES:
            text = pattern.sub(say, text)
        text = _with_amounts().said(pages(_range_pattern().sub(_range, text)))
        text = _ONE_THOUSAND.sub(_thousand, _PLUS_STRESS.sub("\\1\u0301", _library().normalize(text)))
        return _COLON.sub(" ", _GRAMS.sub("\\1граммов", _BYTES.sub("\\1", text)))

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """Один или одна, два или две."""
        return cardinal(value, gender="f" if feminine else "m")

    def decimal(self, whole: str, fraction: str) -> str:
        """Три целых пять десятых; four or more decimals are read digit by digit."""
        if len(fraction) <= 3:
            return in_words(float(f"{whole}.{fraction}"), "ru") if fraction.strip("0") else self.number(whole)
        return f"{self.cardinal(int(whole))} запятая {self.digits(fraction)}"

    def form(self, number: str, noun: Noun) -> str:
        """Рубль, рубля, рублей; decimals take the second form."""
        if not number.isdigit():
            return noun.few
        if number[-2:-1] == "1":
            return noun.many
        return noun.one if number[-1] == "1" else noun.few if number[-1] in "234" else noun.many

    def time(self, hours: int, minutes: int) -> str:
        """Двенадцать тридцать, двенадцать ноль пять, двенадцать ноль-ноль."""
        if minutes == 0:
            return f"{self.cardinal(hours)} ноль-ноль"
        return f"{self.cardinal(hours)} {'ноль ' if minutes < 10 else ''}{self.cardinal(minutes)}"

    def date(self, day: int, month: int, year: int) -> str:
        """Тридцать первого декабря две тысячи двадцать шестого года."""
        return f"{ordinal(day, 'g', 'n')} {MONTHS[month - 1]} {ordinal(year, 'g')} года"


_BYTE = ("байт", "байта", "байт")


def _prefixed(prefix: str, forms: tuple[str, str, str]) -> Noun:
    one, few, many = forms
    return Noun(prefix + one, prefix + few, prefix + many)


_KOPECK = Noun("копейка", "копейки", "копеек", feminine=True)
_RUBLE = (Noun("рубль", "рубля", "рублей"), _KOPECK)
_DOLLAR = (Noun("доллар", "доллара", "долларов"), Noun("цент", "цента", "центов"))
_EURO = (Noun("евро", "евро", "евро"), Noun("цент", "цента", "центов"))
_TENGE = (Noun("тенге", "тенге", "тенге"), Noun("тиын", "тиына", "тиынов"))
_METRE = ("метр", "метра", "метров")
_GRAM = ("грамм", "грамма", "граммов")
_WATT = ("ватт", "ватта", "ватт")
_HERTZ = ("герц", "герца", "герц")

RUSSIAN = Russian(
    code="ru",
    before_name=frozenset(listed(
            "ул им см г гор долл пос пер пл пр просп проф акад тел напр обл ст св т.е т.к т.н ок ср кв куб "
            "mr mrs ms dr prof st vs e.g i.e"
        )),
    before_number=frozenset(listed("стр рис гл п пп ст д кв каб табл т корп оф доб")),
    closing=frozenset(listed("т.д т.п др г гг в вв руб коп тыс млн млрд мин сек ч чел шт н.э э")),
    conjunctions=frozenset(
        listed(
            "и а но или либо да чтобы что который которая которое которые которого которой "
            "которых где когда если хотя пока потому поэтому зато однако"
        )
    ),
    magnitudes={
        "тыс": Noun("тысяча", "тысячи", "тысяч", feminine=True),
        "млн": Noun("миллион", "миллиона", "миллионов"), "млрд": Noun("миллиард", "миллиарда", "миллиардов"),
        "трлн": Noun("триллион", "триллиона", "триллионов"),
    },
    units={
        "км/ч": Noun("километр в час", "километра в час", "километров в час"),
        "м/с": Noun("метр в секунду", "метра в секунду", "метров в секунду"),
        "м²": Noun("квадратный метр", "квадратных метра", "квадратных метров"),
        "м³": Noun("кубический метр", "кубических метра", "кубических метров"),
        "км": _prefixed("кило", _METRE), "см": _prefixed("санти", _METRE), "мм": _prefixed("милли", _METRE),
        "м": Noun(*_METRE), "кг": _prefixed("кило", _GRAM), "мг": _prefixed("милли", _GRAM), "г": Noun(*_GRAM),
        "т": Noun("тонна", "тонны", "тонн", feminine=True), "л": Noun("литр", "литра", "литров"),
        "мл": Noun("миллилитр", "миллилитра", "миллилитров"), "га": Noun("гектар", "гектара", "гектаров"),
        "ч": Noun("час", "часа", "часов"), "мин": Noun("минута", "минуты", "минут", feminine=True),
        "сек": Noun("секунда", "секунды", "секунд", feminine=True), "шт": Noun("штука", "штуки", "штук", feminine=True),
        "чел": Noun("человек", "человека", "человек"), "коп": _KOPECK,
        "Вт": Noun(*_WATT), "кВт": _prefixed("кило", _WATT),
        "Гц": Noun(*_HERTZ), "кГц": _prefixed("кило", _HERTZ), "МГц": _prefixed("мега", _HERTZ),
        "ГГц": _prefixed("гига", _HERTZ), "КБ": _prefixed("кило", _BYTE), "МБ": _prefixed("мега", _BYTE),
        "ГБ": _prefixed("гига", _BYTE), "ТБ": _prefixed("тера", _BYTE), "Мб": _prefixed("мега", _BYTE),
        "Гб": _prefixed("гига", _BYTE), "%": Noun("процент", "процента", "процентов"),
        "°C": Noun("градус Цельсия", "градуса Цельсия", "градусов Цельсия"),
        "°F": Noun("градус Фаренгейта", "градуса Фаренгейта", "градусов Фаренгейта"),
        "°": Noun("градус", "градуса", "градусов"),
    },
    currencies={
        "₽": _RUBLE, "руб": _RUBLE, "RUB": _RUBLE, "$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO,
        "₸": _TENGE, "тг": _TENGE, "KZT": _TENGE,
        "£": (Noun("фунт", "фунта", "фунтов"), Noun("пенс", "пенса", "пенсов")),
        "¥": (Noun("юань", "юаня", "юаней"), Noun("фэнь", "фэня", "фэней")),
        "₴": (Noun("гривна", "гривны", "гривен", feminine=True), _RUBLE[1]),
    },
    symbols={
        "№": "номер", "#": "номер", "&": "и", "@": "собака", "+": "плюс", "=": "равно", "±": "плюс-минус",
        "×": "на", "÷": "разделить на", "≈": "примерно", "%": "процент", "°": "градус", "§": "параграф", "<": "меньше",
        ">": "больше", "$": "доллар", "€": "евро", "£": "фунт", "₽": "рубль", "₸": "тенге", "©": "копирайт",
    },
    fractions={"1/2": "одна вторая", "1/3": "одна треть", "2/3": "две трети", "1/4": "одна четверть",
               "3/4": "три четверти"},
    address_signs={".": "точка", "/": "слэш", "@": "собака", "-": "тире", "_": "нижнее подчёркивание", "+": "плюс",
                   "&": "амперсанд"},
    dot="точка", minus="минус", plus="плюс",
)  # fmt: skip
