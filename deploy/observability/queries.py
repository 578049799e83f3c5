"""PromQL expressions that the panels of the dashboard share.

Belongs here: selecting series, rates, quantiles. Does not belong here: which metrics a panel shows (`*_rows.py`).

The dashboard's variables narrow the series. They also match series without the label, as outside Kubernetes.
"""

_NAMESPACE = 'namespace=~"$namespace"'
_PROCESS = f'{_NAMESPACE}, job=~"$job", pod=~"$pod"'
RATE_INTERVAL = "$__rate_interval"


def process_series(metric: str, *matchers: str) -> str:
    """Select the series of the chosen processes."""
    return f"{metric}{{{', '.join((_PROCESS, *matchers))}}}"


def installation_series(metric: str, *matchers: str) -> str:
    """Select the series of all processes in the chosen namespaces, for figures about the whole installation."""
    return f"{metric}{{{', '.join((_NAMESPACE, *matchers))}}}"


def rate(metric: str, *matchers: str) -> str:
    """Return the growth per second of a counter of the chosen processes."""
    return f"rate({process_series(metric, *matchers)}[{RATE_INTERVAL}])"


def rate_by(label: str, metric: str, *matchers: str) -> str:
    """Return `rate` summed by a label, or by several labels separated by commas."""
    return f"sum by ({label}) ({rate(metric, *matchers)})"


def quantile(share: float, histogram: str, *matchers: str, by: str = "") -> str:
    """Return the recent quantile `share`, from 0 to 1, of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate_by(labels, f'{histogram}_bucket', *matchers)})"


def average(histogram: str, *matchers: str) -> str:
    """Return the recent average of a histogram."""
    return f"sum({rate(f'{histogram}_sum', *matchers)}) / sum({rate(f'{histogram}_count', *matchers)})"


def database_statistic(metric: str, *matchers: str, by: str = "") -> str:
    """Select a statistic of the whole database.

    Every worker exports it, some a few seconds older than others, so the maximum is taken and not the sum.
    """
    labels = f" by ({by})" if by else ""
    return f"max{labels} ({installation_series(metric, *matchers)})"
