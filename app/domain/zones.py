"""Time zones by name, and when their clocks change.

Belongs here: the accepted names, where zones are read from, and what follows from a zone alone. Does not belong here: how
trains use them (`local_times.py`).

Zones come only from the package tzdata, in the version that the lock file pins. /usr/share/zoneinfo differs from host to host,
and servers with different rules would put one run at two times.

Names are accepted as the IANA database spells them. "localtime", "posixrules", "posix/...", "right/..." and paths name files
that a host may or may not have; "Factory" is the zone of a computer that nobody has configured.
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones, reset_tzpath

reset_tzpath(to=())  # for the whole process: no zone of the host is read, whatever PYTHONTZPATH says
ZoneInfo.clear_cache()

ZONE_NAMES = frozenset(available_timezones()) - {"Factory", "localtime", "posixrules"}
if "Europe/London" not in ZONE_NAMES:
    raise ImportError("the package tzdata is not installed; time zones are read from it alone")

_NOON = time(12)  # clocks change at night


@lru_cache(maxsize=len(ZONE_NAMES))
def load_zone(name: str) -> ZoneInfo:
    """Return the zone with that name, which is in `ZONE_NAMES`. Raises KeyError for any other name."""
    if name not in ZONE_NAMES:
        raise KeyError(name)
    return ZoneInfo(name)


@lru_cache(maxsize=len(ZONE_NAMES))
def change_dates(name: str, year: int) -> tuple[date, ...]:
    """Return the dates of a year on which the clocks of a zone change."""
    noons = [datetime.combine(date(year, 1, 1) + timedelta(days), _NOON, load_zone(name)) for days in range(-1, 366)]
    offsets = [noon.utcoffset() for noon in noons]
    return tuple(noons[index].date() for index in range(1, len(noons)) if offsets[index] != offsets[index - 1])
