"""Cases of the alerts on events, payments, jobs and webhooks.

Belongs here: the cases. Does not belong here: running them (`test_alerts.py`).
"""

from __future__ import annotations

from tests.alerts.cases import Case, Firing, InputSeries, in_production, series

_SECOND = {"pod": "seatline-1", "instance": "10.0.0.2:9464"}


def _worker_series(metric: str, one: str, other: str = "0x60", **labels: str) -> InputSeries:
    """Series of a worker and of another process."""
    return {series(metric, **labels): one, series(metric, **_SECOND, **labels): other}


_SURVEY, _WORKS = "seatline_survey_last_success_timestamp_seconds", "SeatlineNobodyWorks"
_AVAILABLE, _BUILD = "seatline_database_available", "seatline_build_info"
_STAGING = series(_BUILD, namespace="staging")
_IN_STAGING = (Firing({"namespace": "staging"}),)
_OUTBOX, _AGE = "SeatlineOutboxOld", "seatline_outbox_age_seconds"
_REFUNDS, _REFUND_AGE = "SeatlineRefundsLate", "seatline_refund_age_seconds"
_DEAD = "SeatlineJobsDead"
_CANCELLATIONS, _CANCELLATION_AGE = "SeatlineRunCancellationUnfinished", "seatline_run_cancellation_age_seconds"
_UNREPORTED = "SeatlineRunsUnreported"
_LAYOUT_JOBS, _LAYOUT_JOB_AGE = "SeatlineLayoutJobUnfinished", "seatline_layout_job_age_seconds"


def _statistics_of(worker: str, other: str = "_") -> InputSeries:
    """Series of when one or two workers refreshed the statistics, and of a server, which never does."""
    return {**_worker_series(_SURVEY, worker, other), series(_BUILD): "1x30"}


def _completed_runs(unreported: str, reported: str) -> InputSeries:
    """Series of the runs that should have arrived, by whether anybody has reported on them."""
    name = "seatline_completed_runs"
    return {series(name, report="unreported"): unreported, series(name, report="reported"): reported}


