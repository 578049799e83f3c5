"""A train: the recurring service from which runs are made.

Belongs here: its layout and timetable, and what makes them valid. Does not belong here: anything on a date
(`app/domain/run/train_run.py`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from app.domain import limits
from app.domain.local_times import find_timetable_fault
from app.domain.money import Money
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.sales_window import check_opens_in_time, check_sales_window, opening_time
from app.domain.terms import DEFAULT_TERMS, SalesTerms, check_terms
from app.domain.text import fault_of, trimmed
from app.domain.timetable import Call, TimetableStop, local_calls, stop_form, stops_on_date
from app.domain.zones import ZONE_NAMES

TRAIN_ID = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{limits.TRAIN_ID_LENGTH_MAX - 1}}}")
_SHORT_NAME = re.compile(rf"[A-Z0-9]{{1,{limits.SHORT_NAME_LENGTH_MAX}}}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DATE_TRIED = date(2026, 1, 15)  # on which sales windows are compared with the timetable; no zone changes its clocks then
_TEXT_LENGTH_MAX = 1_000  # code points; longer texts are refused in any form, so they are not normalized


@dataclass(frozen=True, slots=True)
class Section:
    """A group of seats sold at one fare."""

    name: str
    fare: Money


@dataclass(frozen=True, slots=True)
class Coach:
    """One vehicle, all of whose seats belong to one section."""

    name: str
    section: str
    seat_count: int


@dataclass(frozen=True, slots=True)
class Train:
    """A train. `sections` are in the order in which they are sold, `coaches` from the front.

    Runs are kept scheduled for `schedule_horizon_days` ahead; for none where it is 0. Passengers are reminded
    `departure_reminder_minutes` before they depart; never where it is 0.
    """

    train_id: str
    number: str
    stops: tuple[TimetableStop, ...]
    sections: tuple[Section, ...]
    coaches: tuple[Coach, ...]
    terms: SalesTerms = DEFAULT_TERMS
    schedule_horizon_days: int = 0
    departure_reminder_minutes: int = limits.DEPARTURE_REMINDER_MINUTES_DEFAULT


@dataclass(frozen=True, slots=True)
class StoredTrain:
    """A train as stored: the request that made it, when, and its version. `layout_version` is the first with this layout.

    `scheduled_until` is the last date, YYYY-MM-DD, for which the service has scheduled a run by itself; empty for none yet.
    """

    train: Train
    request_id: str
    create_time: datetime
    version: int
    layout_version: int = 1
    scheduled_until: str = ""

    @property
    def etag(self) -> str:
        """Changes with every change of the train."""
        return str(self.version)


def with_trimmed_texts(train: Train) -> Train:
    """Return the train as it is stored: its texts normalized (Unicode NFC) and without blanks around."""
    return replace(
        train,
        train_id=_trimmed(train.train_id),
        number=_trimmed(train.number),
        stops=tuple(
            replace(stop, name=_trimmed(stop.name), code=_trimmed(stop.code), time_zone=_trimmed(stop.time_zone))
            for stop in train.stops
        ),
        sections=tuple(replace(section, name=_trimmed(section.name)) for section in train.sections),
        coaches=tuple(replace(coach, name=_trimmed(coach.name), section=_trimmed(coach.section)) for coach in train.coaches),
        terms=replace(
            train.terms,
            section_windows=tuple((_trimmed(section), window) for section, window in train.terms.section_windows),
        ),
    )


def _trimmed(text: str) -> str:
    return text if len(text) > _TEXT_LENGTH_MAX else trimmed(text)


def check_train(train: Train) -> None:
    """Refuse INVALID_FIELD for a train with a field that is missing, out of its limits, or contradicts another one."""
    if not TRAIN_ID.fullmatch(train.train_id):
        raise InvalidField("train.train_id", f"needs 1 to {limits.TRAIN_ID_LENGTH_MAX} of a-z, 0-9 and '-'")
    _check_text(train.number, "train.number", limits.TRAIN_NUMBER_LENGTH_MAX)
    _check_stops(train.stops)
    _check_sections(train.sections)
    _check_coaches(train.coaches, {section.name for section in train.sections})
    _check_runs_forward(train.stops)
    check_terms(train.terms, "train")
    _check_sales_windows(train)
    if not 0 <= train.schedule_horizon_days <= limits.SCHEDULE_HORIZON_DAYS_MAX:
        raise InvalidField("train.schedule_horizon_days", f"needs 0 to {limits.SCHEDULE_HORIZON_DAYS_MAX}")
    if not 0 <= train.departure_reminder_minutes <= limits.DEPARTURE_REMINDER_MINUTES_MAX:
        raise InvalidField("train.departure_reminder_minutes", f"needs 0 to {limits.DEPARTURE_REMINDER_MINUTES_MAX}")


# What UpdateTrain changes: for each field of its mask, the attribute of the train or of its terms. An empty mask names all.
UPDATED_FIELDS: Mapping[str, str] = {
    "number": "number",
    "stops": "stops",
    "refund_tiers": "terms.refund_tiers",
    "waitlist_closes_before": "terms.waitlist_closes_minutes_before",
    "waitlist_max": "terms.waitlist_max",
    "passengers_per_booker_max": "terms.passengers_per_booker_max",
    "hold_percent_max": "terms.hold_percent_max",
    "sales_window": "terms.sales_window",
    "schedule_horizon_days": "schedule_horizon_days",
    "departure_reminder_minutes": "departure_reminder_minutes",
}
# The field of the mask that sets the windows of sections. It has to be named.
SECTION_WINDOWS_FIELD = "sections.sales_window"


def updated_train(train: Train, wanted: Train, fields: Iterable[str]) -> Train:
    """Return the train with these fields of the wanted one (keys of `UPDATED_FIELDS`), normalized.

    `SECTION_WINDOWS_FIELD` gives each section of the wanted train, by name, its window there, or none; others keep theirs.
    Refuses INVALID_FIELD as CreateTrain does.
    """
    wanted, fields = with_trimmed_texts(wanted), frozenset(fields)
    paths = [UPDATED_FIELDS[field].rpartition(".") for field in fields - {SECTION_WINDOWS_FIELD}]
    changes: dict[str, Any] = {name: getattr(wanted, name) for owner, _, name in paths if not owner}
    terms: dict[str, Any] = {name: getattr(wanted.terms, name) for owner, _, name in paths if owner}
    changed = replace(train, **changes, terms=replace(train.terms, **terms))
    check_train(changed)
    return _with_section_windows(changed, wanted) if SECTION_WINDOWS_FIELD in fields else changed


def _with_section_windows(train: Train, wanted: Train) -> Train:
    """Return the train with the windows of the wanted train for the sections that this names. Refuses INVALID_FIELD."""
    if not wanted.sections:
        raise InvalidField("train.sections", "is required: name the sections whose windows change")
    names, windows = {section.name for section in train.sections}, dict(train.terms.section_windows)
    for index, section in enumerate(wanted.sections):
        if section.name not in names:
            text = f"the train has no section {section.name!r}; it has {', '.join(sorted(names))}"
            raise InvalidField(f"train.sections[{index}].name", text)
        windows.pop(section.name, None)
    _check_distinct((f"train.sections[{index}].name", section.name) for index, section in enumerate(wanted.sections))
    asked = replace(DEFAULT_TERMS, section_windows=wanted.terms.section_windows)
    _check_sales_windows(replace(train, sections=wanted.sections, terms=asked))  # under the paths of the request
    windows |= dict(wanted.terms.section_windows)
    in_order = tuple((section.name, windows[section.name]) for section in train.sections if section.name in windows)
    return replace(train, terms=replace(train.terms, section_windows=in_order))


def _check_sales_windows(train: Train) -> None:
    """Refuse windows out of their limits, and those that would open after they have closed, on a date without clock changes.

    A window that opens at an instant is for the runs of some dates only: on others it may open too late.
    """
    windows = dict(train.terms.section_windows)
    paths = {f"train.sections[{index}]": windows.get(section.name) for index, section in enumerate(train.sections)}
    paths["train"] = train.terms.sales_window
    last_depart = _last_depart(train.stops)
    for path, window in paths.items():
        if window is not None:
            field = f"{path}.sales_window"
            check_sales_window(window, field)
            open_time = opening_time(window, _DATE_TRIED, train.stops[0].time_zone)
            if window.open_days_before is not None and open_time is not None and last_depart is not None:
                check_opens_in_time(window, open_time, last_depart, field)


def _last_depart(stops: Sequence[TimetableStop]) -> datetime | None:
    """Return when the train leaves its last stop but one on the date tried; None where it cannot run then."""
    try:
        return stops_on_date(stops, _DATE_TRIED)[-2].depart
    except Refusal:
        return None


def require_etag(stored: StoredTrain, etag: str) -> None:
    """Refuse ETAG_STALE for another etag than the train's, INVALID_FIELD for none."""
    if not etag:
        raise InvalidField("etag", "is required: send the etag of the train that you have read")
    if etag != stored.etag:
        raise Refusal(Reason.ETAG_STALE, f"train {stored.train.train_id} has changed since that etag; read it again")


