"""The error of our own mongod.

Belongs here: the one exception type of this package. Does not belong here: the causes.
"""


class EmbeddedMongodError(Exception):
    """Our own mongod cannot run. The text says why and what to do, and quotes mongod's log where that says more."""
