"""Requests around train runs: messages to commands.

Belongs here: one function per request that becomes a command. Does not belong here: what a well-formed field is
(`app/rpc/fields.py`).
"""

from app.domain.commands import PromoteWaitlist
from app.domain.layout.commands import UpdateTrainRun
from app.domain.people import Caller
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import train_run_pb2
from app.rpc import fields


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


def run_key(request: train_run_pb2.UpdateTrainRunRequest | train_run_pb2.DeleteTrainRunRequest) -> tuple[str, str]:
    """Return the train_id and the travel_date that a request names."""
    return fields.train_id(request.train_id), fields.iso_date(request.travel_date, "travel_date").isoformat()
