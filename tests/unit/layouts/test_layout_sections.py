"""Layout operations on a run: the sections, coaches and seats afterwards, and what is refused."""

from collections.abc import Callable

import pytest

from app.domain import limits
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.layout.plan import SectionChange
from app.domain.money import Money
from app.domain.refusals import InvalidField
from app.domain.rules.layout_sections import SectionsChange, change_sections, removing_seats
from app.domain.run.layout_record import LayoutRecord
from app.domain.run.seats import CoachSeats, SectionSeats
from app.domain.run.train_run import TrainRun
from tests.support.builders import FARE_MINOR, LILLE, a_run, book, cancel, current_booking, hold

FARE = Money(FARE_MINOR, "USD")
DEARER = Money(3 * FARE_MINOR, "USD")


def changed(run: TrainRun, *operations: LayoutOperation) -> SectionsChange:
    """Return the change; all live bookings count as passengers of their seats."""
    counts: dict[tuple[str, int], int] = {}
    for booking in run.bookings.values():
        for passenger in booking.passengers:
            seat = passenger.assigned_seat
            counts[seat.section, seat.number] = counts.get((seat.section, seat.number), 0) + 1
    return change_sections(run, operations, counts)


def apply(run: TrainRun, *operations: LayoutOperation) -> SectionsChange:
    """Make the change, and commit it."""
    change = changed(run, *operations)
    run.set_sections(change.sections)
    run.set_retired_sections(change.retired_sections)
    run.set_layout(LayoutRecord(earlier_fares=change.earlier_fares))
    run.committed()
    return change


def live(section: SectionSeats, coach: str = "") -> list[int]:
    """Return the numbers of the seats, or of those in one coach, that are not retired."""
    numbers = (number for number in range(1, section.size + 1) if not section.is_retired(number))
    return [number for number in numbers if coach in ("", section.coach_of(number))]


def refused(run: TrainRun, *operations: LayoutOperation) -> tuple[str, str]:
    """Return the field and the text with which these operations are refused."""
    with pytest.raises(InvalidField) as caught:
        changed(run, *operations)
    return caught.value.field, caught.value.description


# -- numbers never return


def test_a_new_coach_gets_the_numbers_above_those_of_its_section() -> None:
    (section, _) = changed(a_run("A4 B2 A3"), AddCoach("9", "A", 2)).sections
    assert section.coaches == (CoachSeats("1", 1, 4), CoachSeats("3", 5, 7), CoachSeats("9", 8, 9))
    assert (section.size, section.seat_count) == (9, 9)


def test_a_coach_that_grows_gets_numbers_above_those_of_its_section() -> None:
    (section,) = changed(a_run("A2 A2"), SetSeatCount("1", 5)).sections
    assert (live(section, "1"), live(section, "2")) == ([1, 2, 5, 6, 7], [3, 4])


def test_a_coach_that_grows_at_the_end_of_its_section_stays_one_range() -> None:
    (section,) = changed(a_run("A2 A2"), SetSeatCount("2", 4), SetSeatCount("2", 5)).sections
    assert section.coaches == (CoachSeats("1", 1, 2), CoachSeats("2", 3, 7))


def test_seats_that_were_removed_do_not_return_with_new_ones() -> None:
    run = a_run("A4 A2")
    apply(run, SetSeatCount("1", 1))
    apply(run, SetSeatCount("1", 3), AddCoach("3", "A", 1))
    assert (live(run.sections[0], "1"), live(run.sections[0], "3")) == ([1, 7, 8], [9])


def test_a_removed_section_goes_on_with_its_numbers_and_gets_the_new_fare() -> None:
    run = a_run("A4 B3")
    apply(run, RemoveSection("B"))
    assert [section.name for section in run.sections] == ["A"]
    (retired,) = run.retired_sections
    assert (retired.name, retired.size, retired.seat_count) == ("B", 3, 0)
    apply(run, AddSection("B", DEARER), AddCoach("9", "B", 2))
    back = run.sections[1]
    assert (back.name, back.fare, live(back), run.retired_sections) == ("B", DEARER, [4, 5], [])


