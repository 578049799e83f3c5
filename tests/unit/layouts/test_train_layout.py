"""Layout operations on a train: the layout of the runs that are made from then on."""

import pytest

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
from app.domain.layout.train_layout import change_train_layout, train_section_changes
from app.domain.money import Money
from app.domain.refusals import InvalidField
from app.domain.train import Coach, Section, Train, check_train
from tests.support.builders import FARE_MINOR, a_train

FARE = Money(FARE_MINOR, "USD")
DEARER = Money(3 * FARE_MINOR, "USD")


def refused(train: Train, *operations: LayoutOperation) -> tuple[str, str]:
    with pytest.raises(InvalidField) as caught:
        change_train_layout(train, operations)
    return caught.value.field, caught.value.description


def test_the_operations_change_sections_and_coaches_and_nothing_else() -> None:
    train = a_train("A4 B4 A2")
    operations = (AddSection("C", DEARER), AddCoach("9", "C", 5), RemoveCoach("1"), SetSeatCount("3", 6), SetFare("B", DEARER))
    changed = change_train_layout(train, operations)
    check_train(changed)
    assert changed.sections == (Section("A", FARE), Section("B", DEARER), Section("C", DEARER))
    assert changed.coaches == (Coach("2", "B", 4), Coach("3", "A", 6), Coach("9", "C", 5))
    assert (changed.number, changed.stops, changed.terms) == (train.number, train.stops, train.terms)


def test_a_removed_section_takes_its_coaches_with_it_and_comes_back_behind_all_others() -> None:
    changed = change_train_layout(a_train("A4 B4 A2"), [RemoveSection("A"), AddSection("A", DEARER)])
    assert ([section.name for section in changed.sections], [coach.name for coach in changed.coaches]) == (["B", "A"], ["2"])


def test_sections_are_compared_before_and_after() -> None:
    before = a_train("A4 B4 A2")
    after = change_train_layout(before, [RemoveSection("B"), AddSection("C", DEARER), AddCoach("9", "C", 5), RemoveCoach("3")])
    assert train_section_changes(before, after) == (
        SectionChange("A", 6, 4, FARE, FARE),
        SectionChange("B", 4, 0, FARE, None),
        SectionChange("C", 0, 5, None, DEARER),
    )


def test_seats_of_a_train_are_not_removed_by_number() -> None:
    field, text = refused(a_train("A4"), SetFare("A", FARE), RemoveSeats("A", (1,)))
    assert (field, "use set_seat_count" in text) == ("operations[1].remove_seats", True)


@pytest.mark.parametrize(
    ("operations", "field"),
    [
        ([], "operations"),
        ([SetFare("A", FARE)] * 51, "operations"),
        ([RemoveSection("Z")], "operations[0].remove_section.name"),
        ([SetFare("Z", FARE)], "operations[0].set_fare.section"),
        ([SetFare("A", Money(1, "EUR"))], "operations[0].set_fare.fare.currency_code"),
        ([AddSection("A", FARE)], "operations[0].add_section.name"),
        ([AddSection("long name", FARE)], "operations[0].add_section.name"),
        ([AddSection("C", Money(-1, "USD"))], "operations[0].add_section.fare"),
        ([AddCoach("1", "A", 1)], "operations[0].add_coach.name"),
        ([AddCoach("9", "Z", 1)], "operations[0].add_coach.section"),
        ([AddCoach("9", "A", 0)], "operations[0].add_coach.seat_count"),
        ([RemoveCoach("2"), AddCoach("2", "A", 1)], "operations[1].add_coach.name"),
        ([RemoveCoach("9")], "operations[0].remove_coach.name"),
        ([RemoveCoach("1"), SetSeatCount("1", 3)], "operations[1].set_seat_count.coach"),
        ([SetSeatCount("1", 401)], "operations[0].set_seat_count.seat_count"),
        ([RemoveSection("A"), RemoveSection("B")], "operations[1].remove_section.name"),
        ([RemoveCoach("1"), RemoveCoach("2")], "operations[1].remove_coach.name"),
        ([AddSection(f"S{index}", FARE) for index in range(25)], "operations[24].add_section.name"),
        ([AddCoach(f"C{index}", "A", 400) for index in range(13)], "operations[12].add_coach.seat_count"),
    ],
)
def test_a_wrong_operation_is_refused_under_its_field(operations: list[LayoutOperation], field: str) -> None:
    assert refused(a_train("A4 B4"), *operations)[0] == field
