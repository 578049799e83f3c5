"""Alerts on what goes on after a sale: events, money, jobs and webhooks.

Belongs here: their expressions, their thresholds with reasons, and their runbooks. Does not: what buyers notice at once
(`sales_alerts.py`).
"""

from deploy.observability.description import Alert, Group, Severity

_OUTBOX_SECONDS = 300  # events are followed up within a second or two
_STATISTICS_SECONDS = 300  # workers survey the database some times a minute
_REFUND_SECONDS = 3_600  # a provider's bad hour; refunds usually take seconds
_UNREADABLE_WINDOW = "10m"  # workers look at what is set apart every minute, or every five
_FAILED_SHARE = 0.9  # a receiver that is down is its owner's business; nearly all at once are ours
_UNAVAILABLE_SHARE = 0.5
_REQUESTS_MIN = 10  # of fewer, a share says nothing

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
    summary="No worker is at work.",
    description="For five minutes, no process has looked at what is to be done. Sales go on; all that follows them does not.",
    impact=(
        "Money that was set aside is not taken, refunds are not made, webhooks hear nothing, and trains that nobody asks for "
        "keep their expired holds. Buyers can buy."
    ),
    checks=(
        "Is there a worker? `kubectl get pods`, or a server that was started with --with-worker.",
        "Its log: it says when it waits for its database, and why.",
        "Its port for metrics: /livez and /readyz.",
    ),
    remedies=(
        "Start a worker: `seatline worker`, or scale its deployment up from zero.",
        "Nothing is lost: it takes up all that has waited. Watch Age of the outbox fall.",
    ),
    action="Start a worker. It takes up all that has waited.",
)

_OUTBOX = Alert(
    name="SeatlineOutboxOld",
    severity=Severity.CRITICAL,
    expression=f"max by (namespace) (seatline_outbox_age_seconds) > {_OUTBOX_SECONDS}",
    pending_for="2m",
    summary="What was sold is not followed up.",
    description="The oldest event that nothing has followed up is {{ $value | humanizeDuration }} old; usually it is seconds.",
    impact="Workers run, but what follows a sale comes late or not at all: taking the money, refunds, webhooks.",
    checks=(
        "Row Outbox and jobs: do its events grow evenly (too few workers), or is one in the way?",
        "The workers' logs: `follow up events` fails with a reason, and is tried again.",
        "Row MongoDB: slow or failing commands.",
        "Row Processes: a worker at a whole processor.",
    ),
    remedies=(
        "Too few: add workers; any number may share the work.",
        "One in the way: mend what the log names; roll back what was released last.",
        "Restarting workers harms nothing: whatever was begun is done again under the same names.",
    ),
    action="Read the workers' logs: add workers if they only lag, mend or roll back if one event is in the way.",
)

_REFUNDS = Alert(
    name="SeatlineRefundsLate",
    severity=Severity.WARNING,
    expression=f"max by (namespace) (seatline_refund_age_seconds) > {_REFUND_SECONDS}",
    pending_for="10m",
    summary="A refund has waited for more than an hour.",
    description="The oldest refund that is not made yet has waited for {{ $value | humanizeDuration }}.",
    impact="Somebody has cancelled and has not got the money back. The receipt says PENDING, with the number of attempts.",
    checks=(
        "Row Payments and webhooks: does the provider answer (unavailable), or say no (rejected)?",
        "`seatline job list --state pending --kind 'settle payment'`: attempts, and the error of the last one.",
        "`seatline job list`: jobs that were given up, of the same kind.",
        "The provider's dashboard: balance, limits, disputes.",
    ),
    remedies=(
        "Provider away: wait. Tries go on by themselves, with pauses up to 15 minutes.",
        "Provider says no: clear the reason there (balance, closed card), then `seatline job retry` what was given up.",
        "Refund by hand only if the provider will never do it, and write down which; then `seatline verify` tells of it.",
    ),
    action="See what the provider says; clear the reason there, then `seatline job retry` what was given up.",
)

