"""Time zones of stops, so that times are shown in local time of the station.

A receipt contains instants and names of stops; the train run contains the zones. Belongs here: fetching them, with a limit, and
the fallback to UTC. Does not belong here: formatting a time (`app.cli.render.text`).
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from app.cli.arguments import comparison_key
from app.cli.failures import EXIT_REFUSED, CallError
from app.cli.render.text import zone_by_name
from app.pb.seatline.v1 import train_run_pb2

if TYPE_CHECKING:
    from app.cli.calls import Calls

# A user's receipts name few train runs; times of further runs are shown in UTC instead of one more call each.
TRAINS_REQUESTED_MAX = 20


class StationClocks:
    """Zones of stops, fetched once per train."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._zones: dict[str, dict[str, datetime.tzinfo]] = {}
        self._requests_left = TRAINS_REQUESTED_MAX

    def zone(self, train_id: str, travel_date: str, stop: str) -> datetime.tzinfo:
        """Return the zone of the stop with that name or code, or UTC if it cannot be found. Does not raise."""
        if train_id not in self._zones and self._requests_left > 0:
            self._requests_left -= 1
            self._zones[train_id] = self._fetch_zones(train_id, travel_date)
        return self._zones.get(train_id, {}).get(comparison_key(stop), datetime.UTC)

    def _fetch_zones(self, train_id: str, travel_date: str) -> dict[str, datetime.tzinfo]:
        request = train_run_pb2.GetTrainRunRequest(train_id=train_id, travel_date=travel_date)
        try:
            run = self._calls.call(self._calls.train_runs.GetTrainRun, request)
        except CallError as failed:
            if failed.failure.exit_code != EXIT_REFUSED:
                self._requests_left = 0  # the service is unavailable; do not wait for it once per train
            return {}
        names = ((name, stop.time_zone) for stop in run.stops for name in (stop.code, stop.name))
        return {comparison_key(name): zone_by_name(time_zone) for name, time_zone in names if name}
