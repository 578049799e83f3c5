"""What does tracing cost?

Belongs here: the hot run on a server that has 1 % of its calls traced, against one that has none, in turns. Does not belong
here: what spans say (`tests/integration/telemetry/test_traces.py`).
"""

from __future__ import annotations

from tests.bench.figures import Volley, median_ratio
from tests.bench.stage import Stage
from tests.support.trace_collector import running_collector

CALLERS = 256


def measure_tracing(stage: Stage) -> None:
    """Measure twice as many rounds as other parts, since the difference is small. The order changes with each round."""
    scale = stage.scale
    volleys: dict[str, list[Volley]] = {"untraced": [], "traced": []}
    with running_collector() as collector:
        hosts = {
            "untraced": stage.start_host("untraced"),
            "traced": stage.start_host("traced", OTEL_EXPORTER_OTLP_ENDPOINT=collector.target),
        }
        for host in hosts.values():
            stage.sell(stage.fresh_runs(scale.sale_seats) * scale.warm_calls, CALLERS, [host])
        for number in range(scale.rounds * 2):
            for name in sorted(hosts, reverse=bool(number % 2)):
                run = stage.fresh_runs(scale.sale_seats)[0]
                volleys[name].append(stage.sell([run] * scale.sale_calls, CALLERS, [hosts[name]]))
        for host in hosts.values():
            host.stop()
    for name, each in volleys.items():
        stage.results.add_volleys(name, each)
    sold = sum(volley.sent_count for volley in volleys["traced"])
    spans = len([span for span in collector.spans if span.kind == "SERVER"])
    stage.results.add("traced_share", spans / sold, "of calls")
    if not 0 < spans < sold / 10:
        stage.results.problems.append(f"tracing: {spans} calls of {sold} were traced")
    rates = [[volley.rate for volley in volleys[name]] for name in ("traced", "untraced")]
    stage.results.add_ratio("traced_to_untraced", median_ratio(*rates))
    costs = [[volley.server_us_per_call for volley in volleys[name]] for name in ("traced", "untraced")]
    stage.results.add_ratio("traced_to_untraced_server_cpu", median_ratio(*costs))
