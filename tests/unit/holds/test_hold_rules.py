"""HoldSeats and ReleaseHold: which seats are held, for whom and how long, and how a hold ends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.booking import BookingState
from app.domain.commands import HoldSeats, ReleaseHold
from app.domain.money import Money
from app.domain.people import Caller
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.release_hold import release_hold
from app.domain.run.hold import Hold, hold_id, split_hold_id
from app.domain.terms import SalesTerms
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    TRAIN_ID,
    a_caller,
    a_run,
    an_operator,
    asks_for_seats,
    asks_to_cancel,
    asks_to_hold,
    asks_to_release,
    book,
    book_waitlisted,
    current_booking,
    fill,
    hold,
    name_of,
    release,
    seat_labels,
    sell,
    time_passes,
)
from tests.support.run_snapshots import invalid, refused, snapshot

A_MOMENT = timedelta(microseconds=1)
FIVE_MINUTES = timedelta(minutes=5)


def labels(held: Hold) -> list[str]:
    return [seat.label for seat in held.seats]


# -- which seats are held


def test_the_next_seats_are_held_for_the_caller() -> None:
    run = a_run("A4")
    book(run, "ann")
    held = hold_seats(run, asks_to_hold("jane", count=2, seconds=300), NOW)
    assert labels(held) == ["A-2", "A-3"]
    assert (held.owner_key, held.expire_time, held.price) == ("jane@example.com", NOW + FIVE_MINUTES, Money(4_000, "USD"))
    assert run.holds == {held.key: held}
    assert run.sections[0].sold_legs == [0b111, 0b111, 0b111, 0]


def test_numbers_rise_over_held_and_sold_seats_alike() -> None:
    run = a_run("A5")
    first = hold(run, "ann")
    assert seat_labels(book(run, "ben")) == ["A-2"]
    assert labels(hold(run, "cem")) == ["A-3"]
    release(run, first)
    assert seat_labels(book(run, "dot")) == ["A-4"]
    assert [seat_labels(book(run, who)) for who in ("eve", "fay")] == [["A-5"], ["A-1"]]


def test_chosen_seats_are_held_in_the_order_of_the_request() -> None:
    run = a_run("A4 B4")
    held = hold(run, seats=[4, 2], section="B")
    assert labels(held) == ["B-4", "B-2"]
    assert [seat_labels(book(run, who, section="B")) for who in ("ann", "ben")] == [["B-1"], ["B-3"]]


def test_without_a_section_the_first_one_with_enough_seats_is_taken() -> None:
    run = a_run("A2 B3")
    assert labels(hold(run, "ann", count=3, section="")) == ["B-1", "B-2", "B-3"]
    assert labels(hold(run, "ben", section="")) == ["A-1"]


def test_a_hold_takes_the_seat_only_for_its_own_legs() -> None:
    run = a_run("A1")
    held = hold(run, origin=LONDON, destination=ASHFORD)
    assert seat_labels(book(run, "ann", origin=ASHFORD)) == ["A-1"]
    release(run, held)
    assert run.sections[0].sold_legs == [0b110]


def test_a_held_seat_is_not_sold_to_anybody_else() -> None:
    run = a_run("A2")
    hold(run, seats=[2])
    with refused(Reason.SEAT_TAKEN, run) as caught:
        sell(run, asks_for_seats("ann", section="A", seats=[2]))
    assert caught[0].resource == ("seat", "A-2")
    book(run, "ben")
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("ann", section="A"))
    with refused(Reason.SECTION_FULL, run):
        hold(run, "cem")


def test_a_buyer_who_finds_all_seats_held_may_join_the_waitlist() -> None:
    run = a_run("A1")
    held = hold(run)
    waiting = book_waitlisted(run, "ann")
    assert waiting.state is BookingState.WAITLISTED
    assert seat_labels(sell(run, asks_for_seats("jane", hold_id=name_of(run, held)))) == ["A-1"]
    assert current_booking(run, waiting).state is BookingState.WAITLISTED


# -- what is refused


def test_an_unknown_stop_section_or_seat_is_refused_under_its_field() -> None:
    run = a_run("A4")
    with invalid("section", run):
        hold_seats(run, asks_to_hold(section="C"), NOW)
    with invalid("seat_numbers[1]", run):
        hold_seats(run, asks_to_hold(seats=[1, 5]), NOW)
    with invalid("origin", run):
        hold_seats(run, asks_to_hold(origin="Brussels"), NOW)


def test_a_taken_seat_and_a_full_section_are_refused() -> None:
    run = a_run("A2")
    book(run, "ann")
    with refused(Reason.SEAT_TAKEN, run):
        hold_seats(run, asks_to_hold(seats=[2, 1]), NOW)
    with refused(Reason.SECTION_FULL, run):
        hold_seats(run, asks_to_hold(count=2), NOW)


def test_nothing_is_held_once_the_train_has_left_the_origin() -> None:
    run = a_run("A2")
    with refused(Reason.RUN_DEPARTED, run):
        hold_seats(run, asks_to_hold(), DEPARTS_LONDON)
    assert labels(hold_seats(run, asks_to_hold(), DEPARTS_LONDON - A_MOMENT)) == ["A-1"]
    assert labels(hold_seats(run, asks_to_hold("ann", origin=LILLE), DEPARTS_LONDON)) == ["A-2"]


def test_an_anonymous_caller_holds_and_releases_nothing() -> None:
    run = a_run("A2")
    held = hold(run)
    with refused(Reason.CREDENTIALS_MISSING, run):
        hold_seats(run, replace(asks_to_hold(), caller=Caller()), NOW)
    with refused(Reason.CREDENTIALS_MISSING, run):
        release_hold(run, asks_to_release(run, held, by=Caller()), NOW)


def test_a_user_has_a_limited_number_of_holds() -> None:
    run = a_run("A9")
    held = [hold(run, "jane") for _ in range(limits.HOLDS_PER_USER_MAX)]
    with refused(Reason.HOLDS_FULL, run):
        hold(run, "JANE@example.com")
    assert labels(hold(run, "ann")) == ["A-3"]
    release(run, held[0])
    assert labels(hold(run, "jane")) == ["A-4"]


def test_a_run_has_a_limited_number_of_holds() -> None:
    run = a_run(" ".join(["A400"] * 6), terms=SalesTerms(hold_percent_max=100))
    for number in range(limits.HOLDS_PER_RUN_MAX):
        hold_seats(run, asks_to_hold(f"p{number}"), NOW)
    run.committed()
    with refused(Reason.HOLDS_FULL, run):
        hold(run, "jane")
    time_passes(run, NOW + FIVE_MINUTES)
    assert hold(run, "jane", now=NOW + FIVE_MINUTES)


# -- the same request again


def test_a_repeated_request_gets_the_same_hold_while_it_lasts() -> None:
    run = a_run("A4")
    command = asks_to_hold(count=2, request_id="click")
    held = decide(run, command, NOW, {})
    run.committed()
    before = snapshot(run)
    for _ in range(3):
        assert decide(run, command, NOW + FIVE_MINUTES - A_MOMENT, {}) is held
    assert snapshot(run) == before
    assert not run.change_set


def test_a_repeated_request_makes_a_new_hold_once_the_first_has_ended() -> None:
    run = a_run("A4")
    command = asks_to_hold(request_id="click", seconds=300)
    first = hold_seats(run, command, NOW)
    run.committed()
    later = NOW + FIVE_MINUTES
    time_passes(run, later)
    second = hold_seats(run, command, later)
    assert (second.key, labels(first), labels(second)) == (first.key, ["A-1"], ["A-2"])
    assert second.expire_time == later + FIVE_MINUTES


@pytest.mark.parametrize(
    "other",
    [
        asks_to_hold(request_id="click", count=2),
        asks_to_hold(request_id="click", seats=[1]),
        asks_to_hold(request_id="click", section="B"),
        asks_to_hold(request_id="click", origin=ASHFORD),
        asks_to_hold(request_id="click", destination=LILLE),
        asks_to_hold(request_id="click", seconds=301),
    ],
)
def test_the_same_request_id_with_another_body_is_refused(other: HoldSeats) -> None:
    run = a_run("A4 B4")
    hold_seats(run, asks_to_hold(request_id="click"), NOW)
    run.committed()
    with refused(Reason.REQUEST_ID_REUSED, run):
        hold_seats(run, other, NOW)


def test_another_person_may_use_the_same_request_id() -> None:
    run = a_run("A4")
    keys = {hold_seats(run, asks_to_hold(who, request_id="click"), NOW).key for who in ("ann", "ben")}
    assert len(keys) == 2


# -- giving seats back


def test_released_seats_are_free_at_once_and_the_hold_is_gone() -> None:
    run = a_run("A2")
    held = hold(run, count=2)
    release(run, held)
    assert (run.holds, run.sections[0].sold_legs) == ({}, [0, 0])
    release(run, held)
    assert not run.change_set
    assert run.sections[0].free_count(0b111) == 2


def test_released_seats_go_to_the_waitlist_first() -> None:
    run = a_run("A2")
    held = hold(run, count=2)
    first, second = book_waitlisted(run, "ann"), book_waitlisted(run, "ben")
    release(run, held)
    assert [seat_labels(current_booking(run, booking)) for booking in (first, second)] == [["A-1"], ["A-2"]]


def test_somebody_elses_hold_is_not_released_except_by_an_operator() -> None:
    run = a_run("A2")
    held = hold(run, "jane")
    with refused(Reason.NOT_PERMITTED, run):
        release_hold(run, asks_to_release(run, held, by=a_caller("mallory")), NOW)
    release_hold(run, asks_to_release(run, held, by=an_operator()), NOW)
    assert run.holds == {}


def test_an_id_of_another_run_or_of_no_hold_releases_nothing() -> None:
    run = a_run("A2")
    held = hold(run)
    for name in (hold_id(TRAIN_ID, "2026-09-02", held.key), hold_id("es9016", "2026-09-01", held.key), "no-hold", ""):
        release_hold(run, ReleaseHold(a_caller(), name), NOW)
    assert not run.change_set
    assert list(run.holds) == [held.key]


# -- the end of a hold


def test_a_hold_expires_at_its_exact_time() -> None:
    run = a_run("A1")
    held = hold(run, seconds=60)
    before = snapshot(run)
    expire_due(run, held.expire_time - A_MOMENT)
    assert snapshot(run) == before
    assert not run.change_set
    expire_due(run, held.expire_time)
    assert (run.holds, run.sections[0].sold_legs) == ({}, [0])
    assert run.change_set


def test_seats_of_an_expired_hold_go_to_the_waitlist_before_anybody_new() -> None:
    run = a_run("A1")
    held = hold(run, seconds=60)
    waiting = book_waitlisted(run, "ann")
    time_passes(run, held.expire_time)
    assert seat_labels(current_booking(run, waiting)) == ["A-1"]
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("ben", section="A"), now=held.expire_time)


def test_seats_of_expired_holds_come_free_in_the_order_of_their_expiry() -> None:
    run = a_run("A3")
    ends = {"ann": 300, "ben": 60, "cem": 180}
    for who, seconds in ends.items():
        hold(run, who, seconds=seconds)
    time_passes(run, NOW + FIVE_MINUTES)
    assert [seat_labels(book(run, who)) for who in ("x", "y", "z")] == [["A-2"], ["A-3"], ["A-1"]]


def test_only_expired_holds_are_ended() -> None:
    run = a_run("A2")
    short, long = hold(run, "ann", seconds=60), hold(run, "ben", seconds=61)
    time_passes(run, short.expire_time)
    assert list(run.holds) == [long.key]
    assert run.sections[0].sold_legs == [0, 0b111]


def test_the_id_of_a_hold_contains_its_run_and_key() -> None:
    run = a_run("A1")
    held = hold(run)
    assert split_hold_id(name_of(run, held)) == (TRAIN_ID, "2026-09-01", held.key)
    for text in ("", held.key, f"{TRAIN_ID}_2026-09-01_", f"{name_of(run, held)}A", name_of(run, held).lower()):
        assert split_hold_id(text) is None


def test_a_seat_that_is_cancelled_while_others_are_held_goes_to_the_waitlist() -> None:
    run = a_run("A2")
    sold = book(run, "ann")
    hold(run, "jane")
    waiting = book_waitlisted(run, "ben")
    cancel_booking(run, asks_to_cancel(sold), NOW)
    assert seat_labels(current_booking(run, waiting)) == ["A-1"]
    assert len(run.holds) == 1
    assert len(fill(run)) == 0
