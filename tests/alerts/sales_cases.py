"""Cases of the alerts on sales, servers and the database.

Belongs here: the cases. Does not belong here: running them (`test_alerts.py`).
"""

from __future__ import annotations

from deploy.observability.objective import FAILURE_CODES
from tests.alerts.cases import Case, Firing, InputSeries, in_production, series

_METHOD = {"grpc_type": "unary", "grpc_service": "seatline.v1.BookingService", "grpc_method": "CreateBooking"}
_STARTED, _BUILD = "grpc_server_started_total", "seatline_build_info"
_SECOND = {"pod": "seatline-1", "instance": "10.0.0.2:9464"}
_STAGING = {"namespace": "staging"}


def _calls(namespace: str = "prod", **values_by_code: str) -> dict[str, str]:
    """Series of CreateBooking calls, by status."""
    handled = "grpc_server_handled_total"
    return {series(handled, **_METHOD, grpc_code=code, namespace=namespace): values for code, values in values_by_code.items()}


def _refused(reason: str, values: str) -> dict[str, str]:
    return {series("seatline_refusals_total", reason=reason): values}


def _durations(below_2500_ms: str, all_of_them: str) -> dict[str, str]:
    """Histogram of CreateBooking: calls below 2.5 s, and all calls."""
    histogram = "grpc_server_handling_seconds"
    buckets = {"2.5": below_2500_ms, "10.0": all_of_them, "+Inf": all_of_them}
    buckets_by_series = {series(f"{histogram}_bucket", **_METHOD, le=bound): values for bound, values in buckets.items()}
    return {**buckets_by_series, series(f"{histogram}_count", **_METHOD): all_of_them}


def _swaps(lost: str, committed: str) -> dict[str, str]:
    return {series("seatline_lane_swaps_lost_total"): lost, series("seatline_lane_commit_seconds_count"): committed}


_IN_2, _IN_5, _IN_10, _IN_30 = (f"SeatlineBookingBudgetGoneIn{days}Days" for days in (2, 5, 10, 30))
_FAULTS = FAILURE_CODES.split("|")
_OK, _LONG = "0+1000x200", "0+1000x400"  # successful calls per step