WORKERS = [
    Case(_WORKS, "the last worker has stopped", _statistics_of("0+60x5 stale"), "12m", in_production()),
    Case(_WORKS, "the last worker hangs", _statistics_of("0+60x5 300x20"), "15m", in_production()),
    Case(_WORKS, "there never was a worker", {series(_BUILD): "1x20"}, "10m", in_production()),
    Case(_WORKS, "a worker has started and has no statistics yet", _statistics_of("0x20"), "10m", in_production()),
    Case(_WORKS, "one of two installations has a worker", {**_statistics_of("0+60x20"), _STAGING: "1x20"}, "10m", _IN_STAGING),
    Case(_WORKS, "one of two workers hangs", _statistics_of("60x20", "0+60x20"), "15m"),
    Case(_WORKS, "the last worker has hung for six minutes", _statistics_of("60x20"), "7m"),
    Case(_WORKS, "a worker restarts", _statistics_of("0+60x5 stale _x2 480+60x20"), "9m"),
    Case(_WORKS, "the database is unavailable", {**_statistics_of("60x20"), **_worker_series(_AVAILABLE, "0x20")}, "15m"),
    Case(_WORKS, "there are no such metrics", {}, "15m"),
    Case(_OUTBOX, "events are unprocessed for minutes", _worker_series(_AGE, "400x10"), "5m", in_production("6m 40s")),
    Case(_OUTBOX, "the oldest event gets older", _worker_series(_AGE, "0+60x60"), "10m", in_production("10m 0s")),
    Case(_OUTBOX, "events are unprocessed for a short time", _worker_series(_AGE, "200x10"), "5m"),
    Case(_OUTBOX, "a worker was restarted", _worker_series(_AGE, "0x3 310 0x10"), "4m"),
    Case(_OUTBOX, "there are no such metrics", {}, "5m"),
    Case(
        _REFUNDS,
        "a refund is pending for more than an hour",
        _worker_series(_REFUND_AGE, "4000x30"),
        "15m",
        in_production("1h 6m 40s"),
    ),
    Case(_REFUNDS, "a refund is pending for less than an hour", _worker_series(_REFUND_AGE, "3500x30"), "15m"),
    Case(_REFUNDS, "a refund was made after more than an hour", _worker_series(_REFUND_AGE, "3500 3620 3680 0x30"), "2m"),
    Case(_REFUNDS, "there are no such metrics", {}, "15m"),
    Case(
        _DEAD, "three jobs are dead", _worker_series("seatline_jobs", "3x20", "2x20", state="dead"), "10m", in_production("3")
    ),
    Case(
        _DEAD,
        "many jobs are waiting and none is dead",
        {**_worker_series("seatline_jobs", "500x20", state="waiting"), **_worker_series("seatline_jobs", "0x20", state="dead")},
        "10m",
    ),
    Case(_DEAD, "a dead job is retried at once", _worker_series("seatline_jobs", "0 1 1 0x20", state="dead"), "2m"),
    Case(_DEAD, "there are no such metrics", {}, "10m"),
    Case(
        _LAYOUT_JOBS,
        "a layout job is unfinished for an hour",
        _worker_series(_LAYOUT_JOB_AGE, "0+60x90"),
        "60m",
        in_production("1h 0m 0s"),
    ),
    Case(_LAYOUT_JOBS, "a layout job takes half an hour", _worker_series(_LAYOUT_JOB_AGE, "0+60x30 0x30"), "32m"),
    Case(
        _LAYOUT_JOBS,
        "a slow layout job completes while the alert is pending",
        _worker_series(_LAYOUT_JOB_AGE, "1900x5 0x60"),
        "12m",
    ),
    Case(
        _LAYOUT_JOBS, "layout jobs follow each other", _worker_series(_LAYOUT_JOB_AGE, "0 60 120 0 60 120 0 60 120 0x60"), "12m"
    ),
    Case(_LAYOUT_JOBS, "there are no such metrics", {}, "60m"),
    Case(
        _CANCELLATIONS,
        "the bookings of a cancelled run are not cancelled",
        _worker_series(_CANCELLATION_AGE, "0+60x30"),
        "20m",
        in_production("20m 0s"),
    ),
    Case(_CANCELLATIONS, "a cancellation takes five minutes", _worker_series(_CANCELLATION_AGE, "0+60x5 0x30"), "12m"),
    Case(
        _CANCELLATIONS,
        "a slow cancellation completes while the alert is pending",
        _worker_series(_CANCELLATION_AGE, "620x1 0x30"),
        "3m",
    ),
    Case(_CANCELLATIONS, "there are no such metrics", {}, "20m"),
    Case(_UNREPORTED, "the feed of reports has stopped", _completed_runs("3x60", "5x60"), "40m", in_production("3")),
    Case(_UNREPORTED, "all runs are reported on", _completed_runs("0x60", "8x60"), "40m"),
    Case(_UNREPORTED, "nobody ever reports on runs", _completed_runs("8x60", "0x60"), "40m"),
    Case(_UNREPORTED, "a report comes late", _completed_runs("1x20 0x60", "8x80"), "40m"),
    Case(_UNREPORTED, "there are no such metrics", {}, "40m"),
]


_UNREADABLE = "SeatlineRecordsUnreadable"


def _unreadable_series(collection: str, values: str) -> InputSeries:
    """Series of how often a process met unreadable records."""
    return {series("seatline_unreadable_records_total", collection=collection): values}


UNREADABLE = [
    Case(
        _UNREADABLE,
        "an event is unreadable",
        _unreadable_series("events", "0x20 1+1x20"),
        "25m",
        in_production(collection="events"),
    ),
    Case(
        _UNREADABLE,
        "an unreadable run is met once",
        {**_unreadable_series("train_runs", "0x20 1x20"), **_unreadable_series("jobs", "0x40")},
        "23m",
        in_production(collection="train_runs"),
    ),
    Case(_UNREADABLE, "an unreadable record was met once and repaired", _unreadable_series("train_runs", "0x20 1x40"), "40m"),
    Case(_UNREADABLE, "all records are readable", _unreadable_series("events", "0x40"), "25m"),
    Case(_UNREADABLE, "there are no such metrics", {}, "25m"),
]


