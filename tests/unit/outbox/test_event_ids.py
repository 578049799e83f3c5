"""Events: what may happen, and names that follow from what made it happen."""

from app.domain.events import EventType, event_id


def test_every_event_type_is_a_family_and_what_happened_in_it() -> None:
    assert sorted(EventType) == [
        "booking.cancelled",
        "booking.changed",
        "booking.confirmed",
        "booking.expired",
        "booking.promoted",
        "booking.waitlisted",
        "hold.expired",
        "hold.placed",
        "hold.released",
        "layout.changed",
        "refund.requested",
        "run.cancelled",
        "run.delayed",
    ]
    assert {one.group for one in EventType} == {"booking", "hold", "layout", "refund", "run"}


def test_an_event_is_named_after_the_commit_that_made_it() -> None:
    assert event_id("es9014:2026-09-01", 12, 0) == "es9014:2026-09-01:12:0"


def test_no_two_events_of_a_run_have_the_same_name() -> None:
    names = {event_id("es9014:2026-09-01", version, index) for version in range(1, 30) for index in range(30)}
    assert len(names) == 29 * 30


def test_a_name_can_be_signed_since_it_has_no_full_stop() -> None:
    assert "." not in event_id("es9014:2026-09-01", 12, 0)
