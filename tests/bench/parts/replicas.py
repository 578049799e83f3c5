"""Do two servers that sell the same run slow each other down?

Belongs here: the same callers on one server and split between two. Does not belong here: what one server does alone
(`sale.py`).
"""

from __future__ import annotations

from statistics import median

from tests.bench.figures import Volley, median_ratio
from tests.bench.stage import Stage

CALLERS = 64


def measure_replicas(stage: Stage) -> None:
    """Measure rounds with one server and with two. Half of the callers call each server; rates count while both are busy."""
    scale = stage.scale
    first, second = stage.start_host("replica-1"), stage.start_host("replica-2")
    one: list[Volley] = []
    two: list[Volley] = []
    for host in (first, second):
        run = stage.fresh_runs(scale.sale_seats)[0]
        stage.sell([run] * scale.warm_calls, CALLERS, [host])
    for _ in range(scale.rounds):
        for hosts, volleys in (([first], one), ([first, second], two)):
            run = stage.fresh_runs(scale.sale_seats)[0]
            volleys.append(stage.sell([run] * scale.replica_calls, CALLERS, hosts))
            stage.audit(f"replicas_{len(hosts)}", [run])
    stage.results.add_volleys("one_replica", one)
    stage.results.add_volleys("two_replicas", two)
    rates = [[volley.rate_while_all for volley in volleys] for volleys in (two, one)]
    stage.results.add_ratio("two_replicas_to_one", median_ratio(*rates))
    stage.results.add_ratio("two_replicas_p99_to_one", median_ratio([v.p99_ms for v in two], [v.p99_ms for v in one]))
    stage.results.add_ratio("two_replicas_share_min", median(volley.share_min for volley in two))
    first.stop()
    second.stop()
