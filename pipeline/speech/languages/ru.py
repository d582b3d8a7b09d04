"""Russian: three noun forms after numbers, and ordinals in six cases."""

from __future__ import annotations

from pipeline.speech.languages.base import Language, Match, Noun, in_words, listed, roman, rule

MONTHS = listed("января февраля марта апреля мая июня июля августа сентября октября ноября декабря")

# Endings after a hyphen: case and gender (codes of num2words), and whether plural.
ENDINGS: dict[str, tuple[str, str, bool]] = {
    "й": ("n", "m", False), "ый": ("n", "m", False), "ий": ("n", "m", False), "я": ("n", "f", False),
    "ая": ("n", "f", False), "е": ("n", "n", False), "ое": ("n", "n", False), "го": ("g", "m", False),
    "ого": ("g", "m", False), "му": ("d", "m", False), "ому": ("d", "m", False), "м": ("p", "m", False),
    "ом": ("p", "m", False), "ым": ("i", "m", False), "ой": ("g", "f", False), "ю": ("a", "f", False),
    "ую": ("a", "f", False), "х": ("g", "m", True), "ых": ("g", "m", True), "ые": ("n", "m", True),
    "ми": ("i", "m", True), "ыми": ("i", "m", True),
}  # fmt: skip

YEAR_CASES = {"год": "n", "года": "g", "году": "p", "годом": "i", "годе": "p"}
CENTURY_CASES = {
    "век": "n", "века": "g", "веку": "d", "веком": "i", "веке": "p", "веков": "g", "векам": "d", "веками": "i",
    "веках": "p",
}  # fmt: skip

# Words after a number that look like feminine or neuter nouns but are not the counted noun.
NO_NOUNS = frozenset({"или", "для", "при", "если", "число", "около"})

# Numbers whose form in compounds is not the genitive: столетний, not сталетний.
COMPOUND_BEGINNINGS = {1: "одно", 40: "сорока", 90: "девяносто", 100: "сто", 1000: "тысяче"}


def _ordinal(value: int, case: str, gender: str, plural: bool = False) -> str:
    return in_words(
        value, "ru", to="ordinal", case=case, gender="m" if plural else gender, plural=plural, animate=False
    )


def _with_ending(match: Match) -> str:
    """`5-го`."""
    case, gender, plural = ENDINGS[match[2]]
    return _ordinal(int(match[1]), case, gender, plural)


def _compound(match: Match) -> str:
    """`5-летний`."""
    return _beginning(int(match[1])) + match[2]


def _beginning(value: int) -> str:
    return COMPOUND_BEGINNINGS.get(value) or in_words(value, "ru", case="g").replace(" ", "")


def _year(match: Match) -> str:
    """`в 2026 году`: an ordinal; its case follows from the word for year, or from the word before the number."""
    before, year, word = match[1] or "", int(match[2]), match[3]
    if word.startswith("г") and word.rstrip(".") == "г":
        word = {"в": "году", "во": "году", "о": "году", "к": "году", "": "год"}.get(before.lower().strip(), "года")
    case = "d" if before.lower().strip() == "к" else YEAR_CASES[word]
    return f"{before}{_ordinal(year, case, 'm')} {word}"


def _gender(match: Match) -> str:
    """`1 минута`, `2 минуты`, `1 окно`: the gender is guessed from the ending of the next word."""
    number, word = match[1], match[2]
    if number[-2:-1] == "1" or number[0] == "0" or word in NO_NOUNS:
        return match[0]
    if word[-1] in ("ая" if number[-1] == "1" else "ыи"):
        return f"{in_words(int(number), 'ru', gender='f')} "
    return f"{in_words(int(number), 'ru', gender='n')} " if number[-1] == "1" and word[-1] == "о" else match[0]


def _years(match: Match) -> str:
    """`в 1941–1945 гг.`"""
    case = "p" if match[1] else "n"
    word = ("годах" if match[1] else "годы") if match[4] == "гг." else match[4]
    return f"{match[1] or ''}{_ordinal(int(match[2]), case, 'm')} — {_ordinal(int(match[3]), case, 'm')} {word}"


def _century(match: Match) -> str:
    """`XXI веке`."""
    word = "век" if match[2] == "в." else match[2]
    return f"{_ordinal(roman(match[1]), CENTURY_CASES[word], 'm')} {word}"


def _day(match: Match) -> str:
    """`31 декабря 2026 г.`, in the genitive: on that day."""
    day, month, year = int(match[1]), match[2], match[3]
    if not 1 <= day <= 31:
        return match[0]
    return Russian.day_and_month(day, month) + (f" {_ordinal(int(year), 'g', 'm')} года" if year else "")


class Russian(Language):
    """Russian numbers and dates."""

    @staticmethod
    def day_and_month(day: int, month: str) -> str:
        """The day of a month in the genitive."""
        return f"{_ordinal(day, 'g', 'n')} {month}"

    def cardinal(self, value: int, *, feminine: bool = False) -> str:
        """Один or одна, два or две."""
        words = in_words(value, "ru", gender="f" if feminine else "m")
        return words.removeprefix("одна ") if 1000 <= value < 2000 else words

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
        return f"{self.day_and_month(day, MONTHS[month - 1])} {_ordinal(year, 'g', 'm')} года"


