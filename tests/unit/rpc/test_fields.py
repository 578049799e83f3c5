"""Fields: which values are well-formed, and the path under which others are refused."""

from collections.abc import Callable
from datetime import date

import pytest
from google.type.money_pb2 import Money as MoneyMessage

from app.domain.money import Money, minor_digits
from app.domain.people import Person
from app.rpc import fields
from tests.support.run_snapshots import invalid

# -- texts


def test_a_missing_required_text_is_refused() -> None:
    assert fields.required("x", "origin") == "x"
    with invalid("origin"):
        fields.required("", "origin")


@pytest.mark.parametrize("text", ["a", "0f2c1b9e-5b5c-4f0e-9a53-0242ac120002", "~!@#$%^&*()", "x" * 64])
def test_a_valid_request_id_is_accepted_as_sent(text: str) -> None:
    assert fields.request_id(text) == text


@pytest.mark.parametrize("text", ["", " ", "a b", "a\n", "\u00e9", "a\x7f", "a\x00", "x" * 65])
def test_a_request_id_with_blanks_another_script_or_too_many_characters_is_refused(text: str) -> None:
    with invalid("request_id"):
        fields.request_id(text)


@pytest.mark.parametrize("text", ["es9014", "9", "a-b-c", "a" * 32, " a", "a\n"])
def test_a_train_id_loses_surrounding_blanks(text: str) -> None:
    assert fields.train_id(text) == text.strip()


@pytest.mark.parametrize("text", ["", " ", "ES9014", "-a", "a_b", "a:b", "a b", "é", "a" * 33])
def test_an_impossible_train_id_is_refused(text: str) -> None:
    with invalid("train_id"):
        fields.train_id(text)


@pytest.mark.parametrize("text", ["7K2MPQ", "7k2mpq", " 7K2mPQ\n"])
def test_a_reference_is_read_in_any_case(text: str) -> None:
    assert fields.reference(text) == "7K2MPQ"


def test_a_reference_has_six_characters_or_eight() -> None:
    assert [fields.reference(text) for text in ("7K2MPQ", "7k2mpqab")] == ["7K2MPQ", "7K2MPQAB"]


@pytest.mark.parametrize(
    "text", ["", "7K2MP", "7K2MPQR", "7K2MPQRST", "7K2MPQAI", "7K2MPI", "7K2MPL", "7K2MPO", "7K2MPU", "7K2-PQ", "\u0667K2MPQ"]
)
def test_an_impossible_reference_is_refused(text: str) -> None:
    with invalid("reference"):
        fields.reference(text)


# -- dates


def test_a_date_in_iso_form_is_accepted() -> None:
    assert fields.iso_date("2028-02-29", "travel_date") == date(2028, 2, 29)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2027-02-29",
        "2026-09-31",
        "2026-13-01",
        "2026-00-10",
        "0000-01-01",
        "2026-9-1",
        "20260901",
        "2026-W36-2",
        "01-09-2026",
        "2026-09-01T00:00",
        " 2026-09-01",
        "2026-09-01\n",
        "\uff12\uff10\uff12\uff16-09-01",
        "tomorrow",
        "x" * 100_000,
    ],
)
def test_a_date_that_does_not_exist_is_refused_under_its_field(text: str) -> None:
    for _ in range(2):
        with invalid("first_date"):
            fields.iso_date(text, "first_date")


# -- names


@pytest.mark.parametrize(
    "text",
    [
        "Jane",
        "Nguyễn Thị Minh Khai",
        "Ольга",
        "山田　太郎",
        "محمد",
        "שרה",
        "नी‌ता",
        "O'Neill-Żółć",
        "Zoe\u0308",
        "🙂",
        "-",
        "X Æ A-12",
        "ߞߐߣߌ",
        "x" * 100,
        "u\u0308" * 100,
        "نی\u200cلوفر",
        "മോഹന്\u200d",
        "葛\U000e0100城",
    ],
)
def test_a_name_in_any_script_is_accepted_as_sent(text: str) -> None:
    assert fields.name(text, "first_name") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "\t",
        "\u3000",
        "x" * 101,
        "a\nb",
        "a\x00b",
        "a\x1b[31mb",
        "a\u2028b",
        "a\x85b",
        "\u3164",
        "a\u200b",
        "\u200da",
        "a\u202eb",
        "\u0301",
        "u\u0308" * 101,
    ],
)
def test_a_name_that_is_empty_too_long_or_has_control_characters_is_refused(text: str) -> None:
    with invalid("passengers[3].last_name"):
        fields.name(text, "passengers[3].last_name")


