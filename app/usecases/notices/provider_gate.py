"""The gate of a provider: lets a message through when its circuit is closed and its token bucket has a token.

Belongs here: probing an open circuit, and waiting for tokens. Does not belong here: when a circuit opens
(`app/domain/notices/circuit.py`), what is sent (`sending.py`).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from app.domain.notices.circuit import CLOSED, Circuit, after_fault, may_probe, with_probe_begun
from app.domain.notices.token_bucket import full_bucket, reserve
from app.ports.clock import Clock
from app.ports.notice_observer import NoticeObserver
from app.ports.notices import NoticeChannel, NoticeOutcome, NoticeOutcomeKind

_log = logging.getLogger(__name__)

# A provider that answers a probe later is not able to work yet. Shorter than the pause between probes.
PROBE_SECONDS_MAX = 20.0
# Spreads what was postponed by an open circuit, so that the first seconds after an outage do not bring everything. By whole
# seconds: jobs that are due together are written with one statement.
_SPREAD_SECONDS = 10


class ProviderGate:
    """The gate of one channel in this process. `clock` returns the present moment, `timer` seconds for the token bucket."""

    def __init__(
        self,
        channel: NoticeChannel,
        clock: Clock,
        jitter: Callable[[], float],
        observer: NoticeObserver,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel, self._clock, self._jitter, self._observer, self._timer = channel, clock, jitter, observer, timer
        self._bucket = full_bucket(channel.per_second_max, timer())
        self._circuit = CLOSED

    async def pass_through(self, wait_seconds_max: float) -> datetime | None:
        """Wait for a token, and return None; or return the time to come again, for an open circuit or a long wait."""
        if self._circuit.is_open and not await self._probe():
            return self._come_again()
        self._bucket, wait_seconds = reserve(self._bucket, self._timer(), max(0.0, wait_seconds_max))
        if wait_seconds is None:
            return self._clock() + timedelta(seconds=max(1.0, wait_seconds_max))
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
        return self._come_again() if self._circuit.is_open else None

    def report(self, outcome: NoticeOutcome) -> None:
        """Take note of the outcome of a message that was let through."""
        if outcome.is_provider_fault:
            self._change(after_fault(self._circuit, self._clock()))
        elif outcome.kind in (NoticeOutcomeKind.ACCEPTED, NoticeOutcomeKind.REFUSED) or outcome.status:
            self._change(CLOSED)  # the provider works, whatever it says about this message

    async def _probe(self) -> bool:
        """Probe the provider if it is time to; return whether the circuit is closed now."""
        now = self._clock()
        if not may_probe(self._circuit, now):
            return False
        self._circuit = with_probe_begun(self._circuit, now)
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                is_well = await self._channel.probe()
        except TimeoutError:
            is_well = False
        if is_well:
            self._change(CLOSED)
        return is_well

    def _come_again(self) -> datetime:
        now = self._clock()
        due = max(self._circuit.next_probe_time or now, now)
        return due + timedelta(seconds=round(_SPREAD_SECONDS * self._jitter()))

    def _change(self, circuit: Circuit) -> None:
        if circuit.is_open != self._circuit.is_open:
            self._observer.circuit_changed(self._channel.name, circuit.is_open)
            _log.warning(
                "the circuit of the channel %s is %s", self._channel.name.value, "open" if circuit.is_open else "closed"
            )
        self._circuit = circuit
