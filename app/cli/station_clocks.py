"""Finds the time zone of a stop, so that times are shown as the station's clock shows them.

A receipt carries instants and names of stops; the zones stand in the train run. Here belongs asking for them, with a bound, and
doing without. Not here: writing a time down (`app.cli.render.text`).
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

# A person's receipts name few trains; past this many the rest is shown in UTC rather than asked for one by one.
TRAINS_REQUESTED_MAX = 20


class StationClocks:
    """The zones of stops by train, each train asked for once."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._zones: dict[str, dict[str, datetime.tzinfo]] = {}
        self._requests_left = TRAINS_REQUESTED_MAX

    def zone(self, train_id: str, travel_date: str, stop: str) -> datetime.tzinfo:
        """The zone of the stop with that name or code on that train, or UTC where it cannot be found. Raises nothing."""
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
                self._requests_left = 0  # the service has gone away; do not wait for it once for every train
            return {}
        called = ((called, stop.time_zone) for stop in run.stops for called in (stop.code, stop.name))
        return {comparison_key(called): zone_by_name(time_zone) for called, time_zone in called if called}
