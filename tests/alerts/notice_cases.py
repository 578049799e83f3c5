"""Cases of the alerts on notices.

Belongs here: input series and when the alerts fire. Does not belong here: running them (`test_alerts.py`).
"""

from __future__ import annotations

from tests.alerts.cases import Case, InputSeries, in_production, series

_FAILING, _LATE, _CIRCUIT = "SeatlineNoticesFailing", "SeatlineNoticesLate", "SeatlineNoticeCircuitOpen"


def _notices(channel: str = "email", **counts: str) -> InputSeries:
    """Series of notices by outcome."""
    return {
        series("seatline_notices_total", channel=channel, kind="ticket", outcome=outcome): values
        for outcome, values in counts.items()
    }


def _age(values: str, channel: str = "email") -> InputSeries:
    return {series("seatline_notice_age_seconds", channel=channel): values}


def _circuit(values: str, pod: str = "seatline-0") -> InputSeries:
    return {series("seatline_notice_circuit_open", channel="email", pod=pod): values}


CASES = [
    Case(
        _FAILING,
        "three of four attempts are refused",
        _notices(sent="0+1x60", failed="0+3x60"),
        "45m",
        in_production("75%", channel="email"),
    ),
    Case(_FAILING, "some addresses are wrong", _notices(sent="0+9x60", failed="0+1x60"), "45m"),
    Case(_FAILING, "many are skipped and all others are sent", _notices(sent="0+1x60", skipped="0+9x60", failed="0x60"), "45m"),
    Case(_FAILING, "there are few notices", _notices(sent="0x60", failed="0+0.1x60"), "45m"),
    Case(
        _FAILING,
        "one channel fails and another does not",
        {**_notices(sent="0+9x60", failed="0x60"), **_notices("sms", sent="0x60", retried="0+1x60")},
        "45m",
        in_production("100%", channel="sms"),
    ),
    Case(_LATE, "nothing is sent", _age("0+60x60"), "40m", in_production("40m 0s", channel="email")),
    Case(_LATE, "some minutes late", _age("300x60"), "40m"),
    Case(_LATE, "it has just become late", _age("0x10 1000x60"), "14m"),
    Case(
        _CIRCUIT,
        "one of two workers probes",
        {**_circuit("1x30"), **_circuit("0x30", "seatline-1")},
        "10m",
        in_production(channel="email"),
    ),
    Case(_CIRCUIT, "a short outage", _circuit("0x5 1x3 0x30"), "12m"),
    *(Case(alert, "there are no such metrics", {}, "40m") for alert in (_FAILING, _LATE, _CIRCUIT)),
    Case(_CIRCUIT, "all providers answer", _circuit("0x30"), "20m"),
]
