"""Rules about the layout of a run: its sections and coaches against its train, and what its document says of layout changes.

Belongs here: sections, coaches, retired seats, the record of layout changes, and the seats that are reserved for a plan. Does
not belong here: who has which seat (`seats.py`), fares of bookings (`bookings.py`), layout jobs (`layout_jobs.py`).

A run without changes of its own has the layout of one version of its train. A layout that changed keeps every seat number that
there ever was, so that it is compared by section, fare and the seats of each coach that are not retired.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from app.domain import limits
from app.domain.audit.run_record import AuditedRun
from app.domain.money import Money
from app.domain.run.layout_record import LayoutRecord, LayoutReservation
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.train import Train, is_short_name

_HASH_LENGTH = 32  # hexadecimal digits of 128 bits (`app/domain/layout/plan.py`)

# A section as people see it: name, fare, and how many seats each coach has.
_Section = tuple[str, Money, dict[str, int]]


def wrong_layout(record: AuditedRun) -> Iterator[str]:
    """Compare sections, coaches and fares with the version of the train whose layout the run has."""
    run, train = record.run, record.layout_train
    if run.layout.is_own or train is None:  # what is missing is a finding of `runs.differs_from_train`
        return
    if _sections_of_run(run) != _sections_of_train(train):
        yield f"has other sections, coaches or fares than version {run.layout.train_version} of its train"
    elif not run.layout.revision and _numbering(run) != _fresh_numbering(train):
        yield "numbers its seats in another way than its train, and its layout was never changed"


def _sections_of_run(run: TrainRun) -> list[_Section]:
    return [(section.name, section.fare, _seats_per_coach(section)) for section in run.sections]


def _sections_of_train(train: Train) -> list[_Section]:
    return [
        (
            section.name,
            section.fare,
            {coach.name: coach.seat_count for coach in train.coaches if coach.section == section.name},
        )
        for section in train.sections
    ]


def _seats_per_coach(section: SectionSeats) -> dict[str, int]:
    """Count the seats of each coach that has any. A coach that grew has several ranges of numbers."""
    counts: Counter[str] = Counter()
    for coach in section.coaches:
        counts[coach.name] += sum(1 for number in range(coach.first, coach.last + 1) if not section.is_retired(number))
    return {name: count for name, count in counts.items() if count}


def _numbering(run: TrainRun) -> list[list[tuple[str, int, int]]]:
    return [[(coach.name, coach.first, coach.last) for coach in section.coaches] for section in run.sections]


def _fresh_numbering(train: Train) -> list[list[tuple[str, int, int]]]:
    """Return coach and seat numbers as a run without layout changes has them."""
    sections = []
    for section in train.sections:
        coaches, last = [], 0
        for coach in train.coaches:
            if coach.section == section.name:
                coaches.append((coach.name, last + 1, last + coach.seat_count))
                last += coach.seat_count
        sections.append(coaches)
    return sections


def wrong_sections(record: AuditedRun) -> Iterator[str]:
    """Find sections and coaches that contradict each other or the limits, whatever the train has."""
    run = record.run
    for section in (*run.sections, *run.retired_sections):
        yield from _wrong_section(section)
    for name, count in Counter(section.name for section in (*run.sections, *run.retired_sections)).items():
        if count > 1:
            yield f"has section {name} {count} times"
    owners: dict[str, set[str]] = {}
    for section in (*run.sections, *run.retired_sections):
        for coach in section.coaches:
            owners.setdefault(coach.name, set()).add(section.name)
    for name, sections in owners.items():
        if len(sections) > 1:
            yield f"has coach {name} in the sections {', '.join(sorted(sections))}"
    yield from _wrong_size(run)


def _wrong_section(section: SectionSeats) -> Iterator[str]:
    ends = [0, *(coach.last for coach in section.coaches)]
    firsts = [coach.first for coach in section.coaches]
    if firsts != [last + 1 for last in ends[:-1]] or ends[-1] != section.size or firsts != sorted(set(firsts)):
        yield f"section {section.name} has seats 1 to {section.size}, and its coaches have others"
    for name, count in _seats_per_coach(section).items():
        if count > limits.SEATS_PER_COACH_MAX:
            yield f"coach {name} has {count} seats; at most {limits.SEATS_PER_COACH_MAX}"


def _wrong_size(run: TrainRun) -> Iterator[str]:
    coaches = sum(len(_seats_per_coach(section)) for section in run.sections)
    seats = sum(section.seat_count for section in run.sections)
    if not 1 <= len(run.sections) <= limits.SECTIONS_PER_TRAIN_MAX:
        yield f"has {len(run.sections)} sections; needs 1 to {limits.SECTIONS_PER_TRAIN_MAX}"
    if coaches > limits.COACHES_PER_TRAIN_MAX or seats > limits.SEATS_PER_TRAIN_MAX:
        most = f"at most {limits.COACHES_PER_TRAIN_MAX} and {limits.SEATS_PER_TRAIN_MAX}"
        yield f"has {coaches} coaches with {seats} seats; {most}"


def wrong_retired_seats(record: AuditedRun) -> Iterator[str]:
    """Find retired seats that are on sale, that a live booking or a hold has, or that the run never had."""
    run = record.run
    for section in (*run.sections, *run.retired_sections):
        for number in sorted(section.retired):
            label = f"seat {section.name}-{number}"
            if not 1 <= number <= section.size:
                yield f"{label} is retired, and the run never had it"
            elif section.sold_legs[number - 1] != section.all_legs or section.freed.get(number):
                yield f"{label} is retired, and on sale"
    for section in run.retired_sections:
        if section.seat_count:
            yield f"section {section.name} is removed, and {section.seat_count} of its seats are not retired"
    yield from _holders_of_retired_seats(record)


def _holders_of_retired_seats(record: AuditedRun) -> Iterator[str]:
    retired = {
        (section.name, number) for section in (*record.run.sections, *record.run.retired_sections) for number in section.retired
    }
    if not retired:
        return
    for booking in record.bookings.values():
        for passenger in booking.passengers if booking.is_live else ():
            if passenger.seat is not None and (passenger.seat.section, passenger.seat.number) in retired:
                yield f"seat {passenger.seat.label} is retired, and booking {booking.reference} has it"
    for hold in record.run.holds.values():
        for seat in hold.seats:
            if (seat.section, seat.number) in retired:
                yield f"seat {seat.label} is retired, and hold {hold.key} has it"


def wrong_layout_record(record: AuditedRun) -> Iterator[str]:
    """Find a record of layout changes that no changes can have left."""
    run, layout = record.run, record.run.layout
    has_retired = any(section.retired for section in run.sections) or bool(run.retired_sections)
    if layout.revision < 0 or layout.train_version < 1 or run.last_displaced_number < 0:
        yield "has a negative number of layout changes or displaced bookings, or the layout of no version of its train"
    if not layout.revision and (has_retired or layout.is_own or layout.earlier_fares or run.last_displaced_number):
        yield "has retired seats, earlier fares, displaced bookings or a layout of its own, and its layout was never changed"
    if layout.train_version < run.made_from_version:
        yield f"was made from version {run.made_from_version} of its train, and has the layout of {layout.train_version}"
    yield from _wrong_earlier_fares(layout)
    yield from _wrong_requests(record, layout)


def _wrong_earlier_fares(layout: LayoutRecord) -> Iterator[str]:
    if len(set(layout.earlier_fares)) < len(layout.earlier_fares):
        yield "has an earlier fare twice"
    for name, minor in layout.earlier_fares:  # a section that never had a seat leaves nothing but its fares
        if not is_short_name(name) or not 0 <= minor <= limits.FARE_MINOR_MAX:
            yield f"has the earlier fare {minor} for section {name}, which no section can have had"


def _wrong_requests(record: AuditedRun, layout: LayoutRecord) -> Iterator[str]:
    requests, latest = layout.requests, record.now + record.tolerance
    if len(requests) != min(layout.revision, limits.LAYOUT_REQUESTS_MAX) and not record.run.is_compacted:
        yield f"counts {layout.revision} layout changes, and has the last {len(requests)} of them"
    if len({request.request_id for request in requests}) < len(requests) or not all(r.request_id for r in requests):
        yield "has two layout changes of one request, or one of none"
    times = [request.time for request in requests]
    if times != sorted(times) or any(time > latest for time in times):
        yield "has its layout changes out of order, or in the future"
    for request in requests:
        counts = request.counts
        numbers = (
            counts.moved_passengers,
            counts.waitlisted_passengers,
            counts.cancelled_passengers,
            counts.refunded_minor,
            counts.promoted_bookings,
            counts.released_holds,
        )
        if min(numbers) < 0 or not _is_hash(request.plan_hash) or not _is_hash(request.fingerprint):
            yield f"has an impossible layout change {request.request_id}"


def wrong_layout_reservation(record: AuditedRun) -> Iterator[str]:
    """Find a reservation that no plan can have made. That its legs are sold is checked with those of bookings and holds."""
    reservation = record.run.layout_reservation
    if reservation is None:
        return
    latest = record.now + record.tolerance + timedelta(seconds=limits.LAYOUT_RESERVE_SECONDS_MAX)
    if reservation.expire_time > latest:
        yield f"reserves seats for a layout change until {reservation.expire_time}, longer than is possible"
    if not _is_hash(reservation.plan_hash) or not _is_hash(reservation.fingerprint):
        yield "reserves seats for a layout change without a plan"
    yield from _wrong_reserved_seats(record, reservation)


def _wrong_reserved_seats(record: AuditedRun, reservation: LayoutReservation) -> Iterator[str]:
    sections = {section.name: section for section in record.run.sections}
    seats = [*reservation.withdrawn, *((name, number) for name, number, _ in reservation.claims)]
    for name, number in sorted(set(seats)):
        section = sections.get(name)
        if section is None or not 1 <= number <= section.size or section.is_retired(number):
            yield f"reserves seat {name}-{number}, which it does not have"
        elif (name, number) in reservation.withdrawn and section.sold_legs[number - 1] != section.all_legs:
            yield f"seat {name}-{number} is withdrawn for a layout change, and on sale"
    for name, number, legs in reservation.claims:
        section = sections.get(name)
        if section is not None and (legs <= 0 or legs & ~section.all_legs):
            yield f"reserves seat {name}-{number} for no journey"
    for place in reservation.places:
        booking = record.bookings.get(place.reference)
        passengers = () if booking is None else (*booking.passengers, *booking.cancelled_passengers)
        if place.passenger_number not in {passenger.number for passenger in passengers}:
            yield f"has a layout plan for passenger {place.passenger_number} of {place.reference}, who is not there"


def _is_hash(text: str) -> bool:
    return len(text) == _HASH_LENGTH and all(character in "0123456789abcdef" for character in text)
