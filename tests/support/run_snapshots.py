"""Snapshots of all fields of a run, and checks that a refused command changes nothing.

Belongs here: comparing a run with its earlier state. Does not belong here: building runs (`builders.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun


def section_snapshot(section: SectionSeats) -> dict[str, object]:
    """Return the state of a section with its freed seats and their order."""
    return {
        "name": section.name,
        "fare": section.fare,
        "coaches": section.coaches,
        "sold_legs": tuple(section.sold_legs),
        "next_number": section.next_number,
        "freed": dict(section.freed),
        "freed_order": tuple(section._freed_order),
        "retired": section.retired,
    }


def snapshot(run: TrainRun) -> dict[str, object]:
    """Return the state of a run with its indexes, without its change set."""
    return {
        "version": run.version,
        "stops": run.stops,
        "freed_sequence": run.freed_sequence,
        "sections": [section_snapshot(section) for section in run.sections],
        "bookings": dict(run.bookings),
        "passengers": dict(run.passenger_index.references),
        "passenger_counts": dict(run.passenger_index.passenger_counts),
        "holds": dict(run.holds),
        "ended_holds": dict(run.ended_holds),
        "waitlist": dict(sorted(run.waitlist.items())),
        "last_ticket_number": run.last_ticket_number,
        "ticket_numbers": {demand: tuple(numbers) for demand, numbers in run.waitlist_index.ticket_numbers.items()},
        "waitlisted_per_user": dict(run._waitlisted_per_user),
        "evictable": set(run._evictable),
        "last_displaced_number": run.last_displaced_number,
        "retired_sections": [section_snapshot(section) for section in run.retired_sections],
        "layout": run.layout,
        "layout_reservation": run.layout_reservation,
        "hidden": run.hidden,
        "eventless_version": run.eventless_version,
        "made_from_version": run.made_from_version,
        "delay": run.delay,
        "cancellation": run.cancellation,
        "sales_windows": run.sales_windows,
        "clock_state": run.clock_state,
        "is_compacted": run.is_compacted,
        "opened_until": run.opened_until,
        "schedule": run.schedule,
        "section_sales": run.section_sales,
    }


@contextmanager
def refused(reason: Reason, run: TrainRun | None = None, *, field: str = "") -> Iterator[list[Refusal]]:
    """Require that the block is refused for this reason (and this field), and leaves `run` and its change set unchanged.

    The list has the refusal afterwards.
    """
    before = None if run is None else (snapshot(run), repr(run.change_set))
    caught: list[Refusal] = []
    with pytest.raises(Refusal) as raised:
        yield caught
    caught.append(raised.value)
    assert raised.value.reason is reason, raised.value.message
    if field:
        assert isinstance(raised.value, InvalidField)
        assert raised.value.field == field
    if run is not None:
        assert (snapshot(run), repr(run.change_set)) == before, "the refused command left traces"


@contextmanager
def invalid(field: str, run: TrainRun | None = None) -> Iterator[list[Refusal]]:
    """Require that the block is refused because of this field, and leaves `run` unchanged."""
    with refused(Reason.INVALID_FIELD, run, field=field) as caught:
        yield caught
