"""The journeys of a run, each made once.

Belongs here: the cache of journeys. Does not belong here: stops and legs (`app/domain/timetable.py`).
"""

from app.domain.timetable import Journey, Stop, find_legs, legs_between

# Spellings of journeys that are cached. Nearly all callers spell stops as the timetable does.
_NAMED_JOURNEYS_MAX = 256


class Journeys:
    """The journeys between the stops of one run. Thousands of bookings share a journey's value."""

    __slots__ = ("_by_name", "_by_stops", "_number", "_stops", "_train_id", "_travel_date")

    def __init__(self, train_id: str, travel_date: str, number: str, stops: tuple[Stop, ...]) -> None:
        self._train_id, self._travel_date, self._number, self._stops = train_id, travel_date, number, stops
        self._by_stops: dict[tuple[int, int], Journey] = {}
        self._by_name: dict[tuple[str, str], Journey] = {}

    def named(self, origin: str, destination: str) -> Journey:
        """Return the journey between two stops named by a caller; an empty name stands for the first or last stop.

        Refuses INVALID_FIELD where the run has no such journey.
        """
        journey = self._by_name.get((origin, destination))
        if journey is None:
            journey = self.between(*find_legs(self._stops, origin, destination))
            if len(self._by_name) < _NAMED_JOURNEYS_MAX:
                self._by_name[origin, destination] = journey
        return journey

    def between(self, origin: int, destination: int) -> Journey:
        """Return the journey between two stops by index, origin before destination."""
        journey = self._by_stops.get((origin, destination))
        if journey is None:
            journey = self._by_stops[origin, destination] = self._make(origin, destination)
        return journey

    def _make(self, origin: int, destination: int) -> Journey:
        start, end = self._stops[origin], self._stops[destination]
        if start.depart is None or end.arrive is None:
            raise ValueError("a stop of the journey has no time")
        legs = legs_between(origin, destination)
        return Journey(self._train_id, self._travel_date, self._number, start.name, end.name, legs, start.depart, end.arrive)
