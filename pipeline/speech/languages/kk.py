"""Kazakh: no plural after numbers; ordinals take an ending on the last word; years are ordinals."""

from __future__ import annotations

from pipeline.speech.languages.base import Language, Match, Noun, in_words, listed, roman, rule

MONTHS = listed("қаңтар ақпан наурыз сәуір мамыр маусым шілде тамыз қыркүйек қазан қараша желтоқсан")

ORDINALS = {
    "нөл": "нөлінші", "бір": "бірінші", "екі": "екінші", "үш": "үшінші", "төрт": "төртінші", "бес": "бесінші",
    "алты": "алтыншы", "жеті": "жетінші", "сегіз": "сегізінші", "тоғыз": "тоғызыншы", "он": "оныншы",
    "жиырма": "жиырмасыншы", "отыз": "отызыншы", "қырық": "қырқыншы", "елу": "елуінші", "алпыс": "алпысыншы",
    "жетпіс": "жетпісінші", "сексен": "сексенінші", "тоқсан": "тоқсаныншы", "жүз": "жүзінші", "мың": "мыңыншы",
    "миллион": "миллионыншы", "миллиард": "миллиардыншы", "триллион": "триллионыншы",
}  # fmt: skip
PLACES = {1: "оннан", 2: "жүзден", 3: "мыңнан"}


def _ordinal(value: int) -> str:
    *beginning, last = in_words(value, "kz").split()
    return " ".join([*beginning, ORDINALS.get(last, last)])


def _year(match: Match) -> str:
    """`2026 жылы`, `2026 ж.`"""
    return f"{_ordinal(int(match[1]))} {'жыл' if match[2] == 'ж.' else match[2]}"


def _day(match: Match) -> str:
    """`31 желтоқсан`, `31 желтоқсанда`."""
    return f"{_ordinal(int(match[1]))} {match[2]}"


class Kazakh(Language):
    """Kazakh numbers and dates."""

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
        return f"{_ordinal(year)} жылғы {_ordinal(day)} {MONTHS[month - 1]}"


_LETTER = "[а-яёәіңғүұқөһ]"

RULES = (
    rule(rf"\b(1\d{{3}}|20\d{{2}})\s?(жыл{_LETTER}*|ж\.)", _year),
    rule(rf"\b([12]?\d|3[01]) ((?:{'|'.join(MONTHS)}){_LETTER}*)", _day),
    rule(rf"\b([IVXLC]+) (ғасыр{_LETTER}*)", lambda match: f"{_ordinal(roman(match[1]))} {match[2]}"),
    rule(r"\b(\d{1,15})-?(?:[ыі]?нш[ыі]|ш[ыі])\b", lambda match: _ordinal(int(match[1]))),
    rule(rf"(?<![\w:.,])(\d{{1,15}})-({_LETTER}{{1,4}})\b", lambda match: in_words(int(match[1]), "kz") + match[2]),
    rule(r"\bт\.\s?б\.", "тағы басқа"), rule(r"\bт\.\s?с\.\s?с\.", "тағы сол сияқты"),
    rule(r"\bт\.\s?с\.", "тағы сол сияқты"), rule(r"\bт\.\s?ғ\.\s?к\.", "тарих ғылымдарының кандидаты"),
    rule(r"\bб\.\s?з\.\s?д\.", "біздің заманымызға дейін"), rule(r"\bб\.\s?з\.", "біздің заманымыз"),
    rule(r"\bC#", "C шарп"), rule(r"(?<!\w)#(?=[^\W\d])", "хэштег "),
    rule(r"\b[Мм]ыс\.", "мысалы"), rule(r"\bкөш\.", "көшесі"), rule(r"\bпроф\.", "профессор"),
    rule(r"\bакад\.", "академик"), rule(r"\b[Тт]ел\.", "телефон"), rule(r"\bжж\.", "жылдар"), rule(r"\bғ\.", "ғасыр"),
    rule(r"\bқ\. (?=[А-ЯӘІҢҒҮҰҚӨҺ])", "қаласы "), rule(r"\bобл\.", "облысы"), rule(r"\bсур\. ?(?=\d)", "сурет "),
)  # fmt: skip


def _noun(word: str) -> Noun:
    return Noun(word, word, word)


_DOLLAR, _EURO = (_noun("доллар"), _noun("цент")), (_noun("еуро"), _noun("цент"))
_RUBLE, _TENGE = (_noun("рубль"), _noun("тиын")), (_noun("теңге"), _noun("тиын"))

# A sentence ends with its verb, never with a year, so ж. and ғ. never end one.
KAZAKH = Kazakh(
    code="kz",
    before_name=frozenset(listed("көш қ проф акад тел мыс обл ауд ж жж ғ")),
    before_number=frozenset(listed("сур б бет")),
    closing=frozenset(listed("т.б т.с.с т.с тг мың млн млрд мин сек б.з б.з.д")),
    conjunctions=frozenset(
        listed("және мен бен пен ал бірақ немесе әрі сондықтан өйткені себебі егер яғни алайда дегенмен")
    ),
    rules=RULES,
    magnitudes={
        "мың": _noun("мың"), "млн": _noun("миллион"), "млрд": _noun("миллиард"), "трлн": _noun("триллион"),
    },
    units={
        unit: _noun(name)
        for unit, name in {
            "км/сағ": "километр сағатына", "м/с": "метр секундына", "м²": "шаршы метр", "м³": "текше метр",
            "км": "километр", "см": "сантиметр", "мм": "миллиметр", "м": "метр", "кг": "килограмм", "мг": "миллиграмм",
            "г": "грамм", "т": "тонна", "л": "литр", "мл": "миллилитр", "га": "гектар", "сағ": "сағат", "мин": "минут",
            "сек": "секунд", "Вт": "ватт", "кВт": "киловатт", "Гц": "герц", "МГц": "мегагерц", "ГГц": "гигагерц",
            "КБ": "килобайт", "МБ": "мегабайт", "ГБ": "гигабайт", "ТБ": "терабайт", "%": "пайыз",
            "°C": "градус Цельсий", "°F": "градус Фаренгейт", "°": "градус",
        }.items()
    },
    currencies={
        "₸": _TENGE, "тг": _TENGE, "KZT": _TENGE, "$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO, "₽": _RUBLE,
        "RUB": _RUBLE, "руб": _RUBLE, "£": (_noun("фунт"), _noun("пенс")), "¥": (_noun("юань"), _noun("фэнь")),
    },
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