def test_a_section_can_be_removed_and_added_in_one_change() -> None:
    change = changed(a_run("A2"), RemoveSection("A"), AddSection("A", FARE), AddCoach("2", "A", 3))
    assert live(change.sections[0]) == [3, 4, 5]
    assert change.removed == {("A", 1), ("A", 2)}
    assert change.changes == (SectionChange("A", 2, 3, FARE, FARE),)


def test_a_section_that_never_had_a_seat_is_forgotten() -> None:
    run = a_run("A2")
    apply(run, AddSection("C", FARE))
    apply(run, RemoveSection("C"))
    assert run.retired_sections == []


def test_the_fare_of_a_section_that_never_had_a_seat_is_remembered_through_later_changes() -> None:
    run = a_run("A2")
    apply(run, AddSection("C", DEARER))
    apply(run, RemoveSection("C"))
    apply(run, AddCoach("2", "A", 1))
    assert run.layout.earlier_fares == (("C", DEARER.minor),)


def test_the_fare_of_a_section_that_comes_and_goes_in_one_change_is_not_remembered() -> None:
    assert changed(a_run("A2"), AddSection("C", DEARER), RemoveSection("C")).earlier_fares == ()


def test_a_retired_seat_is_sold_on_all_legs_and_is_no_freed_seat() -> None:
    run = a_run("A2 A2")
    cancel(run, book(run, "ann", seats=[1]))
    book(run, "bob", seats=[2], destination=LILLE)
    apply(run, RemoveCoach("1"))
    section = run.sections[0]
    assert section.sold_legs == [section.all_legs, section.all_legs, 0, 0]
    assert (section.freed, section.retired) == ({}, frozenset({1, 2}))
    assert section.next_seats(section.all_legs, 3) is None
    assert section.next_seats(section.all_legs, 2) == [3, 4]


def test_seats_of_others_stay_as_they_are() -> None:
    run = a_run("A3 A3 B2")
    cancel(run, book(run, "ann", seats=[4]))
    bob = book(run, "bob", seats=[5], destination=LILLE)
    before = [(section.sold_legs[3:], section.freed) for section in run.sections]
    apply(run, RemoveCoach("1"), AddCoach("9", "B", 1))
    after = [(section.sold_legs[3:6], section.freed) for section in run.sections]
    assert (after[0], after[1][1:]) == (before[0], before[1][1:])
    assert run.seat(0, 5) == current_booking(run, bob).passengers[0].seat


def test_the_counter_passes_retired_seats_with_the_change() -> None:
    run = a_run("A3 A3 A2")
    book(run, "ann", seats=[4], destination=LILLE)
    apply(run, RemoveCoach("1"))
    assert run.sections[0].next_number == 4
    apply(run, RemoveCoach("2"), RemoveCoach("3"), AddCoach("9", "A", 2))
    assert (run.sections[0].next_number, run.sections[0].next_seats(1, 2)) == (9, [9, 10])


def test_planning_changes_nothing() -> None:
    run = a_run("A4 B4")
    book(run, "ann")
    before = [section.copy() for section in run.sections]
    changed(run, RemoveSection("B"), SetSeatCount("1", 1), SetFare("A", DEARER), AddCoach("9", "A", 7))
    assert (run.sections, run.retired_sections, bool(run.change_set)) == (before, [], False)


# -- fewer seats


def test_empty_seats_go_first_from_the_highest_number_down() -> None:
    run = a_run("A6")
    book(run, "ann", seats=[5])
    book(run, "bob", seats=[1])
    assert changed(run, SetSeatCount("1", 4)).removed == {("A", 6), ("A", 4)}


def test_seats_on_hold_go_after_empty_ones_and_before_those_with_passengers() -> None:
    run = a_run("A4")
    book(run, "ann", seats=[4])
    hold(run, "bob", seats=[2])
    assert changed(run, SetSeatCount("1", 2)).removed == {("A", 3), ("A", 1)}
    assert changed(run, SetSeatCount("1", 1)).removed == {("A", 3), ("A", 2), ("A", 1)}


