"""The dashboard's rows about what is sold: at a glance, calls, sales, lanes, waiting lists.

Belongs here: their panels. Does not: how Prometheus is asked (`queries.py`), nor the rows about what goes on behind
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
            "CreateBooking kept, 3 days",
            "Share of CreateBooking calls of three days that did not fail through a fault of the service. Promised: 99.9 %.",
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
            "Bookings sold a minute",
            "Bookings that got their seats at once, in a minute.",
            Unit.PER_MINUTE,
            (Query(f"60 * sum({_SOLD_AT_ONCE})", "sold"),),
            kind=Kind.NUMBER,
            width=4,
            height=4,
        ),
        Panel(
            "CreateBooking, slowest hundredth",
            "What 99 of 100 bookings stay below. Alerts from 2.5 s.",
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
            "Whether every process can use MongoDB; this is what readiness follows.",
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
            "The oldest event that nothing has followed up yet. Alerts from 5 minutes.",
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
            "Calls answered in a second, by method.",
            Unit.CALLS_PER_SECOND,
            (Query(rate_by("grpc_method", _HANDLED, _METHODS), _METHOD),),
            is_stacked=True,
        ),
        Panel(
            "Calls that were refused or failed",
            "Calls that ended with another status than OK, by status. Refusals such as a full section are among them.",
            Unit.CALLS_PER_SECOND,
            (Query(rate_by("grpc_code", _HANDLED, _METHODS, 'grpc_code!="OK"'), "{{grpc_code}}"),),
            is_stacked=True,
        ),
        Panel(
            "Calls that failed",
            "Statuses that are no answer to the caller, by method: what the error budget counts.",
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
            "What half of the calls stay below, by method.",
            Unit.SECONDS,
            (Query(quantile(0.5, _SECONDS, _METHODS, by="grpc_method"), _METHOD),),
        ),
        Panel(
            "Duration, slowest hundredth",
            "What 99 of 100 calls stay below, by method. Each dot is a call that was traced.",
            Unit.SECONDS,
            (Query(quantile(0.99, _SECONDS, _METHODS, by="grpc_method"), _METHOD, has_exemplars=True),),
        ),
        Panel(
            "Refusals by reason",
            "Why calls were refused, as callers are told; the contract's ErrorReason says what each means.",
            Unit.CALLS_PER_SECOND,
            (Query(f"{rate_by('reason', 'seatline_refusals_total')} > 0", "{{reason}}"),),
            is_stacked=True,
        ),
        Panel(
            "Calls under way",
            "Calls that have begun and not ended, by process. SEATLINE_CALLS_IN_FLIGHT_MAX bounds them.",
            Unit.COUNT,
            (Query(f"sum by (pod, instance) ({process_series('grpc_server_in_flight_calls')})", "{{pod}} {{instance}}"),),
        ),
        Panel(
            "Calls that began",
            "Calls that began in a second, by process: whether load balancing is even.",
            Unit.CALLS_PER_SECOND,
            (Query(rate_by("pod, instance", "grpc_server_started_total", _METHODS), "{{pod}} {{instance}}"),),
        ),
        Panel(
            "Burning of CreateBooking's error budget",
            "How many times as fast as it may the budget of 30 days is spent, over each window. "
            "Alerts from 14.4 (an hour), 6 (six hours), 3 (a day) and 1 (three days).",
            Unit.COUNT,
            tuple(
                Query(f"{installation_series(failure_ratio(one))} / {BUDGET}", f"{one} {{{{namespace}}}}") for one in WINDOWS
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
            "What was committed to happen to bookings in a minute.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('outcome', 'seatline_bookings_total')}", "{{outcome}}"),),
        ),
        Panel(
            "Seats",
            "Seats of trains that have not departed. Sold is what is sold or held for any part of the way.",
            Unit.COUNT,
            (Query(database_statistic("seatline_seats", by="run_status, state"), "{{run_status}} {{state}}"),),
            is_stacked=True,
        ),
        Panel(
            "Holds",
            "What was committed to happen to holds in a minute. Many that expire are buyers who do not finish.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('outcome', 'seatline_holds_total')}", "{{outcome}}"),),
        ),
        Panel(
            "Share of seats sold",
            "Of the seats of all trains that have not departed.",
            Unit.SHARE,
            (Query(f"sum({_SEATS_SOLD}) / sum({_SEATS})", "sold"),),
            axis_max=1,
        ),
        Panel(
            "Train runs",
            "Trains on dates that have not arrived, by status.",
            Unit.COUNT,
            (Query(database_statistic("seatline_train_runs", by="run_status"), "{{run_status}}"),),
        ),
    ),
)

LANES = Row(
    "Lanes",
    (
        Panel(
            "Lanes and callers in them",
            "Train runs that are being sold here, and callers who wait in their lanes to be decided for.",
            Unit.COUNT,
            (
                Query(f"sum({process_series('seatline_lanes')})", "lanes"),
                Query(f"sum({process_series('seatline_lane_queue_callers')})", "callers who wait"),
            ),
        ),
        Panel(
            "Callers in a batch",
            "Callers that share a commit. Near SEATLINE_LANE_BATCH_MAX, lanes are full.",
            Unit.COUNT,
            (
                Query(average("seatline_lane_batch_callers"), "average"),
                Query(quantile(0.99, "seatline_lane_batch_callers"), "p99"),
            ),
        ),
        Panel(
            "Time in the lane",
            "How long callers wait before their batch begins; about a commit where all is well.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, "seatline_lane_wait_seconds"), "median"),
                Query(quantile(0.99, "seatline_lane_wait_seconds"), "p99"),
            ),
        ),
        Panel(
            "Time of a commit",
            "From the decisions of a batch to its answers. What is long here is long at MongoDB, or the process is busy.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, "seatline_lane_commit_seconds"), "median"),
                Query(quantile(0.99, "seatline_lane_commit_seconds"), "p99"),
            ),
        ),
        Panel(
            "Swaps lost",
            "Commits that another server was ahead of, in a second, by process.",
            Unit.PER_SECOND,
            (Query(rate_by("pod, instance", "seatline_lane_swaps_lost_total"), "{{pod}} {{instance}}"),),
        ),
        Panel(
            "Swaps lost for each commit",
            "Servers that take turns lose hardly any. Alerts from a half.",
            Unit.COUNT,
            (
                Query(
                    f"sum({rate('seatline_lane_swaps_lost_total')}) / sum({rate('seatline_lane_commit_seconds_count')})",
                    "lost for each commit",
                ),
            ),
            warning_from=0.5,
        ),
    ),
)

WAITING_LISTS = Row(
    "Waiting lists",
    (
        Panel(
            "Bookings that wait",
            "Bookings that wait for seats, on all trains that have not arrived.",
            Unit.COUNT,
            (Query(database_statistic("seatline_waitlist_bookings"), "waiting"),),
            width=12,
        ),
        Panel(
            "Joined, got seats, gave up waiting",
            "Bookings in a minute that joined a waiting list, that got the seats they waited for, and whose list closed first.",
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

ROWS = (AT_A_GLANCE, CALLS, SALES, LANES, WAITING_LISTS)
