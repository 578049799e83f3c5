"""Calendar entries of tickets (RFC 5545, sent as RFC 5546 has it).

Belongs here: making an iCalendar object of tickets. Does not belong here: the mail that it is attached to
(`app/notifications/mail_message.py`), who gets it (`app/usecases/notices/composing.py`).

An entry has the UID of its reference and passenger number for ever. Mail programs replace an entry by one with the same UID and
a higher SEQUENCE, and remove it by METHOD:CANCEL.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard, vCalAddress, vText

from app.domain.notices.preferences import Language
from app.domain.ticket.ticket import Ticket
from app.domain.zones import ZONE_NAMES, change_dates, load_zone

_PRODUCT = "-//Seatline//Tickets//EN"
_UID_DOMAIN = "seatline"  # the same for all senders of one service, also after its address changed
# A definition of a zone covers its year and the next: a ride over New Year is in one. One has 3 kB.
_ZONES_CACHED = 2 * len(ZONE_NAMES)

_SUMMARIES = MappingProxyType(
    {
        Language.ENGLISH: "Train {train}: {origin} - {destination}",
        Language.FRENCH: "Train {train} : {origin} - {destination}",
    }
)
_DESCRIPTIONS = MappingProxyType(
    {
        Language.ENGLISH: "Booking {reference}\nPassenger: {name}\nCoach {coach}, seat {seat}",
        Language.FRENCH: "Réservation {reference}\nVoyageur : {name}\nVoiture {coach}, place {seat}",
    }
)


def build_calendar(
    tickets: Sequence[Ticket],
    language: Language,
    *,
    cancelled: bool,
    organizer: str,
    attendee: str = "",
    now: datetime | None = None,
) -> bytes:
    """Return an iCalendar object with an entry for each ticket: METHOD:REQUEST, or METHOD:CANCEL for withdrawn tickets.

    `organizer` is the sender's address. `attendee` is the address of passengers who have none of their own, the booker's. `now`
    is when the object is made, by default this moment. RFC 5546 wants a METHOD to be about one UID: whoever mails entries makes
    an object for each ticket. Where a passenger has no address at all, the METHOD is PUBLISH, which needs none.
    """
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", _method(tickets, attendee, is_cancelled=cancelled))
    for zone, year in dict.fromkeys(_zone_years(tickets)):
        calendar.add_component(_zone_definition(zone, year))
    stamp = now or datetime.now(UTC)
    for ticket in tickets:
        calendar.add_component(_event(ticket, language, stamp, organizer, attendee, is_cancelled=cancelled))
    content: bytes = calendar.to_ical()
    return content


def calendar_uid(reference: str, passenger_number: int) -> str:
    """Return the UID of a passenger's entry."""
    return f"{reference}-{passenger_number}@{_UID_DOMAIN}"


def _method(tickets: Iterable[Ticket], attendee: str, *, is_cancelled: bool) -> str:
    if is_cancelled:
        return "CANCEL"
    return "REQUEST" if all(ticket.person.email or attendee for ticket in tickets) else "PUBLISH"


def _event(ticket: Ticket, language: Language, stamp: datetime, organizer: str, attendee: str, *, is_cancelled: bool) -> Event:
    person = ticket.person
    name = f"{person.first_name} {person.last_name}".strip()
    fields = {
        "train": ticket.train_number,
        "origin": ticket.origin.name,
        "destination": ticket.destination.name,
        "reference": ticket.reference,
        "name": name,
        "coach": ticket.seat.coach,
        "seat": ticket.seat.label,
    }
    event = Event()
    event.add("uid", calendar_uid(ticket.reference, ticket.passenger_number))
    event.add("sequence", ticket.sequence)
    event.add("dtstamp", stamp.astimezone(UTC))
    event.add("dtstart", ticket.expected_depart.astimezone(load_zone(ticket.origin.time_zone)))
    event.add("dtend", ticket.expected_arrive.astimezone(load_zone(ticket.destination.time_zone)))
    event.add("summary", _text(_SUMMARIES[language].format(**fields), language))
    event.add("description", _text(_DESCRIPTIONS[language].format(**fields), language))
    event.add("location", vText(ticket.origin.name))
    event.add("status", "CANCELLED" if is_cancelled else "CONFIRMED")
    event.add("transp", "OPAQUE")
    if organizer:
        event.add("organizer", vCalAddress(f"mailto:{organizer}"))
    if person.email or attendee:
        event.add("attendee", _attendee(person.email or attendee, name))
    return event


def _text(text: str, language: Language) -> vText:
    value = vText(text)
    value.params["LANGUAGE"] = language.value
    return value


def _attendee(address: str, name: str) -> vCalAddress:
    attendee = vCalAddress(f"mailto:{address}")
    # A parameter's value cannot have quotes or control characters (RFC 5545 section 3.1).
    attendee.params["CN"] = "".join(character for character in name.replace('"', "'") if character.isprintable())
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    return attendee


def _zone_years(tickets: Iterable[Ticket]) -> Iterable[tuple[str, int]]:
    """Yield each zone with the earliest year in which the tickets need it."""
    years: dict[str, int] = {}
    for ticket in tickets:
        for stop, instant in ((ticket.origin, ticket.expected_depart), (ticket.destination, ticket.expected_arrive)):
            years[stop.time_zone] = min(years.get(stop.time_zone, instant.year), instant.year)
    return years.items()


@lru_cache(maxsize=_ZONES_CACHED)
def _zone_definition(zone_name: str, year: int) -> Timezone:
    """Return the definition of a zone from December before the year to the end of the next: its changes stand in it.

    `Timezone.from_tzinfo` puts the beginning of summer time an hour late and takes 100 times as long.
    """
    zone = load_zone(zone_name)
    begin = datetime(year - 1, 12, 1, tzinfo=UTC)
    definition = Timezone()
    definition.add("tzid", zone_name)
    definition.add_component(_observance(begin, zone))
    for changed in (*change_dates(zone_name, year), *change_dates(zone_name, year + 1)):
        definition.add_component(_observance(_change_moment(changed, zone), zone))
    return definition


def _change_moment(changed: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which the clocks change between noon of the day before and noon of the date."""
    after = datetime.combine(changed, time(12), zone)
    new_offset = after.utcoffset()
    first, last = int((after - timedelta(days=1)).timestamp()), int(after.timestamp())
    moments = range(first, last + 1)
    at = bisect_left(moments, 1, key=lambda moment: datetime.fromtimestamp(moment, zone).utcoffset() == new_offset)
    return datetime.fromtimestamp(moments[at], UTC)


def _observance(moment: datetime, zone: ZoneInfo) -> TimezoneStandard | TimezoneDaylight:
    """Return what holds from a moment on. Its beginning is written by the clocks as they were before (RFC 5545 3.6.5)."""
    before, after = (moment - timedelta(seconds=1)).astimezone(zone), moment.astimezone(zone)
    offset_before, offset_after = before.utcoffset() or timedelta(), after.utcoffset() or timedelta()
    is_summer_time = (after.dst() or timedelta()) > timedelta()
    observance = TimezoneDaylight() if is_summer_time else TimezoneStandard()
    observance.add("dtstart", (moment + offset_before).replace(tzinfo=None))
    observance.add("tzname", after.tzname())
    observance.add("tzoffsetfrom", offset_before)
    observance.add("tzoffsetto", offset_after)
    return observance
