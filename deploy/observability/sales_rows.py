"""Rows of the dashboard about sales: at a glance, calls, sales, lanes, waitlists.

Belongs here: their panels. Does not belong here: shared PromQL (`queries.py`), and the rows about background work
(`background_rows.py`).
"""

from deploy.observability.description import Kind, Panel, Query, Row, Unit
from deploy.observability.objective import BUDGET, CREATE_BOOKING, FAILURE_CODES, OBJECTIVE, WINDOWS, failure_ratio
from deploy.observability.queries import (
    average,
    database_statistic,
    installation_series,
    process_series,
    quantile,
    rate,
    rate_by,
)

_METHODS = 'grpc_service=~"seatline.*", grpc_method=~"$method"'
_HANDLED, _SECONDS = "grpc_server_handled_total", "grpc_server_handling_seconds"
_METHOD = "{{grpc_method}}"
_SOLD_AT_ONCE = rate("seatline_bookings_total", 'outcome="confirmed"')
_SEATS_SOLD = database_statistic("seatline_seats", 'state="sold"', by="run_status")
_SEATS = database_statistic("seatline_seats", by="run_status, state")

AT_A_GLANCE = Row(
    "At a glance",
    (
        Panel(
            "CreateBooking success, 3 days",
            "Share of CreateBooking calls in the last three days without a fault of the service. Objective: 99.9 %.",
            Unit.SHARE,
            (Query(f"1 - {installation_series(failure_ratio('3d'))}", "{{namespace}}"),),
            kind=Kind.NUMBER,
            width=4,
            height=4,
            axis_max=1,
            warning_from=OBJECTIVE,
            critical_from=0.99,
            is_good_when_high=True,
        ),
        Panel(
            "Bookings confirmed per minute",
            "Bookings that got their seats at once, without the waitlist.",
            Unit.PER_MINUTE,
            (Query(f"60 * sum({_SOLD_AT_ONCE})", "sold"),),
            kind=Kind.NUMBER,
            width=4,
            height=4,
        ),
        Panel(
            "CreateBooking, 99th percentile",
            "99 of 100 bookings take less time than this. An alert fires from 2.5 s.",
            Unit.SECONDS,
            (Query(quantile(0.99, _SECONDS, CREATE_BOOKING), "p99"),),
            kind=Kind.NUMBER,
            width=4,
            height=4,
            warning_from=1,
            critical_from=2.5,
        ),
        Panel(
            "Database available",
            "Whether every process can use MongoDB. A process that cannot is not ready.",
            Unit.YES_OR_NO,
            (Query(f"min({process_series('seatline_database_available')})", "all processes"),),
            kind=Kind.NUMBER,
            width=4,
            height=4,
            axis_max=1,
            critical_from=1,
            is_good_when_high=True,
        ),
        Panel(
            "Age of the outbox",
            "Age of the oldest unprocessed event. An alert fires from 5 minutes.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_outbox_age_seconds"), "age"),),
            kind=Kind.NUMBER,
            width=4,
            height=4,
            warning_from=60,
            critical_from=300,
        ),
        Panel(
            "Processes",
            "Servers and workers that answer Prometheus, by version.",
            Unit.COUNT,
            (Query(f"count by (version) ({process_series('seatline_build_info')})", "{{version}}"),),
            kind=Kind.NUMBER,
            width=4,
            height=4,
        ),
    ),
)

