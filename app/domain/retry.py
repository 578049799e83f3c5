"""Retry schedules: when failed work is tried again, and when it is given up.

Belongs here: the one computation of the next attempt, for jobs and for deliveries alike. Does not belong here: the schedules
themselves (`jobs.py`, `webhooks.py`), nor running anything.
"""

from datetime import datetime, timedelta

from app.domain.values import value


@value(frozen=True, slots=True)
class RetrySchedule:
    """Pauses between attempts, how far jitter spreads them, and the bounds after which work is given up.

    The first of `pauses_seconds` follows the first attempt; the last one repeats. A pause is multiplied by a factor between
    `jitter_factors`, so that work which failed together is not tried again together. At most `attempts_max` attempts are made,
    none later than `lifetime` after the first one; None is no bound.
    """

    pauses_seconds: tuple[float, ...]
    jitter_factors: tuple[float, float]
    attempts_max: int | None = None
    lifetime: timedelta | None = None

    def next_attempt_time(
        self, attempts: int, first_time: datetime, now: datetime, jitter: float, asked_pause_seconds: float = 0.0
    ) -> datetime | None:
        """Return when to try again after `attempts` (1 or more) failures, in whole milliseconds; None to give up.

        The pause runs from `now`: after an hour of downtime, the attempts missed are not made up for. `first_time` is that of
        the first attempt. `jitter` is a random number in [0, 1]. `asked_pause_seconds` is how long the other side asked to be
        left alone; where that lasts beyond `lifetime`, the last attempt is made at its end.
        """
        if self.attempts_max is not None and attempts >= self.attempts_max:
            return None
        pause_seconds = self.pauses_seconds[min(max(attempts, 1), len(self.pauses_seconds)) - 1]
        low, high = self.jitter_factors
        due = now + _milliseconds(pause_seconds * (low + (high - low) * jitter))
        asked = now + _milliseconds(asked_pause_seconds)
        if self.lifetime is None:
            return max(due, asked)
        end = first_time + self.lifetime
        return max(due, min(asked, end)) if due <= end else None


def _milliseconds(seconds: float) -> timedelta:
    """Round to whole milliseconds, as times are stored."""
    return timedelta(milliseconds=round(seconds * 1_000))
