"""Which texts are the same to a reader, and which are two people's."""

import unicodedata

import pytest

from app.domain.text import compared, fold_case


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
    assert compared(left) == compared(right)


@pytest.mark.parametrize(
    ("left", "right"), [("Voß", "Voss"), ("Zoë", "Zoe"), ("Ann Marie", "AnnMarie"), ("ﬁ", "fi"), ("ı", "i")]
)
def test_other_letters_tell_texts_apart(left: str, right: str) -> None:
    assert compared(left) != compared(right)
