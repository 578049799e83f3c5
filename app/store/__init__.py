"""MongoDB: where trains, runs, bookings, payments, users, jobs and events are stored.

Belongs here: every statement to the database, documents and indexes. Does not belong here: rules (`app/domain`), nor our own
mongod (`app/embedded`).

    store.py            opens every part
    driver.py           connects; the only module that names the asynchronous driver
    adapter.py          what a server (server_adapter.py) and the database in memory (in_memory.py) do differently
    snapshots.py        several reads of one moment
    *_documents.py      domain values to documents and back
    runs.py             train runs: load, commit by compare-and-swap, archive
    bookings.py         reads bookings and receipts
    shared_statement.py lets concurrent requests share a statement

The other modules are named after their collection, or after what they read from several.
"""
