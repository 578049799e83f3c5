"""Metrics of the worker and of payments.

Belongs here: what is counted for payments and webhooks, and statistics of the database as gauges. Does not belong here:
collecting statistics (`app/usecases/statistics.py`), nor the families (`families.py`).
"""

from app.domain.deliveries import DeliveryState
from app.domain.notices.notice import NoticeChannelName
from app.domain.payments import AttemptKind, AttemptOutcome
from app.domain.statistics import DueNotices, Statistics
from app.telemetry.metrics.families import Metrics

# FAILED means no answer: the operation may have happened, and is asked for again.
_PAYMENT_OUTCOMES = {
    AttemptOutcome.DONE: "ok",
    AttemptOutcome.DECLINED: "declined",
    AttemptOutcome.FAILED: "unavailable",
    AttemptOutcome.REJECTED: "rejected",
}
# The family that counts the attempts of a channel. Attempts of other channels are not counted.
_DELIVERY_FAMILIES = {"webhooks": "seatline_webhook_deliveries_total"}
# The state that an attempt leaves a delivery in, and its label.
_DELIVERY_OUTCOMES = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.PENDING: "retried",
    DeliveryState.FAILED: "given_up",
}


class PaymentMetrics:
    """Counts and times requests to the payment provider."""

    def __init__(self, metrics: Metrics) -> None:
        requests = metrics.counter("seatline_payment_requests_total")
        seconds = metrics.histogram("seatline_payment_request_seconds")
        self._requests = {
            (kind, outcome): requests.labels(kind.value.lower(), name)
            for kind in AttemptKind
            for outcome, name in _PAYMENT_OUTCOMES.items()
        }
        self._seconds = {kind: seconds.labels(kind.value.lower()) for kind in AttemptKind}

    def provider_called(self, kind: AttemptKind, outcome: AttemptOutcome, seconds: float) -> None:
        """Count and time a request that the provider has answered, or has not within its time."""
        self._requests[kind, outcome].inc()
        self._seconds[kind].observe(seconds)


class WorkMetrics:
    """Counts deliveries, and shows statistics. Made once, by a process that works."""

    def __init__(self, metrics: Metrics) -> None:
        metrics.register_statistics()
        outcomes = list(_DELIVERY_OUTCOMES.values())
        self._deliveries = {channel: metrics.counters(family, outcomes) for channel, family in _DELIVERY_FAMILIES.items()}
        self._gauges = metrics.gauge

    def delivery_attempted(self, channel: str, state: DeliveryState) -> None:
        """Count an attempt of a channel, which left its delivery in that state."""
        if channel in self._deliveries:
            self._deliveries[channel][_DELIVERY_OUTCOMES[state]].inc()

    def statistics_collected(self, statistics: Statistics) -> None:
        """Show new statistics of the database."""
        gauge = self._gauges
        for status, runs in statistics.runs.items():
            gauge("seatline_train_runs").labels(status.value.lower()).set(runs)
        seats = gauge("seatline_seats")
        seats.labels("scheduled", "sold").set(statistics.seats_sold)
        seats.labels("scheduled", "free").set(statistics.seats_free)
        gauge("seatline_waitlist_bookings").set(statistics.waiting_bookings)
        backlog = statistics.backlog
        gauge("seatline_outbox_events").set(backlog.outbox_events)
        gauge("seatline_outbox_age_seconds").set(statistics.outbox_age_seconds)
        jobs = gauge("seatline_jobs")
        jobs.labels("waiting").set(backlog.jobs_waiting)
        jobs.labels("running").set(backlog.jobs_running)
        jobs.labels("dead").set(backlog.jobs_dead)
        gauge("seatline_layout_jobs").set(backlog.layout_jobs)
        gauge("seatline_layout_job_age_seconds").set(statistics.layout_job_age_seconds)
        gauge("seatline_run_cancellations").set(backlog.open_cancellations)
        gauge("seatline_run_cancellation_age_seconds").set(statistics.cancellation_age_seconds)
        completed = gauge("seatline_completed_runs")
        completed.labels("reported").set(statistics.runs_reported)
        completed.labels("unreported").set(statistics.runs_unreported)
        self._show_notices(statistics)
        gauge("seatline_refunds_pending").set(backlog.refunds_pending)
        gauge("seatline_refund_age_seconds").set(statistics.refund_age_seconds)
        gauge("seatline_captures_pending").set(backlog.captures_pending)
        gauge("seatline_survey_last_success_timestamp_seconds").set(statistics.time.timestamp())

    def _show_notices(self, statistics: Statistics) -> None:
        found = {notices.channel: notices for notices in statistics.backlog.due_notices}
        for channel in NoticeChannelName:
            notices = found.get(channel.value, DueNotices(channel.value, 0, None))
            self._gauges("seatline_notices_due").labels(channel.value).set(notices.count)
            self._gauges("seatline_notice_age_seconds").labels(channel.value).set(statistics.untried_age_seconds(notices))
