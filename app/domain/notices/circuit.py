"""The circuit of a provider: after failures in a row nothing more is sent to it until it answers a probe.

Belongs here: when a circuit opens, is probed, and closes. Does not belong here: probing (`app/usecases/notices/sending.py`),
which failures are the provider's (`app/notifications`).

    closed ──FAULTS_MAX faults in a row within FAULT_WINDOW──> open ──a probe or a send succeeds──> closed
"""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.values import value

# One fault, or three, may be a restart of the provider; five in a row mean that further mails would only wait for time-outs.
FAULTS_MAX = 5
FAULT_WINDOW = timedelta(minutes=10)  # older faults were another outage
PROBE_PAUSE = timedelta(seconds=30)  # short enough that nobody notices when the provider is back, and no load for it


@value(frozen=True, slots=True)
class Circuit:
    """The circuit of one provider as one process sees it.

    `fault_times` are those of the faults since the last success. `next_probe_time` is set while the circuit is open.
    """

    fault_times: tuple[datetime, ...] = ()
    next_probe_time: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing may be sent."""
        return self.next_probe_time is not None


CLOSED = Circuit()


def after_fault(circuit: Circuit, now: datetime) -> Circuit:
    """Return the circuit after a fault of the provider. An open one stays: late answers do not put its probe off."""
    if circuit.is_open:
        return circuit
    recent = tuple(time for time in circuit.fault_times if now - time < FAULT_WINDOW)[-(FAULTS_MAX - 1) :]
    faults = (*recent, now)
    return Circuit(faults, now + PROBE_PAUSE if len(faults) >= FAULTS_MAX else None)


def may_probe(circuit: Circuit, now: datetime) -> bool:
    """Whether an open circuit is to be probed now."""
    return circuit.next_probe_time is not None and circuit.next_probe_time <= now


def with_probe_begun(circuit: Circuit, now: datetime) -> Circuit:
    """Return an open circuit whose probe begins now: the next one comes after the pause, however this one ends."""
    return replace(circuit, next_probe_time=now + PROBE_PAUSE)