def test_blanks_around_a_name_are_dropped() -> None:
    assert fields.person(" Jane", "Doe\u00a0\n", "jane@example.com") == Person("Jane", "Doe", "jane@example.com")
    assert not fields.is_plain_person(" Jane", "Doe", "jane@example.com")


@pytest.mark.parametrize("text", ["A", " a", "a\n", "A "])
def test_a_section_is_read_in_any_case_without_blanks_around(text: str) -> None:
    assert fields.section(text) == "A"


def test_a_person_is_two_names_and_an_address() -> None:
    assert fields.person("Jane", "Doe", " jane@example.com ") == Person("Jane", "Doe", "jane@example.com")


@pytest.mark.parametrize(
    ("first_name", "last_name", "address", "path"),
    [("", "Doe", "j@x.org", "first_name"), ("Jane", " ", "j@x.org", "last_name"), ("Jane", "Doe", "x.org", "email")],
)
def test_an_invalid_field_of_a_person_is_refused_under_its_path(
    first_name: str, last_name: str, address: str, path: str
) -> None:
    with invalid(path):
        fields.person(first_name, last_name, address)
    with invalid(f"passengers[2].{path}"):
        fields.person(first_name, last_name, address, "passengers[2]")


# -- money


@pytest.mark.parametrize(
    ("currency", "units", "nanos", "minor", "text"),
    [
        ("USD", 20, 0, 2_000, "USD 20.00"),
        ("EUR", 19, 990_000_000, 1_999, "EUR 19.99"),
        ("USD", 0, 10_000_000, 1, "USD 0.01"),
        ("USD", 0, 0, 0, "USD 0.00"),
        ("JPY", 2_500, 0, 2_500, "JPY 2500"),
        ("KWD", 1, 234_000_000, 1_234, "KWD 1.234"),
        ("KWD", 0, 5_000_000, 5, "KWD 0.005"),
    ],
)
def test_money_in_whole_minor_units_is_read(currency: str, units: int, nanos: int, minor: int, text: str) -> None:
    money = fields.money(MoneyMessage(currency_code=currency, units=units, nanos=nanos), "fare")
    assert money == Money(minor, currency)
    assert str(money) == text


@pytest.mark.parametrize(
    ("currency", "units", "nanos", "path"),
    [
        ("USD", 1, 5_000_000, "fare.nanos"),
        ("USD", 1, 1, "fare.nanos"),
        ("USD", 1, 1_000_000_000, "fare.nanos"),
        ("JPY", 1, 500_000_000, "fare.nanos"),
        ("KWD", 1, 500_000, "fare.nanos"),
        ("USD", -1, 0, "fare"),
        ("USD", 0, -10_000_000, "fare"),
        ("USD", 1, -10_000_000, "fare"),
    ],
)
def test_impossible_amounts_are_refused(currency: str, units: int, nanos: int, path: str) -> None:
    with invalid(path):
        fields.money(MoneyMessage(currency_code=currency, units=units, nanos=nanos), "fare")


def test_the_largest_amount_of_the_wire_is_read_without_loss() -> None:
    message = MoneyMessage(currency_code="KWD", units=2**63 - 1, nanos=999_000_000)
    assert fields.money(message, "fare").minor == (2**63 - 1) * 1_000 + 999


def test_unknown_currencies_have_two_decimals() -> None:
    assert [minor_digits(currency) for currency in ("USD", "XYZ", "JPY", "TND")] == [2, 2, 0, 3]


# -- pages


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (200, 200), (201, 200), (2**31 - 1, 200)])
def test_a_page_size_is_limited_to_the_most(asked: int, given: int) -> None:
    assert fields.page_size(asked, default=50, most=200) == given


def test_a_negative_page_size_is_refused() -> None:
    with invalid("page_size"):
        fields.page_size(-1, default=50, most=200)


# -- what is said about it


@pytest.mark.parametrize(
    "check",
    [
        lambda text: fields.iso_date(text, "x"),
        lambda text: fields.name(text, "x"),
        lambda text: fields.email(text, "x"),
        lambda text: fields.required(text and "", "x"),
    ],
)
def test_a_refusal_repeats_only_the_start_of_a_long_text(check: Callable[[str], object]) -> None:
    with invalid("x") as caught:
        check("長" * 200_000)
    assert len(caught[0].message) <= 300


@pytest.mark.parametrize("text", ["", " Lille ", "x" * 100])
def test_an_optional_stop_may_be_empty(text: str) -> None:
    assert fields.stop(text, "origin") == text.strip()
