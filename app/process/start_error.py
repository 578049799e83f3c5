"""The error of a process that cannot start.

Belongs here: the one exception type that the command line turns into a message. Does not belong here: the checks that raise it.
"""


class StartError(Exception):
    """The process cannot start. The text says why in one line, and names the setting to change."""
