"""Texts that people write: how two of them are compared.

Belongs here: the compared form of names, stops, codes and addresses' local parts. Does not: how a whole address is compared
(`app/domain/people.py`).

Two texts are the same when a reader takes them for the same: case, blanks around and between words, and the way in which an
accented letter is encoded do not count. The folded form is compared and never shown.
"""

import unicodedata

# Simple foldings that neither `casefold` nor `lower` gives (CaseFolding.txt, status S, since Unicode 15.1).
_SIMPLE_ONLY = {"\u1fd3": "\u0390", "\u1fe3": "\u03b0", "\ufb05": "\ufb06"}


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


def compared(text: str) -> str:
    """The form in which texts are compared: simple case folding, composed characters (NFC), single blanks, none around."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", fold_case(unicodedata.normalize("NFC", text)))
        return " ".join(text.split())
    return " ".join(text.lower().split())


def _fold_character(character: str) -> str:
    folded = character.casefold()
    if len(folded) == 1:
        return folded
    lower = character.lower()
    return lower if len(lower) == 1 and lower != character else _SIMPLE_ONLY.get(character, character)
