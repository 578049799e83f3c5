"""Requests around train runs: messages to commands.

Belongs here: one function per request that becomes a command. Does not belong here: what a well-formed field is
(`app/rpc/fields.py`).
"""

from app.domain.commands import PromoteWaitlist
from app.domain.people import Caller
from app.pb.seatline.v1 import train_run_pb2
from app.rpc import fields


def promote_waitlist(caller: Caller, request: train_run_pb2.PromoteWaitlistRequest) -> PromoteWaitlist:
    """Make the command."""
    date = fields.iso_date(request.travel_date, "travel_date")
    return PromoteWaitlist(caller, fields.train_id(request.train_id), date.isoformat())