def test_seats_with_the_fewest_passengers_go_first_and_the_highest_of_equals() -> None:
    run = a_run("A4")
    for number in (1, 2, 3):
        book(run, f"a{number}", seats=[number], destination=LILLE)
    book(run, "far", seats=[4])
    book(run, "late", seats=[3], origin=LILLE)
    assert [sorted(changed(run, SetSeatCount("1", left)).removed) for left in (3, 2, 1)] == [
        [("A", 4)],
        [("A", 2), ("A", 4)],
        [("A", 1), ("A", 2), ("A", 4)],
    ]


def test_only_seats_of_the_coach_go() -> None:
    assert changed(a_run("A2 A4"), SetSeatCount("1", 1)).removed == {("A", 2)}


def test_the_seats_withdrawn_for_a_plan_go_before_all_others() -> None:
    run = a_run("A4")
    book(run, "ann", seats=[1])
    change = change_sections(run, [SetSeatCount("1", 2)], {("A", 1): 1}, {("A", 1)})
    assert change.removed == {("A", 1), ("A", 4)}


def test_a_withdrawn_seat_that_is_removed_by_number_is_left_to_that_operation() -> None:
    run = a_run("A4")
    operations = (SetSeatCount("1", 3), RemoveSeats("A", (1,)))
    planned = change_sections(run, operations, {}).removed
    book(run, "ann", seats=[4])
    assert change_sections(run, operations, {("A", 4): 1}, planned).removed == planned == {("A", 1), ("A", 4)}


def test_seats_are_removed_by_number_and_a_coach_ends_with_its_last_seat() -> None:
    run = a_run("A2 A2")
    apply(run, RemoveSeats("A", (4, 1)))
    assert live(run.sections[0]) == [2, 3]
    apply(run, RemoveSeats("A", (2,)))
    field, text = refused(run, SetSeatCount("1", 3))
    assert (field, text) == ("operations[0].set_seat_count.coach", "the run has no coach '1'; it has 2")
    assert refused(run, AddCoach("1", "A", 3))[0] == "operations[0].add_coach.name"


def test_all_seats_that_may_go_are_known_beforehand() -> None:
    run = a_run("A2 A3 B2 C2")
    operations = (RemoveSection("B"), SetSeatCount("1", 1), RemoveSeats("A", (4, 99)), RemoveCoach("77"), SetFare("C", FARE))
    assert removing_seats(run, operations) == {("A", 1), ("A", 2), ("A", 4), ("B", 1), ("B", 2)}
    assert removing_seats(run, [RemoveCoach("2")]) == {("A", 3), ("A", 4), ("A", 5)}


# -- fares


def test_a_fare_is_set_and_the_fare_before_is_remembered_once() -> None:
    run = a_run("A4")
    for fare in (DEARER, FARE, DEARER):
        apply(run, SetFare("A", fare))
    assert (run.sections[0].fare, run.layout.earlier_fares) == (DEARER, (("A", FARE_MINOR), ("A", 3 * FARE_MINOR)))


def test_the_fare_of_a_removed_section_is_remembered() -> None:
    change = changed(a_run("A4 B4", fares={"B": 777}), RemoveSection("B"))
    assert change.earlier_fares == (("B", 777),)
    assert change.changes == (SectionChange("A", 4, 4, FARE, FARE), SectionChange("B", 4, 0, Money(777, "USD"), None))


def test_a_run_has_a_limited_number_of_fares_and_may_return_to_an_earlier_one() -> None:
    run = a_run("A4")
    run.set_layout(LayoutRecord(earlier_fares=tuple(("A", minor) for minor in range(limits.FARES_PER_RUN_MAX - 1))))
    field, text = refused(run, SetFare("A", Money(1_000_000, "USD")))
    assert (field, text.endswith("take one that the section had before")) == ("operations[0].set_fare.fare", True)
    assert refused(run, AddSection("B", FARE))[0] == "operations[0].add_section.fare"
    apply(run, SetFare("A", Money(5, "USD")))
    apply(run, SetFare("A", FARE))
    assert len(run.layout.earlier_fares) == limits.FARES_PER_RUN_MAX


# -- order


def test_operations_see_those_before_them() -> None:
    change = changed(a_run("A4"), AddSection("C", DEARER), AddCoach("9", "C", 5), SetSeatCount("9", 3), SetFare("C", FARE))
    section = change.sections[1]
    assert (section.name, section.fare, section.seat_count, change.removed) == ("C", FARE, 3, frozenset())
    assert change.changes[1] == SectionChange("C", 0, 3, None, FARE)


