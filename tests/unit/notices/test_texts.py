"""The texts of all languages: complete, and with the same fields."""

import re
import string
from datetime import date

import pytest

from app.domain.booking import RefundReason
from app.domain.disruption import DisruptionReason
from app.domain.money import Money
from app.domain.notices.notice import NoticeKind
from app.domain.notices.preferences import Language
from app.notifications import wording as wording_module
from app.notifications.plain_facts import FACT_WORDS
from app.notifications.wording import Wording, load_texts, wording

KIND_TEXTS = ("subject", "heading", "intro", "short")


def fields_of(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


@pytest.mark.parametrize("language", list(Language))
def test_every_language_has_every_text(language: Language) -> None:
    assert load_texts(language).keys() == load_texts(Language.ENGLISH).keys()


@pytest.mark.parametrize("language", list(Language))
def test_a_translation_names_the_same_facts(language: Language) -> None:
    english = load_texts(Language.ENGLISH)

    differing = {key for key, text in load_texts(language).items() if fields_of(text) != fields_of(english[key])}

    assert not differing


@pytest.mark.parametrize("language", [language for language in Language if language is not Language.ENGLISH])
def test_a_translation_is_not_english(language: Language) -> None:
    english = load_texts(Language.ENGLISH)
    same = {key for key, text in load_texts(language).items() if text == english[key]}

    assert same <= {"common.train", "common.total", "common.place"}


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_has_its_texts(kind: NoticeKind) -> None:
    assert [name for name in KIND_TEXTS if not wording(Language.ENGLISH).has(f"{kind.value}.{name}")] == []


def test_every_reason_has_a_text() -> None:
    texts = load_texts(Language.ENGLISH)

    assert [reason for reason in DisruptionReason if f"reason.{reason.value}" not in texts] == []
    assert [reason for reason in RefundReason if f"refund_reason.{reason.value}" not in texts] == []


@pytest.mark.parametrize("language", list(Language))
def test_every_language_has_every_bare_fact(language: Language) -> None:
    assert set(NoticeKind) <= set(FACT_WORDS[language])
    assert FACT_WORDS[language].keys() == FACT_WORDS[Language.ENGLISH].keys()


def test_a_missing_text_is_said_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    french = {key: text for key, text in load_texts(Language.FRENCH).items() if key != "MOVED.heading"}
    texts = {Language.ENGLISH: load_texts(Language.ENGLISH), Language.FRENCH: french}
    monkeypatch.setattr(wording_module, "load_texts", texts.__getitem__)

    assert Wording(Language.FRENCH).text("MOVED.heading") == "We had to change your seats"


def test_no_text_has_line_ends_or_markup() -> None:
    for language in Language:
        assert [key for key, text in load_texts(language).items() if re.search(r"[\r\n<>]", text)] == []


@pytest.mark.parametrize(
    ("day", "english", "french"),
    [
        (date(2026, 9, 1), "Tue, 1 Sept 2026", "mar. 1er sept. 2026"),
        (date(2026, 9, 11), "Fri, 11 Sept 2026", "ven. 11 sept. 2026"),
    ],
)
def test_a_date_is_written_as_in_the_language(day: date, english: str, french: str) -> None:
    assert [wording(language).day(day) for language in Language] == [english, french]


@pytest.mark.parametrize(
    ("minutes", "english", "french"),
    [
        (1, "1 minute", "1 minute"),
        (119, "119 minutes", "119 minutes"),
        (120, "2 hours", "2 heures"),
        (901, "15 hours 1 minute", "15 heures 1 minute"),
    ],
)
def test_a_long_delay_is_said_in_hours(minutes: int, english: str, french: str) -> None:
    assert [" ".join(wording(language).minutes(minutes).split()) for language in Language] == [english, french]


def test_french_says_the_first_of_a_month_as_an_ordinal() -> None:
    french, day = wording(Language.FRENCH), date(2026, 9, 1)

    assert (french.long_day(day), french.short_day(day)) == ("mardi 1er septembre 2026", "1er sept.")


@pytest.mark.parametrize(
    ("money", "english", "french"),
    [
        (Money(123_456, "EUR"), "€1,234.56", "1 234,56 €"),
        (Money(5, "JPY"), "JP¥5", "5 JPY"),
        (Money(1_234, "KWD"), "KWD1.234", "1,234 KWD"),
        (Money(100, "IQD"), "IQD0.100", "0,100 IQD"),
    ],
)
def test_money_has_the_decimals_of_its_currency(money: Money, english: str, french: str) -> None:
    said = [" ".join(wording(language).money(money).split()) for language in Language]

    assert said == [english, french]