CALLS = Row(
    "Calls",
    (
        Panel(
            "Calls",
            "Calls answered per second, by method.",
            Unit.CALLS_PER_SECOND,
            (Query(rate_by("grpc_method", _HANDLED, _METHODS), _METHOD),),
            is_stacked=True,
        ),
        Panel(
            "Calls refused or failed",
            "Calls per second that ended with a status other than OK, by status. Includes refusals such as a full section.",
            Unit.CALLS_PER_SECOND,
            (Query(rate_by("grpc_code", _HANDLED, _METHODS, 'grpc_code!="OK"'), "{{grpc_code}}"),),
            is_stacked=True,
        ),
        Panel(
            "Calls that failed",
            "Calls per second that failed through a fault of the service, by method and status. The error budget counts these.",
            Unit.CALLS_PER_SECOND,
            (
                Query(
                    rate_by("grpc_method, grpc_code", _HANDLED, _METHODS, f'grpc_code=~"{FAILURE_CODES}"'),
                    "{{grpc_method}} {{grpc_code}}",
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Duration, median",
            "Median duration of calls, by method.",
            Unit.SECONDS,
            (Query(quantile(0.5, _SECONDS, _METHODS, by="grpc_method"), _METHOD),),
        ),
        Panel(
            "Duration, 99th percentile",
            "99 of 100 calls take less time than this, by method. Each dot is a traced call.",
            Unit.SECONDS,
            (Query(quantile(0.99, _SECONDS, _METHODS, by="grpc_method"), _METHOD, has_exemplars=True),),
        ),
        Panel(
            "Refusals by reason",
            "Refused calls per second, by the reason that the caller gets. ErrorReason in the API documents each reason.",
            Unit.CALLS_PER_SECOND,
            (Query(f"{rate_by('reason', 'seatline_refusals_total')} > 0", "{{reason}}"),),
            is_stacked=True,
        ),
        Panel(
            "Calls in flight",
            "Calls that have started and not ended, by process. SEATLINE_CALLS_IN_FLIGHT_MAX limits them.",
            Unit.COUNT,
            (Query(f"sum by (pod, instance) ({process_series('grpc_server_in_flight_calls')})", "{{pod}} {{instance}}"),),
        ),
        Panel(
            "Calls started",
            "Calls started per second, by process. Shows whether the load is balanced evenly.",
            Unit.CALLS_PER_SECOND,
            (Query(rate_by("pod, instance", "grpc_server_started_total", _METHODS), "{{pod}} {{instance}}"),),
        ),
        Panel(
            "CreateBooking: burn rate of the error budget",
            "How many times faster than allowed the 30-day error budget is spent, over each window. "
            "Alerts fire from 14.4 (one hour), 6 (six hours), 3 (one day) and 1 (three days).",
            Unit.COUNT,
            tuple(
                Query(f"{installation_series(failure_ratio(window))} / {BUDGET}", f"{window} {{{{namespace}}}}")
                for window in WINDOWS
            ),
            warning_from=1,
            critical_from=6,
        ),
    ),
)

SALES = Row(
    "Sales",
    (
        Panel(
            "Bookings",
            "Bookings committed per minute, by outcome.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('outcome', 'seatline_bookings_total')}", "{{outcome}}"),),
        ),
        Panel(
            "Seats",
            "Seats of train runs that have not departed. Sold: sold or held for at least one leg.",
            Unit.COUNT,
            (Query(database_statistic("seatline_seats", by="run_status, state"), "{{run_status}} {{state}}"),),
            is_stacked=True,
        ),
        Panel(
            "Holds",
            "Holds committed per minute, by outcome. Many expired holds mean that buyers abandon their purchase.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('outcome', 'seatline_holds_total')}", "{{outcome}}"),),
        ),
        Panel(
            "Share of seats sold",
            "Share of the seats of all train runs that have not departed. Sold: sold or held for at least one leg.",
            Unit.SHARE,
            (Query(f"sum({_SEATS_SOLD}) / sum({_SEATS})", "sold"),),
            axis_max=1,
        ),
        Panel(
            "Train runs",
            "Train runs that have not arrived, by status.",
            Unit.COUNT,
            (Query(database_statistic("seatline_train_runs", by="run_status"), "{{run_status}}"),),
        ),
    ),
)

