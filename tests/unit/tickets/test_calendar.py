"""Calendar entries of tickets, read back by a calendar program's parser."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from app.domain.notices.preferences import Language
from app.domain.people import Person
from app.domain.ticket.ticket import Ticket, make_tickets
from app.domain.zones import load_zone
from app.tickets.calendar import build_calendar
from tests.support.builders import NOW, a_run, a_stop, book

ORGANIZER = "tickets@rail.example"


def tickets_of(*people: Person) -> tuple[Ticket, ...]:
    """Return the tickets of these people, Jane by default, from London to Paris."""
    run = a_run("A9")
    return make_tickets(book(run, *people), run.schedule, "ES 9014", 7)


def parsed(content: bytes) -> Any:
    """Return the object as a program reads it. Its types are unions of all that a calendar may have."""
    return Calendar.from_ical(content)


def entries(content: bytes) -> list[Any]:
    """Return the entries as a program reads them."""
    return list(parsed(content).walk("VEVENT"))


def calendar(tickets: tuple[Ticket, ...], language: Language = Language.ENGLISH, **changed: Any) -> bytes:
    """Return the calendar of these tickets, with what a test changes."""
    fields: dict[str, Any] = {"cancelled": False, "organizer": ORGANIZER, "now": NOW} | changed
    return build_calendar(tickets, language, **fields)


def test_an_entry_has_the_times_at_each_stop_in_its_zone() -> None:
    (entry,) = entries(calendar(tickets_of()))

    assert entry["dtstart"].dt == datetime(2026, 9, 1, 10, 24, tzinfo=load_zone("Europe/London"))
    assert entry["dtend"].dt == datetime(2026, 9, 1, 13, 56, tzinfo=load_zone("Europe/Paris"))
    assert entry["dtstart"].params["TZID"] == "Europe/London"
    assert entry["dtend"].params["TZID"] == "Europe/Paris"


def test_an_entry_has_the_expected_times_of_a_late_train() -> None:
    (ticket,) = tickets_of()

    (entry,) = entries(calendar((replace(ticket, expected_depart=ticket.expected_depart + timedelta(minutes=40)),)))

    assert entry["dtstart"].dt == datetime(2026, 9, 1, 11, 4, tzinfo=load_zone("Europe/London"))


def test_a_withdrawn_entry_has_the_same_uid_and_a_higher_sequence() -> None:
    (ticket,) = tickets_of()

    request = parsed(calendar((ticket,)))
    withdrawal = parsed(calendar((replace(ticket, sequence=8),), cancelled=True))

    assert (request["method"], withdrawal["method"]) == ("REQUEST", "CANCEL")
    before, after = request.walk("VEVENT")[0], withdrawal.walk("VEVENT")[0]
    assert before["uid"] == after["uid"]
    assert after["sequence"] > before["sequence"]
    assert after["status"] == "CANCELLED"


def test_an_entry_names_who_invites_and_who_travels() -> None:
    (entry,) = entries(calendar(tickets_of(Person("Zoë", 'O"Neil; ΩX', "zoe@example.com"))))

    assert entry["organizer"] == f"mailto:{ORGANIZER}"
    assert entry["attendee"] == "mailto:zoe@example.com"
    assert entry["attendee"].params["CN"] == "Zoë O'Neil; ΩX"


def test_the_bookers_address_stands_for_a_passenger_without_one() -> None:
    tickets = tickets_of(Person("Jane", "Doe", "jane@example.com"), Person("Tom", "Doe", ""))

    both = entries(calendar(tickets, attendee="jane@example.com"))

    assert [entry["attendee"] for entry in both] == ["mailto:jane@example.com"] * 2


def test_an_entry_for_nobody_is_published() -> None:
    nobody = tuple(replace(ticket, person=Person("Jane", "Doe", "")) for ticket in tickets_of())

    assert parsed(calendar(nobody))["method"] == "PUBLISH"


def test_every_line_is_short_and_ends_as_the_standard_says() -> None:
    content = calendar(tickets_of(Person("あ" * 80, "い" * 80, "jane@example.com")))

    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 75


@pytest.mark.parametrize("name", ["A\r\nATTENDEE:mailto:spy@evil.example", "A\nEND:VEVENT", 'x"\r\nMETHOD:CANCEL'])
def test_no_name_adds_a_line_of_its_own(name: str) -> None:
    (ticket,) = tickets_of()
    evil = replace(ticket, person=Person(name, "Doe", "jane@example.com"))

    content = calendar((evil,))

    (entry,) = entries(content)
    assert entry["attendee"] == "mailto:jane@example.com"
    assert parsed(content)["method"] == "REQUEST"


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/London", "2026-03-29T01:00"),
        ("Europe/London", "2026-10-25T01:00"),
        ("Europe/Paris", "2027-03-28T01:00"),
        ("America/New_York", "2026-11-01T06:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00"),
        ("Asia/Tokyo", "2026-06-01T00:00"),
        ("Africa/Casablanca", "2026-02-15T02:00"),
    ],
)
def test_a_calendar_knows_a_zone_in_the_minute_of_its_change(zone: str, moment: str) -> None:
    stops = (a_stop("Here", zone, depart="10:00"), a_stop("There", zone, arrive="11:00"))
    run = a_run("A9", stops=stops)
    (ticket,) = make_tickets(book(run, origin="Here", destination="There"), run.schedule, "ES 9014", 7)
    change = datetime.fromisoformat(f"{moment}+00:00")

    for minutes in (-61, -1, 0, 1, 61):
        instant = change + timedelta(minutes=minutes)
        content = calendar((replace(ticket, expected_depart=instant, expected_arrive=change + timedelta(days=30)),))
        assert _offset_in(content, zone, instant) == instant.astimezone(load_zone(zone)).utcoffset()


def _offset_in(content: bytes, zone: str, instant: datetime) -> timedelta:
    """Return the offset that the calendar's own definition of a zone gives, as RFC 5545 section 3.6.5 reads it."""
    definition = next(found for found in parsed(content).walk("VTIMEZONE") if found["tzid"] == zone)
    observances = [*definition.walk("STANDARD"), *definition.walk("DAYLIGHT")]
    naive = instant.replace(tzinfo=None)
    begun = [found for found in observances if found["dtstart"].dt - found["tzoffsetfrom"].td <= naive]
    offset: timedelta = max(begun, key=lambda found: found["dtstart"].dt - found["tzoffsetfrom"].td)["tzoffsetto"].td
    return offset


def test_a_ride_over_new_year_has_one_definition_of_each_zone() -> None:
    (ticket,) = tickets_of()
    new_year = datetime.fromisoformat("2027-01-01T00:30+00:00")
    over = replace(ticket, expected_depart=new_year - timedelta(hours=2), expected_arrive=new_year)

    definitions = parsed(calendar((over,))).walk("VTIMEZONE")

    assert [found["tzid"] for found in definitions] == ["Europe/London", "Europe/Paris"]


@pytest.mark.parametrize(("language", "word"), [(Language.ENGLISH, "Passenger"), (Language.FRENCH, "Voyageur")])
def test_an_entry_is_in_the_passengers_language(language: Language, word: str) -> None:
    (entry,) = entries(calendar(tickets_of(), language))

    assert word in entry["description"]
    assert entry["description"].params["LANGUAGE"] == language.value
