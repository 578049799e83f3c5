"""The words of a language: texts by key, dates, times and money as its readers write them.

Belongs here: reading `texts/*.toml`, and what Babel formats. Does not belong here: which texts a notice has
(`notice_page.py`), how a mail looks (`templates/`).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.units import format_unit

from app.domain.money import Money, minor_digits
from app.domain.notices.preferences import Language

TEXTS_FOLDER = Path(__file__).parent / "texts"
FALLBACK_LANGUAGE = Language.ENGLISH
# Trains run by the 24-hour clock, so English is that of Europe.
_LOCALES: Mapping[Language, str] = MappingProxyType({Language.ENGLISH: "en_GB", Language.FRENCH: "fr_FR"})
_DATE = "yMMMEd"  # CLDR skeletons: "Tue, 1 Sept 2026" and "1 Sept"
_SHORT_DATE = "MMMd"
_FIRST_OF_MONTH = re.compile(r"\b1(?=\s)")
_HOURS_FROM_MINUTES = 120  # announcements say "90 minutes late", and "2 hours late"
_OTHER = "other"  # the plural form that every language has


class Wording:
    """The texts of one language. A text that it lacks is English; a key that both lack raises KeyError."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._locale = Locale.parse(_LOCALES[language])
        self._texts = {**load_texts(FALLBACK_LANGUAGE), **load_texts(language)}

    def has(self, key: str) -> bool:
        """Whether there is a text with this key."""
        return key in self._texts or f"{key}.{_OTHER}" in self._texts

    def text(self, key: str, count: int = 1) -> str:
        """Return a text as it is, in the plural form for `count`."""
        for candidate in (f"{key}.{self._locale.plural_form(count)}", f"{key}.{_OTHER}"):
            if candidate in self._texts:
                return self._texts[candidate]
        return self._texts[key]

    def say(self, key: str, fields: Mapping[str, object], count: int = 1) -> str:
        """Return a text with its fields."""
        return self.text(key, count).format_map(fields)

    def day(self, day: date) -> str:
        """Return a date with its day of the week."""
        return self._ordinal(str(format_skeleton(_DATE, day, locale=self._locale)), day)

    def long_day(self, day: date) -> str:
        """Return a date in full, for a sentence."""
        return self._ordinal(format_date(day, "full", locale=self._locale), day)

    def short_day(self, day: date) -> str:
        """Return a date without its year."""
        return self._ordinal(str(format_skeleton(_SHORT_DATE, day, locale=self._locale)), day)

    def _ordinal(self, text: str, day: date) -> str:
        """Return a date with the first of a month as its readers write it: "1er septembre". CLDR has no pattern for it."""
        return _FIRST_OF_MONTH.sub("1er", text) if self.language is Language.FRENCH and day.day == 1 else text

    def clock(self, local: datetime) -> str:
        """Return the time of day, as the clock shows it where `local` is local."""
        return format_time(local.time().replace(tzinfo=None), "short", locale=self._locale)

    def minutes(self, minutes: int) -> str:
        """Return a duration: "1 minute", "40 minutes", from two hours on "2 hours 5 minutes"."""
        if minutes < _HOURS_FROM_MINUTES:
            return self._unit(minutes, "duration-minute")
        hours, rest = divmod(minutes, 60)
        return self._unit(hours, "duration-hour") + (f" {self._unit(rest, 'duration-minute')}" if rest else "")

    def _unit(self, count: int, unit: str) -> str:
        return format_unit(count, unit, "long", locale=self._locale)

    def money(self, money: Money) -> str:
        """Return an amount with as many decimals as our currencies have, whatever Babel would round to."""
        digits = minor_digits(money.currency)
        pattern = copy(self._locale.currency_formats["standard"])
        pattern.frac_prec = (digits, digits)
        amount = Decimal(money.minor).scaleb(-digits)
        return str(pattern.apply(amount, self._locale, currency=money.currency, currency_digits=False))


@lru_cache(maxsize=len(Language))
def wording(language: Language) -> Wording:
    """Return the words of a language, read once in a process."""
    return Wording(language)


@lru_cache(maxsize=len(Language))
def load_texts(language: Language) -> Mapping[str, str]:
    """Return the texts of a language by key: `TICKET.intro.one`."""
    content = tomllib.loads((TEXTS_FOLDER / f"{language.value}.toml").read_text(encoding="utf-8"))
    return MappingProxyType(dict(_flattened(content, "")))


def _flattened(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, entry in table.items():
        if isinstance(entry, dict):
            yield from _flattened(entry, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", entry
