"""The code of a ticket: its text, and what is no code."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.domain import limits
from app.domain.booking import Seat
from app.domain.ticket.code import (
    CODE_LENGTH_MAX,
    PREFIX,
    SIGNATURE_BYTES,
    MalformedCodeError,
    NewerCodeError,
    TicketCode,
    base45_decode,
    base45_encode,
    bytes_to_sign,
    code_of,
    code_text,
    read_code,
)
from app.domain.timetable import legs_between
from tests.support.tickets import a_ticket

KEY_ID = "0123abcd"
SIGNATURE = bytes(range(SIGNATURE_BYTES))


def text_of(code: TicketCode) -> str:
    """Return the text of a code with some signature."""
    return code_text(bytes_to_sign(code), SIGNATURE)


def test_a_code_says_what_the_ticket_says_and_no_name() -> None:
    ticket = a_ticket("jane")

    signed = read_code(text_of(code_of(ticket, KEY_ID)))

    assert signed.code == code_of(ticket, KEY_ID)
    assert (signed.code.reference, signed.code.run_id, signed.code.seat) == (ticket.reference, ticket.run_id, ticket.seat)
    assert (signed.code.legs, signed.code.revision, signed.code.valid_until) == (
        ticket.legs,
        ticket.revision,
        ticket.valid_until,
    )
    assert signed.signature == SIGNATURE
    for personal in (b"jane", b"doe", b"example"):
        assert personal not in signed.signed_bytes.lower()


def test_the_largest_code_can_be_read() -> None:
    largest = TicketCode(
        KEY_ID,
        "K7M2QXAB",
        limits.PASSENGERS_PER_BOOKING_MAX,
        "列" * limits.TRAIN_ID_LENGTH_MAX,
        limits.TRAVEL_DATE_MAX.isoformat(),
        legs_between(0, limits.STOPS_PER_TRAIN_MAX - 1),
        Seat("列" * limits.SHORT_NAME_LENGTH_MAX, "列" * limits.SHORT_NAME_LENGTH_MAX, limits.SEAT_NUMBERS_PER_RUN_MAX),
        datetime(2200, 1, 31, tzinfo=UTC),
        2**63 - 1,
    )

    text = text_of(largest)

    assert len(text) <= CODE_LENGTH_MAX
    assert read_code(text).code == largest


def test_a_code_of_an_ordinary_ticket_fits_a_qr_of_version_7() -> None:
    assert len(text_of(code_of(a_ticket(), KEY_ID))) <= 178  # ISO/IEC 18004: alphanumeric characters at level M


def test_blanks_and_line_ends_around_a_code_do_not_count() -> None:
    text = text_of(code_of(a_ticket(), KEY_ID))

    assert read_code(f"  {text}\r\n") == read_code(text)


@pytest.mark.parametrize(
    "text",
    ["", "hello", PREFIX, f"{PREFIX}A", f"{PREFIX}lower case", f"{PREFIX}:::", f"{PREFIX}é00", PREFIX + "0" * CODE_LENGTH_MAX],
)
def test_other_texts_are_no_codes(text: str) -> None:
    with pytest.raises(MalformedCodeError):
        read_code(text)


def test_a_code_that_is_cut_off_anywhere_is_refused() -> None:
    text = text_of(code_of(a_ticket(), KEY_ID))

    for length in range(len(text)):
        with pytest.raises(MalformedCodeError):
            read_code(text[:length])


def test_a_code_with_bytes_behind_its_end_is_refused() -> None:
    content = bytes_to_sign(code_of(a_ticket(), KEY_ID)) + b"\0"

    with pytest.raises(MalformedCodeError, match="behind its end"):
        read_code(code_text(content, SIGNATURE))


def test_impossible_stops_and_dates_are_refused() -> None:
    code = code_of(a_ticket(), KEY_ID)

    for impossible in (replace(code, legs=1 << 70), replace(code, reference="ILLEGAL")):
        with pytest.raises(MalformedCodeError):
            read_code(text_of(impossible))
    with pytest.raises(MalformedCodeError):
        read_code(code_text(bytes_to_sign(code)[:20] + b"\xff" * 20, SIGNATURE))


def test_a_code_of_a_newer_version_is_told_apart_from_a_damaged_one() -> None:
    content = b"\2" + bytes_to_sign(code_of(a_ticket(), KEY_ID))[1:]

    with pytest.raises(NewerCodeError):
        read_code(code_text(content, SIGNATURE))


@pytest.mark.parametrize(
    ("content", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"", "")]
)
def test_base45_is_that_of_rfc_9285(content: bytes, text: str) -> None:
    assert base45_encode(content) == text
    assert base45_decode(text) == content
