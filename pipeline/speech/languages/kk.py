"""Kazakh: no plural after numbers; ordinals take an ending on the last word; years are ordinals."""

from __future__ import annotations

import re

from pipeline.speech.languages.base import Language, Match, Noun, in_words, listed, roman, rule
from pipeline.speech.languages.kk_endings import ended, is_ending, ordinal

MONTHS = listed("қаңтар ақпан наурыз сәуір мамыр маусым шілде тамыз қыркүйек қазан қараша желтоқсан")

PLACES = {1: "оннан", 2: "жүзден", 3: "мыңнан"}
FRACTIONS_MAX = 1000

_LETTER = "[а-яёәіңғүұқөһ]"
_HYPHEN = "[-–’']"
_ROMAN = str.maketrans("ІХ", "IX")
"""Cyrillic letters that are written in Roman numerals."""

_UNITS_OF_TIME = {"км/сағ": ("сағатына", "километр"), "м/с": ("секундына", "метр"), "км/с": ("секундына", "километр")}
_OF_YEARS = (
    r"(?:жыл\b(?! (?:бұрын|бойы|өткен|ішінде|сайын|болды|толды))"
    r"|жыл(?:ы|ғы|дың|дан|ға|да|дар)(?!й)(?! (?:астам|аса|артық|жуық|көп)))"
)
"""What follows a year. A number of years is not an ordinal: `2000 жыл бұрын`, `1500 жылдық`."""


def _cardinal(number: str) -> str:
    return KAZAKH.number(number)


def _year(match: Match) -> str:
    """`2026 жылы`, `2026 ж.`, `2026 ж. 5 наурыз`, `2024 оқу жылы`."""
    year = match["word"] if not match["stop"] else "жылы" if match["date"] is None else "жылғы"
    return f"{ordinal(_cardinal(match['year']))} {year}"


def _years(match: Match) -> str:
    """`2019–2023 жылдары`, `1941-1945 жж.`, `2024-2025 оқу жылы`."""
    first, last = (ordinal(_cardinal(year)) for year in match.group(1, 2))
    return f"{first} — {last} {'жылдары' if match[3] == 'жж.' else match[3]}"


def _roman(match: Match) -> str:
    return f"{ordinal(_cardinal(str(roman(match[1].translate(_ROMAN)))))} {match[2]}"


def _time(match: Match) -> str:
    """`15:30-да`, `сағат 9:00-де`, `9:00–18:00`."""
    hour, minute = int(match["hour"]), int(match["minute"])
    is_short = minute == 0 and bool(match["before"] or match["ending"])
    words = KAZAKH.cardinal(hour) if is_short else KAZAKH.time(hour, minute)
    return (match["before"] or "") + (ended(words, match["ending"]) if match["ending"] else words)


def _times(match: Match) -> str:
    """`9:00–18:00`: from nine to eighteen."""
    times = [(int(hour), int(minute)) for hour, minute in (match.group(1, 2), match.group(3, 4))]
    first, last = (KAZAKH.time(*time) if time[1] else KAZAKH.cardinal(time[0]) for time in times)
    return f"{ended(first, 'дан')} {ended(last, 'ға')} дейін"


def _rate(match: Match) -> str:
    """`90 км/сағ`, `160 км/сағ-қа`: so many kilometres an hour."""
    per, unit = _UNITS_OF_TIME[match["rate"]]
    numbers = " — ".join(_cardinal(number) for number in match.group("first", "number") if number)
    words = f"{numbers} {unit}"
    return f"{per} {ended(words, match['ending']) if match['ending'] else words}"


def _ended(match: Match) -> str:
    """`5-ке`, `10 %-ға`, `2 млн-нан`, `5-сынып`."""
    number, scale, unit, letters = match.group("number", "scale", "unit", "ending")
    if not is_ending(letters):
        is_place = number.isdecimal() and not scale and not unit and letters not in KAZAKH.units
        return f"{ordinal(_cardinal(number))} {letters}" if is_place else match[0]
    names = [KAZAKH.magnitudes[scale].one] if scale else []
    if unit:
        names.append(KAZAKH.units[unit].one if unit in KAZAKH.units else KAZAKH.currencies[unit][0].one)
    words = " ".join([_cardinal(number), *names])
    return f"{match['minus'] and 'минус '}{ended(words, letters)}"


def _fraction(match: Match) -> str:
    """`2/5`, `3/4-і`."""
    part, whole = int(match[1]), int(match[2])
    if not 0 < part < whole <= FRACTIONS_MAX or (match[3] and not is_ending(match[3])):
        return match[0]
    words = f"{ended(_cardinal(match[2]), 'дан')} {_cardinal(match[1])}"
    return ended(words, match[3]) if match[3] else words


