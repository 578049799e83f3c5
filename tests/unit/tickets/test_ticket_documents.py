"""Tickets as PDF and PNG: read back as an inspector's device does, and as a screen reader does."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from app.domain import limits
from app.domain.booking import Seat
from app.domain.money import Money
from app.domain.notices.preferences import Language
from app.domain.people import Person
from app.domain.ticket.code import read_code
from app.domain.ticket.ticket import Ticket, make_ticket, make_tickets
from app.domain.ticket.verdict import InspectionTerms, Verdict, judge
from app.ports.notices import DocumentError
from app.tickets.documents import ThreadedTicketDocuments
from app.tickets.fonts import load_fonts
from app.tickets.scanning import read_codes
from app.tickets.ticket_pages import TicketPages
from app.tickets.ticket_texts import TICKET_TEXTS, long_date, price, short_date, utc_offset
from tests.support.builders import DEPARTS_LONDON, NOW, a_run, book, book_waitlisted, cancel, current_booking, fill, move
from tests.support.processor_time import processor_time
from tests.support.tickets import a_list, a_signer, a_ticket, open_documents, tickets_of

TEN_SCRIPTS = (
    "Zoé Œuvre",
    "Ελένη Πα",
    "Жанна Ф",
    "Nguyễn Đặng",
    "王 小明",
    "やまだ タロウ",
    "김 민수",
    "محمد علي",
    "अनिल शर्मा",
    "สมชาย",
)


@pytest_asyncio.fixture(scope="module")
async def documents() -> AsyncIterator[ThreadedTicketDocuments]:
    """Return ticket documents with our own fonts."""
    opened = open_documents()
    yield opened
    await opened.close()


async def test_a_ticket_read_back_from_its_pdf_is_valid_until_the_seat_changes(documents: ThreadedTicketDocuments) -> None:
    run = a_run()
    booking = book(run, "jane")
    pdf = await documents.pdf(tickets_of(run, booking), Language.ENGLISH)

    (code,) = read_codes(pdf)

    signed = read_code(code)
    check = a_signer().keys.check_code(signed)
    assert judge(signed, check, InspectionTerms(NOW, run.run_id, a_list(run))).verdict is Verdict.VALID
    move(run, booking, section="A", number=3)
    assert judge(signed, check, InspectionTerms(NOW, run.run_id, a_list(run))).verdict is Verdict.SUPERSEDED


async def test_nine_passengers_of_ten_scripts_have_a_page_and_a_code_each(documents: ThreadedTicketDocuments) -> None:
    run = a_run("A9")
    people = [Person(first, last, "") for first, _, last in (name.partition(" ") for name in TEN_SCRIPTS[:9])]
    tickets = tickets_of(run, book(run, "jane", *people[1:]))

    codes = read_codes(await documents.pdf(tickets, Language.FRENCH))

    assert [read_code(code).code.passenger_number for code in codes] == list(range(1, 10))
    assert list(codes) == [a_signer().ticket_code(ticket) for ticket in tickets]


async def test_a_picture_of_a_ticket_has_its_code(documents: ThreadedTicketDocuments) -> None:
    ticket = a_ticket(Person("太郎", "山田", "taro@example.com"))

    png = await documents.png(ticket, Language.ENGLISH)

    assert read_codes(png) == (a_signer().ticket_code(ticket),)
    assert len(png) < 1024 * 1024  # as the contract says


async def test_a_pdf_is_tagged_and_names_its_language(documents: ThreadedTicketDocuments) -> None:
    pdf = await documents.pdf((a_ticket(),), Language.FRENCH)

    assert b"/StructTreeRoot" in pdf
    assert b"/Lang(fr)" in pdf.replace(b"/Lang (", b"/Lang(")
    assert re.search(rb"pdfuaid:part(>|=\")1", pdf) is not None


async def test_the_longest_names_leave_room_for_the_code_on_one_page(documents: ThreadedTicketDocuments) -> None:
    ticket = longest(a_ticket(), "W")
    for language in Language:
        for letter in ("W", "龍", "Ж", "i "):
            assert len(read_codes(await documents.pdf((longest(ticket, letter),), language))) == 1
            await documents.png(longest(ticket, letter), language)  # refuses a second page


async def test_names_are_no_markup(documents: ThreadedTicketDocuments) -> None:
    ticket = a_ticket(Person('#panic("x")', r"*bold* $x$ \ <b> // [", "x@example.com"))

    assert len(read_codes(await documents.pdf((ticket,), Language.ENGLISH))) == 1
    name = page_of(ticket)["name"]
    assert isinstance(name, dict)
    assert name["text"]["value"] == r'#panic("x") *bold* $x$ \ <b> // ['


async def test_a_fault_says_nothing_of_the_passenger(documents: ThreadedTicketDocuments) -> None:
    for broken in (a_ticket("jane"), replace(a_ticket("jane"), run_id="none")):
        stop = replace(broken.origin, time_zone="Jane/Doe")
        with pytest.raises(DocumentError) as raised:
            await documents.pdf((replace(broken, origin=stop),), Language.ENGLISH)
        assert "Jane" not in str(raised.value)
        assert raised.value.__cause__ is None
    assert await documents.pdf((a_ticket(),), Language.ENGLISH)  # the thread goes on


async def test_a_pdf_with_its_qr_takes_less_than_20_ms_of_a_processor(documents: ThreadedTicketDocuments) -> None:
    tickets = [replace(a_ticket(), reference=f"K7M2Q{letter}") for letter in "ABCDEFGHJKMNPQRSTVWX"]
    await documents.pdf(tickets[:1], Language.ENGLISH)

    fastest = 1.0
    for ticket in tickets:
        with processor_time() as taken:
            await documents.pdf((ticket,), Language.ENGLISH)
        fastest = min(fastest, taken.seconds)

    assert fastest < 0.020


def test_only_passengers_with_a_seat_of_a_confirmed_booking_have_tickets() -> None:
    run = a_run("A2")
    seated, *_ = fill(run)
    waiting = book_waitlisted(run, "walter")

    assert len(tickets_of(run, seated)) == 1
    assert tickets_of(run, waiting) == ()
    with pytest.raises(ValueError, match="has no seat"):
        make_ticket(waiting, waiting.passengers[0], run.schedule, run.number, 1)
    cancel(run, seated)
    assert tickets_of(run, current_booking(run, seated)) == ()


def test_a_ticket_has_scheduled_and_expected_times() -> None:
    run = a_run()
    booking = book(run, "jane")
    (ticket,) = make_tickets(booking, run.schedule, "ES 9014", 12)

    assert (ticket.origin.depart, ticket.expected_depart) == (DEPARTS_LONDON, DEPARTS_LONDON)
    assert (ticket.fare, ticket.sequence, ticket.revision) == (Money(2_000, "USD"), 12, booking.revision)


def test_a_late_train_shows_the_time_in_force_and_that_of_the_timetable() -> None:
    ticket = a_ticket()
    late = replace(ticket, expected_arrive=ticket.expected_arrive + timedelta(hours=12, minutes=20))

    depart, arrive = calls_of(page_of(late))

    assert (depart["time"], depart["scheduled"], depart["day"]) == ("10:24", "", "")
    assert (arrive["time"], arrive["scheduled"], arrive["day"]) == ("02:16", "Timetable: 13:56", "Wed 2 Sept")
    assert (depart["zone"], arrive["zone"]) == ("Local time, UTC+1", "Local time, UTC+2")


def test_a_train_that_is_late_by_whole_days_shows_that_it_is() -> None:
    ticket = a_ticket()
    late = replace(ticket, expected_arrive=ticket.expected_arrive + timedelta(days=1))

    _, arrive = calls_of(page_of(late))

    assert (arrive["time"], arrive["scheduled"], arrive["day"]) == ("13:56", "Timetable: 13:56", "Wed 2 Sept")


def test_dates_and_money_are_written_as_in_the_language() -> None:
    day = NOW.date()
    assert (long_date(day, Language.ENGLISH), long_date(day, Language.FRENCH)) == (
        "Saturday 1 August 2026",
        "samedi 1er août 2026",
    )
    assert [short_date(day, language) for language in Language] == ["Sat 1 Aug", "sam. 1er août"]
    assert price(Money(123_456, "EUR"), Language.ENGLISH) == "€1,234.56"
    assert price(Money(123_456, "EUR"), Language.FRENCH) == "1\u202f234,56\xa0€"
    assert price(Money(2_000, "JPY"), Language.ENGLISH) == "JP¥2,000"
    assert price(Money(1_250, "IQD"), Language.ENGLISH) == "IQD 1.250"  # CLDR would round it to 1
    assert utc_offset(NOW) == "UTC"


def test_every_text_is_filled_in_each_language() -> None:
    for texts in TICKET_TEXTS.values():
        for name in texts.__slots__:
            assert getattr(texts, name).strip()


def longest(ticket: Ticket, letter: str) -> Ticket:
    """Return a ticket whose texts are as long as they may be."""
    name = (letter * limits.NAME_LENGTH_MAX)[: limits.NAME_LENGTH_MAX]
    short = "W" * limits.SHORT_NAME_LENGTH_MAX  # of A-Z and 0-9 alone
    return replace(
        ticket,
        person=Person(name, name, ""),
        train_number=(letter * limits.TRAIN_NUMBER_LENGTH_MAX)[: limits.TRAIN_NUMBER_LENGTH_MAX],
        origin=replace(ticket.origin, name=name),
        destination=replace(ticket.destination, name=name),
        expected_depart=ticket.expected_depart + timedelta(hours=20),
        expected_arrive=ticket.expected_arrive + timedelta(hours=20),
        seat=Seat(short, short, limits.SEAT_NUMBERS_PER_RUN_MAX),
        fare=Money(limits.FARE_MINOR_MAX, "XTS"),
    )


def page_of(ticket: Ticket, language: Language = Language.ENGLISH) -> dict[str, object]:
    """Return the data of a ticket's page."""
    pages = TicketPages(load_fonts(None), "Seatline", language).document((ticket,), ("SL:0",))["pages"]
    assert isinstance(pages, list)
    page: dict[str, object] = pages[0]
    return page


def calls_of(page: dict[str, object]) -> list[dict[str, str]]:
    """Return departure and arrival of a page."""
    calls = page["calls"]
    assert isinstance(calls, list)
    return calls
