"""Layout of verdicts on tickets.

Belongs here: the text of a verdict. Does not belong here: judging tickets (`app.domain.ticket.verdict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.cli.failures import printable


def verdict_text(ticket: Mapping[str, Any]) -> str:
    """Return a verdict with its reason, and what the code says, on two lines or one.

    `ticket` has the fields of the JSON document: `verdict`, `reason`, and `code`, which is None for a text that is no code.
    """
    headline = f"{ticket['verdict']}: {printable(ticket['reason'])}."
    code = ticket["code"]
    if code is None:
        return headline
    seat = f"seat {code['seat']}, coach {code['coach']}"
    facts = f"{code['reference']} passenger {code['passenger_number']}, {code['train_id']} {code['travel_date']}, {seat}"
    return f"{headline}\n  {printable(facts)}, revision {code['revision']}"
