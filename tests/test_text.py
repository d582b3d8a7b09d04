"""Text preparation: cutting a text loses nothing, and voices get plain words."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import CONVERTER_CLASSES

from pipeline.speech.sentences import pieces, sentences, speakable
from pipeline.speech.spoken import spoken
from tests.members import members, slow, soaking

LANGUAGES = ("ru", "en", "kk", "de", "zh", "ar", "xx")

PIECES = [
    *"абвгАБҚәңұһ abcXYZ 0123456789 .,!?…:;- \n\t\"'«»()[]{}<>/\\|@#№$€₸₽%°+=*_~^`&".replace(" ", ""),
    *[" ", "\u00a0", "\u0301", "\u0489", "\u200d", "\ufeff", "م", "你", "。", "😀", "½", "²", "٣", "ﬁ", "Ⅳ", "\u202e"],
    *["т.е.", "т.д.", "г.", "ул.", "Mr.", "e.g.", "U.S.", "т.б.", "ж.", "https://a.b/c?d", "x@y.kz", "31.12.2026"],
    *[
        "12:30",
        "1 000 000",
        "1,234.5",
        "5-й",
        "21st",
        "20-шы",
        "$5.99",
        "5 кг",
        "-3°C",
        "XXI век",
        "+7 (701) 123-45-67",
    ],
]
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


def bare(text: str) -> str:
    return "".join(text.split())


@given(texts, st.sampled_from(LANGUAGES))
@settings(max_examples=400, deadline=None)
def test_sentences_keep_the_whole_text_and_each_is_speakable(text: str, language: str) -> None:
    found = sentences(text, language)
    assert all(speakable(sentence) and sentence == sentence.strip() for sentence in found)
    assert bare("".join(found)) == (bare(text) if found else "")
    assert bool(found) == any(speakable(line) for line in text.splitlines())


@given(texts, st.sampled_from(LANGUAGES))
@settings(max_examples=200, deadline=None)
def test_spoken_text_is_speakable_and_free_of_markup(text: str, language: str) -> None:
    for sentence in sentences(text, language):
        said = spoken(sentence, language)
        assert speakable(said)
        assert not set(said) & set("<>[]{}|\\^~`*_\n\t\0")
        assert not any(
            unicodedata.category(character) in ("So", "Cc", "Co", "Cs") for character in said.replace("°", "")
        )
        if language in ("ru", "en", "kk"):
            assert not re.search(r"[0-9@#$%&+=/№°€₽₸]", said), said


@given(st.text("0123456789 .,-:/%", min_size=1, max_size=80), st.sampled_from(["ru", "en", "kk"]))
@settings(max_examples=400, deadline=None)
def test_any_sequence_of_digits_becomes_words(text: str, language: str) -> None:
    if speakable(text):
        assert not re.search(r"\d", spoken(text, language))


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ru", "Он жил в г. Москве на ул. Ленина. Потом уехал.", ["Он жил в г. Москве на ул. Ленина.", "Потом уехал."]),
        ("ru", "Это и т.д. и т.п. в тексте. И всё.", ["Это и т.д. и т.п. в тексте.", "И всё."]),
        ("ru", "А. С. Пушкин родился в 1799 г. Он поэт.", ["А. С. Пушкин родился в 1799 г.", "Он поэт."]),
        ("ru", "В 2020 г. Москва выросла. Да!", ["В 2020 г. Москва выросла.", "Да!"]),
        ("ru", "Музей им. М. В. Ломоносова. Вход 9 руб. Да.", ["Музей им. М. В. Ломоносова.", "Вход 9 руб.", "Да."]),
        ("ru", "— Стой! — крикнул он. «Куда?» Он ушёл…", ["— Стой! — крикнул он.", "«Куда?»", "Он ушёл…"]),
        ("ru", "Ну... может быть (см. рис. 2). Число 3.14 тут.", ["Ну... может быть (см. рис. 2).", "Число 3.14 тут."]),
        ("ru", "Сайт example.com и a.b@mail.ru. Ура.", ["Сайт example.com и a.b@mail.ru.", "Ура."]),
        ("ru", "привет. как дела?! хорошо", ["привет.", "как дела?!", "хорошо"]),
        ("ru", "1. Первый. 2. Второй.", ["1. Первый.", "2. Второй."]),
        ("ru", "Стих\nв две строки", ["Стих", "в две строки"]),
        ("en", "Mr. Smith met J. K. Rowling at 5 p.m. in the U.S. They talked.",
         ["Mr. Smith met J. K. Rowling at 5 p.m. in the U.S.", "They talked."]),
        ("en", 'It is 3.14, i.e. pi, etc. "So?" he said. Yes', ["It is 3.14, i.e. pi, etc.", '"So?" he said.', "Yes"]),
        ("en", "Wait... what? See No. 5. No. Never.", ["Wait... what?", "See No. 5.", "No.", "Never."]),
        ("kk", "Ол 1990 ж. Алматыда туған. Алма, т.б. бар.", ["Ол 1990 ж. Алматыда туған.", "Алма, т.б. бар."]),
        ("kk", "А. Құнанбайұлы ақын. Бағасы 500 тг. Келіңіз!", ["А. Құнанбайұлы ақын.", "Бағасы 500 тг.", "Келіңіз!"]),
        ("zh", "你好。世界！", ["你好。", "世界！"]),
        ("ru", "... !!! Привет 😀", ["... !!! Привет 😀"]),
        ("ru", "Привет. 😀 !!!", ["Привет. 😀 !!!"]),
    ],
)  # fmt: skip
def test_sentences(language: str, text: str, expected: list[str]) -> None:
    assert sentences(text, language) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ru", "21 кг, 22 см", "двадцать один килограмм, двадцать два сантиметра"),
        ("ru", "3,5 км", "три целых пять десятых километра"),
        ("ru", "в 2026 г., к 2000 году", "в две тысячи двадцать шестом году, к двухтысячному году"),
        ("ru", "31.12.2026 в 09:05", "тридцать первого декабря две тысячи двадцать шестого года в девять ноль пять"),
        ("ru", "5-й, 21-го, 90-х", "пятый, двадцать первого, девяностых"),
        ("ru", "5-летний план, 100-летие", "пятилетний план, столетие"),
        ("ru", "XXI век, в XIX веке", "двадцать первый век, в девятнадцатом веке"),
        ("ru", "до XIX и XX веков", "до девятнадцатого и двадцатого веков"),
        ("ru", "5,99 ₽ и $5 млн", "пять рублей девяносто девять копеек и пять миллионов долларов"),
        ("ru", "500 ₸, 21 руб", "пятьсот тенге, двадцать один рубль"),
        ("ru", "−10 и -5°C", "минус десять и минус пять градусов Цельсия"),
        ("ru", "0,5% и 21 %", "ноль целых пять десятых процента и двадцать один процент"),
        ("ru", "1 минута, 2 минуты, 2 стола", "одна минута, две минуты, два стола"),
        ("ru", "т.е. г. Москва, ул. Ленина, д. 5", "то есть город Москва, улица Ленина, дом пять"),
        ("ru", "№ 5 & #тег", "номер пять и хэштег тег"),
        ("ru", "a.b@mail.ru", "a точка b собака mail точка ru"),
        ("ru", "https://www.example.com/path/?x=1!", "example точка com слэш path!"),
        ("ru", "1 500 руб. 50 коп. за 1 шт", "тысяча пятьсот рублей пятьдесят копеек за одну штуку"),
        ("ru", "В 1941–1945 гг. была", "В тысяча девятьсот сорок первом — тысяча девятьсот сорок пятом годах была"),
        ("ru", "100%-ный (5)", "стопроцентный (пять)"),
        ("ru", "8-800-555-35-35", "восемь, восемьсот, пятьсот пятьдесят пять, тридцать пять, тридцать пять"),
        ("ru", "$1,000 и 1.000.000", "тысяча долларов и один миллион"),
        ("ru", "10–15 км", "десять — пятнадцать километров"),
        ("ru", "1 000 000 человек", "один миллион человек"),
        ("ru", "007", "ноль ноль семь"),
        ("ru", "Привет 😀👨‍👩‍👧 мир ★", "Привет мир"),
        ("ru", "З̸а̷л̶г̵о̴ за\u0301мок", "Залго за\u0301мок"),
        ("en", "$5.99, $5 million, -$3", "five dollars ninety-nine cents, five million dollars, minus three dollars"),
        ("en", "12/31/2026 at 12:30, 9:05", "December thirty-first, twenty twenty-six at twelve thirty, nine oh five"),
        ("en", "1st, 22nd, 1990s, 80s", "first, twenty-second, nineteen nineties, eighties"),
        ("en", "In 1999, 1,234 people", "In nineteen ninety-nine, one thousand two hundred and thirty-four people"),
        ("en", "Dr. Who, e.g. at 5 p.m. now", "Doctor Who, for example at five p m now"),
        ("en", "AT&T, 2+2=4, 5 < 10", "AT and T, two plus two equals four, five less than ten"),
        ("en", "v2.0.1, .5", "v two dot zero dot one, zero point five"),
        ("en", "on Jan 5, +1 (555) 01", "on January fifth, plus one, five five five, zero one"),
        ("en", "10-15 km", "ten to fifteen kilometers"),
        ("en", "5G and COVID-19", "five G and COVID nineteen"),
        ("en", "x.org/a-b", "x dot org slash a dash b"),
        ("en", "version 1.2.3", "version one dot two dot three"),
        ("kk", "3,5 км, 2024 жылы", "үш бүтін оннан бес километр, екі мың жиырма төртінші жылы"),
        ("kk", "5-ші сынып, 20-шы, 5-ке", "бесінші сынып, жиырмасыншы, беске"),
        ("kk", "31.12.2026", "екі мың жиырма алтыншы жылғы отыз бірінші желтоқсан"),
        ("kk", "500 ₸, 2 млн теңге, 5%", "бес жүз теңге, екі миллион теңге, бес пайыз"),
        ("kk", "№5, т.б., a@b.kz", "нөмір бес, тағы басқа, a собака b нүкте kz"),
        ("de", "5 Uhr 😀 <b>", "fünf Uhr b"),
        ("xx", "5 abc", "5 abc"),
    ],
)  # fmt: skip
def test_spoken(language: str, text: str, expected: str) -> None:
    assert spoken(text, language) == expected


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "markup",
    ['<break time="9999999s"/> да', "<speak><prosody rate='x-slow'>да</prosody></speak>", "[[k@k]] да", "[x](/y/) да"],
)
def test_markup_is_read_as_text(language: str, markup: str) -> None:
    said = spoken(markup, language)
    assert "да" in said
    assert not set(said) & set("<>[]")


def test_long_numbers_are_read_digit_by_digit() -> None:
    assert spoken("1234567890123456", "en").split()[:4] == ["one", "two", "three,", "four"]
    assert len(spoken("9" * 300, "ru").replace(",", "").split()) == 300


@pytest.mark.timeout(60)
def test_numbers_of_every_language_that_num2words_knows() -> None:
    numbers = "0 7 11 20 21 99 100 110 999 1000 1001 2026 99999 100000 123456 1000000 123456789 999999999 1234567890123"
    for language in CONVERTER_CLASSES:
        said = spoken(numbers, language)
        assert speakable(said)
        assert language == "am" or not re.search(r"\d", said), f"{language}: {said}"


def test_a_very_long_sentence_is_cut_between_words() -> None:
    found = sentences("слово " * 500, "ru")
    assert 10 <= len(found) <= 20
    assert max(map(len, found)) <= 300
    assert " ".join(found).split() == ["слово"] * 500


@pytest.mark.parametrize(
    "text",
    ["." * 20_000, "( " * 10_000, "а. " * 6_000, "a" + "\u0300" * 19_999,
     *map(slow, ("9" * 20_000, "a.b@" * 5_000, "1 000 " * 3_000)),
     *map(soaking, ("1." * 10_000, "e\u0301" * 10_000, "<" * 20_000, "1-" * 10_000,
                    "https://" * 2_500, "🇰🇿" * 5_000))],
)  # fmt: skip
def test_hostile_texts_are_processed_quickly(text: str) -> None:
    start = time.process_time()
    for language in ("ru", "en", "kk", "fr"):
        for sentence in sentences(text, language):
            assert speakable(spoken(sentence, language))
    assert time.process_time() - start < 8


def is_linear(work: Callable[[str, str], object], text: Callable[[int], str]) -> bool:
    """Whether a text eight times as long takes about eight times the CPU time, and not 64 times."""
    short, long = (min(cpu_seconds(work, text(count)) for _ in range(3)) for count in (2_000, 16_000))
    return long < 24 * short + 0.02


def cpu_seconds(work: Callable[[str, str], object], text: str) -> float:
    start = time.process_time()
    work(text, "en")
    return time.process_time() - start


@pytest.mark.parametrize(
    "unit",
    [".", ".…", ".)", '!"', "....a", "(", "。", "。」", "，", "-", "a.", "a-", "_@", "你", "\u200c", " ", "\n", "Mr. "],
)
@pytest.mark.parametrize(("before", "after"), members([("", "a"), ("a", "a"), ("a ", " a b. A")], ("a ", " a b. A")))
def test_cutting_a_text_takes_linear_time(before: str, after: str, unit: str) -> None:
    assert is_linear(pieces, lambda count: before + unit * (count // len(unit)) + after)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["1", ",000", ".1"])
def test_rewriting_a_number_takes_linear_time(unit: str) -> None:
    assert is_linear(spoken, lambda count: f"a1{unit * (count // len(unit))},5")


@pytest.mark.parametrize(
    ("text", "expected"), [("", False), (" \n", False), ("😀 !?…", False), ("5", True), ("ә", True)]
)
def test_speakable(text: str, expected: bool) -> None:
    assert speakable(text) is expected


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "ноутбук с 16 ГБ памяти и 512 ГБ диска",
            "с шестнадцатью гигабайтами памяти и пятьюстами двенадцатью гигабайтами",
        ),
        ("с 8 Гб ОЗУ, 128 ГБ памяти", "с восемью гигабайтами ОЗУ, ста двадцатью восемью гигабайтами"),
        ("файл с 21 МБ данных", "с двадцатью одним мегабайтом"),
        ("диск с 120 ГБ", "со ста двадцатью гигабайтами"),
        ("мешок с 2 т песка и 3 м³ гравия", "с двумя тоннами песка и тремя кубическими метрами"),
        ("с 150000 км пробега", "со ста пятьюдесятью тысячами километров"),
        ("коробка с 5 шт. в ней", "с пятью штуками"),
        ("похудел с 80 кг до 70 кг", "с восьмидесяти килограммов до семидесяти"),
        ("память выросла с 16 ГБ", "выросла с шестнадцати гигабайт"),
        ("начиная с 16 ГБ", "начиная с шестнадцати гигабайт"),
        ("с 8 ч до 18 ч", "с восьми часов до восемнадцати"),
        ("смотри стр. 15 и стр. 112", "страницу пятнадцатую и страницу сто двенадцатую"),
        ("об этом на стр. 112, стр. 114", "на странице сто двенадцатой, странице сто четырнадцатой"),
        ("со стр. 5 до стр. 10", "со страницы пятой до страницы десятой"),
        ("шины 205/55 R16", "двести пять на пятьдесят пять R шестнадцать"),
    ],
)
def test_russian_amounts_and_pages_are_in_the_case_of_their_sentence(written: str, said: str) -> None:
    assert said in spoken(written, "ru")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a 2-5lb bag", "a two to five pound bag"),
        ("an 8–12 ft wall", "an eight to twelve foot wall"),
        ("a 512 GB disk", "gigabyte disk"),
        ("2-5 lb", "two to five pounds"),
    ],
)
def test_english_units_before_a_noun_are_singular(written: str, said: str) -> None:
    assert said in spoken(written, "en")
