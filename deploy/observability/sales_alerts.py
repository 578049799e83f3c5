"""Alerts on what buyers notice: bookings that fail or are slow, and a service or a database that is away.

Belongs here: their expressions, their thresholds with reasons, and their runbooks. Does not: what goes on after a sale
(`background_alerts.py`), nor what counts as a failed booking (`objective.py`).
"""

from deploy.observability.description import Alert, Group, Severity
from deploy.observability.objective import BUDGET, CREATE_BOOKING, failure_ratio, failures, recordings

# Of so few failed calls within the long window nobody hears: at night, one in fifty would burn any budget.
_FAILURES_MIN = 10
_SLOW_SECONDS = 2.5  # a card network takes one or two; a commit takes milliseconds
_SLOW_CALLS_PER_SECOND_MIN = 0.1  # of fewer, the slowest hundredth is one call
_SWAPS_LOST_SHARE = 0.5  # servers that take turns lose one in some hundreds
_SWAPS_LOST_PER_SECOND_MIN = 1

_WINDOW_SECONDS = {"1h": 3_600, "6h": 21_600, "1d": 86_400, "3d": 259_200}


def _burn_rate_alert(days: int, factor: str, windows: tuple[str, str], pending_for: str, severity: Severity) -> Alert:
    """The budget of 30 days would be spent in so many: `factor` times as fast as it may, over the long and the short window."""
    long, short = windows
    limit = f"{factor} * {BUDGET}"
    often = "more often than" if factor == "1" else f"more than {factor} times as often as"
    is_urgent = severity is Severity.CRITICAL
    return Alert(
        name=f"SeatlineBookingBudgetGoneIn{days}Days",
        severity=severity,
        expression=(
            f"{failure_ratio(long)} > {limit} and {failure_ratio(short)} > {limit} "
            f"and {failures(long)} * {_WINDOW_SECONDS[long]} >= {_FAILURES_MIN}"
        ),
        pending_for=pending_for,
        summary=f"CreateBooking fails so often that a month's error budget lasts {days} days.",
        description=(
            f"Over {long}, {{{{ $value | humanizePercentage }}}} of the calls failed through no fault of their callers; "
            "0.1% may. It still goes on."
        ),
        impact=(
            f"Buyers are told of errors where they should get seats: {often} the promise allows, "
            f"over {long} and still over the last {short}."
        ),
        checks=(
            "Dashboard Seatline, row Calls: which codes (Calls that failed) and which reasons (Refusals by reason).",
            "DATABASE_UNAVAILABLE: row MongoDB, and the alerts of the database.",
            "PAYMENT_UNAVAILABLE: row Payments and webhooks, and the provider's own status page.",
            "LANE_FULL or TOO_MANY_CALLS: row Lanes and row Processes: is it more callers than ever, or slower commits?",
            "COMMIT_ATTEMPTS_SPENT: the alert SeatlineSwapsLost has its steps.",
            "INTERNAL: the servers' logs; every such answer carries an incident's number that the log has with its cause.",
        ),
        remedies=(
            "If it began with a release, roll that back first and ask why later; drained servers lose no call.",
            "If there is no room, add servers while MongoDB has processor time left; otherwise give MongoDB more of it.",
            "If the provider is away, tell those who sell; calls may be sent again under the same request_id without harm.",
            "When it is over, run `seatline verify` against the live database.",
        ),
        action=(
            f"{'Now' if is_urgent else 'Today'}: see which reason the failures give; roll back what was released last; "
            "make room, or mend the database."
        ),
    )


