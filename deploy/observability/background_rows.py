"""The dashboard's rows about what goes on behind the sales: outbox and jobs, payments, webhooks, MongoDB, processes.

Belongs here: their panels. Does not: how Prometheus is asked (`queries.py`), nor the rows about sales (`sales_rows.py`).
"""

from deploy.observability.description import Panel, Query, Row, Unit
from deploy.observability.queries import database_statistic, process_series, quantile, rate, rate_by

_PROCESS = "{{pod}} {{instance}}"

OUTBOX_AND_JOBS = Row(
    "Outbox and jobs",
    (
        Panel(
            "Age of the outbox",
            "The oldest event that nothing has followed up yet. It is seconds where a worker runs; alerts from 5 minutes.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_outbox_age_seconds"), "age"),),
            warning_from=60,
            critical_from=300,
        ),
        Panel(
            "Events in the outbox",
            "Events that nothing has followed up yet; counted up to 10,000.",
            Unit.COUNT,
            (Query(database_statistic("seatline_outbox_events"), "events"),),
        ),
        Panel(
            "Jobs",
            "Jobs that wait, are being done, or were given up (dead); counted up to 10,000. Dead ones alert.",
            Unit.COUNT,
            (Query(database_statistic("seatline_jobs", by="state"), "{{state}}"),),
        ),
        Panel(
            "Money that is still to move",
            "Refunds that are not made yet, and payments with money set aside and not taken yet; counted up to 10,000.",
            Unit.COUNT,
            (
                Query(database_statistic("seatline_refunds_pending"), "refunds"),
                Query(database_statistic("seatline_captures_pending"), "captures"),
            ),
        ),
        Panel(
            "Age of the oldest refund",
            "How long the oldest refund that is not made yet has waited. Alerts from an hour.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_refund_age_seconds"), "age"),),
            critical_from=3_600,
        ),
        Panel(
            "Unreadable records",
            "How often stored records were come across that this version cannot read, by collection. Any alerts.",
            Unit.PER_SECOND,
            (Query(rate_by("collection", "seatline_unreadable_records_total"), "{{collection}}"),),
        ),
        Panel(
            "Since the last survey",
            "How long ago any worker looked at all of this. If it keeps growing, no worker runs; alerts from 5 minutes.",
            Unit.SECONDS,
            (Query(f"time() - {database_statistic('seatline_survey_last_success_timestamp_seconds')}", "ago"),),
            critical_from=300,
        ),
    ),
)

PAYMENTS_AND_WEBHOOKS = Row(
    "Payments and webhooks",
    (
        Panel(
            "Requests to the payment provider",
            "In a minute, by operation and by what it said: declined is a buyer's card, rejected our request, "
            "unavailable no answer.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('operation, outcome', 'seatline_payment_requests_total')}", "{{operation}} {{outcome}}"),),
        ),
        Panel(
            "Time of the payment provider",
            "What 99 of 100 requests stay below, with all their tries, by operation.",
            Unit.SECONDS,
            (Query(quantile(0.99, "seatline_payment_request_seconds", by="operation"), "{{operation}}"),),
        ),
        Panel(
            "Deliveries to webhooks",
            "Attempts in a minute: delivered, to be tried again, or given up after three days.",
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
            "Commands answered in a second, by name.",
            Unit.PER_SECOND,
            (Query(rate_by("command", "seatline_mongodb_command_seconds_count"), "{{command}}"),),
            is_stacked=True,
        ),
        Panel(
            "Time of a command",
            "What 99 of 100 stay below, by name. getMore waits for events that are still to come, and is left out.",
            Unit.SECONDS,
            (Query(quantile(0.99, "seatline_mongodb_command_seconds", 'command!="getMore"', by="command"), "{{command}}"),),
        ),
        Panel(
            "Commands that failed",
            "Commands in a second that MongoDB failed or did not answer, by name.",
            Unit.PER_SECOND,
            (Query(rate_by("command", "seatline_mongodb_commands_failed_total"), "{{command}}"),),
        ),
        Panel(
            "Connections",
            "Connections in use and idle, of all processes. SEATLINE_MONGODB_CONNECTIONS_MAX bounds them for each.",
            Unit.COUNT,
            (Query(f"sum by (state) ({process_series('seatline_mongodb_connections')})", "{{state}}"),),
            is_stacked=True,
        ),
        Panel(
            "Primary known",
            "Whether a process knows MongoDB's primary. Elections take seconds; alerts if nobody does for a minute.",
            Unit.YES_OR_NO,
            (Query(f"min by (pod, instance) ({process_series('seatline_mongodb_primary_known')})", _PROCESS),),
            axis_max=1,
        ),
        Panel(
            "Database available",
            "Whether a process can use MongoDB, and so is ready.",
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
            "Resident memory by process. Cached passengers are what grows: SEATLINE_LANE_CACHED_PASSENGERS_MAX.",
            Unit.BYTES,
            (Query(f"sum by (pod, instance) ({process_series('process_resident_memory_bytes')})", _PROCESS),),
        ),
        Panel(
            "Processors",
            "Processors in use by process. One event loop fills one; the database driver's threads use a little more.",
            Unit.COUNT,
            (Query(rate_by("pod, instance", "process_cpu_seconds_total"), _PROCESS),),
        ),
        Panel(
            "Delay of the event loop",
            "How much later than asked for the loop comes round, slowest hundredth, by process. Callers notice tens of "
            "milliseconds.",
            Unit.SECONDS,
            (Query(quantile(0.99, "seatline_event_loop_delay_seconds", by="pod, instance"), _PROCESS),),
        ),
        Panel(
            "Age of processes",
            "Since when each process runs. What falls to 0 again and again is restarting.",
            Unit.SECONDS,
            (Query(f"time() - min by (pod, instance) ({process_series('process_start_time_seconds')})", _PROCESS),),
        ),
        Panel(
            "Open files",
            "Files and connections that are open, by process.",
            Unit.COUNT,
            (Query(f"sum by (pod, instance) ({process_series('process_open_fds')})", _PROCESS),),
        ),
        Panel(
            "Collections of garbage",
            "In a second, by generation, of all processes. The oldest generation stops the loop longest.",
            Unit.PER_SECOND,
            (Query(f"sum by (generation) ({rate('python_gc_collections_total')})", "{{generation}}"),),
        ),
    ),
)

ROWS = (OUTBOX_AND_JOBS, PAYMENTS_AND_WEBHOOKS, MONGODB, PROCESSES)