_DEAD = Alert(
    name="SeatlineJobsDead",
    severity=Severity.WARNING,
    expression='max by (namespace) (seatline_jobs{state="dead"}) > 0',
    pending_for="5m",
    summary="Work was given up.",
    description="{{ $value | humanize }} jobs are dead: all their tries failed, or one showed that no other will help.",
    impact="A payment is not settled, and will not be until somebody says so: money not taken, or not given back.",
    checks=(
        "`seatline job list`: each with its kind, its attempts and its last error.",
        "Row Payments and webhooks, at the time of the last attempts.",
    ),
    remedies=(
        "Clear the reason that the errors name: at the provider, in the settings, or by a release.",
        "`seatline job retry JOB` for one first; then `seatline job retry --kind KIND` for the rest.",
    ),
    action="`seatline job list` says why; clear the reason, then `seatline job retry`.",
)

_UNREADABLE = Alert(
    name="SeatlineRecordsUnreadable",
    severity=Severity.CRITICAL,
    expression=(f"sum by (namespace, collection) (increase(seatline_unreadable_records_total[{_UNREADABLE_WINDOW}])) > 0"),
    pending_for="1m",
    summary="Stored records cannot be read.",
    description="Some records of {{ $labels.collection }} cannot be read by the version that runs.",
    impact=(
        "Each such record is set apart, and all others go on: a run is not sold, a payment not taken or given back, an event "
        "not followed up, a webhook told of nothing, until its record can be read. Nothing is written over it."
    ),
    checks=(
        "The log: `unreadable ... set apart` names the record, and the field that is wrong.",
        "`seatline verify` lists all of them, under `readable`.",
        "Was a release rolled back, or does an older one still run? Then a newer one wrote them.",
    ),
    remedies=(
        "Written by a newer version: roll forward. What was set apart is taken up again within a minute, events and jobs too.",
        "Written by hand, or lost: mend the field that the log names, from the backup or from what `seatline verify` says.",
        "A webhook that could not be read missed events meanwhile: tell its owner from when to when.",
    ),
    action="Read which record and field the log names; roll forward if a newer version wrote it, else mend it.",
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
    description="{{ $value | humanizePercentage }} of the last ten minutes' requests to the payment provider had no answer.",
    impact="Buyers who pay by card are told UNAVAILABLE; captures and refunds wait. Nothing is taken twice.",
    checks=(
        "The provider's status page.",
        "The logs: timeouts, TLS, or 401 for a key that is no longer good.",
        "Way out: network policies, proxies, name resolution.",
    ),
    remedies=(
        "Provider away: tell those who sell, and wait; all that is due is tried again.",
        "Ours: put the key or the way out right, and restart for a new key.",
    ),
    action="Look at the provider's status page; if the provider is well, mend our key or our way out.",
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
    summary="Hardly any event reaches its webhook.",
    description="{{ $value | humanizePercentage }} of the attempts of the last half hour failed.",
    impact="Programs of others hear nothing of sales. Events are kept and sent again for three days.",
    checks=(
        "`seatline webhook list`, then `seatline webhook deliveries WEBHOOK`: status and error of each attempt.",
        "One receiver or all? One that fails is tried seldom, and has its owner to mend it.",
        "All: way out (network policies, proxies, name resolution, the workers' certificates).",
    ),
    remedies=(
        "All: mend the way out; what is due is sent by itself.",
        "One: tell its owner; stop it with `seatline webhook update` if it will not come back.",
    ),
    action="See by `seatline webhook deliveries` whether one receiver fails or all; tell its owner, or mend our way out.",
)

_WEBHOOKS_GIVEN_UP = Alert(
    name="SeatlineWebhooksGivenUp",
    severity=Severity.WARNING,
    expression='sum by (namespace) (increase(seatline_webhook_deliveries_total{outcome="given_up"}[1h])) > 0',
    pending_for="5m",
    summary="Events were given up that a webhook should have got.",
    description="In the last hour, {{ $value | humanize }} deliveries were given up.",
    impact="A program of others has missed events for good: its receiver failed for three days, or said that it is gone.",
    checks=("`seatline webhook list`, then `seatline webhook deliveries WEBHOOK`: which events, and what the receiver said.",),
    remedies=(
        "Tell the owner of the receiver which events it missed; all bookings can be read by the API.",
        "Delete the webhook if nobody misses it.",
    ),
    action="Tell the receiver's owner what was missed; delete the webhook if nobody misses it.",
)

GROUPS = (
    Group(
        "seatline-work",
        alerts=(_NO_WORKER, _OUTBOX, _REFUNDS, _DEAD, _UNREADABLE, _PAYMENTS, _WEBHOOKS_FAILING, _WEBHOOKS_GIVEN_UP),
    ),
)
