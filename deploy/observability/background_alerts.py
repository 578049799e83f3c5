"""Alerts on the work that follows a sale: events, payments, jobs and webhooks.

Belongs here: their expressions, thresholds with reasons, and runbooks. Does not belong here: what buyers notice at once
(`sales_alerts.py`).
"""

from deploy.observability.description import Alert, Group, Severity

_OUTBOX_SECONDS = 300  # workers usually process an event within a second or two
_STATISTICS_SECONDS = 300  # workers refresh the statistics several times a minute
_LAYOUT_JOB_SECONDS = 1_800  # a year of runs takes a minute or two; some retries, and a worker that restarts, take minutes more
_CANCELLATION_SECONDS = 600  # a full train takes seconds; a worker that restarts takes a minute more
_REFUND_SECONDS = 3_600  # covers an hour's outage of the provider; a refund usually takes seconds
_UNREADABLE_WINDOW = "10m"  # workers retry unreadable records every minute, or every five minutes
_FAILED_SHARE = 0.9  # one failing receiver is its owner's problem; nearly all at once are ours
_UNAVAILABLE_SHARE = 0.5
_REQUESTS_MIN = 10  # of fewer requests, a share says nothing

_NO_WORKER = Alert(
    name="SeatlineNobodyWorks",
    severity=Severity.CRITICAL,
    expression=(
        "group by (namespace) (seatline_build_info) "
        "unless max by (namespace) (seatline_survey_last_success_timestamp_seconds) "
        f"> time() - {_STATISTICS_SECONDS} "
        "unless on (namespace) (max by (namespace) (seatline_database_available) == 0)"
    ),
    pending_for="2m",
    summary="No worker is running.",
    description="For five minutes, no worker has refreshed the statistics. Sales continue; the work after a sale does not.",
    impact=(
        "Authorized payments are not captured, refunds are not made, webhooks receive no events, and expired holds remain on "
        "train runs that get no calls. Buyers can still buy."
    ),
    checks=(
        "Is there a worker? Run `kubectl get pods`, or look for a server that was started with --with-worker.",
        "Read its log: it says when it waits for its database, and why.",
        "Ask its metrics port: /livez and /readyz.",
    ),
    remedies=(
        "Start a worker: `seatline worker`, or scale its deployment up from zero.",
        "Nothing is lost: the worker processes the backlog. Watch the panel Age of the outbox fall.",
    ),
    action="Start a worker. It processes the backlog.",
)

_OUTBOX = Alert(
    name="SeatlineOutboxOld",
    severity=Severity.CRITICAL,
    expression=f"max by (namespace) (seatline_outbox_age_seconds) > {_OUTBOX_SECONDS}",
    pending_for="2m",
    summary="Workers do not process the outbox.",
    description="The oldest unprocessed event is {{ $value | humanizeDuration }} old; workers usually need seconds.",
    impact="Workers run, but what follows a sale is late or does not happen: captures, refunds, webhook deliveries.",
    checks=(
        "Row Outbox and jobs: do the events grow steadily (too few workers), or does one event block the others?",
        "The workers' logs: why does the task that processes events fail? It is retried.",
        "Row MongoDB: are commands slow or failing?",
        "Row Processes: does a worker use one full CPU?",
    ),
    remedies=(
        "Too few workers: add workers. Any number of workers share the work.",
        "One event blocks the others: repair what the log names; roll back the last release.",
        "Restarting a worker does no harm: it repeats unfinished work under the same keys.",
    ),
    action="Read the workers' logs: add workers if they only lag, repair or roll back if one event blocks the others.",
)

_REFUNDS = Alert(
    name="SeatlineRefundsLate",
    severity=Severity.WARNING,
    expression=f"max by (namespace) (seatline_refund_age_seconds) > {_REFUND_SECONDS}",
    pending_for="10m",
    summary="A refund has been pending for more than an hour.",
    description="The oldest pending refund has waited for {{ $value | humanizeDuration }}.",
    impact="A customer has cancelled and has not got the money back. The receipt shows PENDING and the number of attempts.",
    checks=(
        "Row Payments and webhooks: is the provider unavailable, or does it reject requests?",
        "`seatline job list --state pending --kind 'settle payment'` shows attempts and the last error.",
        "`seatline job list` shows dead jobs of the same kind.",
        "Check the provider's dashboard: balance, limits, disputes.",
    ),
    remedies=(
        "Provider unavailable: wait. The worker retries by itself, with pauses of up to 15 minutes.",
        "Provider rejects: remove the cause there (balance, closed card), then run `seatline job retry` for the dead jobs.",
        "Refund by hand only if the provider will never do it, and record which refund; `seatline verify` will report it.",
    ),
    action="Find out what the provider answers; remove the cause there, then run `seatline job retry` for the dead jobs.",
)