def _payment_series(**values_by_outcome: str) -> InputSeries:
    """Series of authorizations at the payment provider, by outcome."""
    requests = "seatline_payment_requests_total"
    return {series(requests, operation="authorize", outcome=outcome): values for outcome, values in values_by_outcome.items()}


def _delivery_series(**values_by_outcome: str) -> InputSeries:
    deliveries = "seatline_webhook_deliveries_total"
    return {series(deliveries, outcome=outcome): values for outcome, values in values_by_outcome.items()}


_PAYMENTS = "SeatlinePaymentsUnavailable"
_FAILING, _GIVEN_UP = "SeatlineWebhooksFailing", "SeatlineWebhooksGivenUp"
OTHERS = [
    Case(
        _PAYMENTS,
        "two of three requests have no answer",
        _payment_series(ok="0+1x60", unavailable="0+2x60"),
        "20m",
        in_production("66.67%"),
    ),
    Case(_PAYMENTS, "one request in five has no answer", _payment_series(ok="0+8x60", unavailable="0+2x60"), "20m"),
    Case(
        _PAYMENTS,
        "two minutes without an answer",
        _payment_series(ok="0+9x10 90x2 99+9x60", unavailable="0x10 0+9x2 18x60"),
        "14m",
    ),
    Case(_PAYMENTS, "the outage has just started", _payment_series(ok="0+9x10 90x40", unavailable="0x10 0+9x40"), "18m"),
    Case(_PAYMENTS, "cards are declined", _payment_series(ok="0+1x60", declined="0+20x60", unavailable="0x60"), "20m"),
    Case(_PAYMENTS, "there are few payments", _payment_series(unavailable="0+0.5x60"), "20m"),
    Case(_PAYMENTS, "there are no payments", _payment_series(ok="9x60", unavailable="9x60"), "20m"),
    Case(_PAYMENTS, "there are no such metrics", {}, "20m"),
    Case(
        _FAILING,
        "no receiver can be reached",
        _delivery_series(delivered="7x90", retried="0+1x90"),
        "50m",
        in_production("100%"),
    ),
    Case(_FAILING, "half of the attempts fail", _delivery_series(delivered="0+5x90", retried="0+5x90"), "50m"),
    Case(
        _FAILING, "a receiver restarts", _delivery_series(delivered="0+5x40 200x3 205+5x90", retried="0x40 0+5x3 15x90"), "50m"
    ),
    Case(
        _FAILING,
        "no receiver is reached for half an hour",
        _delivery_series(delivered="0+5x40 200x50", retried="0x40 0+5x50"),
        "75m",
    ),
    Case(_FAILING, "there are few attempts", _delivery_series(delivered="7x90", retried="0+0.2x90"), "50m"),
    Case(_FAILING, "there are no attempts", _delivery_series(delivered="7x90", retried="7x90"), "50m"),
    Case(_FAILING, "there are no such metrics", {}, "50m"),
    Case(_GIVEN_UP, "three deliveries were given up", _delivery_series(given_up="0x60 3x90"), "75m", in_production("3")),
    Case(_GIVEN_UP, "three deliveries were given up a moment ago", _delivery_series(given_up="0x60 3x90"), "63m"),
    Case(_GIVEN_UP, "deliveries are retried", _delivery_series(given_up="0x90", retried="0+5x90"), "75m"),
    Case(_GIVEN_UP, "deliveries were given up hours ago", _delivery_series(given_up="0x5 3x200"), "2h"),
    Case(_GIVEN_UP, "there are no such metrics", {}, "75m"),
]

CASES = [*WORKERS, *UNREADABLE, *OTHERS]