_SLOW = Alert(
    name="SeatlineCreateBookingSlow",
    severity=Severity.WARNING,
    expression=(
        "histogram_quantile(0.99, sum by (namespace, le) "
        f"(rate(grpc_server_handling_seconds_bucket{{{CREATE_BOOKING}}}[5m]))) > {_SLOW_SECONDS} "
        f"and sum by (namespace) (rate(grpc_server_handling_seconds_count{{{CREATE_BOOKING}}}[5m])) "
        f"> {_SLOW_CALLS_PER_SECOND_MIN}"
    ),
    pending_for="10m",
    summary="One in a hundred bookings is slow.",
    description=f"The slowest hundredth takes {{{{ $value | humanizeDuration }}}}; {_SLOW_SECONDS} s is too long.",
    impact="Buyers wait; some go away or ask again. Usually a booking takes milliseconds, a card's network a second or two.",
    checks=(
        "Row Lanes: do callers wait for their turn (Time in the lane), or is each commit slow (Time of a commit)?",
        "Slow commits: row MongoDB, commands' times; then MongoDB's own disks, caches and elections.",
        "Waiting without slow commits: row Processes; a process at a whole processor, or a delayed event loop, is too busy.",
        "Neither: row Payments and webhooks; is the provider slow? The trace of a slow call (a dot in the picture) tells.",
    ),
    remedies=(
        "Give MongoDB what it lacks, if its commands are slow.",
        "Add servers, if theirs is the processor that is full.",
        "If the provider is slow, lower SEATLINE_PAYMENTS_TIMEOUT_SECONDS only when buyers are better off with a clear no.",
    ),
    action="Find where the time goes (lane, commit, provider) by the dashboard or a trace, and give that part what it lacks.",
)

_SWAPS = Alert(
    name="SeatlineSwapsLost",
    severity=Severity.WARNING,
    expression=(
        "sum by (namespace) (rate(seatline_lane_swaps_lost_total[5m])) "
        f"/ sum by (namespace) (rate(seatline_lane_commit_seconds_count[5m])) > {_SWAPS_LOST_SHARE} "
        f"and sum by (namespace) (rate(seatline_lane_swaps_lost_total[5m])) > {_SWAPS_LOST_PER_SECOND_MIN}"
    ),
    pending_for="10m",
    summary="Servers take each other's commits away.",
    description="{{ $value | humanize }} swaps are lost for each commit; servers that take turns lose hardly any.",
    impact=(
        "Several servers sell the same train and undo each other's work instead of taking turns. Bookings grow slow; some are "
        "refused with COMMIT_ATTEMPTS_SPENT."
    ),
    checks=(
        "Row Lanes: which processes lose swaps, and since when; row Calls: refusals with COMMIT_ATTEMPTS_SPENT.",
        "Number of servers: did it just grow? Are the clocks of their machines right?",
        "Row MongoDB: slow commands make every turn longer, and so every collision likelier.",
        "Whether anything but Seatline writes to the collection train_runs.",
    ),
    remedies=(
        "Have the calls of a train go to few servers (by a hash of the train in the load balancer), or run fewer servers.",
        "If it began with a release, roll that back: servers of two versions may not take turns.",
        "If something else writes to train_runs, stop it, and run `seatline verify`.",
    ),
    action="See whether the number of servers or the release changed; let fewer servers sell the same train.",
)

_NO_PRIMARY = Alert(
    name="SeatlineNoPrimary",
    severity=Severity.CRITICAL,
    expression="max by (namespace) (seatline_mongodb_primary_known) == 0",
    pending_for="1m",
    summary="MongoDB has no primary that any process can reach.",
    description="No process of Seatline has known a primary for a minute; an election takes seconds.",
    impact="Nothing can be sold, changed or cancelled. All calls that need the database end with UNAVAILABLE at once.",
    checks=(
        "`rs.status()` at each member of the replica set: who is up, who votes, what the last election says.",
        "The members' disks and machines: is a majority of them alive?",
        "The network and its policies between the processes and the members, if the set itself is well.",
    ),
    remedies=(
        "Bring members back until a majority is up; they elect a primary by themselves.",
        "Only if a majority is lost for good: reconfigure the set by force, and accept that its last writes are gone.",
        "Seatline goes on by itself, and needs no restart. Then run `seatline verify`.",
    ),
    action="Bring a majority of MongoDB's members back; Seatline goes on by itself.",
)

_DATABASE = Alert(
    name="SeatlineDatabaseUnavailable",
    severity=Severity.CRITICAL,
    expression="max by (namespace) (seatline_database_available) == 0",
    pending_for="1m",
    summary="No process of Seatline can use its database.",
    description="For a minute, MongoDB has answered no process of Seatline; all of them say that they are not ready.",
    impact="Nothing can be sold, changed or cancelled, and load balancers find no server that is ready.",
    checks=(
        "Whether SeatlineNoPrimary alerts as well: then its steps come first.",
        "The processes' logs: they say why MongoDB cannot be used (credentials, TLS, names, timeouts).",
        "What changed: passwords, certificates, network policies, MongoDB's version or size.",
        "MongoDB's disks: a full one answers reads and refuses writes.",
    ),
    remedies=(
        "Undo the change, or mend what the logs name.",
        "Seatline goes on by itself once MongoDB answers; a changed connection string needs a restart.",
    ),
    action="Read in the logs why MongoDB cannot be used, and mend that; Seatline goes on by itself.",
)

