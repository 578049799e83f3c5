"""A train run: how it is made, how it follows other servers' commits, what stays in memory, its state."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.domain.booking import Seat
from app.domain.refusals import Reason
from app.domain.rules.create_booking import create_booking
from app.domain.rules.update_booking import update_booking
from app.domain.run.new_run import make_run
from app.domain.run.seats import CoachSeats, SectionSeats
from app.domain.run.train_run import TrainRun, run_id
from app.domain.timetable import RunState
from app.domain.train import Train
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    TRAVEL_DATE,
    a_person,
    a_run,
    a_stop,
    a_train,
    asks_for_new_fields,
    asks_for_seats,
    book,
    book_waitlisted,
    cancel,
    fill,
    key_of,
)
from tests.support.run_changes import a_cancellation, a_delay_record
from tests.support.run_snapshots import invalid, refused, snapshot


def read_again(run: TrainRun) -> TrainRun:
    """The same run without its bookings, as the store reads it."""
    sections = [
        SectionSeats(
            section.name,
            section.fare,
            section.coaches,
            section.all_legs,
            list(section.sold_legs),
            section.next_number,
            dict(section.freed),
        )
        for section in run.sections
    ]
    return TrainRun(
        run.train_id,
        run.travel_date,
        run.number,
        run.stops,
        sections,
        version=run.version,
        freed_sequence=run.freed_sequence,
        waitlist=dict(run.waitlist),
        last_ticket_number=run.last_ticket_number,
        clock_state=run.clock_state,
    )


def follow(behind: TrainRun, ahead: TrainRun) -> None:
    """Catch up as the store does: with all seats, and the bookings that changed since."""
    since = behind.version
    behind.refresh_from(read_again(ahead))
    behind.apply_newer(booking for booking in ahead.bookings.values() if booking.revision > since)


# -- making


def test_a_new_run_is_its_train_on_a_date_with_every_seat_free() -> None:
    run = make_run(a_train("A4 B2", fares={"B": 3_500}), TRAVEL_DATE)
    assert (run.run_id, run.number, run.version, run.bookings) == ("es9014:2026-09-01", "ES 9014", 1, {})
    assert [(section.name, section.size, section.fare.minor) for section in run.sections] == [("A", 4, 2_000), ("B", 2, 3_500)]
    assert all(section.free_count(section.all_legs) == section.size for section in run.sections)
    assert [section.next_number for section in run.sections] == [1, 1]
    assert not run.change_set


def test_seat_numbers_run_through_a_section_over_all_its_coaches() -> None:
    run = a_run("A4 B2 A3 B1")
    assert run.sections[0].coaches == (CoachSeats("1", 1, 4), CoachSeats("3", 5, 7))
    assert run.sections[1].coaches == (CoachSeats("2", 1, 2), CoachSeats("4", 3, 3))
    assert run.seat(0, 5) == Seat("A", "3", 5)
    assert run.seat(1, 3).label == "B-3"


def test_a_section_without_coaches_has_no_seats_and_sells_none() -> None:
    train = a_train("A1 B1")
    run = make_run(Train(train.train_id, train.number, train.stops, train.sections, train.coaches[:1]), TRAVEL_DATE)
    assert run.sections[1].size == 0
    with refused(Reason.SECTION_FULL, run):
        book(run, section="B")


def test_a_run_on_a_date_with_an_impossible_timetable_is_refused() -> None:
    stops = (
        a_stop("Kingman", "America/Phoenix", depart="00:28"),
        a_stop("Needles", "America/Los_Angeles", arrive="00:26"),
    )
    with refused(Reason.TIMETABLE_IMPOSSIBLE):
        make_run(a_train(stops=stops), date(2026, 7, 1))


def test_the_key_of_a_run_is_its_train_and_date() -> None:
    assert run_id("es9014", "2026-09-01") == "es9014:2026-09-01"


# -- looking


def test_a_journey_has_the_instants_of_its_own_stops() -> None:
    run = a_run()
    journey = run.journey("afk", "lille")
    assert (journey.origin, journey.destination, journey.legs) == (ASHFORD, LILLE, 0b010)
    assert (journey.depart, journey.arrive) == (run.stops[1].depart, run.stops[2].arrive)


def test_a_journey_is_the_same_however_its_stops_are_spelt() -> None:
    run = a_run()
    assert run.journey("stp", "PNO") == run.journey(LONDON, PARIS) == run.journey("", "")


def test_more_spellings_than_are_cached_still_find_their_journey() -> None:
    run = a_run()
    blanks = [" " * count for count in range(400)]
    assert {run.journey(f"{blank}Lille", "") for blank in blanks} == {run.journey(LILLE, PARIS)}


def test_an_unknown_section_is_refused_with_those_there_are() -> None:
    with invalid("section") as caught:
        a_run("A1 B1").section_index("C")
    assert "A, B" in caught[0].message


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(-1, RunState.SCHEDULED), (0, RunState.DEPARTED), (151, RunState.DEPARTED), (152, RunState.COMPLETED)],
)
def test_the_state_of_a_run_follows_from_its_times(minutes: int, state: RunState) -> None:
    assert a_run().schedule.state_at(DEPARTS_LONDON + timedelta(minutes=minutes)) is state


# -- keeping


def test_a_commit_raises_the_version_and_begins_a_new_change_set() -> None:
    run = a_run()
    book(run, "ann")
    assert run.version == 2
    assert not run.change_set
    assert book(run, "ben").revision == 3


def test_a_run_that_is_read_again_has_the_same_state() -> None:
    run = a_run("A9")
    bookings = [book(run, "ann"), book(run, "ben", "cem"), book(run, "dot")]
    cancel(run, bookings[0])
    cancel(run, bookings[1], "cem")
    again = read_again(run)
    again.apply_newer(run.bookings.values())
    assert snapshot(again) == snapshot(run)
    assert not again.change_set
    assert (again.live_reference(key_of("ben")), again.live_reference(key_of("ann"))) == (bookings[1].reference, None)


def test_an_unknown_reference_finds_no_booking() -> None:
    assert a_run().find("ZZZZZZ") is None


# -- catching up


def test_a_server_that_catches_up_has_what_the_other_committed() -> None:
    ours, theirs = a_run("A4"), a_run("A4")
    first, _, third, _ = fill(theirs)
    cancel(theirs, third)
    follow(ours, theirs)
    ann = book(theirs, "ann")
    cancel(theirs, first)
    book(theirs, "ben")
    follow(ours, theirs)
    assert snapshot(ours) == snapshot(theirs)
    assert ours.find(ann.reference) == ann
    assert not ours.change_set


def test_catching_up_after_an_undo_forgets_what_was_never_committed() -> None:
    ours, theirs = a_run("A4"), a_run("A4")
    booking = book(theirs, "ann")
    lost = create_booking(ours, asks_for_seats("ben"), NOW, {})
    ours.undo()
    follow(ours, theirs)
    assert ours.find(lost.reference) is None
    assert list(ours.bookings.values()) == [booking]


def test_an_address_that_moved_between_bookings_stays_with_the_new_one() -> None:
    theirs = a_run("A4")
    first, second = book(theirs, "ben"), book(theirs, "ann")
    ours = a_run("A4")
    follow(ours, theirs)
    update_booking(theirs, asks_for_new_fields(second, a_person("eve")), NOW)
    update_booking(theirs, asks_for_new_fields(first, a_person("ann")), NOW)
    theirs.committed()
    follow(ours, theirs)
    assert ours.live_reference(key_of("ann@example.com")) == first.reference
    assert snapshot(ours) == snapshot(theirs)


def test_catching_up_with_a_delay_and_a_cancellation_renews_the_schedule() -> None:
    ours, theirs = a_run(), a_run()
    theirs.set_delay(replace(a_delay_record(), arrivals=()))
    theirs.set_cancellation(a_cancellation(from_stop=2))
    ours.refresh_from(theirs)
    assert ours.schedule == theirs.schedule
    assert (ours.schedule.depart_time, ours.schedule.last_stop) == (DEPARTS_LONDON + timedelta(minutes=40), 2)


def test_a_run_with_other_stops_is_another_run() -> None:
    ours = a_run()
    assert ours.is_same_run(a_run())
    assert not ours.is_same_run(a_run(travel_date=TRAVEL_DATE + timedelta(days=1)))


# -- which bookings are in memory


def test_evicted_bookings_stay_in_the_passenger_index() -> None:
    run = a_run("A4")
    ann, ben = book(run, "ann"), book(run, "ben")
    before = snapshot(run)
    run.evict_except([ben.reference, "ZZZZZZ"])
    assert run.find(ann.reference) is None
    assert snapshot(run) == {**before, "bookings": {ben.reference: ben}, "evictable": {ben.reference}}
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        book(run, "ann")


def test_a_booking_that_is_loaded_again_changes_like_any_other() -> None:
    run = a_run("A4")
    ann, ben = book(run, "ann", "cem"), book(run, "ben")
    before = snapshot(run)
    run.evict_except(())
    run.apply_newer([ben, ann])
    assert snapshot(run) == before
    assert not run.change_set
    update_booking(run, asks_for_new_fields(ann, a_person("eve"), a_person("cem")), NOW)
    assert (run.live_reference(key_of("ann")), run.live_reference(key_of("eve"))) == (None, ann.reference)
    run.undo()
    assert snapshot(run) == before


def test_applying_newer_bookings_records_no_change() -> None:
    run = a_run("A4")
    ann = book(run, "ann")
    run.evict_except(())
    command = asks_for_seats("ben")
    ben = create_booking(run, command, NOW, {})
    change_set = repr(run.change_set)
    run.apply_newer([ann])
    assert repr(run.change_set) == change_set
    run.undo()
    assert (run.find(ben.reference), run.find(ann.reference)) == (None, ann)


def test_applying_a_cancelled_booking_removes_its_passengers_from_the_index() -> None:
    ours, theirs = a_run("A4"), a_run("A4")
    ann = book(theirs, "ann", "ben")
    follow(ours, theirs)
    ours.evict_except(())
    cancel(theirs, ann, "ben")
    follow(ours, theirs)
    assert ours.passenger_index.references == {key_of("ann"): ann.reference}
    cancel(theirs, theirs.bookings[ann.reference])
    follow(ours, theirs)
    assert ours.passenger_index.references == {}


def test_waitlisted_bookings_are_never_evicted() -> None:
    run = a_run("A1")
    ann = book(run, "ann")
    ben, cem = book_waitlisted(run, "ben"), book_waitlisted(run, "cem")
    run.evict_except(())
    assert run.bookings.keys() == {ben.reference, cem.reference}
    assert (run.waitlisted_count("ben@example.com"), run.live_reference(key_of("ann"))) == (1, ann.reference)
    run.apply_newer([ann])
    cancel(run, ann)
    run.evict_except(())
    assert run.bookings.keys() == {cem.reference}
    assert (run.waitlisted_count("ben@example.com"), run.live_reference(key_of("ben"))) == (0, ben.reference)


def test_a_booking_on_the_waitlist_of_an_older_run_is_not_evicted() -> None:
    ours, theirs = a_run("A1"), a_run("A1")
    ann = book(theirs, "ann")
    ben = book_waitlisted(theirs, "ben")
    follow(ours, theirs)
    cancel(theirs, ann)
    ours.apply_newer([theirs.bookings[ben.reference]])
    ours.evict_except(())
    assert ours.bookings == {ben.reference: theirs.bookings[ben.reference]}
    follow(ours, theirs)
    ours.evict_except(())
    assert ours.bookings == {}