_DEAD = Alert(
    name="SeatlineJobsDead",
    severity=Severity.WARNING,
    expression='max by (namespace) (seatline_jobs{state="dead"}) > 0',
    pending_for="5m",
    summary="Jobs are dead: the worker has stopped retrying them.",
    description="{{ $value | humanize }} jobs are dead: all attempts failed, or one failed with a permanent error.",
    impact=(
        "What they were to do stays undone until an operator acts: a payment is not captured, a refund is not made, or a run "
        "keeps an old layout."
    ),
    checks=(
        "`seatline job list` shows each job with its kind, attempts and last error.",
        "Row Payments and webhooks, at the time of the last attempts.",
    ),
    remedies=(
        "Remove the cause that the errors name: at the provider, in the settings, or by a release.",
        "Retry one job first with `seatline job retry JOB`; then the others with `seatline job retry --kind KIND`.",
    ),
    action="Run `seatline job list` to see the error; remove the cause, then run `seatline job retry`.",
)

_LAYOUT_JOBS = Alert(
    name="SeatlineLayoutJobUnfinished",
    severity=Severity.WARNING,
    expression=f"max by (namespace) (seatline_layout_job_age_seconds) > {_LAYOUT_JOB_SECONDS}",
    pending_for="10m",
    summary="The change of a train's layout does not come to an end.",
    description="The oldest layout job that is not complete began {{ $value | humanizeDuration }} ago; most take a minute.",
    impact=(
        "Some future runs of a train still have the old layout: they sell seats that will not exist, or miss new ones. "
        "Later changes of this train wait for those runs."
    ),
    checks=(
        "`seatline job list --state pending --kind 'update run layout'` shows the runs that are left, attempts and last error.",
        "A job's id without its date is the layout job: `seatline layout status LAYOUT_JOB` shows how far it has come.",
        "`seatline job list` shows dead jobs of the same kind: their runs stay as they are until an operator acts.",
        "Rows Lanes and MongoDB: is a run so busy, or the database so slow, that commands get no turn?",
    ),
    remedies=(
        "Jobs are dead: remove the cause that their errors name, then run `seatline job retry --kind 'update run layout'`.",
        "A run or another record is unreadable: repair it as SeatlineRecordsUnreadable says; the job then goes on.",
        "Nothing fails and jobs wait: add workers. Restarting a worker does no harm: each run is changed once.",
    ),
    action="Run `seatline job list`: remove the cause of the errors, then run `seatline job retry`; add workers if jobs wait.",
)

_CANCELLATIONS = Alert(
    name="SeatlineRunCancellationUnfinished",
    severity=Severity.CRITICAL,
    expression=f"max by (namespace) (seatline_run_cancellation_age_seconds) > {_CANCELLATION_SECONDS}",
    pending_for="2m",
    summary="The cancellation of a train run does not come to an end.",
    description="A run was cancelled {{ $value | humanizeDuration }} ago and still has bookings; most take seconds.",
    impact=(
        "Passengers of a train that does not run still hold bookings, have heard nothing, and have no refund. Nobody can buy "
        "seats on the run meanwhile, and whoever cancels the own booking gets everything back."
    ),
    checks=(
        "`seatline run list` shows cancelled runs; `seatline run status TRAIN DATE` shows how many bookings are cancelled.",
        "The workers' logs: `run ... refused CancelNextBookings` names the run and the reason.",
        "Rows Processes and MongoDB: does a worker run, and does the database answer?",
    ),
    remedies=(
        "No worker runs: start one. It goes on where the last one stopped; each booking is refunded once.",
        "A booking or the run is unreadable: repair it as SeatlineRecordsUnreadable says; the cancellation then goes on.",
    ),
    action="Read the workers' logs for the run; start a worker, or repair the unreadable record.",
)

_UNREPORTED = Alert(
    name="SeatlineRunsUnreported",
    severity=Severity.WARNING,
    # An installation on which nobody reports on any run does not use reports.
    expression=(
        'max by (namespace) (seatline_completed_runs{report="unreported"}) > 0 '
        'and max by (namespace) (seatline_completed_runs{report="reported"}) > 0'
    ),
    pending_for="30m",
    summary="Nobody reports on some runs that have departed.",
    description="{{ $value }} runs should have arrived an hour ago or more, and nobody has reported a delay or an arrival.",
    impact=(
        "These runs count as on time. Passengers of a late train see wrong times, do not hear of the delay, and cannot cancel "
        "free of charge."
    ),
    checks=(
        "`seatline run list` shows the runs of today; `seatline run status TRAIN DATE` shows when something was last reported.",
        "Does the feed that calls SetDelay and RecordArrival run? Its log shows refused reports.",
        "Panel Calls by method: do SetDelay and RecordArrival arrive, and with which codes?",
    ),
    remedies=(
        "Repair the feed. It may report arrivals later: `seatline run arrive` takes the time of the arrival.",
        "Record the arrivals of these runs by hand with `seatline run arrive`.",
    ),
    action="Repair the feed of reports; record the missing arrivals with `seatline run arrive`.",
)

