"""Answers around holds: values of the domain to messages.

Belongs here: the message Hold. Does not belong here: what decides anything.
"""

from app.domain.run.hold import Hold, hold_id
from app.pb.seatline.v1 import hold_pb2
from app.rpc.wire_values import money, seat, timestamp


def hold(run_key: tuple[str, str], value: Hold) -> hold_pb2.Hold:
    """Return a hold as a message; `run_key` is the train_id and travel_date of its run."""
    train_id, travel_date = run_key
    return hold_pb2.Hold(
        hold_id=hold_id(train_id, travel_date, value.key),
        train_id=train_id,
        travel_date=travel_date,
        seats=[seat(held) for held in value.seats],
        expire_time=timestamp(value.expire_time),
        price=money(value.price),
    )
