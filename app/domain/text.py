"""Texts that people write: what makes one fit to be shown, in which form it is stored, and how two of them are compared.

Belongs here: names of people, stops, codes, numbers of trains, and addresses' local parts. Does not: how a whole address is
compared (`app/domain/people.py`), how long a text may be (`app/domain/limits.py`).

Two texts are the same when a reader takes them for the same: case, blanks around and between words, the way in which an
accented letter is encoded, and characters that only shape their neighbours do not count. The compared form is never shown.
"""

import re
import unicodedata

# Simple foldings that neither `casefold` nor `lower` gives (CaseFolding.txt, status S, since Unicode 15.1).
_SIMPLE_ONLY = {"\u1fd3": "\u0390", "\u1fe3": "\u03b0", "\ufb05": "\ufb06"}

# Characters that change only how their neighbours look: joiners, variation selectors (Mongolian ones too).
_SHAPING = re.compile("[\u200c\u200d\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_JOINERS = "\u200c\u200d\u180e"
_VIRAMA = 9  # the combining class of viramas, as RFC 5892 appendix A has it

_NOTHING = "has nothing that can be seen"
_CONTROL = "has control characters"
_DIRECTION_CHANGES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROL_CATEGORIES = ("Cc", "Zl", "Zp")
# Format characters (direction marks and tags among them), surrogates, private use, and what Unicode has not assigned.
_UNPRINTABLE_CATEGORIES = ("Cf", "Cs", "Co", "Cn")
# Letters, marks and symbols that are blank: grapheme joiners, fillers, inherent vowels of Khmer, Braille, notes and glyphs.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\U00016fe4\U0001d159\U00013441\U00013442")
# Planes 2 and 3 are for ideographs alone. Every version of Unicode assigns more of them, mostly from people's names.
_IDEOGRAPHS = ("\U00020000", "\U0003fffd")
_SEEN_CATEGORIES = "LNPSC"  # C: an ideograph newer than our Unicode; all others of it have been refused


def fold_case(text: str) -> str:
    """Fold case by Unicode's simple case folding (CaseFolding.txt, status C and S): every character becomes one character.

    Final sigma (U+03C2) becomes sigma, "ẞ" becomes "ß", long s (U+017F) becomes "s". "ß" is not "ss" and "ﬁ" not "fi": names
    that differ by those are two people's, and `str.casefold` would take them for one. "İ" stays, since only Turkish folds it to
    one character.
    """
    if text.isascii():
        return text.lower()
    folded = text.casefold()
    # `casefold` never shortens, so equal lengths mean that each character became one character.
    return folded if len(folded) == len(text) else "".join(map(_fold_character, text))


def comparison_form(text: str) -> str:
    """The form in which texts are compared: simple case folding, composed characters (NFC), single blanks, none around.

    Joiners and variation selectors are left out: otherwise they would make two people of one name that looks the same.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFC", fold_case(unicodedata.normalize("NFC", _SHAPING.sub("", text))))
    return " ".join(text.split())


def trimmed(text: str) -> str:
    """The form in which texts are stored: composed characters (NFC), no blanks around."""
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fault_of(text: str) -> str | None:
    """Say why a text cannot be shown to people, as the end of a sentence about it; None for one that can.

    Nobody can tell apart, search for or read aloud what cannot be seen, and characters that turn the direction of writing make
    a ticket say what was not written. Kept are joiners inside words, which Persian and Indic names need, and behind a virama
    at the end of one, as older Malayalam has them; and one variation selector behind the character whose glyph it chooses.
    """
    if text.isascii():
        return None if text.isprintable() and text.strip() else _CONTROL if text.strip() else _NOTHING
    is_seen = False
    for index, character in enumerate(text):
        category = unicodedata.category(character)
        if character.isspace() and category == "Zs":
            continue
        if _SHAPING.match(character) is not None:
            fault = None if _shapes(text, index) else f"has the invisible character {_code(character)} where it shapes nothing"
        else:
            fault = _fault_of_character(character, category)
            is_seen = is_seen or category[0] in _SEEN_CATEGORIES
        if fault is not None:
            return fault
    return None if is_seen else _NOTHING


def _fault_of_character(character: str, category: str) -> str | None:
    if character in _DIRECTION_CHANGES:
        return f"has {_code(character)}, which turns the direction of writing"
    if category in _CONTROL_CATEGORIES:
        return _CONTROL
    if category == "Cn" and _IDEOGRAPHS[0] <= character <= _IDEOGRAPHS[1] and ord(character) & 0xFFFE != 0xFFFE:
        return None
    if category in _UNPRINTABLE_CATEGORIES or character in _UNSEEN:
        return f"has the character {_code(character)}, of which nothing can be seen"
    return None


def _shapes(text: str, index: int) -> bool:
    """Whether a joiner or variation selector stands where it has something to shape."""
    before = text[index - 1] if index else " "
    behind = text[index + 1] if index + 1 < len(text) else " "
    if text[index] not in _JOINERS:
        return unicodedata.category(before)[0] in _SEEN_CATEGORIES and before not in _JOINERS
    # Emoji join behind a variation selector.
    is_begun = unicodedata.category(before)[0] in "LMS" and before not in _JOINERS
    goes_on = unicodedata.category(behind)[0] in "LMS" and _SHAPING.match(behind) is None
    return is_begun and (goes_on or (behind not in _JOINERS and unicodedata.combining(before) == _VIRAMA))


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _fold_character(character: str) -> str:
    folded = character.casefold()
    if len(folded) == 1:
        return folded
    lower = character.lower()
    return lower if len(lower) == 1 and lower != character else _SIMPLE_ONLY.get(character, character)
