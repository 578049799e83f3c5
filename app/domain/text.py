"""Texts that people write: which can be shown, how they are stored, and how two of them are compared.

Belongs here: names of people and stops, codes, train numbers, local parts of addresses. Does not belong here: how a whole
address is compared (`people.py`), how long a text may be (`limits.py`).

Two texts are the same when a reader takes them for the same. Case, blanks around and between words, the encoding of accented
letters, and characters that only shape their neighbours do not count. The compared form is never shown.
"""

import re
import unicodedata

# Simple foldings that neither `casefold` nor `lower` gives (CaseFolding.txt, status S, since Unicode 15.1).
_SIMPLE_ONLY = {"\u1fd3": "\u0390", "\u1fe3": "\u03b0", "\ufb05": "\ufb06"}

# Characters that change only how their neighbours look: joiners, variation selectors (Mongolian ones too).
_SHAPING = re.compile("[\u200c\u200d\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_JOINERS = "\u200c\u200d\u180e"
_VIRAMA = 9  # the combining class of viramas, as RFC 5892 appendix A has it

_NOTHING = "has no visible character"
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
    that differ by those belong to two people, and `str.casefold` would make them one. "İ" stays, since only Turkish folds it to
    one character.
    """
    if text.isascii():
        return text.lower()
    folded = text.casefold()
    # `casefold` never shortens, so equal lengths mean that each character became one character.
    return folded if len(folded) == len(text) else "".join(map(_fold_character, text))


def comparison_form(text: str) -> str:
    """Return the form in which texts are compared: simple case folding, NFC, single blanks, none around.

    Joiners and variation selectors are left out: otherwise two people could have one name that looks the same.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFC", fold_case(unicodedata.normalize("NFC", _SHAPING.sub("", text))))
    return " ".join(text.split())


def trimmed(text: str) -> str:
    """Return the form in which texts are stored: NFC, no blanks around."""
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fault_of(text: str) -> str | None:
    """Return why a text cannot be shown to people, as the end of a sentence about it; None for a text that can.

    Nobody can tell apart, search for or read aloud invisible characters, and characters that change the direction of writing
    falsify a ticket. Allowed are joiners inside words, which Persian and Indic names need, and after a virama at the end of a
    word, as in older Malayalam; and one variation selector after the character whose glyph it selects.
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
        return f"has the character {_code(character)}, which is invisible"
    return None


def _shapes(text: str, index: int) -> bool:
    """Whether a joiner or variation selector stands where it shapes something."""
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
