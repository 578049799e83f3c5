"""How fast are reads?

Belongs here: receipts, seat maps and section lists of a train that is half sold. Does not belong here: selling.
"""

from __future__ import annotations

from itertools import cycle, islice

from tests.bench import requests
from tests.bench.stage import Stage

SEATS = 1_000
CALLERS = 64


def measure_reads(stage: Stage) -> None:
    """Measure GetReceipt, GetSeatMap and ListSectionBookings, in rounds."""
    scale = stage.scale
    run = stage.fresh_runs(SEATS)[0]
    stage.sell([run] * (SEATS // 2), CALLERS)
    stage.audit("reads", [run])
    references = stage.acknowledged(run)
    kinds = {
        "get_receipt": requests.receipt_calls(list(islice(cycle(references), scale.read_calls))),
        "get_seat_map": requests.seat_map_calls(run, scale.read_calls),
        "list_section_bookings": requests.section_calls(run, scale.read_calls),
    }
    for name, calls in kinds.items():
        volleys = [
            stage.fire([stage.host.service], calls, CALLERS, seconds_max=scale.read_seconds_max)
            for _ in range(max(1, scale.rounds // 2))
        ]
        stage.results.add_volleys(name, volleys)
