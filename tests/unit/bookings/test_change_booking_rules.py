"""UpdateBooking, and who may see and change a booking at all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import Booking
from app.domain.commands import Cancellation
from app.domain.people import Caller, Role, require_identified, require_operator, require_self_or_operator
from app.domain.refusals import Reason
from app.domain.rules.access import require_changeable, require_visible
from app.domain.rules.cancel_booking import cancel_again
from app.domain.rules.decisions import decide
from app.domain.rules.open_booking import refuse_change_of_cancelled
from app.domain.rules.update_booking import update_booking
from tests.support.builders import (
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    NOW,
    a_caller,
    a_person,
    a_run,
    an_operator,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    book,
    cancel,
    key_of,
    sell,
)
from tests.support.run_snapshots import invalid, refused

LATER = NOW + timedelta(hours=1)
AFTER_ALL = DEPARTS_LILLE + timedelta(days=90)


def a_group_booking() -> Booking:
    """Bob booked for Ann and Ben; Ben left it later."""
    run = a_run()
    return cancel(run, sell(run, asks_for_seats("ann", "ben", by="bob")), "ben")


# -- who may see and change


@pytest.mark.parametrize("caller", [a_caller("bob"), a_caller("BOB@Example.com"), a_caller("ann"), an_operator()])
def test_the_booker_the_passengers_and_operators_see_a_booking(caller: Caller) -> None:
    booking = a_group_booking()
    assert require_visible(booking, caller, booking.reference) is booking


@pytest.mark.parametrize("caller", [a_caller("bob"), a_caller(" BOB@EXAMPLE.COM "), an_operator()])
def test_the_booker_and_operators_change_a_booking(caller: Caller) -> None:
    booking = a_group_booking()
    assert require_changeable(booking, caller, booking.reference) is booking


@pytest.mark.parametrize("who", ["ann", "ben", "mallory", "bob+1@example.com", "bob@example.org"])
def test_passengers_and_strangers_change_nothing(who: str) -> None:
    booking = a_group_booking()
    with refused(Reason.NOT_PERMITTED):
        require_changeable(booking, a_caller(who), booking.reference)


def test_strangers_do_not_learn_whether_a_booking_exists() -> None:
    booking = a_group_booking()
    for look in (require_visible, require_changeable):
        with refused(Reason.NOT_PERMITTED) as there:
            look(booking, a_caller("mallory"), booking.reference)
        with refused(Reason.NOT_PERMITTED) as missing:
            look(None, a_caller("mallory"), booking.reference)
        assert there[0].message == missing[0].message
        assert there[0].resource is missing[0].resource is None


def test_operators_learn_that_there_is_no_such_booking() -> None:
    for look in (require_visible, require_changeable):
        with refused(Reason.BOOKING_NOT_FOUND) as caught:
            look(None, an_operator(), "ZZZZZZ")
        assert caught[0].resource == ("booking", "ZZZZZZ")


def test_an_anonymous_caller_sees_and_changes_nothing() -> None:
    for look in (require_visible, require_changeable):
        with refused(Reason.CREDENTIALS_MISSING):
            look(a_group_booking(), Caller(), "ZZZZZZ")


def test_each_change_checks_the_caller() -> None:
    run = a_run()
    booking = book(run, "ann")
    mallory = a_caller("mallory")
    for command in (
        asks_for_new_fields(booking, a_person("eve"), by=mallory),
        asks_for_another_seat(booking, number=2, by=mallory),
        asks_to_cancel(booking, by=mallory),
    ):
        with refused(Reason.NOT_PERMITTED, run):
            decide(run, command, NOW, {})


def test_an_operator_may_change_any_booking() -> None:
    run = a_run()
    booking = book(run, "ann")
    for command in (
        asks_for_new_fields(booking, a_person("eve"), by=an_operator()),
        replace(asks_for_another_seat(booking, number=2, by=an_operator()), passenger_email="eve@example.com"),
        asks_to_cancel(booking, by=an_operator()),
    ):
        decide(run, command, NOW, {})
    assert run.find(booking.reference) is not None
    assert run.live_reference(key_of("eve")) is None


def test_operators_need_the_role_and_others_act_for_themselves() -> None:
    require_operator(an_operator())
    require_self_or_operator(a_caller("ann"), "ANN@example.com")
    require_self_or_operator(an_operator(), "ann@example.com")
    with refused(Reason.NOT_PERMITTED):
        require_operator(a_caller("ann"))
    with refused(Reason.NOT_PERMITTED):
        require_self_or_operator(a_caller("ben"), "ann@example.com")


def test_a_role_without_an_address_allows_nothing() -> None:
    nameless = Caller(None, frozenset((Role.OPERATOR,)))
    with refused(Reason.CREDENTIALS_MISSING):
        require_operator(nameless)
    with refused(Reason.CREDENTIALS_MISSING):
        require_self_or_operator(nameless, "ann@example.com")
    with refused(Reason.CREDENTIALS_MISSING):
        require_identified(nameless)


# -- the passengers' own fields


def test_names_and_address_change_and_seat_and_fare_stay() -> None:
    run = a_run()
    booking = book(run, "ann")
    changed = update_booking(run, asks_for_new_fields(booking, a_person("Eve.New@Example.com", last_name="Lee")), LATER)
    [passenger] = changed.passengers
    assert (passenger.person.email, passenger.email_key) == ("Eve.New@Example.com", "eve.new@example.com")
    assert passenger.person.last_name == "Lee"
    assert (passenger.seat, passenger.fare_minor) == (booking.passengers[0].seat, booking.passengers[0].fare_minor)
    assert (changed.create_time, changed.update_time) == (NOW, LATER)
    assert changed.etag != booking.etag
    assert run.find(booking.reference) == changed


def test_only_the_named_fields_change() -> None:
    run = a_run()
    booking = book(run, "ann", "ben")
    people = (a_person("eve", first_name="Anna", last_name="X"), a_person("eva", first_name="Benny", last_name="Y"))
    changed = update_booking(run, asks_for_new_fields(booking, *people, fields=["first_name"]), LATER)
    assert [passenger.person.first_name for passenger in changed.passengers] == ["Anna", "Benny"]
    assert [passenger.person.last_name for passenger in changed.passengers] == ["Doe", "Doe"]
    assert [passenger.email_key for passenger in changed.passengers] == ["ann@example.com", "ben@example.com"]


def test_an_update_without_a_difference_records_nothing() -> None:
    run = a_run()
    booking = book(run, "ann")
    same = update_booking(run, asks_for_new_fields(booking, booking.passengers[0].person), LATER)
    assert same is booking
    assert not run.change_set


@pytest.mark.parametrize("count", [1, 3])
def test_an_update_without_numbers_needs_every_passenger(count: int) -> None:
    run = a_run()
    booking = book(run, "ann", "ben")
    with invalid("passengers", run):
        update_booking(run, asks_for_new_fields(booking, *(a_person(f"p{index}") for index in range(count))), NOW)


def test_the_address_of_a_passenger_of_another_booking_is_refused() -> None:
    run = a_run()
    book(run, "ann")
    booking = book(run, "ben")
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        update_booking(run, asks_for_new_fields(booking, a_person("ANN@example.com")), NOW)


def test_the_address_of_a_cancelled_booking_is_free() -> None:
    run = a_run()
    cancel(run, book(run, "ann"))
    changed = update_booking(run, asks_for_new_fields(book(run, "ben"), a_person("ann")), NOW)
    assert run.live_reference(key_of("ann")) == changed.reference
    assert run.live_reference(key_of("ben")) is None


def test_passengers_of_one_booking_may_swap_their_addresses() -> None:
    run = a_run()
    booking = book(run, "ann", "ben")
    changed = update_booking(run, asks_for_new_fields(booking, a_person("ben"), a_person("ann")), NOW)
    assert [passenger.email_key for passenger in changed.passengers] == ["ben@example.com", "ann@example.com"]
    assert run.live_reference(key_of("ann")) == booking.reference


def test_an_address_twice_in_one_booking_is_refused_under_the_second() -> None:
    run = a_run()
    booking = book(run, "ann", "ben")
    with invalid("passengers[1].email", run):
        update_booking(run, asks_for_new_fields(booking, a_person("eve"), a_person("EVE@example.com")), NOW)


def test_an_address_may_change_its_spelling() -> None:
    run = a_run()
    booking = book(run, "ann")
    changed = update_booking(run, asks_for_new_fields(booking, a_person("ANN@example.com"), fields=["email"]), LATER)
    assert changed.passengers[0].person.email == "ANN@example.com"
    assert run.live_reference(key_of("ann")) == booking.reference


def test_only_present_passengers_are_updated() -> None:
    run = a_run()
    booking = cancel(run, book(run, "ann", "ben"), "ann")
    changed = update_booking(run, asks_for_new_fields(booking, a_person("eve"), by=a_caller("ann")), NOW)
    assert [passenger.email_key for passenger in changed.passengers] == ["eve@example.com"]
    assert [passenger.email_key for passenger in changed.cancelled_passengers] == ["ann@example.com"]


# -- what stands against any change


def test_a_stale_etag_is_refused_and_the_newest_is_not() -> None:
    run = a_run()
    booking = book(run, "ann", "ben")
    newest = cancel(run, booking, "ben")
    for command in (
        asks_for_new_fields(newest, a_person("eve"), etag=booking.etag),
        asks_for_another_seat(newest, number=4, etag=booking.etag),
        asks_to_cancel(newest, etag=booking.etag),
    ):
        with refused(Reason.ETAG_STALE, run):
            decide(run, command, NOW, {})
        assert decide(run, replace(command, etag=newest.etag), NOW, {}) != newest
        run.undo()


def test_each_of_two_changes_in_one_commit_has_its_own_etag() -> None:
    run = a_run()
    booking = book(run, "ann", "ben", "cem")
    run.committed()
    first = cancel(run, booking, "ben")
    second = cancel(run, first, "cem")
    assert len({booking.etag, first.etag, second.etag}) == 3
    with refused(Reason.ETAG_STALE, run):
        decide(run, asks_to_cancel(second, etag=first.etag), NOW, {})
    run.committed()
    third = decide(run, asks_to_cancel(second, etag=second.etag), NOW, {})
    assert isinstance(third, Cancellation)
    assert third.booking.etag == str(run.version + 1)


def test_a_cancelled_booking_neither_moves_nor_changes() -> None:
    run = a_run()
    booking = cancel(run, book(run, "ann"))
    with refused(Reason.BOOKING_CANCELLED, run):
        decide(run, asks_for_new_fields(booking, a_person("eve")), NOW, {})
    with refused(Reason.BOOKING_CANCELLED, run):
        decide(run, asks_for_another_seat(booking, number=2), NOW, {})


def test_nothing_changes_once_the_train_has_left_the_journeys_origin() -> None:
    run = a_run()
    from_london, from_lille = book(run, "ann"), book(run, "ben", origin=LILLE)
    for booking, departs in ((from_london, DEPARTS_LONDON), (from_lille, DEPARTS_LILLE)):
        for command in (
            asks_for_new_fields(booking, a_person("eve")),
            asks_for_another_seat(booking, number=4),
            asks_to_cancel(booking),
        ):
            with refused(Reason.RUN_DEPARTED, run):
                decide(run, command, departs, {})
            decide(run, command, departs - timedelta(seconds=1), {})
            run.undo()


# -- what its run has forgotten


def test_a_forgotten_cancelled_booking_may_be_cancelled_again_and_nothing_else() -> None:
    run = a_run()
    booking = cancel(run, book(run, "ann", "ben"))
    assert cancel_again(booking, asks_to_cancel(booking)).booking is booking
    assert cancel_again(booking, asks_to_cancel(booking, "ben")).booking is booking
    with invalid("passenger_emails[0]"):
        cancel_again(booking, asks_to_cancel(booking, "eve"))
    for command in (asks_for_new_fields(booking, a_person("eve")), asks_for_another_seat(booking, number=4)):
        with refused(Reason.BOOKING_CANCELLED):
            refuse_change_of_cancelled(booking, command)
        with refused(Reason.ETAG_STALE):
            refuse_change_of_cancelled(booking, replace(command, etag="0"))


def test_a_forgotten_booking_is_refused_to_strangers_first() -> None:
    run = a_run()
    booking = cancel(run, book(run, "ann"))
    mallory = a_caller("mallory")
    with refused(Reason.NOT_PERMITTED):
        cancel_again(booking, asks_to_cancel(booking, by=mallory))
    with refused(Reason.NOT_PERMITTED):
        refuse_change_of_cancelled(booking, asks_for_another_seat(booking, number=4, etag="0", by=mallory))


def test_only_its_run_decides_about_a_live_booking() -> None:
    booking = book(a_run(), "ann")
    with pytest.raises(ValueError, match="live"):
        cancel_again(booking, asks_to_cancel(booking))
