"""The first failures of a process fire the alert.

Belongs here: what a process exports before and after its first failures, evaluated by promtool. Does not belong here: the cases
with handwritten series (`*_cases.py`).
"""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from app.rpc.services import method_types
from app.telemetry.metrics.calls import CallMetrics
from app.telemetry.metrics.families import Metrics
from deploy.observability.objective import FAILURE_CODES
from tests.alerts.cases import Case, in_production, series
from tests.alerts.test_alerts import rules_of, run_promtool_tests

ALERT = "SeatlineBookingBudgetGoneIn2Days"
CREATE_BOOKING = "/seatline.v1.BookingService/CreateBooking"
HANDLED = "grpc_server_handled_total"
BURST_CALLS = 2_500  # calls that fail between two scrapes
FAILURES = [code for code in grpc.StatusCode if code.name.title().replace("_", "") in FAILURE_CODES.split("|")]


class Process:
    """Call metrics of a server, and its scrapes as promtool reads them."""

    def __init__(self) -> None:
        self.metrics = Metrics("1.2.3")
        self.calls = CallMetrics(self.metrics, method_types())

    def fail(self, code: grpc.StatusCode) -> None:
        for _ in range(BURST_CALLS):
            self.calls.call_ended(self.calls.call_started(CREATE_BOOKING, None), CREATE_BOOKING, code, None)

    def scrape(self) -> dict[str, float]:
        """Return the counters of ended calls, by series."""
        return {
            series(HANDLED, **sample.labels): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == HANDLED
        }


def _scraped(before: dict[str, float], after: dict[str, float]) -> dict[str, str]:
    """Return an hour of scrapes `before` and ten minutes `after`. A series missing before has no samples there."""
    return {
        name: f"{before[name]:.0f}x59 {value:.0f}x10" if name in before else f"_x60 {value:.0f}x10"
        for name, value in after.items()
    }


def test_the_objectives_codes_exist() -> None:
    assert len(FAILURES) == len(FAILURE_CODES.split("|"))


@pytest.mark.parametrize("code", FAILURES, ids=lambda code: code.name)
def test_a_burst_of_first_failures_fires(code: grpc.StatusCode, tmp_path: Path) -> None:
    process = Process()
    before = process.scrape()
    process.fail(code)
    case = Case(ALERT, "the first failures of a process", _scraped(before, process.scrape()), "62m", in_production("100%"))
    exit_code, output = run_promtool_tests([case], tmp_path, rules_of(ALERT))
    assert exit_code == 0, output


def test_a_series_that_starts_with_its_first_failures_would_not_fire(tmp_path: Path) -> None:
    """Shows why servers export series from 0: the first sample of a series is no increase."""
    process = Process()
    process.fail(grpc.StatusCode.INTERNAL)
    failed = {name: value for name, value in process.scrape().items() if 'grpc_code="Internal"' in name and value}
    assert len(failed) == 1
    silent = Case(ALERT, "a series that begins with 2,500", _scraped({}, failed), "62m")
    exit_code, output = run_promtool_tests([silent], tmp_path, rules_of(ALERT))
    assert exit_code == 0, output
