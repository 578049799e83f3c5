"""Which texts are the same to a reader, and which are different."""

import unicodedata

import pytest

from app.domain.text import comparison_form, fault_of, fold_case, trimmed
from tests.support.processor_time import processor_time


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("Jane DOE", "jane doe"),
        ("Σίσυφος", "σίσυφοσ"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("Straße", "straße"),
        ("STRAẞE", "straße"),
        ("ſ", "s"),
        ("K", "k"),  # the Kelvin sign
        ("İ", "İ"),
        ("ı", "ı"),
        ("µ", "μ"),  # the micro sign is the Greek letter
        ("ﬁ", "ﬁ"),
        ("ﬅ", "ﬆ"),
        ("ŉ", "ŉ"),
        ("ᾈ", "ᾀ"),
        ("ꭰ", "Ꭰ"),  # Cherokee folds to capitals, since those came first
        ("𐐀", "𐐨"),
    ],
)
def test_case_is_folded_character_by_character(text: str, folded: str) -> None:
    assert fold_case(text) == folded


def test_a_character_that_keeps_its_length_folds_the_same_beside_one_that_would_not() -> None:
    assert fold_case("ΣẞSς") == "σßsσ"


def test_every_character_folds_to_one_and_folding_again_changes_nothing() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]

    assert [
        character
        for character in characters
        if len(fold_case(character)) != 1 or fold_case(fold_case(character)) != fold_case(character)
    ] == []


def test_ascii_folds_alike_with_and_without_the_fast_path() -> None:
    text = "".join(map(chr, range(128)))

    assert fold_case(text + "ß") == fold_case(text) + "ß"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("  Jane \t Doe ", "JANE DOE"),
        ("Jane\u00a0Doe", "jane doe"),
        (unicodedata.normalize("NFD", "Zoë Ångström"), "ZOË ÅNGSTRÖM"),
        ("ẛ\u0323", "ṩ"),  # the letters compose only once the case is folded
    ],
)
def test_blanks_case_and_encoding_do_not_tell_texts_apart(left: str, right: str) -> None:
    assert comparison_form(left) == comparison_form(right)


@pytest.mark.parametrize(
    ("left", "right"), [("Voß", "Voss"), ("Zoë", "Zoe"), ("Ann Marie", "AnnMarie"), ("ﬁ", "fi"), ("ı", "i")]
)
def test_other_letters_tell_texts_apart(left: str, right: str) -> None:
    assert comparison_form(left) != comparison_form(right)


@pytest.mark.parametrize(
    "text",
    [
        "Jane",
        "O'Neill-Żółć",
        "山田　太郎",
        "Nguyê\u0303n",
        "نی\u200cلوفر",  # Persian: a joiner inside a word
        "क्\u200dष",  # Devanagari: a half form
        "മോഹന്\u200d",  # Malayalam before Unicode 5.1: a final chillu
        "葛\U000e0100城",  # a glyph of a name, chosen by a variation selector
        "ᠮᠣᠩᠭᠣᠯ\u180b",
        "👩\u200d🚀",
        "☺\ufe0f",
        "\U0003134b",  # an ideograph newer than some Pythons' Unicode
        "-",
        "1",
    ],
)
def test_a_text_that_a_reader_can_see_is_fit(text: str) -> None:
    assert fault_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u00a0",
        "\u3000\u2009",
        "\u3164",
        "\u115f\u1160",
        "\uffa0",
        "\u2800",
        "\u200b",
        "\ufeff",
        "\u2060",
        "\u00ad",
        "\u200c",
        "\u200d",
        "\u200e",
        "\u200f",
        "\u061c",
        "\u180e",
        "\u0301",
        "\u0301\u0302",
        "\u20dd",
        "\u034f",
        "\u17b4",
        "\ufe0f",
        "\U000e0100",
        "\U000e0041",
        "\U0001d159",
        "\ufffc",
        "\ue000",
        "\U000f0000",
        "\U0010fffd",
        "\ufdd0",
        "\uffff",
        "\U0003ffff",
        "\u0378",
        "\ud800",
        "\x00",
        "\x7f",
        "\x85",
        "\u2028",
    ],
)
def test_an_invisible_text_is_refused_alone_and_with_blanks(text: str) -> None:
    assert fault_of(text) is not None
    assert fault_of(f" {text} {text}") is not None


@pytest.mark.parametrize(
    "character", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\ufeff\u3164\x1b\u2029\ue000"
)
def test_a_character_that_hides_or_turns_others_is_refused_wherever_it_stands(character: str) -> None:
    for text in (f"{character}Jane", f"Ja{character}ne", f"Jane{character}", f"שרה{character}"):
        assert fault_of(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "\u200dJane",
        "Jane\u200d",
        "Jane\u200c Doe",
        "Jane \u200cDoe",
        "Ja\u200d\u200dne",
        "Ja\u200c\u200dne",
        "क्\u200d\u200d",
        "\ufe0fJane",
        "a\ufe0f\ufe0f",
        "a \ufe0f",
        "a\u200d\ufe0f",
    ],
)
def test_a_joiner_or_selector_that_shapes_nothing_is_refused(text: str) -> None:
    assert fault_of(text) is not None


def test_joiners_and_selectors_do_not_make_two_people_of_one() -> None:
    assert comparison_form("Ja\u200dne") == comparison_form("Jane")
    assert comparison_form("葛\U000e0100城") == comparison_form("葛城")


@pytest.mark.parametrize(
    ("text", "stored"), [(" Aurora \n", "Aurora"), ("Zu\u0308rich\u00a0", "Zürich"), ("", ""), ("a  b", "a  b")]
)
def test_a_text_is_stored_composed_and_without_blanks_around(text: str, stored: str) -> None:
    assert trimmed(text) == stored


def test_a_long_text_is_judged_in_one_pass() -> None:
    with processor_time() as taken:
        fault_of("ä\u200d" * 50_000)
        fault_of("ä" * 100_000)
    assert taken.seconds < 2  # a pass for each character takes minutes