class Kazakh(Language):
    """Kazakh numbers and dates."""

    def rewritten(self, text: str) -> str:
        """See `Language`: here, telephone numbers that begin with 8."""
        return _TELEPHONE.sub(lambda match: self.telephone(re.findall("[0-9]+", match[0])), text)

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """Бір, екі, үш; мың тоғыз жүз: one thousand is only a thousand."""
        return in_words(value, "kz").removeprefix("бір ") if 1000 <= value < 2000 else in_words(value, "kz")

    def decimal(self, whole: str, fraction: str) -> str:
        """Үш бүтін оннан бес; four or more decimals are read digit by digit."""
        beginning = f"{self.cardinal(int(whole))} бүтін"
        if not fraction.strip("0"):
            return self.number(whole)
        if len(fraction) in PLACES:
            return f"{beginning} {PLACES[len(fraction)]} {self.cardinal(int(fraction))}"
        return f"{beginning} {self.digits(fraction)}"

    def time(self, hours: int, minutes: int) -> str:
        """Он екі отыз, он екі нөл бес."""
        if minutes == 0:
            return f"{self.cardinal(hours)} нөл нөл"
        return f"{self.cardinal(hours)} {'нөл ' if minutes < 10 else ''}{self.cardinal(minutes)}"

    def date(self, day: int, month: int, year: int) -> str:
        """Екі мың жиырма алтыншы жылғы отыз бірінші желтоқсан."""
        return f"{ordinal(self.cardinal(year))} жылғы {ordinal(self.cardinal(day))} {MONTHS[month - 1]}"


def _noun(word: str) -> Noun:
    return Noun(word, word, word)


_DOLLAR, _EURO = (_noun("доллар"), _noun("цент")), (_noun("еуро"), _noun("цент"))
_RUBLE, _TENGE = (_noun("рубль"), _noun("тиын")), (_noun("теңге"), _noun("тиын"))

_UNITS = {
    "м²": "шаршы метр", "м³": "текше метр",
    "км": "километр", "см": "сантиметр", "мм": "миллиметр", "м": "метр", "кг": "килограмм", "мг": "миллиграмм",
    "г": "грамм", "т": "тонна", "л": "литр", "мл": "миллилитр", "га": "гектар", "сағ": "сағат", "мин": "минут",
    "сек": "секунд", "Вт": "ватт", "кВт": "киловатт", "Гц": "герц", "МГц": "мегагерц", "ГГц": "гигагерц",
    "КБ": "килобайт", "МБ": "мегабайт", "ГБ": "гигабайт", "ТБ": "терабайт", "%": "пайыз",
    "°C": "градус Цельсий", "°F": "градус Фаренгейт", "°": "градус",
}  # fmt: skip
_CURRENCIES = {
    "₸": _TENGE, "тг": _TENGE, "KZT": _TENGE, "$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO, "₽": _RUBLE,
    "RUB": _RUBLE, "руб": _RUBLE, "£": (_noun("фунт"), _noun("пенс")), "¥": (_noun("юань"), _noun("фэнь")),
}  # fmt: skip
_MAGNITUDES = {
    "мың": _noun("мың"), "млн": _noun("миллион"), "млрд": _noun("миллиард"), "трлн": _noun("триллион"),
}  # fmt: skip

_NUMBER = r"\d{1,15}(?:[.,]\d{1,9})?"
_NAMES = "|".join(re.escape(name) for name in sorted([*_UNITS, *_CURRENCIES], key=len, reverse=True))
_RATES = "|".join(map(re.escape, _UNITS_OF_TIME))
_MONTH = "|".join(MONTHS)
_YEAR = r"(?:1\d{3}|20\d{2})"
_TELEPHONE = re.compile(r"(?<![\w+.,-])8[ -]?\(?\d{3,5}\)?[ -]?\d{2,3}[ -]\d\d[ -]?\d\d(?![\w-])")
_ENDED = rf"(?:{_HYPHEN}(?P<ending>{_LETTER}{{1,20}})\b)"

