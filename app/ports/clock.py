"""The clock.

Belongs here: the type of the function that returns the time. Does not belong here: reading the system's clock
(`app/process/clock.py`); the domain takes `now` as an argument.
"""

from collections.abc import Callable
from datetime import datetime

# Returns the current time in UTC and whole milliseconds, which is what MongoDB stores.
Clock = Callable[[], datetime]