def test_the_only_coach_may_be_replaced_in_either_order() -> None:
    remove, add = RemoveCoach("1"), AddCoach("2", "A", 3)
    for operations in ((remove, add), (add, remove)):
        assert live(changed(a_run("A4"), *operations).sections[0]) == [5, 6, 7]


# -- refused

UNKNOWN: list[tuple[LayoutOperation, str, str]] = [
    (RemoveSection("Z"), "remove_section.name", "the run has no section 'Z'; it has A, B"),
    (SetFare("Z", FARE), "set_fare.section", "the run has no section 'Z'; it has A, B"),
    (AddCoach("9", "Z", 1), "add_coach.section", "the run has no section 'Z'; it has A, B"),
    (RemoveSeats("Z", (1,)), "remove_seats.section", "the run has no section 'Z'; it has A, B"),
    (RemoveCoach("9"), "remove_coach.name", "the run has no coach '9'; it has 1, 2"),
    (SetSeatCount("9", 1), "set_seat_count.coach", "the run has no coach '9'; it has 1, 2"),
    (AddSection("B", FARE), "add_section.name", "the run has a section 'B' already"),
    (AddCoach("2", "A", 1), "add_coach.name", "the run has a coach '2' already, in section B"),
    (AddSection("b", FARE), "add_section.name", "needs 1 to 8 of A-Z and 0-9"),
    (AddCoach("", "A", 1), "add_coach.name", "needs 1 to 8 of A-Z and 0-9"),
    (AddCoach("9", "A", 0), "add_coach.seat_count", "needs 1 to 400"),
    (AddCoach("9", "A", 401), "add_coach.seat_count", "needs 1 to 400"),
    (SetSeatCount("1", 0), "set_seat_count.seat_count", "needs 1 to 400"),
    (SetSeatCount("1", -3), "set_seat_count.seat_count", "needs 1 to 400"),
    (SetSeatCount("1", 401), "set_seat_count.seat_count", "needs 1 to 400"),
    (RemoveSeats("A", ()), "remove_seats.seat_numbers", "needs at least one seat"),
    (RemoveSeats("A", (1, 5)), "remove_seats.seat_numbers[1]", "section A has no seat 5"),
    (RemoveSeats("A", (0,)), "remove_seats.seat_numbers[0]", "section A has no seat 0"),
    (RemoveSeats("A", (2, 2)), "remove_seats.seat_numbers[1]", "seat 2 stands twice"),
    (SetFare("A", Money(1, "EUR")), "set_fare.fare.currency_code", "all fares of a train need the same currency, here USD"),
    (SetFare("A", Money(1, "usd")), "set_fare.fare.currency_code", "needs three capital letters (ISO 4217), such as USD"),
    (SetFare("A", Money(-1, "USD")), "set_fare.fare", "must not be negative, nor absurdly large"),
    (AddSection("C", Money(10**12 + 1, "USD")), "add_section.fare", "must not be negative, nor absurdly large"),
]


@pytest.mark.parametrize(("operation", "field", "text"), UNKNOWN)
def test_a_wrong_operation_is_refused_under_its_field(operation: LayoutOperation, field: str, text: str) -> None:
    assert refused(a_run("A4 B4"), SetFare("A", FARE), operation) == (f"operations[1].{field}", text)


def test_a_retired_seat_and_a_removed_coach_are_unknown() -> None:
    run = a_run("A4 A4")
    apply(run, RemoveCoach("2"))
    assert refused(run, RemoveSeats("A", (5,)))[1] == "section A has no seat 5"
    assert refused(run, RemoveCoach("2"))[1] == "the run has no coach '2'; it has 1"


def test_the_name_of_a_coach_is_never_used_again_not_even_in_another_section() -> None:
    run = a_run("A4 B4")
    apply(run, RemoveSection("B"))
    expected = ("operations[0].add_coach.name", "the run had a coach '2' before; give the new one another name")
    assert refused(run, AddCoach("2", "A", 1)) == expected
    apply(run, AddSection("B", FARE))
    assert refused(run, AddCoach("2", "B", 1)) == expected
    assert refused(run, RemoveCoach("1"), AddCoach("1", "A", 1))[0] == "operations[1].add_coach.name"


