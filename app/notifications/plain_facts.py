"""The bare facts of a notice, for when its words cannot be made.

Belongs here: a text that needs no template, no file and no library. Does not belong here: anything that can fail.

Facts are in the recipient's language where this table has it, in ISO dates and in times of the station.
"""

# ruff: noqa: RUF001 - French is written with the typographic apostrophe

from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from types import MappingProxyType
from zoneinfo import ZoneInfo

from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import NoticeKind
from app.domain.notices.preferences import Language
from app.ports.notices import NoticeContent, NoticeText

_SHORT_LENGTH_MAX = 320

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "booking": "Booking",
        "train": "Train",
        "seat": "coach {coach}, seat {seat}",
        "waiting": "on the waitlist",
        NoticeKind.TICKET: "Your booking is confirmed",
        NoticeKind.WAITLISTED: "You are on the waitlist",
        NoticeKind.PROMOTED: "You have seats",
        NoticeKind.WAITLIST_EXPIRED: "No seat came free; you get your money back",
        NoticeKind.SEAT_CHANGED: "Your seat was changed",
        NoticeKind.MOVED: "We had to change your seats",
        NoticeKind.BOOKING_UPDATED: "Your booking was changed",
        NoticeKind.PASSENGERS_CANCELLED: "Passengers were cancelled",
        NoticeKind.BOOKING_CANCELLED: "Your booking is cancelled",
        NoticeKind.RUN_CANCELLED: "Your train does not run; you get your money back",
        NoticeKind.REFUNDED: "Money was returned to you",
        NoticeKind.DELAYED: "The times of your train have changed",
        NoticeKind.DEPARTURE_REMINDER: "Your train leaves soon",
        NoticeKind.ARRIVAL_REMINDER: "You arrive soon",
    }
)
_FRENCH: Mapping[str, str] = MappingProxyType(
    {
        "booking": "Réservation",
        "train": "Train",
        "seat": "voiture {coach}, place {seat}",
        "waiting": "sur liste d’attente",
        NoticeKind.TICKET: "Votre réservation est confirmée",
        NoticeKind.WAITLISTED: "Vous êtes sur liste d’attente",
        NoticeKind.PROMOTED: "Vous avez des places",
        NoticeKind.WAITLIST_EXPIRED: "Aucune place ne s’est libérée ; vous êtes remboursé",
        NoticeKind.SEAT_CHANGED: "Votre place a changé",
        NoticeKind.MOVED: "Nous avons dû changer vos places",
        NoticeKind.BOOKING_UPDATED: "Votre réservation a été modifiée",
        NoticeKind.PASSENGERS_CANCELLED: "Des voyageurs ont été annulés",
        NoticeKind.BOOKING_CANCELLED: "Votre réservation est annulée",
        NoticeKind.RUN_CANCELLED: "Votre train ne circule pas ; vous êtes remboursé",
        NoticeKind.REFUNDED: "Vous avez été remboursé",
        NoticeKind.DELAYED: "Les heures de votre train ont changé",
        NoticeKind.DEPARTURE_REMINDER: "Votre train part bientôt",
        NoticeKind.ARRIVAL_REMINDER: "Vous arrivez bientôt",
    }
)
FACT_WORDS: Mapping[Language, Mapping[str, str]] = MappingProxyType({Language.ENGLISH: _ENGLISH, Language.FRENCH: _FRENCH})


def plain_facts(content: NoticeContent, seller: str) -> NoticeText:
    """Return the facts of a notice: what happened, booking, train, times and seats. Does not raise."""
    words = FACT_WORDS.get(content.language, _ENGLISH)
    happened = words.get(content.kind, words["booking"])
    reference = content.booking.reference
    lines = [f"{happened}.", "", *_journey_lines(content, words), "", *_seat_lines(content, words), "", seller]
    plain = "\n".join(lines)
    return NoticeText(
        subject=f"{happened} ({reference})",
        plain=plain,
        html=f'<!DOCTYPE html><html lang="{content.language.value}"><body><pre>{escape(plain)}</pre></body></html>',
        short=f"{seller} {reference}: {happened}. {content.train_number}, {content.travel_date}."[:_SHORT_LENGTH_MAX],
    )


def _journey_lines(content: NoticeContent, words: Mapping[str, str]) -> Iterator[str]:
    journey = content.booking.journey
    try:
        expected = content.schedule.expected_journey(journey)
    except (ValueError, IndexError):
        expected = journey
    yield f"{words['booking']} {content.booking.reference}"
    yield f"{words['train']} {content.train_number}, {content.travel_date}"
    yield f"{_local(content, journey.origin, expected.depart)} {journey.origin}"
    yield f"{_local(content, journey.destination, expected.arrive)} {journey.destination}"


def _local(content: NoticeContent, station: str, moment: datetime) -> str:
    """Return a time by the station's clock; in UTC, and saying so, where the station or its zone is not known."""
    zone = next((stop.time_zone for stop in content.schedule.stops if stop.name == station), "")
    try:
        return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    except (ValueError, OSError, KeyError):
        return f"{moment:%Y-%m-%d %H:%M} UTC"


def _seat_lines(content: NoticeContent, words: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each passenger. Those who do not travel any more have no place in it."""
    has_places = content.booking.is_live and not KIND_POLICIES[content.kind].withdraws_tickets
    for passenger in content.passengers:
        seat = passenger.seat
        name = f"{passenger.person.first_name} {passenger.person.last_name}".strip()
        place = words["waiting"] if seat is None else words["seat"].format(coach=seat.coach, seat=seat.label)
        yield f"- {name}: {place}" if has_places else f"- {name}"
