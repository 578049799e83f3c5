"""Indexes.

Belongs here: every index, with the question it answers. Does not: anything that reads through them.
"""

from app.store.driver import Database, outage_refused

RECEIPTS_INDEX = "receipts_by_person_date_origin_destination"
REFERENCE_INDEX = "bookings_by_reference"


async def make_indexes(database: Database) -> None:
    """Makes the indexes that are missing. Safe to call at every start and from many servers at once."""
    with outage_refused():
        runs = database["train_runs"]
        # GetBooking, and the guard that no two runs hold the same reference. Sparse: a run without bookings has no key.
        await runs.create_index("bookings.reference", name=REFERENCE_INDEX, unique=True, sparse=True)
        # ListReceipts. The bookings' own fields come after the date, so that each filter narrows the range that is read.
        await runs.create_index(
            [("bookings.emails", 1), ("travel_date", 1), ("bookings.origin", 1), ("bookings.destination", 1)],
            name=RECEIPTS_INDEX,
        )
        # ListTrainRuns: by station and date, and by date alone.
        await runs.create_index([("stop_forms", 1), ("travel_date", 1), ("_id", 1)], name="runs_by_station_and_date")
        await runs.create_index([("travel_date", 1), ("_id", 1)], name="runs_by_date")
        # Which runs are over and still hold bookings.
        await runs.create_index("arrive_time", name="runs_by_arrival")
        archive = database["booking_archive"]
        await archive.create_index(
            [("emails", 1), ("travel_date", 1), ("origin", 1), ("destination", 1)],
            name=RECEIPTS_INDEX,
        )
        await archive.create_index("run_id", name="archive_by_run")
        # The names that a stop's code or spelling stands for.
        await database["trains"].create_index("stop_forms", name="trains_by_station")
        # CreateTrain: a request makes one train.
        await database["trains"].create_index("request_id", name="trains_by_request", unique=True)
