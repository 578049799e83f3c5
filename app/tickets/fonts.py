"""Fonts: which characters they have, and a readable form of what they have not.

Belongs here: our fonts, those of an operator's folder, what is shown in place of a text. Does not belong here: pages
(`drawing.py`).

Typst says nothing of a missing glyph; it draws a box. So each text is compared with the fonts first. A word is shown if, for
each letter with its marks, one font has all of it. Other words are transliterated, in brackets behind what can be shown.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typst
from anyascii import anyascii
from fontTools.ttLib import TTFont, TTLibError

_OWN_FONTS = Path(__file__).with_name("font_files")  # Roboto: Latin, Greek, Cyrillic, Vietnamese
OWN_FAMILY = "Roboto"
FONT_FILES_MAX = 200  # all of Noto's scripts
_FONT_ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
# Joiners and variation selectors change only how their neighbours look. A font that does not know them leaves them out.
_IGNORABLE = frozenset((0x200B, 0x200C, 0x200D, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
# Characters; a transliterated name of 200 Chinese characters would have 1,000 and leave no room for the ticket.
SHOWN_LENGTH_MAX = 210


class FontError(Exception):
    """A folder of fonts cannot be used. The text names the folder and the way out."""


@dataclass(frozen=True, slots=True)
class ShownText:
    """What is shown in place of a text, and whether some of it is transliterated."""

    value: str
    is_transliterated: bool = False


class FontSet:
    """The fonts of this process: `families` in the order in which a glyph is looked for."""

    def __init__(self, typst_fonts: typst.Fonts, characters: dict[str, frozenset[int]]) -> None:
        self.typst_fonts = typst_fonts
        self.families = tuple(characters)
        self._characters = tuple(characters.values())

    def shown(self, text: str) -> ShownText:
        """Return what is shown in place of a text: never a box."""
        text = unicodedata.normalize("NFC", text)
        words = text.split()
        missing = [word for word in words if not self._has(word)]
        if not missing:
            return ShownText(_cut(text))
        present = [word for word in words if word not in missing]
        transliterated = " ".join(_transliterated(word) for word in missing)
        return ShownText(_cut(" ".join((*present, f"[{transliterated}]")) if present else _cut(transliterated)), True)

    def _has(self, word: str) -> bool:
        return all(any(cluster <= characters for characters in self._characters) for cluster in _clusters(word))


def _clusters(word: str) -> Iterator[frozenset[int]]:
    """Yield each letter of a word with its marks, without what may be left out."""
    cluster: set[int] = set()
    for character in word:
        if ord(character) in _IGNORABLE:
            continue
        if cluster and not unicodedata.category(character).startswith("M"):
            yield frozenset(cluster)
            cluster = set()
        cluster.add(ord(character))
    if cluster:
        yield frozenset(cluster)


def _transliterated(word: str) -> str:
    """Return a word in ASCII; the code points of characters that have no readable form."""
    return "".join(anyascii(character) or _code_point(character) for character in word if ord(character) not in _IGNORABLE)


def _code_point(character: str) -> str:
    return "" if unicodedata.category(character).startswith("M") else f"U+{ord(character):04X}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH_MAX else f"{text[: SHOWN_LENGTH_MAX - 1]}…"


def load_fonts(fonts_dir: Path | None) -> FontSet:
    """Return our fonts and those of a folder. Raises FontError."""
    folders = [_OWN_FONTS]
    if fonts_dir is not None:
        _check_folder(fonts_dir)
        folders.append(fonts_dir)
    typst_fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder) for folder in folders]
    )
    faces = sorted(typst_fonts.fonts(), key=lambda face: (face.family != OWN_FAMILY, face.family))
    if fonts_dir is not None and all(_is_own(face) for face in faces):
        raise FontError(f"{fonts_dir}: has no font that can be read; put TTF or OTF files into it")
    return FontSet(typst_fonts, _characters_of(faces))


def _is_own(face: typst.FontInfo) -> bool:
    return face.path is not None and Path(face.path).parent == _OWN_FONTS


def _check_folder(fonts_dir: Path) -> None:
    try:
        if not fonts_dir.is_dir():
            raise FontError(f"{fonts_dir}: is no folder")
        count = sum(1 for path in fonts_dir.rglob("*") if path.suffix.lower() in _FONT_ENDINGS)
    except OSError as error:
        raise FontError(f"{fonts_dir}: cannot be read: {error.strerror}") from error
    if not 0 < count <= FONT_FILES_MAX:
        raise FontError(f"{fonts_dir}: has {count} files of fonts (TTF, OTF); 1 to {FONT_FILES_MAX} are possible")


def _characters_of(faces: Iterable[typst.FontInfo]) -> dict[str, frozenset[int]]:
    """Return the characters that all faces of each family have: regular and bold ones may differ."""
    families: dict[str, frozenset[int]] = {}
    for face in faces:
        if face.path is None:
            continue
        characters = _characters_of_face(face.path, face.index)
        families[face.family] = families.get(face.family, characters) & characters
    return families


def _characters_of_face(path: str, index: int) -> frozenset[int]:
    try:
        with TTFont(path, lazy=True, fontNumber=index) as font:
            best = font.getBestCmap() or {}
            return frozenset(code_point for code_point, glyph in best.items() if glyph != ".notdef")
    except (TTLibError, OSError, ValueError, KeyError, AssertionError, IndexError) as error:
        raise FontError(f"{path}: is no font that can be read: {type(error).__name__}; remove it from the folder") from error
