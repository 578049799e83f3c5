"""How fast are seats sold?

Belongs here: one run and many runs against the bare echo and the naive sale, interleaved. Does not belong here: the size of the
train (`train_size.py`), several servers (`replicas.py`).
"""

from __future__ import annotations

from collections import defaultdict
from random import Random

from tests.bench import naive, requests
from tests.bench.figures import Volley, median_ratio
from tests.bench.stage import Stage, document_id

CALLERS = (64, 256)
SPREAD_CALLERS = 256
SPREAD_SEATS = 1_000
NAIVE_CALLERS = 64
NAIVE_SEATS = 1_000
NAIVE_CALLS_PER_SECOND_MAX = 1_000
"""More than the naive sale can do; time ends it."""


def measure_sale(stage: Stage, wanted: set[str]) -> None:
    """Measure rounds of echo, one run, many runs and the naive sale (`a` to `d`). Ratios compare within a round."""
    scale, volleys = stage.scale, defaultdict[str, list[Volley]](list)
    spread = stage.fresh_runs(SPREAD_SEATS, scale.spread_runs) if "d" in wanted else []
    random = Random(20_26)  # noqa: S311 - the same order in every run, not a secret
    for number in range(scale.rounds):
        for callers in CALLERS:
            volleys[f"echo_{callers}"].append(stage.echo(scale.sale_calls, callers))
            if "b" in wanted or "c" in wanted:
                run = stage.fresh_runs(scale.sale_seats)[0]
                volleys[f"hot_run_{callers}"].append(stage.sell([run] * scale.sale_calls, callers))
                stage.audit(f"hot_run_{callers}", [run])
                if callers == NAIVE_CALLERS and "c" in wanted and number < scale.naive_rounds:
                    volleys["naive_64"].append(_sell_naively(stage))
        if "d" in wanted:
            volleys["spread_256"].append(stage.sell(random.choices(spread, k=scale.spread_calls), SPREAD_CALLERS))
    if "d" in wanted:
        stage.audit("spread_256", spread)
    _report(stage, volleys)


def _sell_naively(stage: Stage) -> Volley:
    """Measure the naive sale on a copy of a run with 1,000 seats. The service sells on a larger one."""
    run = stage.fresh_runs(NAIVE_SEATS)[0]
    stage.database[naive.COLLECTION].insert_one(stage.runs.find_one({"_id": document_id(run)}) or {})
    seconds_max = stage.scale.naive_seconds_max
    calls = requests.booking_calls(requests.NAIVE, [run] * int(seconds_max * NAIVE_CALLS_PER_SECOND_MAX))
    return stage.fire([stage.host.naive], calls, NAIVE_CALLERS, seconds_max=seconds_max)


def _report(stage: Stage, volleys: dict[str, list[Volley]]) -> None:
    for name, each in volleys.items():
        stage.results.add_volleys(name, each)
    pairs = {
        "hot_run_to_echo_64": ("hot_run_64", "echo_64"),
        "hot_run_to_echo_256": ("hot_run_256", "echo_256"),
        "hot_run_to_naive": ("hot_run_64", "naive_64"),
        "spread_to_echo": ("spread_256", "echo_256"),
    }
    for ratio, (over, under) in pairs.items():
        rounds = min(len(volleys.get(over, ())), len(volleys.get(under, ())))
        if rounds:
            rates = [[volley.rate for volley in volleys[name][:rounds]] for name in (over, under)]
            stage.results.add_ratio(ratio, median_ratio(*rates))
