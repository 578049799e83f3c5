"""The command bus: each run has a lane that folds all waiting commands into one commit.

Belongs here: queues, batches, commits, the archive queue, contention between servers. Does not belong here: rules
(`app/domain`), statements (`app/store`).

    bus.py           CommandBus: all that use cases know of this folder
    local_bus.py     the bus of this server: one lane for each run, and which runs stay in memory
    lane.py          the queue of one run, batch after batch
    batch.py         queued commands and their answers
    committer.py     decides a batch on the run in memory and commits it
    contention.py    how long a lane pauses, for other servers and for more commands
    archive.py       the queue of runs whose new bookings and events are copied to their collections
    statements.py    look-ups and commits of several lanes in one statement
    bounds.py        limits
"""
