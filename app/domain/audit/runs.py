"""Rules about a run's own document: against its train, its own times, its holds, and what it still has to hand on.

Belongs here: stops, terms, times, holds, references, outbox, and what is overdue. Does not belong here: bookings
(`bookings.py`), seats (`seats.py`), sections and coaches (`layouts.py`), the waitlist (`waitlist.py`).
"""

from collections.abc import Iterator
from datetime import date, timedelta

from app.domain import limits
from app.domain.audit.bookings import FINGERPRINT_LENGTH, offered_fares
from app.domain.audit.check import WarningText
from app.domain.audit.run_record import AuditedRun, RunReferences
from app.domain.refusals import Refusal
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.new_run import make_run
from app.domain.run.train_run import TrainRun

# Versions of trains are deleted some time after they were replaced; a run that is over for so long is not compared then.
_COMPARED_AFTER_TRAVEL = timedelta(days=30)
# If the rules of a time zone change after a run was made, the instants that would be made today differ by one of these.
_ZONE_CHANGES = frozenset(timedelta(minutes=minutes) for minutes in (-120, -60, -30, 30, 60, 120))


def differs_from_train(record: AuditedRun) -> Iterator[str]:
    """Compare number, stops, times and terms with the version of the train that the run was made from."""
    run = record.run
    if record.train is None:
        yield f"there is no train {run.train_id}"
        return
    yield from _missing_versions(record, record.train.version)
    if record.made_from_train is None:
        return
    try:
        made = make_run(record.made_from_train, date.fromisoformat(run.travel_date))
    except (Refusal, ArithmeticError, LookupError, TypeError, ValueError) as error:
        yield f"cannot be made from its train: {type(error).__name__}"
        return
    yield from _differences(run, made)
    yield from _wrong_times(run, made)


def _missing_versions(record: AuditedRun, last_version: int) -> Iterator[str]:
    """Find versions that the train never had, and warn of versions that are not stored any more, but for runs that are over."""
    run = record.run
    wanted = ((run.made_from_version, record.made_from_train), (run.layout.train_version, record.layout_train))
    is_over = date.fromisoformat(run.travel_date) + _COMPARED_AFTER_TRAVEL < record.now.date()
    for version, train in dict(wanted).items():
        if not 1 <= version <= last_version:
            yield f"has version {version} of its train, whose last is {last_version}"
        elif train is None and not is_over:
            yield WarningText(f"cannot be compared with version {version} of its train, which is not stored any more")


def _differences(run: TrainRun, made: TrainRun) -> Iterator[str]:
    if run.number != made.number:
        yield f"is train {run.number!r}, and its train {made.number!r}"
    if run.terms != made.terms:
        yield "has other sales terms than its train"
    stops = [(stop.name, stop.code, stop.time_zone) for stop in run.stops]
    if stops != [(stop.name, stop.code, stop.time_zone) for stop in made.stops]:
        yield "calls at other stops than its train"


def _wrong_times(run: TrainRun, made: TrainRun) -> Iterator[str]:
    """Compare with the times of the timetable. A difference that a change of time zone rules explains is a warning."""
    for stop, expected in zip(run.stops, made.stops, strict=False):
        for name, actual, wanted in (
            ("arrives at", stop.arrive, expected.arrive),
            ("leaves", stop.depart, expected.depart),
        ):
            if actual == wanted:
                continue
            text = f"{name} {stop.name} at {actual}, and by its train's timetable at {wanted}"
            is_zone_change = actual is not None and wanted is not None and actual - wanted in _ZONE_CHANGES
            yield WarningText(text) if is_zone_change else text
    instants = [instant for stop in run.stops for instant in (stop.arrive, stop.depart) if instant is not None]
    if instants != sorted(instants):
        yield "goes back in time between two stops"


