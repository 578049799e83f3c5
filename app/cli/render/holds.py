"""Layout of holds.

Belongs here: the page of a hold, the commands that continue from it, and the text after a release. Does not belong here: the
calls (`app.cli.holds`).
"""

from __future__ import annotations

import datetime
import shlex

from rich.console import RenderableType
from rich.text import Text

from app.cli.failures import printable
from app.cli.render.screen import empty_grid, framed
from app.cli.render.text import date_text, instant_text_with_seconds, money_text, seat_and_coach_text
from app.pb.seatline.v1 import hold_pb2


def hold_page(hold: hold_pb2.Hold, origin: str, destination: str, zone: datetime.tzinfo) -> RenderableType:
    """Return the page of a hold. The stops are as the caller typed them; the expiry is in local time of `zone`."""
    grid = empty_grid()
    grid.add_row("Train", f"{printable(hold.train_id)}, {date_text(hold.travel_date)}")
    grid.add_row("From", printable(origin))
    grid.add_row("To", printable(destination))
    heading = "Seat"
    for seat in hold.seats:
        grid.add_row(heading, seat_and_coach_text(seat))
        heading = ""
    grid.add_row("", "")
    grid.add_row("Price", Text(money_text(hold.price), style="bold"))
    grid.add_row("Held until", Text(instant_text_with_seconds(hold.expire_time, zone), style="bold"))
    return framed(f"Hold {printable(hold.hold_id)}", grid)


def next_commands_text(hold: hold_pb2.Hold, origin: str, destination: str) -> str:
    """Return the commands that book or release the held seats, ready to paste into a shell."""
    run = f"{shlex.quote(hold.train_id)} {shlex.quote(hold.travel_date)}"
    journey = f"--from {shlex.quote(origin)} --to {shlex.quote(destination)}"
    hold_id, passengers = shlex.quote(hold.hold_id), " --passenger 'FIRST LAST <EMAIL>'" * len(hold.seats)
    book = printable(f"To book:     seatline book {run} {journey} --hold {hold_id}{passengers}")
    release = printable(f"To release:  seatline release {hold_id}")
    return f"{book}\n{release}"


def release_text(hold_id: str) -> str:
    """Say that the hold no longer holds seats."""
    return f"Hold {printable(hold_id)} is released; it holds no seats."
