"""Rules about the seats of a run: who has which seat, and what is on sale.

Belongs here: sold legs, the counter and freed seats of each section, passengers and their numbers, references, and revisions.
Does not belong here: the waitlist (`waitlist.py`), single bookings (`bookings.py`).
"""

from collections import defaultdict
from collections.abc import Iterator

from app.domain.audit.run_record import AuditedRun
from app.domain.booking import BookingState
from app.domain.limits import PASSENGERS_PER_BOOKING_MAX
from app.domain.passenger import all_passengers
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun


def seats_sold_twice(record: AuditedRun) -> Iterator[str]:
    """Find seats that two bookings, holds or the reservation for a layout change have on one leg."""
    for (section, number), claims in sorted(_claims(record).items()):
        taken = 0
        for _, legs in claims:
            if taken & legs:
                holders = ", ".join(sorted(holder for holder, _ in claims))
                yield f"seat {section}-{number} is sold twice on {legs_text(taken & legs)}: {holders}"
            taken |= legs


def wrong_sold_legs(record: AuditedRun) -> Iterator[str]:
    """Find seats whose sold legs are not those of their bookings, holds and reservation. Retired seats have none."""
    claims = _claims(record)
    for section in record.run.sections:
        for number, sold in enumerate(section.sold_legs, 1):
            if (not sold and not claims) or number in section.retired:
                continue
            claimed = 0
            for _, legs in claims.pop((section.name, number), ()):
                claimed |= legs
            if sold & ~claimed:
                yield f"seat {section.name}-{number} is sold on {legs_text(sold & ~claimed)}, and no booking or hold has it"
            if claimed & ~sold:
                yield f"seat {section.name}-{number} is not sold on {legs_text(claimed & ~sold)}, and a booking or hold has it"
    retired = {
        (section.name, number) for section in (*record.run.sections, *record.run.retired_sections) for number in section.retired
    }
    for (name, number), holders in sorted(claims.items()):
        if (name, number) not in retired:  # another rule reports who has a retired seat
            yield f"there is no seat {name}-{number}, and {holders[0][0]} has it"


def wrong_inventory(record: AuditedRun) -> Iterator[str]:
    """Find legs of seats that are neither sold nor on sale, or both, or on sale twice."""
    for section in record.run.sections:
        if not 1 <= section.next_number <= section.size + 1:
            yield f"section {section.name} has {section.size} seats, and its counter is at {section.next_number}"
        for number, sold in enumerate(section.sold_legs, 1):
            # Most seats of most runs were never given out; skipping them here takes a tenth of the time of checking them.
            if sold or number < section.next_number or number in section.freed:
                yield from _wrong_seat(record.run, section, number)
        for number in section.freed.keys() - range(1, section.size + 1):
            yield f"there is no seat {section.name}-{number}, and it is among the freed seats"


def _wrong_seat(run: TrainRun, section: SectionSeats, number: int) -> Iterator[str]:
    label, sold = f"seat {section.name}-{number}", section.sold_legs[number - 1]
    if sold & ~section.all_legs:
        yield f"{label} is sold on {legs_text(sold & ~section.all_legs)}, which the train does not have"
    entries = section.freed.get(number, ())
    if number >= section.next_number:
        if entries:
            yield f"{label} is above the counter ({section.next_number}), and is among the freed seats"
        return
    offered = 0
    for sequence, legs in entries:
        if offered & legs:
            yield f"{label} is on sale twice on {legs_text(offered & legs)}"
        if not 0 < sequence <= run.freed_sequence:
            yield f"{label} was freed as number {sequence}, and the last number given out is {run.freed_sequence}"
        offered |= legs
    if offered & sold:
        yield f"{label} is both sold and on sale on {legs_text(offered & sold)}"
    missing = section.all_legs & ~sold & ~offered
    if missing and not run.is_compacted:  # nothing of a compacted run is on sale
        counter = section.next_number
        yield f"{label} is neither sold nor on sale on {legs_text(missing)}; the counter ({counter}) has passed it"


def passengers_on_two_bookings(record: AuditedRun) -> Iterator[str]:
    """Find passengers, by address and name, who are on more than one live booking, or twice on one."""
    references: dict[str, list[str]] = defaultdict(list)
    for booking in record.bookings.values():
        if booking.is_live:
            for passenger in booking.passengers:
                references[passenger.key].append(booking.reference)
    for key, found in sorted(references.items()):
        if len(found) > 1:
            yield f"{key} is on {len(found)} live bookings: {', '.join(sorted(found))}"


def wrong_passenger_numbers(record: AuditedRun) -> Iterator[str]:
    """Find bookings with a passenger number twice, cancelled passengers included, or with an impossible one."""
    for booking in record.bookings.values():
        numbers = [passenger.number for passenger in all_passengers(booking)]
        if len(set(numbers)) < len(numbers) or not all(1 <= number <= PASSENGERS_PER_BOOKING_MAX for number in numbers):
            yield f"booking {booking.reference} has the passenger numbers {', '.join(map(str, sorted(numbers)))}"


def bookings_newer_than_run(record: AuditedRun) -> Iterator[str]:
    """Find bookings that were changed by a later commit than the run's last one."""
    for booking in record.bookings.values():
        if booking.revision > record.run.version:
            yield f"booking {booking.reference} has revision {booking.revision}, and the run version {record.run.version}"


def legs_text(legs: int) -> str:
    """Write a mask of legs as `leg 1` or `legs 1, 3`, counted from 1."""
    numbers = [str(index + 1) for index in range(legs.bit_length()) if legs >> index & 1]
    return f"{'leg' if len(numbers) == 1 else 'legs'} {', '.join(numbers)}"


def _claims(record: AuditedRun) -> dict[tuple[str, int], list[tuple[str, int]]]:
    """Map each seat, by section and number, to who has it on which legs.

    A hold or a reservation for a layout change counts until the commit that expires it, whatever its time.
    """
    claims: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for booking in record.bookings.values():
        if booking.state is BookingState.CONFIRMED:
            for passenger in booking.passengers:
                if passenger.seat is not None:
                    seat_key = (passenger.seat.section, passenger.seat.number)
                    claims[seat_key].append((f"booking {booking.reference}", booking.journey.legs))
    for hold in record.run.holds.values():
        for seat in hold.seats:
            claims[seat.section, seat.number].append((f"hold {hold.key}", hold.legs))
    if record.run.layout_reservation is not None:
        for section, number, legs in record.run.layout_reservation.claims:
            claims[section, number].append(("the reservation for a layout change", legs))
    return claims
