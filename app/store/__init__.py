"""MongoDB: where trains, runs, bookings and people are kept.

Belongs here: every statement to the database, documents, indexes, the lane, and the embedded server. Does not: rules.

    driver.py      the only module that names the asynchronous driver
    documents.py   domain values to documents and back
    runs.py        train runs: load, catch up, commit by compare-and-swap, settle bookings, schedule, list
    bookings.py    reading bookings and receipts
    gathering.py   look-ups and copies that all lanes share
    lane.py        folds the commands for one run into one commit at a time
    trains.py, users.py, indexes.py, embedded.py
"""
