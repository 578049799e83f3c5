"""What holds of a run by itself and against its train, and of a train and a user.

Belongs here: timetables, layouts, fares and terms of runs, holds, the moments that are looked for. Does not: bookings
(`bookings.py`), seats and the line (`seats.py`).
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from app.domain import limits
from app.domain.audit.seats import Check, Finding
from app.domain.people import StoredUser, email_keys
from app.domain.refusals import Refusal
from app.domain.run.train_run import TrainRun, make_run
from app.domain.train import StoredTrain, check_train
from app.domain.values import value

# A change of a time zone's rules after a run was made moves the instants that would be made today by one of these.
_ZONE_CHANGES = frozenset(timedelta(minutes=minutes) for minutes in (-120, -60, -30, 30, 60, 120))


@value(frozen=True, slots=True)
class RunMoments:
    """What a run's document says besides the run: when it was made, and since when it carries what is not archived yet.

    `last_event_time` is that of the newest event in it, None where it carries neither bookings nor events.
    """

    create_time: datetime
    unsettled_since: datetime | None
    last_event_time: datetime | None


def check_layout(run: TrainRun, train: StoredTrain | None, moments: RunMoments) -> list[Finding]:
    """What contradicts the train that a run was made from, and what a run says of itself twice."""
    subject = f"run {run.run_id}"
    findings = [Finding(Check.LAYOUT, subject, text) for text in _wrong_sections(run)]
    findings += [Finding(Check.MOMENTS, subject, text) for text in _wrong_moments(run, train, moments)]
    if train is None:
        return [*findings, Finding(Check.LAYOUT, subject, f"there is no train {run.train_id}")]
    try:
        made = make_run(train.train, date.fromisoformat(run.travel_date))
    except (Refusal, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return [*findings, Finding(Check.LAYOUT, subject, f"cannot be made from its train: {type(error).__name__}")]
    findings += [Finding(Check.LAYOUT, subject, text) for text in _differences(run, made)]
    return findings + _wrong_times(run, made)


def _wrong_sections(run: TrainRun) -> Iterator[str]:
    for section in run.sections:
        ends = [0, *(coach.last for coach in section.coaches)]
        firsts = [coach.first for coach in section.coaches]
        if firsts != [last + 1 for last in ends[:-1]] or ends[-1] != section.size:
            yield f"section {section.name} has {section.size} seats, and coaches that do not hold exactly these"


def _wrong_moments(run: TrainRun, train: StoredTrain | None, moments: RunMoments) -> Iterator[str]:
    if moments.unsettled_since != moments.last_event_time:
        yield f"carries events until {moments.last_event_time}, and says {moments.unsettled_since}"
    if train is not None and moments.create_time < train.create_time:
        yield "was made before its train"
    if run.version < 1 or run.freed_sequence < 0 or run.last_ticket_number < 0:
        yield "counts below nothing"


def _differences(run: TrainRun, made: TrainRun) -> Iterator[str]:
    if run.number != made.number:
        yield f"is train {run.number!r}, and its train {made.number!r}"
    if run.terms != made.terms:
        yield "is sold under other terms than its train"
    names = [(stop.name, stop.code, stop.time_zone) for stop in run.stops]
    if names != [(stop.name, stop.code, stop.time_zone) for stop in made.stops]:
        yield "calls at other stops than its train"
    sections = [(section.name, section.fare, section.coaches, section.size) for section in run.sections]
    if sections != [(section.name, section.fare, section.coaches, section.size) for section in made.sections]:
        yield "has other sections, coaches or fares than its train"


def _wrong_times(run: TrainRun, made: TrainRun) -> list[Finding]:
    """Times that the timetable does not give. A difference as a change of zone rules makes it is for people to judge."""
    subject = f"run {run.run_id}"
    findings: list[Finding] = []
    for stop, expected in zip(run.stops, made.stops, strict=False):
        for name, there, wanted in (
            ("arrives at", stop.arrive, expected.arrive),
            ("leaves", stop.depart, expected.depart),
        ):
            if there == wanted:
                continue
            is_warning = there is not None and wanted is not None and there - wanted in _ZONE_CHANGES
            text = f"{name} {stop.name} at {there}, and by its train's timetable at {wanted}"
            findings.append(Finding(Check.LAYOUT, subject, text, is_warning=is_warning))
    instants = [instant for stop in run.stops for instant in (stop.arrive, stop.depart) if instant is not None]
    if instants != sorted(instants):
        findings.append(Finding(Check.LAYOUT, subject, "goes back in time between two stops"))
    return findings


def wrong_holds(run: TrainRun, now: datetime) -> Iterator[str]:
    """Holds for longer than a hold may be, on legs that are no journey, or at another price than the section's."""
    fares = {section.name: section.fare for section in run.sections}
    journeys = {(1 << end) - (1 << start) for start in range(len(run.stops)) for end in range(start + 1, len(run.stops))}
    latest = now + timedelta(seconds=limits.HOLD_SECONDS_MAX + 1)
    for hold in run.holds.values():
        if hold.expire_time > latest:
            yield f"hold {hold.key} ends at {hold.expire_time}, later than any hold may"
        if hold.legs not in journeys or not hold.seats:
            yield f"hold {hold.key} is for no journey"
        for seat in hold.seats:
            fare = fares.get(seat.section)
            if fare is not None and (fare.minor, fare.currency) != (hold.fare_minor, hold.currency):
                yield f"hold {hold.key} is at {hold.fare_minor} {hold.currency}; seat {seat.label} costs {fare}"
        if not hold.owner_key or len(hold.fingerprint) != _FINGERPRINT_LENGTH:
            yield f"hold {hold.key} has no owner, or a malformed fingerprint"
    for ended in run.ended_holds.values():
        if ended.expire_time > latest or ended.legs not in journeys or not ended.owner_key:
            yield f"hold {ended.key}, which is over, ends later than any may, is for no journey, or was nobody's"
        sizes = {section.name: section.size for section in run.sections}
        if any(not 1 <= number <= sizes.get(section, 0) for section, number in ended.places):
            yield f"hold {ended.key}, which is over, had seats that the train does not have"


_FINGERPRINT_LENGTH = 16


def check_stored_train(train: StoredTrain) -> list[Finding]:
    """What the service would not have stored of a train."""
    subject = f"train {train.train.train_id}"
    findings: list[Finding] = []
    try:
        check_train(train.train)
    except Refusal as refusal:
        findings.append(Finding(Check.SHAPE, subject, refusal.message))
    if train.version != 1 or not train.request_id:
        findings.append(Finding(Check.SHAPE, subject, "has another version than 1, or was made by no request"))
    return findings


def check_user(record_id: str, user: StoredUser, create_time: datetime, update_time: datetime | None) -> list[Finding]:
    """What the service would not have stored of a user."""
    subject, person = f"user {record_id}", user.person
    findings: list[Finding] = []
    if record_id not in email_keys(person.email):
        findings.append(Finding(Check.FIELDS, subject, f"is stored under another address than {person.email}"))
    if not person.first_name.strip() or not person.last_name.strip():
        findings.append(Finding(Check.SHAPE, subject, "has no name"))
    is_changed = user.version > 1
    if user.version < 1 or is_changed != (update_time is not None) or (update_time or create_time) < create_time:
        findings.append(Finding(Check.FIELDS, subject, "has a version and times that cannot be together"))
    return findings