BUDGET = [
    Case(_IN_2, "two in a hundred fail", _calls(OK="0+98x90", Unavailable="0+2x90"), "70m", in_production("2%")),
    Case(
        _IN_2,
        "in each of eight installations, half of the calls end with another of the codes that are faults",
        {name: values for code in _FAULTS for name, values in _calls(code.lower(), OK="0+9x90", **{code: "0+9x90"}).items()},
        "70m",
        [Firing({"namespace": code.lower()}, "50%") for code in _FAULTS],
    ),
    Case(
        _IN_2,
        "one installation of two fails",
        {**_calls(OK="0+98x90", Internal="0+2x90"), **_calls("staging", OK="0+98x90", Internal="0x90")},
        "70m",
        in_production("2%"),
    ),
    Case(
        _IN_2,
        "runs are busy while waitlists are full too",
        {**_calls(OK="0+90x90", ResourceExhausted="0+10x90"), **_refused("WAITLIST_FULL", "0+5x90")},
        "70m",
        in_production("5%"),
    ),
    Case(_IN_2, "one in a hundred fails", _calls(OK="0+99x90", Unavailable="0+1x90"), "70m"),
    Case(_IN_2, "failures peak for one minute", _calls(OK=_OK, Internal="0x60 100x30"), "63m"),
    Case(_IN_2, "failures stopped ten minutes ago", _calls(OK=_OK, Internal="0+100x30 3000x60"), "41m"),
    Case(_IN_2, "failures have just started", _calls(OK=_OK, Internal="0x60 0+500x30"), "63m"),
    Case(_IN_2, "ten minutes of an hour have failures", _calls(OK=_OK, Internal="0x60 0+60x30"), "70m"),
    Case(_IN_2, "failures have almost stopped", _calls(OK=_OK, Internal="0+100x50 5000+10x40"), "60m"),
    Case(
        _IN_2, "there are few calls and many failures", _calls(OK="0+9.6x90", Internal="0+0.4x90"), "70m", in_production("4%")
    ),
    Case(_IN_2, "there are no calls", _calls(OK="500x90", Unavailable="500x90"), "70m"),
    Case(_IN_2, "nothing has failed yet", _calls(OK="0+100x90"), "70m"),
    Case(_IN_2, "three of nine calls of an hour fail", _calls(OK="0+0.1x90", Unavailable="0+0.05x90"), "70m"),
    Case(
        _IN_2,
        "waitlists are full",
        {**_calls(OK="0+50x90", ResourceExhausted="0+50x90"), **_refused("WAITLIST_FULL", "0+50x90")},
        "70m",
    ),
    Case(
        _IN_2,
        "a booker exceeds the limit of passengers",
        {**_calls(OK="0+50x90", ResourceExhausted="0+50x90"), **_refused("BOOKER_LIMIT", "0+50x90")},
        "70m",
    ),
    Case(_IN_2, "callers cancel their calls", _calls(OK="0+50x90", Canceled="0+50x90"), "70m"),
    Case(
        _IN_2,
        "trains are full and cards are declined",
        _calls(OK="0+1x90", FailedPrecondition="0+90x90", InvalidArgument="0+9x90", AlreadyExists="0+9x90"),
        "70m",
    ),
    Case(_IN_2, "there are no such metrics", {}, "70m"),
    Case(_IN_5, "one in a hundred fails", _calls(OK="0+99x200", Internal="0+1x200"), "3h", in_production("1%"), step="5m"),
    Case(_IN_5, "failures have just started", _calls(OK=_OK, Internal="0x120 0+500x30"), "125m"),
    Case(_IN_5, "half an hour has failures", _calls(OK=_OK, Internal="0x60 0+30x30"), "330m", step="5m"),
    Case(_IN_5, "failures have almost stopped", _calls(OK=_OK, Internal="0+50x50 2500+3x40"), "300m", step="5m"),
    Case(_IN_10, "failures have just started", _calls(OK=_OK, Internal="0x150 0+500x40"), "160m"),
    Case(_IN_10, "two hours have failures", _calls(OK=_OK, Internal="0x100 0+8x90"), "620m", step="5m"),
    Case(_IN_10, "failures have almost stopped", _calls(OK=_OK, Internal="0+50x50 2500+1.5x60"), "400m", step="5m"),
    Case(_IN_30, "failures have just started", _calls(OK=_OK, Internal="0x150 0+500x40"), "170m"),
    Case(_IN_30, "six hours have failures", _calls(OK=_LONG, Internal="0x250 0+2x90"), "1610m", step="5m"),
    Case(_IN_30, "failures have almost stopped", _calls(OK=_OK, Internal="0+50x50 2500+0.5x120"), "650m", step="5m"),
    *(
        Case(
            alert,
            "there are few calls and many failures",
            _calls(OK="0+9.5x40", Internal="0+0.5x40"),
            "3h",
            in_production("5%"),
            step="5m",
        )
        for alert in (_IN_5, _IN_10, _IN_30)
    ),
    *(
        Case(alert, "five calls of fifteen fail", _calls(OK="0+0.3x40", Internal="0+0.15x40"), "3h", step="5m")
        for alert in (_IN_5, _IN_10, _IN_30)
    ),
    Case(_IN_5, "one in two hundred fails", _calls(OK="0+995x200", Internal="0+5x200"), "3h", step="5m"),
    Case(_IN_5, "failures peak for five minutes", _calls(OK=_OK, Internal="0x120 0+60x5 300x60"), "128m"),
    Case(_IN_5, "failures stopped forty minutes ago", _calls(OK=_OK, Internal="0+100x60 6000x100"), "100m"),
    Case(_IN_5, "there are no calls", _calls(OK="9x200", Internal="9x200"), "3h", step="5m"),
    Case(_IN_5, "there are no such metrics", {}, "3h", step="5m"),
    Case(
        _IN_10, "one in two hundred fails", _calls(OK="0+995x200", Internal="0+5x200"), "3h", in_production("0.5%"), step="5m"
    ),
    Case(_IN_10, "one in five hundred fails", _calls(OK="0+998x200", Internal="0+2x200"), "3h", step="5m"),
    Case(_IN_10, "failures peak for ten minutes", _calls(OK=_OK, Internal="0x150 0+30x10 300x40"), "162m"),
    Case(
        _IN_10,
        "failures stopped three hours ago",
        _calls(OK="0+5000x400", Internal="0+250x24 6000x300"),
        "5h",
        step="5m",
    ),
    Case(_IN_10, "there are no calls", _calls(OK="9x200", Internal="9x200"), "3h", step="5m"),
    Case(_IN_10, "there are no such metrics", {}, "3h", step="5m"),
    Case(
        _IN_30, "one in five hundred fails", _calls(OK="0+998x200", Internal="0+2x200"), "3h", in_production("0.2%"), step="5m"
    ),
    Case(_IN_30, "the objective is just met", _calls(OK="0+9991x200", Internal="0+9x200"), "3h", step="5m"),
    Case(
        _IN_30,
        "there were failures three days ago and none since",
        _calls(OK="0+5000x900", Internal="0+250x12 3000x800"),
        "20h",
        step="5m",
    ),
    Case(
        _IN_30,
        "a few calls have failed for a day and a half",
        _calls(OK="0+4990x900", Internal="0+10x900"),
        "36h",
        in_production("0.2%"),
        step="5m",
    ),
    Case(_IN_30, "there are no calls", _calls(OK="9x200", Internal="9x200"), "3h", step="5m"),
    Case(_IN_30, "there are no such metrics", {}, "3h", step="5m"),
]

