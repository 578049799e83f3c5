"""A run as the audit sees it: the run with all its bookings, and everything that is compared with them.

Belongs here: the record that the rules about runs take. Does not belong here: the rules, or reading the record
(`app/store/audit_runs.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from app.domain.booking import Booking
from app.domain.events import Event
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain, Train
from app.domain.values import value

Bookings = Mapping[str, Booking]


@value(frozen=True, slots=True)
class RunMoments:
    """The times in a run's document: when the run was made, and since when it contains what is not archived yet.

    `last_event_time` is the time of the newest event in the document, None where it contains neither bookings nor events.
    """

    create_time: datetime
    unsettled_since: datetime | None
    last_event_time: datetime | None


@value(frozen=True, slots=True)
class RunReferences:
    """References of recent bookings, also of a run that cannot be decoded.

    `duplicated` are those that the run's document contains twice; `bookings_of_other_runs` maps references to another run with
    a booking under them.
    """

    duplicated: Sequence[str]
    bookings_of_other_runs: Mapping[str, str]


@value(frozen=True, slots=True)
class AuditedRun:
    """A run and all its bookings by reference, read at one moment.

    `commits` are the events of the last commits of its bookings, by commit id, as far as they are still stored;
    `has_last_commit` says whether those of the run's own last commit are. `outbox` are the events that the run's document still
    contains. `run_events` are the newest stored ones about the run itself, in order, where it was delayed or cancelled.
    `tolerance` is how long after its time something may be undone. `train` is the present version of the train. The run was
    made from the version `made_from_train`, and has the layout of the version `layout_train`. Each of the three is None where
    it is not stored.
    """

    run: TrainRun
    bookings: Bookings
    now: datetime
    tolerance: timedelta
    train: StoredTrain | None = None
    made_from_train: Train | None = None
    layout_train: Train | None = None
    moments: RunMoments | None = None
    commits: Mapping[str, Sequence[Event]] | None = None
    has_last_commit: bool = True
    outbox: Sequence[Event] = ()
    run_events: Sequence[Event] = ()

    @property
    def before(self) -> datetime:
        """What was due before this time should be done."""
        return self.now - self.tolerance

    @property
    def is_waitlist_open(self) -> bool:
        """Whether the waitlist stays open for longer than the tolerance."""
        return waitlist_closing_time(self.run) > self.now + self.tolerance
