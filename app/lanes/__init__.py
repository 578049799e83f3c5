"""The command bus: each run has a lane that folds all waiting commands into one commit.

Belongs here: queue, batch, decide, commit, archive, contention. Does not belong here: rules (`app/domain`), statements
(`app/store`).
"""
