"""Measure the service: `python -m tests.bench.run`.

Belongs here: the options, which parts run, where the figures go, the exit code. Does not belong here: any measurement.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.bench.chart import draw_results
from tests.bench.floors import judge
from tests.bench.parts.layouts import measure_layouts
from tests.bench.parts.lone_caller import measure_lone_caller
from tests.bench.parts.long_waitlist import measure_long_waitlist
from tests.bench.parts.memory import measure_memory
from tests.bench.parts.reads import measure_reads
from tests.bench.parts.replicas import measure_replicas
from tests.bench.parts.sale import measure_sale
from tests.bench.parts.ticket_mails import measure_ticket_mails
from tests.bench.parts.ticket_pdf import measure_ticket_pdf
from tests.bench.parts.tracing import measure_tracing
from tests.bench.parts.train_size import measure_train_size
from tests.bench.parts.waitlist import measure_waitlist
from tests.bench.results import Results
from tests.bench.scale import FULL, QUICK
from tests.bench.stage import Stage
from tests.bench.table import show

PARTS = {
    "a": "a bare echo",
    "b": "one run, 64 and 256 callers",
    "c": "the naive sale on one run, 64 callers",
    "d": "50 runs, 256 callers",
    "e": "receipts, seat maps, section lists",
    "f": "a train of 2,000 seats against 100",
    "g": "a lone caller against a bare update",
    "h": "memory after 100,000 bookings",
    "i": "two servers selling one run",
    "j": "holds, joining the waitlist, promotion, 256 callers; a waitlist of 10,000, a lone caller",
    "k": "1 % of the calls traced, against none, 256 callers",
    "l": "removing a coach with 100 passengers from a run of 1,000 seats, and 500 passengers from 5,000 seats",
    "m": "a worker that sends tickets by mail, each with PDF, QR and calendar entry",
}
SALE_PARTS = frozenset("abcd")
LOAD_AVERAGE_MAX = 0.7


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=f"Parts: {'; '.join(f'{k}: {v}' for k, v in PARTS.items())}.")
    parser.add_argument("--only", type=parts_of, default=set(PARTS), metavar="a,b", help="run these parts only")
    parser.add_argument("--quick", action="store_true", help="a smoke test of under a minute; floors are shown, not enforced")
    parser.add_argument("--no-floors", action="store_true", help="exit with 0 though a floor is missed")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures go")
    parser.add_argument("--svg", type=Path, default=Path("build/bench.svg"), help="where the chart goes")
    parser.add_argument("--memory-runs-at-once", type=int, metavar="N", help="runs on sale at the same time in part h")
    parser.add_argument("--processes", type=int, default=2, help="processes of the load generator")
    return parser.parse_args(arguments)


def parts_of(text: str) -> set[str]:
    """Parse a list of letters."""
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    if not wanted or not wanted <= PARTS.keys():
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}")
    return wanted


def measure(stage: Stage, wanted: set[str], console: Console) -> None:
    """Warm up, then measure the wanted parts one after another."""
    steps: tuple[tuple[Set[str], Callable[[], None]], ...] = (
        (SALE_PARTS, lambda: measure_sale(stage, wanted)),
        ({"e"}, lambda: measure_reads(stage)),
        ({"f"}, lambda: measure_train_size(stage)),
        ({"g"}, lambda: measure_lone_caller(stage)),
        ({"i"}, lambda: measure_replicas(stage)),
        ({"j"}, lambda: measure_waitlist(stage)),
        ({"j"}, lambda: measure_long_waitlist(stage)),
        ({"k"}, lambda: measure_tracing(stage)),
        ({"l"}, lambda: measure_layouts(stage)),
        ({"m"}, lambda: measure_ticket_pdf(stage.results)),
        ({"m"}, lambda: measure_ticket_mails(stage)),
        ({"h"}, lambda: measure_memory(stage)),
    )
    stage.echo(stage.scale.warm_calls, 64)
    stage.sell(stage.fresh_runs(stage.scale.sale_seats) * stage.scale.warm_calls, 64)
    for letters, step in steps:
        if letters & wanted:
            start = time.monotonic()
            step()
            names = "; ".join(PARTS[letter] for letter in sorted(letters & wanted))
            console.print(f"[dim]{time.monotonic() - start:6.1f} s  {names}[/dim]")


def about(options: argparse.Namespace, seconds: float) -> dict[str, object]:
    """Return where and how the figures were taken."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 1),
        "scale": "quick" if options.quick else "full",
        "parts": sorted(options.only),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_average_before": os.getloadavg()[0],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the files. Return 0 where all measured figures keep their floors."""
    options = parse(arguments)
    # An interrupted benchmark must stop its servers and its mongod.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console(width=None if sys.stdout.isatty() else 132)
    begun, start = about(options, 0.0), time.monotonic()
    if os.getloadavg()[0] > LOAD_AVERAGE_MAX:
        console.print(
            "[yellow]the machine is busy: a sale needs three processes at a time, and slows down more than an echo[/yellow]"
        )
    results: Results
    scale = QUICK if options.quick else FULL
    if options.memory_runs_at_once:
        scale = replace(scale, memory_runs_at_once=options.memory_runs_at_once)
    with Stage(scale, options.processes) as stage:
        measure(stage, options.only, console)
        results = stage.results
    verdicts = judge(results)
    show(console, results, verdicts)
    for path in (options.json, options.svg):
        path.parent.mkdir(parents=True, exist_ok=True)
    begun["seconds"] = round(time.monotonic() - start, 1)
    options.json.write_text(results.to_json([verdict.to_dict() for verdict in verdicts], begun))
    options.svg.write_text(draw_results(results, verdicts))
    console.print(f"{options.json}, {options.svg}: {begun['seconds']} s")
    enforced = not (options.no_floors or options.quick)
    failed = enforced and not all(verdict.is_met for verdict in verdicts)
    return 1 if failed or results.problems else 0


if __name__ == "__main__":
    sys.exit(main())
