"""Alerts on what buyers notice: bookings that fail or are slow, and servers or a database that are unavailable.

Belongs here: their expressions, thresholds with reasons, and runbooks. Does not belong here: alerts on background work
(`background_alerts.py`), and the definition of a failed booking (`objective.py`).
"""

from deploy.observability.description import Alert, Group, Severity
from deploy.observability.objective import BUDGET, CREATE_BOOKING, failure_ratio, failures, recordings

# Fewer failed calls than this in the long window raise no alert: at night, one failure in fifty calls would exceed any budget.
_FAILURES_MIN = 10
_SLOW_SECONDS = 2.5  # a card network takes one or two seconds; a commit takes milliseconds
_SLOW_CALLS_PER_SECOND_MIN = 0.1  # with fewer calls, the slowest 1 % is a single call
_SWAPS_LOST_SHARE = 0.5  # servers that take turns lose about one swap in some hundred commits
_SWAPS_LOST_PER_SECOND_MIN = 1

_WINDOW_SECONDS = {"1h": 3_600, "6h": 21_600, "1d": 86_400, "3d": 259_200}


def _burn_rate_alert(days: int, factor: str, windows: tuple[str, str], pending_for: str, severity: Severity) -> Alert:
    """Alert when the error budget of 30 days would last only `days` days.

    The failure ratio must exceed `factor` times the budget over both the long and the short window.
    """
    long, short = windows
    limit = f"{factor} * {BUDGET}"
    rate = "the rate" if factor == "1" else f"{factor} times the rate"
    is_urgent = severity is Severity.CRITICAL
    return Alert(
        name=f"SeatlineBookingBudgetGoneIn{days}Days",
        severity=severity,
        expression=(
            f"{failure_ratio(long)} > {limit} and {failure_ratio(short)} > {limit} "
            f"and {failures(long)} * {_WINDOW_SECONDS[long]} >= {_FAILURES_MIN}"
        ),
        pending_for=pending_for,
        summary=f"CreateBooking fails so often that its 30-day error budget is spent within {days} days.",
        description=(
            f"Over the last {long}, {{{{ $value | humanizePercentage }}}} of CreateBooking calls failed through a fault of the "
            "service; the objective allows 0.1%. Calls are still failing."
        ),
        impact=(
            f"Buyers get errors instead of seats. CreateBooking fails at more than {rate} that the objective allows, "
            f"over the last {long} and over the last {short}."
        ),
        checks=(
            "Dashboard Seatline, row Calls: which status codes (Calls that failed) and which reasons (Refusals by reason)?",
            "DATABASE_UNAVAILABLE: see row MongoDB, and the database alerts.",
            "PAYMENT_UNAVAILABLE: see row Payments and webhooks, and the payment provider's status page.",
            "RUN_BUSY or TOO_MANY_CALLS: see row Lanes and row Processes. Are there more calls than usual, or slower commits?",
            "COMMIT_ATTEMPTS_SPENT: follow the runbook of SeatlineSwapsLost.",
            "INTERNAL: read the servers' logs. Each such answer carries an incident number; the log has the cause under it.",
        ),
        remedies=(
            "If it began with a release, roll the release back first and find the cause later. A drained server loses no call.",
            "If servers are out of capacity, add servers as long as MongoDB has spare CPU; otherwise give MongoDB more CPU.",
            "If the payment provider is unavailable, tell the sales team. Clients may retry with the same request_id.",
            "Afterwards, run `seatline verify` against the live database.",
        ),
        action=(
            f"{'Act now' if is_urgent else 'Act today'}: read the reason of the failures; roll back the last release, "
            "add capacity, or repair the database."
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
    description=f"The 99th percentile of CreateBooking is {{{{ $value | humanizeDuration }}}}; the limit is {_SLOW_SECONDS} s.",
    impact="Buyers wait; some leave or retry. A booking usually takes milliseconds, with a card payment one or two seconds.",
    checks=(
        "Row Lanes: do commands wait in the queue (Time in the lane), or are commits slow (Time of a commit)?",
        "Slow commits: see row MongoDB, time of commands; then MongoDB's disks, cache and elections.",
        "Waiting without slow commits: see row Processes. One full CPU or a delayed event loop means overload.",
        "Neither: see row Payments and webhooks. Is the provider slow? The trace of a slow call (a dot) shows it.",
    ),
    remedies=(
        "If MongoDB's commands are slow, give MongoDB the CPU, memory or disk that it lacks.",
        "If the servers' CPUs are full, add servers.",
        "If the provider is slow, lower SEATLINE_PAYMENTS_TIMEOUT_SECONDS only if a quick refusal serves buyers better.",
    ),
    action="Find where the time goes (lane, commit or payment provider) on the dashboard or in a trace, and relieve that part.",
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
    summary="Servers lose many commits to each other.",
    description="Servers lose {{ $value | humanize }} swaps per commit; servers that take turns lose almost none.",
    impact=(
        "Several servers sell the same train run and overtake each other instead of taking turns. Bookings become slow; "
        "some are refused with COMMIT_ATTEMPTS_SPENT."
    ),
    checks=(
        "Row Lanes: which processes lose swaps, and since when? Row Calls: are there refusals with COMMIT_ATTEMPTS_SPENT?",
        "Number of servers: did it grow recently? Are the machines' clocks right?",
        "Row MongoDB: slow commands lengthen each turn and make collisions more likely.",
        "Does anything but Seatline write to the collection train_runs?",
    ),
    remedies=(
        "Route the calls for one train to few servers (by a hash of the train in the load balancer), or run fewer servers.",
        "If it began with a release, roll it back: servers of two versions may not take turns.",
        "If something else writes to train_runs, stop it, and run `seatline verify`.",
    ),
    action="Check whether the number of servers or the release changed; let fewer servers sell the same train.",
)

_NO_PRIMARY = Alert(
    name="SeatlineNoPrimary",
    severity=Severity.CRITICAL,
    expression="max by (namespace) (seatline_mongodb_primary_known) == 0",
    pending_for="1m",
    summary="No Seatline process can reach a MongoDB primary.",
    description="For one minute, no Seatline process has known a MongoDB primary; an election takes seconds.",
    impact="Nothing can be sold, changed or cancelled. Every call that needs the database fails at once with UNAVAILABLE.",
    checks=(
        "Run `rs.status()` on each member of the replica set: which members are up, who votes, how did the last election end?",
        "Check the members' disks and machines: is a majority of members alive?",
        "If the replica set is healthy, check the network and network policies between Seatline and its members.",
    ),
    remedies=(
        "Restart members until a majority is up; they elect a primary by themselves.",
        "Only if a majority is lost for good: force a reconfiguration of the set. Its last writes are then lost.",
        "Seatline resumes by itself and needs no restart. Afterwards, run `seatline verify`.",
    ),
    action="Bring a majority of MongoDB's members back. Seatline resumes by itself.",
)

_DATABASE = Alert(
    name="SeatlineDatabaseUnavailable",
    severity=Severity.CRITICAL,
    expression="max by (namespace) (seatline_database_available) == 0",
    pending_for="1m",
    summary="No Seatline process can use its database.",
    description="For one minute, MongoDB has answered no Seatline process; all processes report that they are not ready.",
    impact="Nothing can be sold, changed or cancelled, and load balancers find no server that is ready.",
    checks=(
        "Does SeatlineNoPrimary fire as well? Then follow its runbook first.",
        "Read the processes' logs: they say why MongoDB cannot be used (credentials, TLS, host names, timeouts).",
        "Find what changed: passwords, certificates, network policies, MongoDB's version or size.",
        "Check MongoDB's disks: with a full disk it answers reads and refuses writes.",
    ),
    remedies=(
        "Undo the change, or repair what the logs name.",
        "Seatline resumes by itself once MongoDB answers; a changed connection string needs a restart.",
    ),
    action="Read in the logs why MongoDB cannot be used, and repair that. Seatline resumes by itself.",
)

_CUT_OFF = Alert(
    name="SeatlineProcessCutOff",
    severity=Severity.WARNING,
    expression=(
        "min by (namespace, job, pod, instance) (seatline_database_available) == 0 "
        "unless on (namespace) (max by (namespace) (seatline_database_available) == 0)"
    ),
    pending_for="5m",
    summary="One Seatline process cannot reach the database that the others use.",
    description="{{ $labels.instance }} has not reached MongoDB for five minutes, while other processes do.",
    impact="This process serves nobody. The others carry its load; buyers notice nothing unless too few processes are left.",
    checks=(
        "Read the log of that process: it says why.",
        "Check its machine: network, name resolution, clock. Do other programs there reach MongoDB?",
        "Row MongoDB: are all of its connections in use?",
    ),
    remedies=(
        "Delete the pod, or restart the process on another machine.",
        "If its machine is at fault, take the machine out of service.",
    ),
    action="Restart that process on another machine; check its machine's network.",
)

# Servers export this series from their start, before the first call; workers never do.
_SERVES = f"grpc_server_started_total{{{CREATE_BOOKING}}}"

_NO_SERVER = Alert(
    name="SeatlineNoServer",
    severity=Severity.CRITICAL,
    # An installation that was removed on purpose stops alerting after an hour. If no server was ever seen, the alert fires too.
    expression=(
        f"group by (namespace) (last_over_time({_SERVES}[1h])) unless group by (namespace) ({_SERVES}) "
        f"or on () group (absent({_SERVES}))"
    ),
    pending_for="2m",
    summary="No Seatline server answers Prometheus.",
    description="For two minutes, Prometheus has had no answer from any Seatline server.",
    impact="Most likely the service is down. If it is up, it is unmonitored: alerts on calls cannot fire now.",
    checks=(
        "Make a call: `seatline runs --target HOST:PORT`.",
        "Are there processes? Run `kubectl get pods`; read their events and their last logs.",
        "Prometheus's page Targets: is Seatline listed, and with which error? Does the metrics port answer /livez?",
    ),
    remedies=(
        "If calls fail: start servers; roll back the last release.",
        "If calls succeed: repair the scraping (SEATLINE_METRICS_LISTEN, the ServiceMonitor's selector, network policies).",
    ),
    action="Make a call. If it fails, start servers or roll back; if it succeeds, repair the scraping.",
)

_TARGET_DOWN = Alert(
    name="SeatlineTargetDown",
    severity=Severity.WARNING,
    # The job may have any name: a target is ours if it has exported our build information.
    expression=("up == 0 and on (namespace, job) group by (namespace, job) (last_over_time(seatline_build_info[1d]))"),
    pending_for="5m",
    summary="A Seatline process does not answer Prometheus.",
    description="{{ $labels.instance }} of {{ $labels.job }} has not answered Prometheus for five minutes.",
    impact="The process is dead, hangs, or cannot be reached. Other processes carry its load.",
    checks=(
        "Run `kubectl describe pod`: was the pod killed for its memory, does it restart again and again, is its machine gone?",
        "Read its last log lines; check from inside the cluster whether its metrics port answers /livez.",
    ),
    remedies=(
        "Delete the pod if it hangs. Killing a process at any moment does no harm.",
        "If it was killed for its memory, compare its memory (row Processes) with its limit; cached passengers are what grows.",
    ),
    action="Find out why the process is gone or hangs. Kill it if it hangs; that does no harm.",
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
