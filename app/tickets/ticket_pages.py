"""The data of a ticket's page: texts and their sizes, as `ticket.typ` reads them.

Belongs here: what stands on a page. Does not belong here: where it stands (`ticket.typ`), words (`ticket_texts.py`), drawing
(`drawing.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.domain.notices.preferences import Language
from app.domain.ticket.ticket import Ticket
from app.domain.timetable import Stop
from app.tickets.fonts import FontSet
from app.tickets.qr import qr_svg
from app.tickets.ticket_texts import TICKET_TEXTS, TicketTexts, clock_time, long_date, price, short_date, utc_offset

# Sizes of a text in points: up to so many characters, so large; longer texts have the last size.
_NAME_SIZES = ((26, 17.0), (60, 13.0), (120, 10.0), (0, 8.0))
_STATION_SIZES = ((22, 11.5), (50, 9.5), (0, 7.5))
_TRAIN_SIZES = ((24, 17.0), (60, 13.0), (0, 9.0))
_BOX_SIZES = ((6, 20.0), (0, 14.0))
_FACT_SIZES = ((0, 12.0),)
_REFERENCE_SIZES = ((0, 16.0),)
# A longer word may be broken anywhere, since it may be wider than its column.
_WORD_LENGTH_MAX = 16
_BREAK = "\u200b"

PageData = dict[str, object]


@dataclass(frozen=True, slots=True)
class TicketPages:
    """Makes the data of pages in one language, with what the fonts can show."""

    fonts: FontSet
    seller_name: str
    language: Language

    @property
    def texts(self) -> TicketTexts:
        """The words."""
        return TICKET_TEXTS[self.language]

    def document(self, tickets: Sequence[Ticket], codes: Sequence[str]) -> PageData:
        """Return the data of a document: a page for each ticket and its code."""
        count = len(tickets)
        return {
            "title": self.texts.title.format(reference=tickets[0].reference),
            "seller": self.fonts.shown(self.seller_name).value,
            "language": self.language.value,
            "fonts": list(self.fonts.families),
            "pages": [
                self._page(ticket, code, f"{index}/{count}" if count > 1 else "")
                for index, (ticket, code) in enumerate(zip(tickets, codes, strict=True), 1)
            ],
        }

    def _page(self, ticket: Ticket, code: str, position: str) -> PageData:
        texts = self.texts
        name = self.fonts.shown(f"{ticket.person.first_name} {ticket.person.last_name}".strip())
        return {
            "kind": f"{texts.ticket} {position}".strip(),
            "train": _sized(self.fonts.shown(texts.train.format(number=ticket.train_number)).value, _TRAIN_SIZES),
            "date": long_date(_travel_day(ticket), self.language),
            "calls": self._calls(ticket),
            "name": {
                "label": texts.passenger,
                "text": _sized(name.value, _NAME_SIZES),
                "note": texts.transliterated if name.is_transliterated else "",
            },
            "boxes": [
                self._entry(texts.coach, ticket.seat.coach, _BOX_SIZES),
                self._entry(texts.seat, ticket.seat.label, _BOX_SIZES),
            ],
            "facts": [
                self._entry(texts.booking, ticket.reference, _REFERENCE_SIZES),
                self._entry(texts.passenger_number, str(ticket.passenger_number), _FACT_SIZES),
                self._entry(texts.fare, price(ticket.fare, self.language), _FACT_SIZES),
            ],
            "qr": qr_svg(code),
            "qr_alt": texts.qr_alt,
            "footer": texts.footer,
        }

    def _calls(self, ticket: Ticket) -> list[PageData]:
        depart, arrive = _local(ticket.expected_depart, ticket.origin), _local(ticket.expected_arrive, ticket.destination)
        has_zones = depart.utcoffset() != arrive.utcoffset()
        day = _travel_day(ticket)
        return [
            self._call(self.texts.departure, ticket.origin, depart, ticket.origin.depart, day, has_zones=has_zones),
            self._call(self.texts.arrival, ticket.destination, arrive, ticket.destination.arrive, day, has_zones=has_zones),
        ]

    def _call(
        self, label: str, stop: Stop, expected: datetime, scheduled: datetime | None, day: date, *, has_zones: bool
    ) -> PageData:
        """Return the data of a departure or arrival: the time in force, and that of the timetable where it differs."""
        planned = _local(scheduled, stop) if scheduled is not None else expected
        is_late = f"{planned:%Y-%m-%d %H:%M}" != f"{expected:%Y-%m-%d %H:%M}"
        return {
            "label": label,
            "time": clock_time(expected),
            "day": short_date(expected.date(), self.language) if expected.date() != day else "",
            "scheduled": self.texts.timetable.format(time=clock_time(planned)) if is_late else "",
            "station": _sized(self.fonts.shown(stop.name).value, _STATION_SIZES),
            "zone": self.texts.local_time.format(offset=utc_offset(expected)) if has_zones else "",
        }

    def _entry(self, label: str, text: str, sizes: tuple[tuple[int, float], ...]) -> PageData:
        return {"label": label, "text": _sized(self.fonts.shown(text).value, sizes)}


def _travel_day(ticket: Ticket) -> date:
    """Return the day of the scheduled departure at the origin."""
    return _local(ticket.origin.depart or ticket.expected_depart, ticket.origin).date()


def _local(instant: datetime, stop: Stop) -> datetime:
    return instant.astimezone(ZoneInfo(stop.time_zone))


def _sized(text: str, sizes: tuple[tuple[int, float], ...]) -> PageData:
    """Return a text with its size in points. Long words get places where they may be broken."""
    size = next((size for length, size in sizes if len(text) <= length), sizes[-1][1])
    words = [word if len(word) <= _WORD_LENGTH_MAX else _BREAK.join(word) for word in text.split(" ")]
    return {"value": " ".join(words), "size": size}