_CUT_OFF = Alert(
    name="SeatlineProcessCutOff",
    severity=Severity.WARNING,
    expression=(
        "min by (namespace, job, pod, instance) (seatline_database_available) == 0 "
        "unless on (namespace) (max by (namespace) (seatline_database_available) == 0)"
    ),
    pending_for="5m",
    summary="A process of Seatline cannot use the database that others use.",
    description="{{ $labels.instance }} has not reached MongoDB for five minutes, while other processes do.",
    impact="This process serves nobody. The others carry its load; buyers notice nothing unless they are too few.",
    checks=(
        "The log of that process: it says why.",
        "Its machine: network, name resolution, clock; whether other programs there reach MongoDB.",
        "Row MongoDB: are all of its connections in use?",
    ),
    remedies=(
        "Delete the pod, or restart the process elsewhere.",
        "If its machine is at fault, take it out of service.",
    ),
    action="Restart that one process elsewhere; look at its machine's network.",
)

# Servers have it from their start, before the first call; workers never.
_SERVES = f"grpc_server_started_total{{{CREATE_BOOKING}}}"

_NO_SERVER = Alert(
    name="SeatlineNoServer",
    severity=Severity.CRITICAL,
    # What was removed on purpose is forgotten after an hour; where no server was ever seen, nothing is right either.
    expression=(
        f"group by (namespace) (last_over_time({_SERVES}[1h])) unless group by (namespace) ({_SERVES}) "
        f"or on () group (absent({_SERVES}))"
    ),
    pending_for="2m",
    summary="No server of Seatline answers Prometheus.",
    description="For two minutes, Prometheus has had no answer from any server of Seatline.",
    impact="Most likely nothing is served at all. If it is, then nobody watches it: alerts on calls cannot speak now.",
    checks=(
        "Whether a call goes through: `seatline runs --target HOST:PORT`.",
        "Processes: are there any? `kubectl get pods`, their events and their last logs.",
        "Prometheus's page Targets: is Seatline there, and with which error? Does the port for metrics answer /livez?",
    ),
    remedies=(
        "If calls fail: bring servers up; roll back what was released last.",
        "If calls go through: mend the scraping (SEATLINE_METRICS_LISTEN, the monitor's selector, network policies).",
    ),
    action="Make a call yourself. If it fails, bring servers up or roll back; if not, mend the scraping.",
)

_TARGET_DOWN = Alert(
    name="SeatlineTargetDown",
    severity=Severity.WARNING,
    # Whatever the job is called: it is ours if it has told our build.
    expression=("up == 0 and on (namespace, job) group by (namespace, job) (last_over_time(seatline_build_info[1d]))"),
    pending_for="5m",
    summary="A process of Seatline does not answer Prometheus.",
    description="{{ $labels.instance }} of {{ $labels.job }} has not answered for five minutes.",
    impact="The process is dead, hangs, or cannot be reached. Others carry its load.",
    checks=(
        "The pod: `kubectl describe pod`; was it killed for memory, does it start again and again, is its machine gone?",
        "Its last log lines; whether its port for metrics answers /livez from inside.",
    ),
    remedies=(
        "Delete the pod if it hangs. It can be killed at any moment without harm.",
        "If it was killed for memory, compare its memory (row Processes) with its limit; cached passengers grow.",
    ),
    action="See why the process is gone or hangs; kill it if it hangs, which harms nothing.",
)

GROUPS = (
    Group("seatline-objective", recordings()),
    Group(
        "seatline-sales",
        alerts=(
            _burn_rate_alert(2, "14.4", ("1h", "5m"), "2m", Severity.CRITICAL),
            _burn_rate_alert(5, "6", ("6h", "30m"), "5m", Severity.CRITICAL),
            _burn_rate_alert(10, "3", ("1d", "2h"), "15m", Severity.WARNING),
            _burn_rate_alert(30, "1", ("3d", "6h"), "30m", Severity.WARNING),
            _SLOW,
            _SWAPS,
        ),
    ),
    Group("seatline-availability", alerts=(_NO_SERVER, _NO_PRIMARY, _DATABASE, _CUT_OFF, _TARGET_DOWN)),
)
