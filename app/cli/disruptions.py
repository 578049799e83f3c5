"""Options that say why a train is late or does not run.

Belongs here: their declarations, shared by `run delay` and `run cancel`. Does not belong here: the commands (`app.cli.delays`,
`app.cli.cancellations`).
"""

# ruff: noqa: PLC0415  the contract is imported inside the function, so that `--help` does not wait for it
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

if TYPE_CHECKING:
    from app.pb.seatline.v1 import disruption_pb2

# The contract's reasons, repeated here so that --help shows them. A test compares them.
ReasonChoice = Literal[
    "extreme-weather",
    "natural-disaster",
    "public-health-crisis",
    "people-on-track",
    "theft-or-sabotage",
    "on-board-emergency",
    "law-enforcement",
    "terrorism",
    "rolling-stock",
    "staff",
    "staff-strike",
    "infrastructure",
    "other-operators",
    "congestion",
    "ordinary-weather",
]

ReasonOption = Annotated[
    ReasonChoice | None,
    typer.Option(
        "--reason",
        metavar="REASON",
        case_sensitive=False,
        help=f"Why: {', '.join(get_args(ReasonChoice))}. Those up to terrorism need --evidence.",
    ),
]
EvidenceOption = Annotated[
    str,
    typer.Option("--evidence", metavar="TEXT", help="What proves a reason outside the railway, such as a report's address."),
]


def reason_number(reason: ReasonChoice | None) -> disruption_pb2.DisruptionReason.ValueType:
    """Return the contract's number of a reason, and that of "not stated" for None."""
    from app.pb.seatline.v1 import disruption_pb2

    name = (reason or "unspecified").upper().replace("-", "_")
    return disruption_pb2.DisruptionReason.Value(f"DISRUPTION_REASON_{name}")
