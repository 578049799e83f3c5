"""A token bucket: how many messages a second may go to a provider.

Belongs here: the arithmetic. Does not belong here: waiting (`app/usecases/notices/sending.py`), the rates (`app/config/`).
"""

from app.domain.values import value

_BURST_SECONDS = 1.0  # what an idle bucket saves up: no second has more than two seconds' messages


@value(frozen=True, slots=True)
class TokenBucket:
    """The tokens of one channel at a moment, in seconds of a monotonic clock. Below zero, tokens are promised ahead."""

    per_second: float
    tokens: float
    time: float


def full_bucket(per_second: float, now: float) -> TokenBucket:
    """Return a bucket that has not been used."""
    return TokenBucket(per_second, _capacity(per_second), now)


def reserve(bucket: TokenBucket, now: float, wait_max: float) -> tuple[TokenBucket, float | None]:
    """Reserve one token; return the bucket then, and the seconds to wait for the token.

    Where that is longer than `wait_max`, nothing is reserved, and the second value is None.
    """
    refilled = bucket.tokens + max(0.0, now - bucket.time) * bucket.per_second
    tokens = min(_capacity(bucket.per_second), refilled) - 1.0
    wait = max(0.0, -tokens / bucket.per_second)
    if wait > wait_max:
        return TokenBucket(bucket.per_second, tokens + 1.0, now), None
    return TokenBucket(bucket.per_second, tokens, now), wait


def _capacity(per_second: float) -> float:
    return max(1.0, per_second * _BURST_SECONDS)