_SLOW, _LOST = "SeatlineCreateBookingSlow", "SeatlineSwapsLost"
PACE = [
    Case(_SLOW, "all bookings take seconds", _durations("0x60", "0+12x60"), "20m", in_production("9.925s")),
    Case(_SLOW, "two in a hundred take seconds", _durations("0+588x60", "0+600x60"), "20m", in_production("6.25s")),
    Case(_SLOW, "one in two hundred takes seconds", _durations("0+597x60", "0+600x60"), "20m"),
    Case(_SLOW, "two slow minutes", _durations("0+60x10 600x2 660+60x30", "0+60x60"), "16m"),
    Case(_SLOW, "a few slow calls at night", _durations("0x60", "0+2x60"), "20m"),
    Case(_SLOW, "there are no calls", _durations("500x60", "600x60"), "20m"),
    Case(_SLOW, "there are no such metrics", {}, "20m"),
    Case(_LOST, "one swap is lost per commit", _swaps("0+120x60", "0+120x60"), "20m", in_production("1")),
    Case(_LOST, "all commits fail", _swaps("0+120x60", "9x60"), "20m", in_production("+Inf")),
    Case(_LOST, "servers take turns", _swaps("0+12x60", "0+1200x60"), "20m"),
    Case(_LOST, "one commit in four loses its swap", _swaps("0+120x60", "0+400x60"), "20m"),
    Case(_LOST, "swaps are lost for three minutes", _swaps("0x10 0+600x3 1800x40", "0+120x60"), "15m"),
    Case(_LOST, "there are few commits", _swaps("0+30x60", "0+30x60"), "20m"),
    Case(_LOST, "there are no commits", _swaps("500x60", "500x60"), "20m"),
    Case(_LOST, "there are no such metrics", {}, "20m"),
]


def _serving(values: str, **labels: str) -> InputSeries:
    return {series(_STARTED, **_METHOD, **labels): values, series(_BUILD, version="1", **labels): values}