def test_an_operation_on_what_an_earlier_one_removed_is_refused() -> None:
    assert refused(a_run("A4 A4"), RemoveCoach("1"), SetSeatCount("1", 2))[0] == "operations[1].set_seat_count.coach"
    assert refused(a_run("A4 B4"), RemoveSection("B"), SetFare("B", FARE))[0] == "operations[1].set_fare.section"


@pytest.mark.parametrize(
    ("operations", "field"),
    [
        ((RemoveSection("B"), RemoveSection("A")), "operations[1].remove_section.name"),
        ((RemoveCoach("2"), RemoveCoach("1"), SetFare("A", FARE)), "operations[1].remove_coach.name"),
        ((RemoveSection("B"), RemoveSeats("A", (1, 2, 3, 4))), "operations[1].remove_seats.seat_numbers"),
        ((RemoveSection("A"), RemoveSection("B"), AddSection("C", FARE)), "operations[1].remove_section.name"),
    ],
)
def test_a_layout_keeps_a_section_and_a_coach(operations: tuple[LayoutOperation, ...], field: str) -> None:
    assert refused(a_run("A4 B4"), *operations)[0] == field


def sections(count: int) -> list[LayoutOperation]:
    return [AddSection(f"S{index}", FARE) for index in range(count)]


def coaches(count: int, seats: int) -> list[LayoutOperation]:
    return [AddCoach(f"C{index}", "A", seats) for index in range(count)]


@pytest.mark.parametrize(
    ("layout", "operations", "field", "most"),
    [
        ("A4", lambda more: sections(25 + more), "operations[25].add_section.name", "at most 26"),
        (" ".join(["A4"] * 50), lambda more: coaches(10 + more, 1), "operations[10].add_coach.name", "at most 60"),
        ("A200", lambda more: coaches(12, 400) + coaches(12 + more, 1)[12:], "operations[12].add_coach.seat_count", "5000"),
        (
            "A100 A300",
            lambda more: [*coaches(12, 383), SetSeatCount("1", 104 + more)],
            "operations[12].set_seat_count.",
            "5000",
        ),
    ],
)
def test_a_layout_keeps_the_limits_of_a_train(
    layout: str, operations: Callable[[int], list[LayoutOperation]], field: str, most: str
) -> None:
    run = a_run(layout)
    changed(run, *operations(0))
    path, text = refused(run, *operations(1))
    assert path.startswith(field)
    assert most in text


def test_limits_hold_for_the_result_and_not_on_the_way() -> None:
    run = a_run(" ".join(["A83"] * 60))
    change = changed(run, AddCoach("X", "A", 300), RemoveCoach("1"), RemoveCoach("2"), RemoveCoach("3"), RemoveCoach("4"))
    assert change.sections[0].seat_count == 56 * 83 + 300


def test_a_run_has_a_limited_number_of_seat_numbers_in_its_life() -> None:
    run = a_run("A4")
    for index in range(4):
        grown = [AddCoach(f"{index}{part}", "A", 400) for part in "ABCDEFGHIJKL"]
        apply(run, *grown)
        apply(run, *(RemoveCoach(coach.name) for coach in grown))
    assert (run.sections[0].size, run.sections[0].seat_count) == (19_204, 4)
    field, text = refused(run, AddCoach("X", "A", 400), AddCoach("Y", "A", 397))
    assert field == "operations[1].add_coach.seat_count"
    assert text == "makes it 20001 seat numbers, those of removed seats included; at most 20000"
    apply(run, AddCoach("X", "A", 400), AddCoach("Y", "A", 396))


def test_no_operations_and_too_many_are_refused() -> None:
    assert refused(a_run("A4")) == ("operations", "has 0 operations; needs 1 to 50")
    changed(a_run("A4"), *[SetFare("A", FARE)] * 50)
    assert refused(a_run("A4"), *[SetFare("A", FARE)] * 51) == ("operations", "has 51 operations; needs 1 to 50")
