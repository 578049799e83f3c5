"""Rows of the dashboard about background work: outbox and jobs, payments, webhooks, MongoDB, processes.

Belongs here: their panels. Does not belong here: shared PromQL (`queries.py`), and the rows about sales (`sales_rows.py`).
"""

from deploy.observability.description import Panel, Query, Row, Unit
from deploy.observability.queries import database_statistic, process_series, quantile, rate, rate_by

_PROCESS = "{{pod}} {{instance}}"

OUTBOX_AND_JOBS = Row(
    "Outbox and jobs",
    (
        Panel(
            "Age of the outbox",
            "Age of the oldest unprocessed event. Seconds while a worker runs; an alert fires from 5 minutes.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_outbox_age_seconds"), "age"),),
            warning_from=60,
            critical_from=300,
        ),
        Panel(
            "Events in the outbox",
            "Unprocessed events; counted up to 10,000.",
            Unit.COUNT,
            (Query(database_statistic("seatline_outbox_events"), "events"),),
        ),
        Panel(
            "Jobs",
            "Jobs that are waiting, running or dead; counted up to 10,000. Dead jobs raise an alert.",
            Unit.COUNT,
            (Query(database_statistic("seatline_jobs", by="state"), "{{state}}"),),
        ),
        Panel(
            "Pending refunds and captures",
            "Refunds not made yet, and authorized payments not captured yet; counted up to 10,000.",
            Unit.COUNT,
            (
                Query(database_statistic("seatline_refunds_pending"), "refunds"),
                Query(database_statistic("seatline_captures_pending"), "captures"),
            ),
        ),
        Panel(
            "Age of the oldest pending refund",
            "How long the oldest pending refund has waited. An alert fires from one hour.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_refund_age_seconds"), "age"),),
            critical_from=3_600,
        ),
        Panel(
            "Unreadable records",
            "Attempts per second to read a record that this version cannot read, by collection. Any raises an alert.",
            Unit.PER_SECOND,
            (Query(rate_by("collection", "seatline_unreadable_records_total"), "{{collection}}"),),
        ),
        Panel(
            "Age of the statistics",
            "Time since a worker last refreshed the statistics. It grows if no worker runs; an alert fires from 5 minutes.",
            Unit.SECONDS,
            (Query(f"time() - {database_statistic('seatline_survey_last_success_timestamp_seconds')}", "age"),),
            critical_from=300,
        ),
    ),
)

PAYMENTS_AND_WEBHOOKS = Row(
    "Payments and webhooks",
    (
        Panel(
            "Requests to the payment provider",
            "Requests per minute, by operation and outcome. Declined: the buyer's card was refused. Rejected: our request was "
            "wrong. Unavailable: no answer.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('operation, outcome', 'seatline_payment_requests_total')}", "{{operation}} {{outcome}}"),),
        ),
        Panel(
            "Duration of payment requests",
            "99 of 100 requests take less time than this, including all attempts, by operation.",
            Unit.SECONDS,
            (Query(quantile(0.99, "seatline_payment_request_seconds", by="operation"), "{{operation}}"),),
        ),
        Panel(
            "Webhook deliveries",
            "Attempts per minute, by outcome: delivered, to be retried, or given up after three days.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('outcome', 'seatline_webhook_deliveries_total')}", "{{outcome}}"),),
        ),
    ),
)

MONGODB = Row(
    "MongoDB",
    (
        Panel(
            "Commands",
            "Commands answered per second, by name.",
            Unit.PER_SECOND,
            (Query(rate_by("command", "seatline_mongodb_command_seconds_count"), "{{command}}"),),
            is_stacked=True,
        ),
        Panel(
            "Time of a command",
            "99 of 100 commands take less time than this, by name. Without getMore, which waits for future events.",
            Unit.SECONDS,
            (Query(quantile(0.99, "seatline_mongodb_command_seconds", 'command!="getMore"', by="command"), "{{command}}"),),
        ),
        Panel(
            "Failed commands",
            "Commands per second that failed or got no answer from MongoDB, by name.",
            Unit.PER_SECOND,
            (Query(rate_by("command", "seatline_mongodb_commands_failed_total"), "{{command}}"),),
        ),
        Panel(
            "Connections",
            "Connections in use and idle, of all processes. SEATLINE_MONGODB_CONNECTIONS_MAX limits those of one process.",
            Unit.COUNT,
            (Query(f"sum by (state) ({process_series('seatline_mongodb_connections')})", "{{state}}"),),
            is_stacked=True,
        ),
        Panel(
            "Primary known",
            "Whether a process knows MongoDB's primary. An alert fires if no process knows it for a minute.",
            Unit.YES_OR_NO,
            (Query(f"min by (pod, instance) ({process_series('seatline_mongodb_primary_known')})", _PROCESS),),
            axis_max=1,
        ),
        Panel(
            "Database available",
            "Whether a process can use MongoDB. A process that cannot is not ready.",
            Unit.YES_OR_NO,
            (Query(f"min by (pod, instance) ({process_series('seatline_database_available')})", _PROCESS),),
            axis_max=1,
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    (
        Panel(
            "Memory",
            "Resident memory, by process. It grows with the cached passengers: SEATLINE_LANE_CACHED_PASSENGERS_MAX.",
            Unit.BYTES,
            (Query(f"sum by (pod, instance) ({process_series('process_resident_memory_bytes')})", _PROCESS),),
        ),
        Panel(
            "CPU",
            "CPUs in use, by process. One event loop fills one CPU; the database driver's threads use a little more.",
            Unit.COUNT,
            (Query(rate_by("pod, instance", "process_cpu_seconds_total"), _PROCESS),),
        ),
        Panel(
            "Delay of the event loop",
            "How much later than scheduled the event loop runs a callback, 99th percentile, by process. Callers notice tens of "
            "milliseconds.",
            Unit.SECONDS,
            (Query(quantile(0.99, "seatline_event_loop_delay_seconds", by="pod, instance"), _PROCESS),),
        ),
        Panel(
            "Process uptime",
            "Time since each process started. A process that keeps falling to 0 restarts.",
            Unit.SECONDS,
            (Query(f"time() - min by (pod, instance) ({process_series('process_start_time_seconds')})", _PROCESS),),
        ),
        Panel(
            "Open files",
            "Open files and connections, by process.",
            Unit.COUNT,
            (Query(f"sum by (pod, instance) ({process_series('process_open_fds')})", _PROCESS),),
        ),
        Panel(
            "Garbage collections",
            "Collections per second of all processes, by generation. The oldest generation stops the event loop longest.",
            Unit.PER_SECOND,
            (Query(f"sum by (generation) ({rate('python_gc_collections_total')})", "{{generation}}"),),
        ),
    ),
)

ROWS = (OUTBOX_AND_JOBS, PAYMENTS_AND_WEBHOOKS, MONGODB, PROCESSES)
