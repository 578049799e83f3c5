"""Events: their types, and ids that follow from the commit."""

from app.domain.events import EventType, event_id


def test_every_event_type_has_a_family_and_a_verb() -> None:
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
        "run.arrived",
        "run.cancelled",
        "run.completed",
        "run.delayed",
        "run.departed",
    ]
    assert {event_type.group for event_type in EventType} == {"booking", "hold", "layout", "refund", "run"}


def test_the_id_of_an_event_follows_from_its_commit() -> None:
    assert event_id("es9014:2026-09-01", 12, 0) == "es9014:2026-09-01:12:0"


def test_no_two_events_of_a_run_have_the_same_id() -> None:
    names = {event_id("es9014:2026-09-01", version, index) for version in range(1, 30) for index in range(30)}
    assert len(names) == 29 * 30


def test_an_event_id_has_no_full_stop_and_can_be_signed() -> None:
    assert "." not in event_id("es9014:2026-09-01", 12, 0)
