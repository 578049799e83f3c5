"""Requests around train runs: messages to commands.

Belongs here: one function per request that becomes a command. Does not belong here: what a well-formed field is
(`app/rpc/fields.py`).
"""

from datetime import datetime
from typing import TypeAlias

from app.domain import limits
from app.domain.commands import PromoteWaitlist
from app.domain.layout.commands import UpdateTrainRun
from app.domain.people import Caller
from app.domain.refusals import InvalidField
from app.domain.run_commands import CancelTrainRun, RecordArrival, SetDelay, SetSalesWindow
from app.domain.text import trimmed
from app.pb.seatline.v1 import train_run_pb2
from app.rpc import fields
from app.rpc.disruptions import disruption_reason
from app.rpc.sales_windows import sales_window


def promote_waitlist(caller: Caller, request: train_run_pb2.PromoteWaitlistRequest) -> PromoteWaitlist:
    """Make the command."""
    date = fields.iso_date(request.travel_date, "travel_date")
    return PromoteWaitlist(caller, fields.train_id(request.train_id), date.isoformat())


def update_train_run(caller: Caller, request: train_run_pb2.UpdateTrainRunRequest) -> UpdateTrainRun:
    """Make the command."""
    train_id, travel_date = run_key(request)
    if not request.HasField("hidden"):
        raise InvalidField("hidden", "is required: true to hide the run from buyers, false to show it")
    return UpdateTrainRun(caller, train_id, travel_date, request.hidden)


def set_delay(caller: Caller, request: train_run_pb2.SetDelayRequest) -> SetDelay:
    """Make the command. The rule decides whether the run can be so late, and whether reason and evidence are needed."""
    train_id, travel_date = run_key(request)
    if not request.HasField("minutes"):
        raise InvalidField("minutes", "is required; 0 ends the delay")
    return SetDelay(
        caller,
        train_id,
        travel_date,
        request.minutes,
        fields.stop(request.from_stop, "from_stop"),
        disruption_reason(request.reason),
        _evidence(request.evidence),
        _report_time(request),
    )


def record_arrival(caller: Caller, request: train_run_pb2.RecordArrivalRequest) -> RecordArrival:
    """Make the command."""
    train_id, travel_date = run_key(request)
    stop = fields.required(fields.stop(request.stop, "stop"), "stop")
    if not request.HasField("arrive_time"):
        raise InvalidField("arrive_time", "is required")
    arrive_time = fields.instant(request.arrive_time, "arrive_time")
    return RecordArrival(caller, train_id, travel_date, stop, arrive_time, _report_time(request))


def cancel_train_run(caller: Caller, request: train_run_pb2.CancelTrainRunRequest) -> CancelTrainRun:
    """Make the command."""
    train_id, travel_date = run_key(request)
    return CancelTrainRun(
        caller,
        train_id,
        travel_date,
        disruption_reason(request.reason),
        _evidence(request.evidence),
        fields.stop(request.from_stop, "from_stop"),
        request.validate_only,
    )


def set_sales_window(caller: Caller, request: train_run_pb2.SetSalesWindowRequest) -> SetSalesWindow:
    """Make the command."""
    train_id, travel_date = run_key(request)
    section = fields.section(fields.bounded(request.section, "section", limits.SHORT_NAME_LENGTH_MAX))
    window = sales_window(request.sales_window, "sales_window") if request.HasField("sales_window") else None
    return SetSalesWindow(caller, train_id, travel_date, section, window)


def _evidence(text: str) -> str:
    return trimmed(fields.bounded(text, "evidence", limits.EVIDENCE_LENGTH_MAX))


def _report_time(request: train_run_pb2.SetDelayRequest | train_run_pb2.RecordArrivalRequest) -> datetime | None:
    return fields.instant(request.report_time, "report_time") if request.HasField("report_time") else None


_RunRequest: TypeAlias = (
    train_run_pb2.UpdateTrainRunRequest
    | train_run_pb2.DeleteTrainRunRequest
    | train_run_pb2.SetDelayRequest
    | train_run_pb2.RecordArrivalRequest
    | train_run_pb2.CancelTrainRunRequest
    | train_run_pb2.SetSalesWindowRequest
)


def run_key(request: _RunRequest) -> tuple[str, str]:
    """Return the train_id and the travel_date that a request names."""
    return fields.train_id(request.train_id), fields.iso_date(request.travel_date, "travel_date").isoformat()