RULES = (
    rule(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)\s?[-–—]\s?([01]?\d|2[0-4]):([0-5]\d)(?![\d:])", _times),
    rule(r"(?<![\d:.])(?P<before>[Сс]ағат )?(?<![\d:.])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?![\d:])"
         rf"{_ENDED}?", _time),
    rule(rf"(?<![\d.,-])({_YEAR})\s?[-–—]\s?({_YEAR}) ?((?:оқу )?жыл{_LETTER}*|жж\.)", _years),
    rule(r"(?<![\d.,-])(\d{3}) (?=жыл[ығ]ы?\b)", lambda match: f"{ordinal(_cardinal(match[1]))} "),
    rule(rf"(?<![\d.,-])(?P<year>{_YEAR})\s?(?P<word>(?P<stop>ж\.)|(?:(?:оқу|қаржы) )?{_OF_YEARS}{_LETTER}*)"
         rf"(?P<date>(?=,? \d{{1,2}} (?:{_MONTH})))?", _year),
    rule(rf"(?<![\d.,])(?P<first>{_NUMBER})?(?:(?<=\d)\s?[-–—]\s?)?(?<![\d.,])(?P<number>{_NUMBER})\s?"
         rf"(?P<rate>{_RATES})(?!\w){_ENDED}?", _rate),
    rule(rf"(?<![\d.,])([12]?\d|3[01])\s?[-–—]\s?([12]?\d|3[01]) ({_MONTH})({_LETTER}*)",
         lambda match: f"{ordinal(_cardinal(match[1]))} — {ordinal(_cardinal(match[2]))} {match[3]}{match[4]}"),
    rule(rf"(?<![\d.,])([12]?\d|3[01])[ -]({_MONTH})({_LETTER}*)",
         lambda match: f"{ordinal(_cardinal(match[1]))} {match[2]}{match[3]}"),
    rule(rf"\b([IVXLCІХ]{{1,8}})(?:-(?:[ыі]?н)?ш[ыі])?[ -]({_LETTER}{{3,}}|ғғ?\.)", _roman),
    rule(rf"(?<![\w/.,])(\d{{1,4}})/(\d{{1,4}})(?![\w/]|[.,]\d)"
         rf"(?:{_HYPHEN}(с?[ыі]{_LETTER}{{0,4}})\b)?", _fraction),
    rule(rf"(?P<minus>)(?P<unit>[$€£₽₸¥])\s?(?P<number>{_NUMBER})(?:\s?(?P<scale>мың|млн|млрд|трлн)\b\.?)?"
         rf"{_ENDED}", _ended),
    rule(rf"(?<![\w.,])(?P<minus>-?)(?P<number>{_NUMBER})(?:\s?(?P<scale>мың|млн|млрд|трлн)\b\.?)?"
         rf"(?:\s?(?P<unit>{_NAMES}))?{_ENDED}", _ended),
    rule(r"\bт\.\s?б\.", "тағы басқа"), rule(r"\bт\.\s?с\.\s?с\.", "тағы сол сияқты"),
    rule(r"\bт\.\s?с\.", "тағы сол сияқты"), rule(r"\bт\.\s?ғ\.\s?к\.", "тарих ғылымдарының кандидаты"),
    rule(r"\b[Бб]\.\s?з\.\s?д\.", "біздің заманымызға дейін"), rule(r"\b[Бб]\.\s?з\.", "біздің заманымыз"),
    rule(r"\b[Бб]\.\s?д\.\s?д\.", "біздің дәуірімізге дейін"), rule(r"\bжәне т\.\s?б\.", "және тағы басқалар"),
    rule(r"(?<![\d)] )(?<![\w)])\+(?=\d)", "плюс "),
    rule(r"\bC#", "C шарп"), rule(r"(?<!\w)#(?=[^\W\d])", "хэштег "),
    rule(r"\b[Мм]ыс\.", "мысалы"), rule(r"\b[Кк]өш\.", "көшесі"), rule(r"\b[Пп]роф\.", "профессор"),
    rule(r"\b[Аа]кад\.", "академик"), rule(r"\b[Тт]ел\.:?", "телефон"), rule(r"\bжж\.", "жылдар"),
    rule(r"\bғғ?\.", "ғасыр"),
    rule(r"\bқ\. (?=[А-ЯӘІҢҒҮҰҚӨҺ])", "қаласы "), rule(r"\bобл\.", "облысы"), rule(r"\b[Аа]уд\.", "ауданы"),
    rule(r"\bсур\. ?(?=\d)", "сурет "), rule(r"(?<=\d)-?бет(?=\b)", " бет"), rule(r"\bдаң\.", "даңғылы"),
    rule(r"\b[Рр]есп\.", "республикасы"), rule(r"(?<=\d) ?тг\.", " тг"),
)  # fmt: skip

# A sentence ends with its verb, never with a year, so ж. and ғ. never end one.
KAZAKH = Kazakh(
    code="kz",
    before_name=frozenset(
        listed("көш қ проф акад тел мыс обл ауд ж жж ғ ғғ даң респ б.з.д б.д.д mr mrs ms dr prof st vs")
    ),
    before_number=frozenset(listed("сур б бет")),
    closing=frozenset(listed("т.б т.с.с т.с тг мың млн млрд мин сек б.з")),
    conjunctions=frozenset(
        listed("және мен бен пен ал бірақ немесе әрі сондықтан өйткені себебі егер яғни алайда дегенмен")
    ),
    rules=RULES,
    magnitudes=_MAGNITUDES,
    units={unit: _noun(name) for unit, name in _UNITS.items()},
    currencies=_CURRENCIES,
    symbols={
        "№": "нөмір", "#": "нөмір", "&": "және", "@": "собака", "+": "қосу", "=": "тең", "±": "плюс-минус",
        "×": "көбейту", "÷": "бөлу", "≈": "шамамен", "%": "пайыз", "°": "градус", "§": "параграф", "<": "кіші",
        ">": "үлкен", "$": "доллар", "€": "еуро", "£": "фунт", "₽": "рубль", "₸": "теңге", "©": "копирайт",
    },
    fractions={"1/2": "екіден бір", "1/3": "үштен бір", "2/3": "үштен екі", "1/4": "төрттен бір",
               "3/4": "төрттен үш"},
    address_signs={".": "нүкте", "/": "слэш", "@": "собака", "-": "сызықша", "_": "астыңғы сызық", "+": "плюс"},
    dot="нүкте", minus="минус", plus="плюс",
)  # fmt: skip