_M = "|".join(MONTHS)
_UP = "(?=[А-ЯЁA-Z«])"

RULES = (
    rule(rf"\b(\d{{1,2}}) ({_M})(?: (\d{{4}})(?:\s*(?:года|г\.))?)?(?!\w)", _day),
    rule(r"((?<!\w)(?:[Вв]о?|[Оо]|[Кк]|[Сс]|[Дд]о|[Оо]т|[Пп]осле|[Оо]коло) )?\b(1\d{3}|20\d{2}) (год[ауе]?|годом)\b",
         _year),
    rule(r"((?<!\w)(?:[Вв]о?|[Оо]|[Кк]|[Сс]|[Дд]о|[Оо]т|[Пп]осле|[Оо]коло) )?\b(1\d{3}|20\d{2})\s?(г\.)", _year),
    rule(r"((?<!\w)[Вв] )?\b(1\d{3}|20\d{2})\s?[-–—]\s?(1\d{3}|20\d{2}) (гг\.|годы|годах)", _years),
    rule(rf"\b([IVXLC]+) ({'|'.join(CENTURY_CASES)}|в\.)(?!\w)", _century),
    rule(r"\b(\d{1,15})-(" + "|".join(sorted(ENDINGS, key=len, reverse=True)) + r")\b", _with_ending),
    rule(r"\b(\d{1,15})-(?:ти|ти|и)\b", lambda match: in_words(int(match[1]), "ru", case="g")),
    rule(r"\b(\d{1,6})-([а-яё]{4,})\b", _compound), rule(r"№{2,}", "номера "),
    rule(r"\b(\d{1,6})\s?%-?(н[а-яё]+)\b", lambda match: f"{_beginning(int(match[1]))}процент{match[2]}"),
    rule(r"\b[Тт]\.\s?е\.", "то есть"), rule(r"\b[Тт]\.\s?д\.", "так далее"), rule(r"\b[Тт]\.\s?п\.", "тому подобное"),
    rule(r"\b[Тт]\.\s?к\.", "так как"), rule(r"\b[Тт]\.\s?н\.", "так называемый"), rule(r"\bн\.\s?э\.", "нашей эры"),
    rule(r"\bи\.\s?о\.", "исполняющий обязанности"), rule(r"\bи др\.", "и другие"), rule(r"\bи пр\.", "и прочее"),
    rule(r"(?<![\d ])\s?\b([Сс])м\.", r" \1мотри"), rule(r"(?<!\d) ([Сс])м\.", r" \1мотри"),
    rule(r"\b[Нн]апр\.", "например"), rule(r"\bок\. (?=\d)", "около "), rule(r"\b[Уу]л\.", "улица"),
    rule(r"\b(?:просп\.|пр-т)(?!\w)", "проспект"), rule(r"\bпер\. " + _UP, "переулок "),
    rule(r"\bпл\. " + _UP, "площадь "), rule(r"(?<!\d )(?<!\d)\bг\. ?" + _UP, "город "), rule(r"\bобл\.", "область"),
    rule(r"\bр-н\b", "район"), rule(r"\bд\. ?(?=\d)", "дом "), rule(r"\bкв\. ?(?=\d)", "квартира "),
    rule(r"\bстр\. ?(?=\d)", "страница "), rule(r"\bрис\. ?(?=\d)", "рисунок "), rule(r"\bгл\. ?(?=\d)", "глава "),
    rule(r"\bп\. ?(?=\d)", "пункт "), rule(r"\bст\. ?(?=\d)", "статья "), rule(r"\b[Тт]ел\.", "телефон"),
    rule(r"\bим\. ?" + _UP, "имени "), rule(r"\b[Пп]роф\.", "профессор"), rule(r"\b[Аа]кад\.", "академик"),
    rule(r"(?<![\d.,])(\d{0,14}[12]) (?=([а-яё]{3,}))", _gender), rule(r"\bC#", "C шарп"),
    rule(r"(?<!\w)#(?=[^\W\d])", "хэштег "), rule(r"\bг-н\b", "господин"),
    rule(r"\bг-жа\b", "госпожа"), rule(r"\bгг\.", "годы"),
)  # fmt: skip

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
    before_name=frozenset(listed("ул им см г гор пос пер пл просп проф акад тел напр обл ст св т.е т.к т.н ок ср")),
    before_number=frozenset(listed("стр рис гл п пп ст д кв табл т корп оф")),
    closing=frozenset(listed("т.д т.п др пр г гг в вв руб коп тыс млн млрд мин сек ч чел шт н.э э")),
    conjunctions=frozenset(
        listed(
            "и а но или либо да чтобы что который которая которое которые которого которой "
            "которых где когда если хотя пока потому поэтому зато однако"
        )
    ),
    rules=RULES,
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
    dot="точка", slash="слэш", at="собака", minus="минус", plus="плюс",
)  # fmt: skip