def wrong_moments(record: AuditedRun) -> Iterator[str]:
    """Compare the times and counters of the run's document with its contents."""
    run, train, moments = record.run, record.train, record.moments
    if moments is not None and moments.unsettled_since != moments.last_event_time:
        yield f"contains events until {moments.last_event_time}, and says {moments.unsettled_since}"
    if moments is not None and train is not None and moments.create_time < train.create_time:
        yield "was made before its train"
    if run.version < 1 or run.freed_sequence < 0 or run.last_ticket_number < 0:
        yield "has a negative counter, or no version"
    if not 0 <= run.eventless_version <= run.version:
        yield f"had a commit without events as version {run.eventless_version}; it has version {run.version}"


def wrong_holds(record: AuditedRun) -> Iterator[str]:
    """Find holds that last longer than a hold may, are for no journey, or have another fare than their section."""
    run = record.run
    journeys, latest = _journeys(run), record.now + timedelta(seconds=limits.HOLD_SECONDS_MAX + 1)
    for hold in run.holds.values():
        if hold.expire_time > latest:
            yield f"hold {hold.key} ends at {hold.expire_time}, later than any hold may"
        if hold.legs not in journeys or not hold.seats:
            yield f"hold {hold.key} is for no journey"
        for seat in hold.seats:
            fares = offered_fares(run, seat.section)
            if fares and (hold.fare_minor not in fares or hold.currency != run.sections[0].fare.currency):
                costs = " or ".join(map(str, sorted(fares)))
                yield f"hold {hold.key} has a fare of {hold.fare_minor} {hold.currency}; seat {seat.label} costs {costs}"
        if not hold.owner_key or len(hold.fingerprint) != FINGERPRINT_LENGTH:
            yield f"hold {hold.key} has no owner, or a malformed fingerprint"


def wrong_ended_holds(record: AuditedRun) -> Iterator[str]:
    """Find ended holds that cannot have been holds."""
    run = record.run
    journeys, latest = _journeys(run), record.now + timedelta(seconds=limits.HOLD_SECONDS_MAX + 1)
    sizes = {section.name: section.size for section in (*run.sections, *run.retired_sections)}
    for ended in run.ended_holds.values():
        if ended.expire_time > latest or ended.legs not in journeys or not ended.owner_key:
            yield f"ended hold {ended.key} lasts too long, is for no journey, or has no owner"
        if any(not 1 <= number <= sizes.get(section, 0) for section, number in ended.places):
            yield f"ended hold {ended.key} had seats that the train does not have"


def _journeys(run: TrainRun) -> set[int]:
    """Give the masks of legs of all journeys on the run."""
    stops = range(len(run.stops))
    return {(1 << end) - (1 << start) for start in stops for end in stops if start < end}


def wrong_references(record: RunReferences) -> Iterator[str]:
    """Find references that stand for two bookings, of this run or of another one as well."""
    for reference in record.duplicated:
        yield f"booking {reference} is twice among the recent ones"
    for reference, run_id in sorted(record.bookings_of_other_runs.items()):
        yield f"reference {reference} is also that of a booking of run {run_id}"


def late_outbox(record: AuditedRun) -> Iterator[str]:
    """Find events that have stayed in the run's document for longer than the tolerance."""
    late = [event for event in record.outbox if event.time < record.before]
    if late:
        yield f"{len(late)} events have not left the run's document, the first since {late[0].time:%Y-%m-%d %H:%M:%S}"


def overdue(record: AuditedRun) -> Iterator[str]:
    """Warn of holds and reservations that should have expired, and of a waitlist that should have closed: workers do it."""
    run = record.run
    held = sum(1 for hold in run.holds.values() if hold.expire_time < record.before)
    reservation = run.layout_reservation
    if reservation is not None and reservation.expire_time < record.before:
        yield WarningText("seats are still reserved for a layout change whose time has passed; is a worker running?")
    if held:
        yield WarningText(f"{held} expired holds still have their seats; is a worker running?")
    waiting = sum(1 for entry in run.waitlist.values() if not run.schedule.misses(entry.legs))  # a cancellation ends the others
    if waiting and waitlist_closing_time(run) < record.before:
        yield WarningText(f"the waitlist is closed, and {waiting} bookings still wait; is a worker running?")