_NO_SERVER, _DOWN = "SeatlineNoServer", "SeatlineTargetDown"
_FOREIGN = {"job": "other", "instance": "10.0.0.9:80"}
_TARGET = {"job": "seatline", "pod": "seatline-0", "instance": "10.0.0.1:9464"}
PROCESSES = [
    Case(_NO_SERVER, "no server was ever seen", {}, "5m", (Firing({}),)),
    Case(_NO_SERVER, "only workers are there", {series(_BUILD, version="1"): "1x20"}, "5m", (Firing({}),)),
    Case(_NO_SERVER, "the last server has stopped", _serving("1x10 stale"), "14m", in_production()),
    Case(
        _NO_SERVER,
        "one of two installations has stopped",
        {**_serving("1x10 stale"), **_serving("1x30", **_STAGING)},
        "14m",
        in_production(),
    ),
    Case(_NO_SERVER, "one of two servers has stopped", {**_serving("1x10 stale"), **_serving("1x30", **_SECOND)}, "14m"),
    Case(_NO_SERVER, "the server was down for a minute", _serving("1x10 stale 1x10"), "11m"),
    Case(
        _NO_SERVER,
        "one installation was removed hours ago",
        {**_serving("1x10 stale"), **_serving("1x200", **_STAGING)},
        "3h",
    ),
    Case(
        _DOWN,
        "one of two processes does not answer",
        {
            **_serving("1x10 stale"),
            **_serving("1x30", **_SECOND),
            series("up"): "1x10 0x30",
            series("up", **_SECOND): "1x60",
        },
        "20m",
        in_production(**_TARGET),
    ),
    Case(
        _DOWN,
        "a new process never answers",
        {**_serving("1x60", **_SECOND), series("up", **_SECOND): "1x60", series("up"): "_x10 0x30"},
        "20m",
        in_production(**_TARGET),
    ),
    Case(_DOWN, "all processes answer", {**_serving("1x60"), series("up"): "1x60"}, "20m"),
    Case(_DOWN, "a process restarts", {**_serving("1x10 stale 1x20"), series("up"): "1x10 0x3 1x20"}, "14m"),
    Case(_DOWN, "another program is down", {**_serving("1x60"), series("up"): "1x60", series("up", **_FOREIGN): "0x60"}, "20m"),
    Case(_DOWN, "there are no such metrics", {}, "20m"),
]

_PRIMARY, _DATABASE, _CUT_OFF = "SeatlineNoPrimary", "SeatlineDatabaseUnavailable", "SeatlineProcessCutOff"


def _two(metric: str, one: str, other: str) -> InputSeries:
    return {series(metric): one, series(metric, **_SECOND): other}


_KNOWN, _AVAILABLE = "seatline_mongodb_primary_known", "seatline_database_available"
DATABASE = [
    Case(_PRIMARY, "no process knows a primary", _two(_KNOWN, "1x5 0x10", "1x5 0x10"), "8m", in_production()),
    Case(_PRIMARY, "one process knows no primary", _two(_KNOWN, "1x5 0x10", "1x20"), "8m"),
    Case(_PRIMARY, "there is an election", _two(_KNOWN, "1x5 0 1x10", "1x5 0 1x10"), "6m"),
    Case(_PRIMARY, "there are no such metrics", {}, "8m"),
    Case(_DATABASE, "no process can use the database", _two(_AVAILABLE, "1x5 0x10", "1x5 0x10"), "8m", in_production()),
    Case(_DATABASE, "one process cannot use it", _two(_AVAILABLE, "1x5 0x10", "1x20"), "8m"),
    Case(_DATABASE, "it stumbles", _two(_AVAILABLE, "1x5 0 1x10", "1x5 0 1x10"), "6m"),
    Case(_DATABASE, "there are no such metrics", {}, "8m"),
    Case(_CUT_OFF, "one process cannot use it", _two(_AVAILABLE, "1x5 0x20", "1x30"), "15m", in_production(**_TARGET)),
    Case(_CUT_OFF, "no process can use the database", _two(_AVAILABLE, "1x5 0x20", "1x5 0x20"), "15m"),
    Case(_CUT_OFF, "one process stumbles", _two(_AVAILABLE, "1x5 0x2 1x20", "1x30"), "8m"),
    Case(_CUT_OFF, "all can use it", _two(_AVAILABLE, "1x30", "1x30"), "15m"),
    Case(_CUT_OFF, "there are no such metrics", {}, "15m"),
]

CASES = [*BUDGET, *PACE, *PROCESSES, *DATABASE]
