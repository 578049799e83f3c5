"""Names in any script on tickets: shown, or written in Latin letters, never boxes."""

import shutil
from pathlib import Path

import pytest
from fontTools.subset import Subsetter
from fontTools.ttLib import TTFont

from app.tickets.fonts import SHOWN_LENGTH_MAX, FontError, FontSet, ShownText, load_fonts

FONT_FILES = Path("app/tickets/font_files")

SHOWN = {
    "English": "Jane O'Neill-Smith",
    "French": "Zoé Lefèvre d’Œuvre",
    "Polish": "Łukasz Żółć",
    "Turkish": "İpek Yağmuroğlu",
    "Vietnamese": "Nguyễn Thị Đặng",
    "Greek": "Ελένη Παπαδοπούλου",
    "Russian": "Жанна Фёдорова",
    "Ukrainian": "Євген Їжак",
}
# Name, what is shown of it, and in which order.
TRANSLITERATED = {
    "Chinese": ("王 小明", "Wang XiaoMing"),
    "Japanese": ("やまだ タロウ", "yamada tarou"),
    "Korean": ("김 민수", "Gim MinSu"),
    "Arabic": ("محمد علي", "mhmd `ly"),
    "Hebrew": ("דוד לוי", "dvd lvy"),
    "Hindi": ("अनिल शर्मा", "anil srma"),
    "Thai": ("สมชาย", "smchay"),
    "Georgian": ("ნინო", "nino"),
    "Armenian": ("Արամ", "Aram"),
    "Ethiopic": ("አበበ", "'abebe"),
}


@pytest.fixture(scope="module")
def fonts() -> FontSet:
    """Return our own fonts."""
    return load_fonts(None)


@pytest.mark.parametrize("script", SHOWN)
def test_a_name_that_the_fonts_have_is_shown_as_it_is(fonts: FontSet, script: str) -> None:
    assert fonts.shown(SHOWN[script]) == ShownText(SHOWN[script])


@pytest.mark.parametrize("script", TRANSLITERATED)
def test_a_name_that_no_font_has_is_written_in_latin_letters(fonts: FontSet, script: str) -> None:
    name, latin = TRANSLITERATED[script]

    assert fonts.shown(name) == ShownText(latin, is_transliterated=True)


def test_words_that_no_font_has_stand_in_brackets_behind_those_that_can_be_shown(fonts: FontSet) -> None:
    assert fonts.shown("王 Anna 小明") == ShownText("Anna [Wang XiaoMing]", is_transliterated=True)


def test_a_character_without_a_readable_form_is_shown_as_its_code(fonts: FontSet) -> None:
    assert fonts.shown("Ann \U000323af") == ShownText("Ann [U+323AF]", is_transliterated=True)


def test_an_accent_of_its_own_is_shown_with_its_letter(fonts: FontSet) -> None:
    assert fonts.shown("Ade\u0301 O\u0323\u0300lo") == ShownText("Adé Ọ\u0300lo")


def test_joiners_and_variation_selectors_need_no_glyph(fonts: FontSet) -> None:
    assert not fonts.shown("a\u200cb\ufe0f").is_transliterated


def test_a_long_text_is_cut_visibly(fonts: FontSet) -> None:
    assert fonts.shown("龍" * 201).value.endswith("…")
    assert len(fonts.shown("龍" * 201).value) == SHOWN_LENGTH_MAX


def test_a_folder_with_another_font_adds_its_characters(tmp_path: Path) -> None:
    make_font(tmp_path / "georgian.ttf", "Test Georgian", "ნიო")
    fonts = load_fonts(tmp_path)

    assert fonts.families == ("Roboto", "Test Georgian")
    assert fonts.shown("ნინო") == ShownText("ნინო")
    assert fonts.shown("ანა").is_transliterated


def test_a_font_without_the_mark_of_a_letter_does_not_show_the_letter(tmp_path: Path) -> None:
    make_font(tmp_path / "base.ttf", "Test Base", "ი")

    assert load_fonts(tmp_path).shown("ი\u0301").is_transliterated


def test_a_folder_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.ttf").write_bytes(b"no font")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("broken", "empty", "file", "missing"):
        with pytest.raises(FontError, match=name):
            load_fonts(tmp_path / name)


def test_a_copy_of_our_own_fonts_in_a_folder_is_no_fault(tmp_path: Path) -> None:
    shutil.copy(FONT_FILES / "Roboto-Regular.ttf", tmp_path)

    assert load_fonts(tmp_path).families == ("Roboto",)


def make_font(path: Path, family: str, characters: str) -> None:
    """Write a font that has these characters alone, with the shapes of other letters."""
    font = TTFont(FONT_FILES / "Roboto-Regular.ttf")
    subsetter = Subsetter()
    subsetter.populate(unicodes=range(0x61, 0x61 + len(characters)))
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 16):  # family, typographic family
            record.string = family
    for table in font["cmap"].tables:
        table.cmap = dict(zip(map(ord, characters), table.cmap.values(), strict=False))
    font.save(path)
