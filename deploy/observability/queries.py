"""How the dashboard asks Prometheus: expressions that are alike in every panel.

Belongs here: which series a panel sees, rates and quantiles. Does not: which metrics are shown (`rows_*.py`).

The variables of the dashboard narrow what is seen. They also match series that lack the label, as outside of Kubernetes.
"""

_NAMESPACE = 'namespace=~"$namespace"'
_PROCESS = f'{_NAMESPACE}, job=~"$job", pod=~"$pod"'
RATE_INTERVAL = "$__rate_interval"


def process_series(metric: str, *matchers: str) -> str:
    """The series of the processes that are chosen."""
    return f"{metric}{{{', '.join((_PROCESS, *matchers))}}}"


def installation_series(metric: str, *matchers: str) -> str:
    """The series of all processes of the chosen namespaces: for what each of them says of the whole."""
    return f"{metric}{{{', '.join((_NAMESPACE, *matchers))}}}"


def rate(metric: str, *matchers: str) -> str:
    """How much a counter of the chosen processes grows in a second."""
    return f"rate({process_series(metric, *matchers)}[{RATE_INTERVAL}])"


def rate_by(label: str, metric: str, *matchers: str) -> str:
    """The same, summed over all but a label, or several with commas between."""
    return f"sum by ({label}) ({rate(metric, *matchers)})"


def quantile(share: float, histogram: str, *matchers: str, by: str = "") -> str:
    """The value that `share` of what a histogram has seen of late stays below."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate_by(labels, f'{histogram}_bucket', *matchers)})"


def average(histogram: str, *matchers: str) -> str:
    """The average of what a histogram has seen of late."""
    return f"sum({rate(f'{histogram}_sum', *matchers)}) / sum({rate(f'{histogram}_count', *matchers)})"


def database_statistic(metric: str, *matchers: str, by: str = "") -> str:
    """A figure of the whole database. Every worker tells it, a little older or newer; none of them is more than the truth."""
    labels = f" by ({by})" if by else ""
    return f"max{labels} ({installation_series(metric, *matchers)})"
