"""Choosing and taking seats on a run.

Belongs here: which seats a request gets, in which section. Does not belong here: the inventory of one section
(`app/domain/run/seats.py`), nor who gets them (the rules that call this).
"""

from collections.abc import Collection

from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun


def choose_seats(
    run: TrainRun, section: str, seat_numbers: tuple[int, ...], legs: int, count: int, among: Collection[int] | None = None
) -> tuple[int, list[int], bool]:
    """Choose seats. Return the section's index, the seat numbers, and whether the counter gives them out. Changes nothing.

    Without a section: the first one in which all passengers find a seat, of the sections `among` (indexes in order), where None
    stands for all. Refuses SEAT_TAKEN, SECTION_FULL, and INVALID_FIELD for a section or seat that does not exist.
    """
    if seat_numbers:
        index = run.section_index(section)
        _require_free(run, index, seat_numbers, legs)
        return index, list(seat_numbers), False
    found = next_free_seats(run, section, legs, count, among)
    if found is not None:
        return *found, True
    where = f"section {section}" if section else "any one section" if among is None else "any one section on sale"
    seats = "no seat is" if count == 1 else f"fewer than {count} seats are"
    raise Refusal(Reason.SECTION_FULL, f"{seats} free for this journey in {where} of train {run.number} of {run.travel_date}")


def next_free_seats(
    run: TrainRun, section: str, legs: int, count: int, among: Collection[int] | None = None
) -> tuple[int, list[int]] | None:
    """Return the section's index and the numbers of its next seats; None where there are not enough.

    Without a name: the first section with enough seats, of the sections `among` (indexes in order), where None stands for all.
    """
    for index in [run.section_index(section)] if section else range(len(run.sections)) if among is None else among:
        numbers = run.sections[index].next_seats(legs, count)
        if numbers is not None:
            return index, numbers
    return None


def require_seats_exist(run: TrainRun, section: int, numbers: tuple[int, ...]) -> None:
    """Refuse INVALID_FIELD for numbers that are no seat of the section with that index."""
    seats = run.sections[section]
    for position, number in enumerate(numbers):
        if not 1 <= number <= seats.size or number in seats.retired:
            raise InvalidField(f"seat_numbers[{position}]", f"section {seats.name} has no seat {number}{_range_of(seats)}")


def _range_of(seats: SectionSeats) -> str:
    """Return which seats a section has, for the text of a refusal."""
    return "; GetSeatMap lists its seats" if seats.retired else f"; it has {seats.size}"


def _require_free(run: TrainRun, section: int, numbers: tuple[int, ...], legs: int) -> None:
    require_seats_exist(run, section, numbers)
    seats = run.sections[section]
    for number in numbers:
        if not seats.is_free(number, legs):
            label = f"{seats.name}-{number}"
            raise Refusal(Reason.SEAT_TAKEN, f"seat {label} is not free for the whole journey", resource=("seat", label))


def take_seats(run: TrainRun, section: int, numbers: list[int], legs: int, *, by_counter: bool) -> None:
    """Sell the chosen seats. Move the counter past those that it gave out."""
    for number in numbers:
        run.sell(section, number, legs)
    if by_counter:
        run.advance_counter(section, max(numbers))