LANES = Row(
    "Lanes",
    (
        Panel(
            "Lanes and waiting commands",
            "Lanes: train runs that a server is selling now. Waiting: commands in their queues.",
            Unit.COUNT,
            (
                Query(f"sum({process_series('seatline_lanes')})", "lanes"),
                Query(f"sum({process_series('seatline_lane_queue_callers')})", "waiting"),
            ),
        ),
        Panel(
            "Commands per batch",
            "Commands that share one commit. Near SEATLINE_LANE_BATCH_MAX, the lanes are at capacity.",
            Unit.COUNT,
            (
                Query(average("seatline_lane_batch_callers"), "average"),
                Query(quantile(0.99, "seatline_lane_batch_callers"), "p99"),
            ),
        ),
        Panel(
            "Time in the lane",
            "How long commands wait before their batch starts. Normally about as long as one commit.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, "seatline_lane_wait_seconds"), "median"),
                Query(quantile(0.99, "seatline_lane_wait_seconds"), "p99"),
            ),
        ),
        Panel(
            "Time of a commit",
            "Time from the decisions of a batch to its answers. If it is long, MongoDB is slow or the process is busy.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, "seatline_lane_commit_seconds"), "median"),
                Query(quantile(0.99, "seatline_lane_commit_seconds"), "p99"),
            ),
        ),
        Panel(
            "Swaps lost",
            "Commits per second that failed because another server committed first, by process.",
            Unit.PER_SECOND,
            (Query(rate_by("pod, instance", "seatline_lane_swaps_lost_total"), "{{pod}} {{instance}}"),),
        ),
        Panel(
            "Swaps lost per commit",
            "Servers that take turns lose almost none. An alert fires from 0.5.",
            Unit.COUNT,
            (
                Query(
                    f"sum({rate('seatline_lane_swaps_lost_total')}) / sum({rate('seatline_lane_commit_seconds_count')})",
                    "lost per commit",
                ),
            ),
            warning_from=0.5,
        ),
    ),
)

WAITLISTS = Row(
    "Waitlists",
    (
        Panel(
            "Waitlisted bookings",
            "Bookings without a seat yet, on all train runs that have not arrived.",
            Unit.COUNT,
            (Query(database_statistic("seatline_waitlist_bookings"), "waiting"),),
            width=12,
        ),
        Panel(
            "Waitlisted, promoted, expired",
            "Bookings per minute that joined a waitlist, got seats from it, or expired when it closed.",
            Unit.PER_MINUTE,
            (
                Query(
                    "60 * " + rate_by("outcome", "seatline_bookings_total", 'outcome=~"waitlisted|promoted|expired"'),
                    "{{outcome}}",
                ),
            ),
            width=12,
        ),
    ),
)

LAYOUTS = Row(
    "Layouts",
    (
        Panel(
            "Layout changes",
            "Layouts of train runs changed per minute. The change of a train counts once for each of its runs.",
            Unit.PER_MINUTE,
            (Query(f"60 * sum({rate('seatline_layout_changes_total')})", "changes"),),
        ),
        Panel(
            "Displaced passengers",
            "Passengers per minute whose seats layout changes removed: moved, waitlisted, or cancelled and refunded.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('outcome', 'seatline_displaced_passengers_total')}", "{{outcome}}"),),
        ),
        Panel(
            "Age of the oldest layout job",
            "How long ago the oldest unfinished layout job began. Usually a minute at most; an alert fires from 30 minutes.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_layout_job_age_seconds"), "age"),),
            critical_from=1_800,
        ),
        Panel(
            "Layout jobs",
            "Layout jobs that are not complete; counted up to 10,000.",
            Unit.COUNT,
            (Query(database_statistic("seatline_layout_jobs"), "layout jobs"),),
        ),
    ),
)

DISRUPTIONS = Row(
    "Delays and cancellations",
    (
        Panel(
            "Runs by state",
            "Runs that have not arrived, by state. A delayed run has not departed and is expected late at some stop.",
            Unit.COUNT,
            (Query(database_statistic("seatline_train_runs", by="run_status"), "{{run_status}}"),),
        ),
        Panel(
            "Reports on runs",
            "Per minute: delays reported, arrivals recorded, runs departed, completed and cancelled.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('event', 'seatline_run_events_total')}", "{{event}}"),),
        ),
        Panel(
            "Age of the oldest cancellation",
            "How long ago the oldest run was cancelled that still has bookings. Usually seconds; an alert fires from 10 min.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_run_cancellation_age_seconds"), "age"),),
            critical_from=600,
        ),
        Panel(
            "Unfinished cancellations",
            "Cancelled runs with bookings that are not cancelled yet; counted up to 10,000.",
            Unit.COUNT,
            (Query(database_statistic("seatline_run_cancellations"), "runs"),),
        ),
        Panel(
            "Runs that nobody reports on",
            "Runs that were expected to arrive an hour to a day ago, by whether a delay or an arrival was reported.",
            Unit.COUNT,
            (Query(database_statistic("seatline_completed_runs", by="report"), "{{report}}"),),
        ),
    ),
)

ROWS = (AT_A_GLANCE, CALLS, SALES, LANES, WAITLISTS, LAYOUTS, DISRUPTIONS)
