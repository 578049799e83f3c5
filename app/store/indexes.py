"""Indexes.

Belongs here: every index, with the query that needs it, except those that are made beside the statements of their collection.
Does not belong here: anything that reads through them.
"""

from app.store.deliveries import make_delivery_indexes
from app.store.driver import Database, translate_outages
from app.store.events import make_event_indexes
from app.store.jobs import make_job_indexes
from app.store.layout_jobs import make_layout_job_indexes
from app.store.notices import make_notice_indexes
from app.store.payments import make_payment_indexes
from app.store.run_lists import make_run_list_indexes
from app.store.run_tombstones import make_tombstone_index
from app.store.runs import CLOCK_STATE_INDEX
from app.store.ticket_resends import make_ticket_resend_indexes
from app.store.train_versions import make_train_version_indexes
from app.store.webhooks import make_webhook_indexes

RECEIPTS_INDEX = "receipts_by_person_date_origin_destination"
REFERENCE_INDEX = "bookings_by_reference"


async def make_indexes(database: Database) -> None:
    """Make the missing indexes. May run at every start and from many servers at once."""
    with translate_outages():
        runs = database["train_runs"]
        # GetBooking, and the guard that no two runs sell under the same reference. Sparse: a run without bookings has no key.
        await runs.create_index("recent._id", name=REFERENCE_INDEX, unique=True, sparse=True)
        # ListReceipts, of recent bookings. Each further filter narrows the range of the index that is read.
        await runs.create_index(
            [("recent.emails", 1), ("recent.travel_date", 1), ("recent.origin", 1), ("recent.destination", 1)],
            name=RECEIPTS_INDEX,
        )
        # What is due by the clock, and what is not archived yet. Most runs have neither.
        await runs.create_index("next_due", name="runs_due", sparse=True)
        await runs.create_index("unsettled_since", name="runs_unsettled", sparse=True)
        # Those that servers of an earlier version have made or changed, and that the clock does not rule.
        await runs.create_index([("clock_state", 1), ("travel_date", 1)], name=CLOCK_STATE_INDEX)
        bookings = database["bookings"]
        # ListReceipts, of archived bookings.
        await bookings.create_index([("emails", 1), ("travel_date", 1), ("origin", 1), ("destination", 1)], name=RECEIPTS_INDEX)
        # Loading a run, catching up with it, and ListSectionBookings.
        await bookings.create_index([("run_id", 1), ("revision", 1)], name="bookings_by_run")
        # The names that a stop's code or spelling stands for.
        await database["trains"].create_index("stop_forms", name="trains_by_station")
        # Trains that are scheduled ahead by themselves.
        await database["trains"].create_index([("schedule_horizon_days", 1), ("_id", 1)], name="trains_by_horizon")
        # CreateTrain: a request makes one train.
        await database["trains"].create_index("request_id", name="trains_by_request", unique=True)
    await make_train_version_indexes(database)
    await make_run_list_indexes(database)
    await make_tombstone_index(database)
    await make_event_indexes(database)
    await make_payment_indexes(database)
    await make_job_indexes(database)
    await make_layout_job_indexes(database)
    await make_webhook_indexes(database)
    await make_delivery_indexes(database)
    await make_notice_indexes(database)
    await make_ticket_resend_indexes(database)