def check_travel_date(travel_date: date, field: str) -> None:
    """Refuse INVALID_FIELD for a date on which no train is sold. `field` is the path of the date."""
    if not limits.TRAVEL_DATE_MIN <= travel_date <= limits.TRAVEL_DATE_MAX:
        raise InvalidField(field, f"needs a date from {limits.TRAVEL_DATE_MIN} to {limits.TRAVEL_DATE_MAX}")


def travel_dates(first: date, last: date) -> list[date]:
    """Return all dates from first to last. Refuses INVALID_FIELD for a range that is empty or longer than a year."""
    days = (last - first).days + 1
    if days < 1:
        raise InvalidField("last_date", "is before first_date")
    if days > limits.SCHEDULE_DAYS_MAX:
        raise InvalidField("last_date", f"the range has {days} days; at most {limits.SCHEDULE_DAYS_MAX} in one call")
    return [first + timedelta(days=offset) for offset in range(days)]


def _check_text(text: str, field: str, length_max: int) -> None:
    if not text:
        raise InvalidField(field, "is required")
    if len(text) > length_max:
        raise InvalidField(field, f"has {len(text)} characters; at most {length_max}")
    if fault := fault_of(text):
        raise InvalidField(field, fault)


def _check_distinct(names: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for field, name in names:
        if name in seen:
            raise InvalidField(field, f"{name!r} stands twice")
        seen.add(name)


def _check_stops(stops: Sequence[TimetableStop]) -> None:
    if not 2 <= len(stops) <= limits.STOPS_PER_TRAIN_MAX:
        raise InvalidField("train.stops", f"has {len(stops)} stops; needs 2 to {limits.STOPS_PER_TRAIN_MAX}")
    for index, stop in enumerate(stops):
        field = f"train.stops[{index}]"
        _check_text(stop.name, f"{field}.name", limits.NAME_LENGTH_MAX)
        if stop.code:
            _check_text(stop.code, f"{field}.code", limits.STOP_CODE_LENGTH_MAX)
        _check_zone(stop.time_zone, f"{field}.time_zone")
        _check_call(stop.arrive, f"{field}.arrive", wanted=index > 0)
        _check_call(stop.depart, f"{field}.depart", wanted=index < len(stops) - 1)
    if stops[0].depart is not None and stops[0].depart.day_offset:
        raise InvalidField("train.stops[0].depart_day_offset", "must be 0: the train leaves its first stop on the travel date")
    # A name that is also another stop's code would be ambiguous.
    _check_distinct(
        (f"train.stops[{index}].{kind}", stop_form(text))
        for index, stop in enumerate(stops)
        for kind, text in _stop_forms(stop)
    )


def _check_runs_forward(stops: Sequence[TimetableStop]) -> None:
    """Refuse a timetable that is impossible on every date, such as one without a needed day offset."""
    reason = find_timetable_fault(local_calls(stops))
    if reason:
        raise InvalidField("train.stops", f"{reason}, and so on every date; is a day offset missing?")


def _stop_forms(stop: TimetableStop) -> list[tuple[str, str]]:
    same = stop_form(stop.code) == stop_form(stop.name)
    return [("name", stop.name)] + ([("code", stop.code)] if stop.code and not same else [])


def _check_zone(name: str, field: str) -> None:
    if name not in ZONE_NAMES:
        raise InvalidField(field, f"{name!r} is no IANA time zone, such as Europe/London")


def _check_call(call: Call | None, field: str, *, wanted: bool) -> None:
    if wanted and call is None:
        raise InvalidField(f"{field}_time", "is required here")
    if not wanted and call is not None:
        raise InvalidField(f"{field}_time", "must be empty here: the train begins or ends at this stop")
    if call is not None and not 0 <= call.day_offset <= limits.DAY_OFFSET_MAX:
        raise InvalidField(f"{field}_day_offset", f"needs 0 to {limits.DAY_OFFSET_MAX}")


def _check_sections(sections: Sequence[Section]) -> None:
    if not 1 <= len(sections) <= limits.SECTIONS_PER_TRAIN_MAX:
        raise InvalidField("train.sections", f"has {len(sections)} sections; needs 1 to {limits.SECTIONS_PER_TRAIN_MAX}")
    for index, section in enumerate(sections):
        field = f"train.sections[{index}]"
        check_short_name(section.name, f"{field}.name")
        check_fare(section.fare, sections[0].fare.currency, f"{field}.fare")
    _check_distinct((f"train.sections[{index}].name", section.name) for index, section in enumerate(sections))


def check_fare(fare: Money, currency: str, field: str) -> None:
    """Refuse INVALID_FIELD for a fare out of its limits, or in another currency than the train's. `field` is its path."""
    if not _CURRENCY.fullmatch(fare.currency):
        raise InvalidField(f"{field}.currency_code", "needs three capital letters (ISO 4217), such as USD")
    if fare.currency != currency:
        raise InvalidField(f"{field}.currency_code", f"all fares of a train need the same currency, here {currency}")
    if not 0 <= fare.minor <= limits.FARE_MINOR_MAX:
        raise InvalidField(field, "must not be negative, nor absurdly large")


def check_short_name(name: str, field: str) -> None:
    """Refuse INVALID_FIELD for what is no name of a section or coach. `field` is its path."""
    if not is_short_name(name):
        raise InvalidField(field, f"needs 1 to {limits.SHORT_NAME_LENGTH_MAX} of A-Z and 0-9")


def is_short_name(name: str) -> bool:
    """Whether a section or coach may have that name."""
    return _SHORT_NAME.fullmatch(name) is not None


def check_seat_count(seat_count: int, field: str) -> None:
    """Refuse INVALID_FIELD for a number of seats that no coach has. `field` is its path."""
    if not 1 <= seat_count <= limits.SEATS_PER_COACH_MAX:
        raise InvalidField(field, f"needs 1 to {limits.SEATS_PER_COACH_MAX}")


def _check_coaches(coaches: Sequence[Coach], sections: set[str]) -> None:
    if not 1 <= len(coaches) <= limits.COACHES_PER_TRAIN_MAX:
        raise InvalidField("train.coaches", f"has {len(coaches)} coaches; needs 1 to {limits.COACHES_PER_TRAIN_MAX}")
    for index, coach in enumerate(coaches):
        field = f"train.coaches[{index}]"
        check_short_name(coach.name, f"{field}.name")
        if coach.section not in sections:
            raise InvalidField(f"{field}.section", f"the train has no section {coach.section!r}")
        check_seat_count(coach.seat_count, f"{field}.seat_count")
    _check_distinct((f"train.coaches[{index}].name", coach.name) for index, coach in enumerate(coaches))
    if sum(coach.seat_count for coach in coaches) > limits.SEATS_PER_TRAIN_MAX:
        raise InvalidField("train.coaches", f"have more than {limits.SEATS_PER_TRAIN_MAX} seats together")
