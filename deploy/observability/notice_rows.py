"""The row of the dashboard about notices.

Belongs here: its panels. Does not belong here: shared PromQL (`queries.py`), and the other rows.
"""

from deploy.observability.description import Panel, Query, Row, Unit
from deploy.observability.queries import database_statistic, process_series, quantile, rate_by

NOTICES = Row(
    "Notices",
    (
        Panel(
            "Notices",
            "Notices per minute, by channel and outcome: sent, skipped (not true, or not wanted), retried, failed for good.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('channel, outcome', 'seatline_notices_total')}", "{{channel}} {{outcome}}"),),
        ),
        Panel(
            "Lateness of notices",
            "99 of 100 notices were accepted by their channel within this time after they were due.",
            Unit.SECONDS,
            (Query(quantile(0.99, "seatline_notice_late_seconds", by="channel"), "{{channel}}"),),
        ),
        Panel(
            "Due notices",
            "Notices that are due and not sent yet; counted up to 10,000. Some wait for a mailbox that is full.",
            Unit.COUNT,
            (Query(database_statistic("seatline_notices_due", by="channel"), "{{channel}}"),),
        ),
        Panel(
            "Age of the oldest notice",
            "How long the oldest notice that nobody has tried to send has been due. An alert fires from 15 minutes.",
            Unit.SECONDS,
            (Query(database_statistic("seatline_notice_age_seconds", by="channel"), "{{channel}}"),),
            warning_from=300,
            critical_from=900,
        ),
        Panel(
            "Open circuits",
            "Workers that send nothing by a channel but probes, since its provider fails. Any raises an alert.",
            Unit.COUNT,
            (Query(f"sum by (channel) ({process_series('seatline_notice_circuit_open')})", "{{channel}}"),),
        ),
        Panel(
            "Parts that could not be made",
            "Notices per minute that were sent without a PDF, without a calendar entry, or with bare facts for words.",
            Unit.PER_MINUTE,
            (Query(f"60 * {rate_by('part', 'seatline_notice_parts_failed_total')}", "{{part}}"),),
        ),
    ),
)

ROWS = (NOTICES,)
