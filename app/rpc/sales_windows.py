"""Sales windows on the wire, as trains and runs have them.

Belongs here: the message SalesWindow, to a value and back. Does not belong here: what makes a window valid
(`app/domain/sales_window.py`), which one counts for a section of a run (`app/domain/run/section_sales.py`).
"""

from datetime import time

from google.protobuf.duration_pb2 import Duration

from app.domain.sales_window import SalesWindow, check_sales_window
from app.pb.seatline.v1 import sales_window_pb2
from app.rpc import fields
from app.rpc.wire_values import timestamp


def sales_window(message: sales_window_pb2.SalesWindow, field: str) -> SalesWindow:
    """Return the sales window that a request states; `field` is the path of the message. Refuse one out of its limits."""
    window = _window(message, field)
    check_sales_window(window, field)
    return window


def _window(message: sales_window_pb2.SalesWindow, field: str) -> SalesWindow:
    closes_minutes_before = fields.whole_minutes(message.closes_before, f"{field}.closes_before")
    match message.WhichOneof("opening"):
        case "open_time":
            open_time = fields.instant(message.open_time, f"{field}.open_time")
            return SalesWindow(open_time=open_time, closes_minutes_before=closes_minutes_before)
        case "opens_before":
            local_time = message.opens_before.local_time
            return SalesWindow(
                open_days_before=message.opens_before.days_before,
                open_at=fields.local_time(local_time, f"{field}.opens_before.local_time") if local_time else time(),
                closes_minutes_before=closes_minutes_before,
            )
        case _:
            return SalesWindow(closes_minutes_before=closes_minutes_before)


def sales_window_message(value: SalesWindow) -> sales_window_pb2.SalesWindow:
    """Return a sales window as answers have it."""
    message = sales_window_pb2.SalesWindow(closes_before=Duration(seconds=60 * value.closes_minutes_before))
    if value.open_time is not None:
        message.open_time.CopyFrom(timestamp(value.open_time))
    elif value.open_days_before is not None:
        message.opens_before.days_before = value.open_days_before
        message.opens_before.local_time = f"{value.open_at:%H:%M}"
    return message
