"""Alerts on notices: mails and SMS that fail, are late, or have no provider.

Belongs here: their expressions, thresholds with reasons, and runbooks. Does not belong here: other work
(`background_alerts.py`).
"""

from deploy.observability.description import Alert, Group, Severity

_FAILED_SHARE = 0.5  # a wrong address now and then is its owner's; half of all at once are our sender or our settings
_NOTICES_MIN = 10  # of fewer notices, a share says nothing
_LATE_SECONDS = 900  # a mail takes seconds; a reminder that is a quarter of an hour late finds its reader on the way

_FAILING = Alert(
    name="SeatlineNoticesFailing",
    severity=Severity.WARNING,
    expression=(
        'sum by (namespace, channel) (rate(seatline_notices_total{outcome=~"failed|retried"}[30m])) '
        '/ sum by (namespace, channel) (rate(seatline_notices_total{outcome!="skipped"}[30m])) '
        f"> {_FAILED_SHARE} "
        f'and sum by (namespace, channel) (increase(seatline_notices_total{{outcome!="skipped"}}[30m])) >= {_NOTICES_MIN}'
    ),
    pending_for="10m",
    summary="Most attempts to send notices fail.",
    description="{{ $value | humanizePercentage }} of the attempts by {{ $labels.channel }} in the last half hour failed.",
    impact=(
        "Passengers do not receive tickets, changes and reminders by this channel. What the provider refuses for good is not "
        "sent again; what fails is retried for a day."
    ),
    checks=(
        "Run `seatline notice list --email ADDRESS` for a passenger: the last answer of the provider is in each notice.",
        "550 or 554 for many addresses: the provider, or the receivers, block our sender or our domain (SPF, DKIM, DMARC).",
        "530 or 535, or an unknown sender: our login or sender was changed or has expired.",
    ),
    remedies=(
        "Settings or login: correct them and restart the workers; what is retried is then sent.",
        "Blocked: have the block removed. Send again what was refused with `seatline ticket resend`.",
    ),
    action="Run `seatline notice list` for the provider's answers; correct login or sender, or have the block removed.",
)

_LATE = Alert(
    name="SeatlineNoticesLate",
    severity=Severity.WARNING,
    expression=f"max by (namespace, channel) (seatline_notice_age_seconds) > {_LATE_SECONDS}",
    pending_for="5m",
    summary="Notices are not sent when they are due.",
    description="A notice by {{ $labels.channel }} that nobody tried to send was due {{ $value | humanizeDuration }} ago.",
    impact="Tickets, changes and reminders arrive late. Reminders of trains that leave meanwhile are skipped.",
    checks=(
        "Row Notices: is a circuit open? Then SeatlineNoticeCircuitOpen says what to do.",
        "`seatline job list --kind 'send email'` shows dead jobs, and their errors.",
        "Do more notices become due than SEATLINE_SMTP_PER_SECOND_MAX lets pass?",
        "Row Processes: does a worker use one full CPU? Tickets are drawn by the workers.",
    ),
    remedies=(
        "Too few sends a second: raise the limit as far as the provider allows, or add workers, each with its own limit.",
        "Dead jobs: remove the cause that their errors name, then run `seatline job retry --kind 'send email'`.",
    ),
    action="Look at row Notices: mend the provider if a circuit is open, otherwise raise the rate or add workers.",
)

_CIRCUIT = Alert(
    name="SeatlineNoticeCircuitOpen",
    severity=Severity.WARNING,
    expression="max by (namespace, channel) (seatline_notice_circuit_open) > 0",
    pending_for="5m",
    summary="The provider of a channel is failing: workers only probe it.",
    description="For five minutes or more, a worker sends nothing by {{ $labels.channel }} but a probe every 30 seconds.",
    impact="Notices by this channel wait; other channels go on. Nothing is lost: they are sent once the provider answers.",
    checks=(
        "Look at the provider's status page.",
        "Read the workers' logs, and `seatline notice list --email ADDRESS`: time-outs, 421, a bad certificate, a wrong login?",
        "Check the outgoing network of the workers: network policies, name resolution, the port of SEATLINE_SMTP_PORT.",
    ),
    remedies=(
        "Provider unavailable: wait. The circuit closes by itself with the first probe that succeeds.",
        "Our fault: correct login, certificate or network; new settings need a restart.",
    ),
    action="Look at the provider's status page; if the provider is up, repair our login, certificate or outgoing network.",
)

GROUPS = (Group("seatline-notices", alerts=(_FAILING, _LATE, _CIRCUIT)),)
