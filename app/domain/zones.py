"""Time zones by name, and when their clocks change.

Belongs here: which names there are, where zones are read from, and what follows from a zone alone. Does not: what trains make
of it (`local_times.py`).

Zones come from the package tzdata alone, in the version that the lock pins. What a host has under /usr/share/zoneinfo differs
from host to host, and servers that disagree about a zone would put one run at two times.

A name is accepted as the IANA database spells it. "localtime", "posixrules", "posix/...", "right/..." and paths name files that
a host may have or not; "Factory" is the zone of a computer that nobody has set.
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones, reset_tzpath

reset_tzpath(to=())  # of the whole process: nothing of the host, whatever PYTHONTZPATH says
ZoneInfo.clear_cache()

ZONE_NAMES = frozenset(available_timezones()) - {"Factory", "localtime", "posixrules"}
if "Europe/London" not in ZONE_NAMES:
    raise ImportError("the package tzdata is not installed; time zones are read from it alone")

_NOON = time(12)  # clocks change at night


@lru_cache(maxsize=len(ZONE_NAMES))
def load_zone(name: str) -> ZoneInfo:
    """The zone with that name, which is in `ZONE_NAMES`; KeyError for any other."""
    if name not in ZONE_NAMES:
        raise KeyError(name)
    return ZoneInfo(name)


@lru_cache(maxsize=len(ZONE_NAMES))
def change_dates(name: str, year: int) -> tuple[date, ...]:
    """The dates of a year on which the clocks of a zone change."""
    noons = [datetime.combine(date(year, 1, 1) + timedelta(days), _NOON, load_zone(name)) for days in range(-1, 366)]
    offsets = [noon.utcoffset() for noon in noons]
    return tuple(noons[index].date() for index in range(1, len(noons)) if offsets[index] != offsets[index - 1])