_UNREADABLE = Alert(
    name="SeatlineRecordsUnreadable",
    severity=Severity.CRITICAL,
    expression=(f"sum by (namespace, collection) (increase(seatline_unreadable_records_total[{_UNREADABLE_WINDOW}])) > 0"),
    pending_for="1m",
    summary="Seatline cannot read stored records.",
    description="The running version cannot read some records of {{ $labels.collection }}.",
    impact=(
        "Seatline skips each unreadable record and serves all others. Until the record can be read, its train run is not "
        "sold, its payment not captured or refunded, its event not processed, its webhook not notified. Nothing overwrites it."
    ),
    checks=(
        "Read the log: `unreadable ... skipped` names the record and the invalid field.",
        "`seatline verify` lists all of them under `readable`.",
        "Was a release rolled back, or does an older version still run? Then a newer version wrote them.",
    ),
    remedies=(
        "Written by a newer version: roll forward. Seatline retries the records within a minute, events and jobs too.",
        "Edited by hand, or damaged: correct the field that the log names, from the backup or from `seatline verify`.",
        "A webhook that was unreadable has missed events: tell its owner from when to when.",
    ),
    action="Read in the log which record and field; roll forward if a newer version wrote it, otherwise correct the record.",
)

_PAYMENTS = Alert(
    name="SeatlinePaymentsUnavailable",
    severity=Severity.WARNING,
    expression=(
        'sum by (namespace) (rate(seatline_payment_requests_total{outcome="unavailable"}[10m])) '
        f"/ sum by (namespace) (rate(seatline_payment_requests_total[10m])) > {_UNAVAILABLE_SHARE} "
        f"and sum by (namespace) (increase(seatline_payment_requests_total[10m])) >= {_REQUESTS_MIN}"
    ),
    pending_for="5m",
    summary="The payment provider does not answer.",
    description="The payment provider left {{ $value | humanizePercentage }} of the last ten minutes' requests unanswered.",
    impact="Buyers who pay by card get UNAVAILABLE; captures and refunds wait. No payment is captured twice.",
    checks=(
        "Look at the provider's status page.",
        "Read the logs: timeouts, TLS errors, or 401 for a key that has been revoked.",
        "Check the outgoing network: network policies, proxies, name resolution.",
    ),
    remedies=(
        "Provider unavailable: tell the sales team, and wait; workers retry everything that is due.",
        "Our fault: correct the key or the outgoing network; a new key needs a restart.",
    ),
    action="Look at the provider's status page; if the provider is up, repair our key or our outgoing network.",
)

_WEBHOOKS_FAILING = Alert(
    name="SeatlineWebhooksFailing",
    severity=Severity.WARNING,
    expression=(
        'sum by (namespace) (rate(seatline_webhook_deliveries_total{outcome!="delivered"}[30m])) '
        f"/ sum by (namespace) (rate(seatline_webhook_deliveries_total[30m])) > {_FAILED_SHARE} "
        f"and sum by (namespace) (increase(seatline_webhook_deliveries_total[30m])) >= {_REQUESTS_MIN}"
    ),
    pending_for="15m",
    summary="Almost all webhook deliveries fail.",
    description="{{ $value | humanizePercentage }} of the webhook deliveries in the last half hour failed.",
    impact="Receivers get no events. Seatline keeps the events and retries them for three days.",
    checks=(
        "Run `seatline webhook list`, then `seatline webhook deliveries WEBHOOK`: status and error of each attempt.",
        "Does one receiver fail, or do all? A failing receiver gets few attempts, and its owner must repair it.",
        "All: check the outgoing network (network policies, proxies, name resolution, the workers' certificates).",
    ),
    remedies=(
        "All: repair the outgoing network; workers then deliver what is due.",
        "One: tell its owner; disable it with `seatline webhook update` if it will not come back.",
    ),
    action="Run `seatline webhook deliveries`. One receiver fails: tell its owner. All fail: repair our outgoing network.",
)

_WEBHOOKS_GIVEN_UP = Alert(
    name="SeatlineWebhooksGivenUp",
    severity=Severity.WARNING,
    expression='sum by (namespace) (increase(seatline_webhook_deliveries_total{outcome="given_up"}[1h])) > 0',
    pending_for="5m",
    summary="A worker has given up webhook deliveries.",
    description="In the last hour, workers gave up {{ $value | humanize }} webhook deliveries.",
    impact="A receiver has missed events for good: it failed for three days, or answered that it is gone.",
    checks=("Run `seatline webhook list`, then `seatline webhook deliveries WEBHOOK`: which events, which answers?",),
    remedies=(
        "Tell the receiver's owner which events it missed; all bookings can be read through the API.",
        "Delete the webhook if nobody needs it.",
    ),
    action="Tell the receiver's owner which events it missed; delete the webhook if nobody needs it.",
)

GROUPS = (
    Group(
        "seatline-work",
        alerts=(
            _NO_WORKER,
            _OUTBOX,
            _REFUNDS,
            _DEAD,
            _LAYOUT_JOBS,
            _CANCELLATIONS,
            _UNREPORTED,
            _UNREADABLE,
            _PAYMENTS,
            _WEBHOOKS_FAILING,
            _WEBHOOKS_GIVEN_UP,
        ),
    ),
)
