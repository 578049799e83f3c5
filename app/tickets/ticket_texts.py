"""The words on a ticket, in each language, and how it writes dates, times and money.

Belongs here: texts and formats of tickets. Does not belong here: texts of mails (`app/notifications/texts`), where the
words stand (`ticket.typ`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision

from app.domain.money import Money, minor_digits
from app.domain.notices.preferences import Language

# British dates: the day stands before the month, as on the tickets of nearly all railways.
_LOCALES = MappingProxyType({Language.ENGLISH: Locale("en", "GB"), Language.FRENCH: Locale("fr", "FR")})


@dataclass(frozen=True, slots=True)
class TicketTexts:
    """The words on a ticket in one language. Words in braces are filled in."""

    title: str
    ticket: str
    departure: str
    arrival: str
    timetable: str
    local_time: str
    passenger: str
    transliterated: str
    coach: str
    seat: str
    booking: str
    passenger_number: str
    fare: str
    train: str
    qr_alt: str
    footer: str


TICKET_TEXTS: Mapping[Language, TicketTexts] = MappingProxyType(
    {
        Language.ENGLISH: TicketTexts(
            title="Ticket {reference}",
            ticket="Ticket",
            departure="Departure",
            arrival="Arrival",
            timetable="Timetable: {time}",
            local_time="Local time, {offset}",
            passenger="Passenger",
            transliterated="Words in brackets, or the whole name, are written in Latin letters.",
            coach="Coach",
            seat="Seat",
            booking="Booking",
            passenger_number="Passenger number",
            fare="Fare",
            train="Train {number}",
            qr_alt="QR code of this ticket, for the inspector",
            footer="Show this code on board, on paper or on a screen. Valid for this train and this seat only. Times are local "
            "to each station, as known when this ticket was made.",
        ),
        Language.FRENCH: TicketTexts(
            title="Billet {reference}",
            ticket="Billet",
            departure="Départ",
            arrival="Arrivée",
            timetable="Horaire initial : {time}",
            local_time="Heure locale, {offset}",
            passenger="Voyageur",
            transliterated="Les mots entre crochets, ou le nom entier, sont écrits en lettres latines.",
            coach="Voiture",
            seat="Place",
            booking="Réservation",
            passenger_number="Numéro de voyageur",
            fare="Prix",
            train="Train {number}",
            qr_alt="Code QR de ce billet, pour le contrôle",
            footer="Présentez ce code à bord, sur papier ou sur un écran. Valable uniquement pour ce train et cette place. Les "
            "heures sont locales à chaque gare, telles que connues au moment où ce billet a été établi.",
        ),
    }
)


def long_date(day: date, language: Language) -> str:
    """Return a date such as `Tuesday 1 September 2026`."""
    return format_date(day, f"EEEE {_day_pattern(day, language)} MMMM y", _LOCALES[language])


def short_date(day: date, language: Language) -> str:
    """Return a date such as `Tue 1 Sept`."""
    return format_date(day, f"EEE {_day_pattern(day, language)} MMM", _LOCALES[language])


def _day_pattern(day: date, language: Language) -> str:
    """Return the pattern of a day of the month: French says `1er` for the first."""
    return "d'er'" if language is Language.FRENCH and day.day == 1 else "d"


def clock_time(local: datetime) -> str:
    """Return a time such as `10:24`, which both languages write alike on timetables."""
    return f"{local:%H:%M}"


def utc_offset(local: datetime) -> str:
    """Return a zone's distance from UTC, such as `UTC+2`, `UTC+5:30` or `UTC`."""
    minutes = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes > 0 else "-"
    return f"UTC{sign}{hours}:{rest:02}" if rest else f"UTC{sign}{hours}"


def price(money: Money, language: Language) -> str:
    """Return an amount with all its minor digits, such as `US$20.00`."""
    digits = minor_digits(money.currency)
    if get_currency_precision(money.currency) != digits:  # CLDR rounds some currencies that are charged more finely
        return str(money)
    return format_currency(Decimal(money.minor).scaleb(-digits), money.currency, locale=_LOCALES[language])
