"""Payment jobs: settling the payment of a booking after each event that may change what is owed.

Belongs here: which events need it, and the handler of the job. Does not belong here: settling (`payments.py`), nor when a job
runs (`app/jobs`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.domain.events import Event
from app.domain.jobs import Job, PermanentJobError
from app.jobs.handlers import JobHandler
from app.telemetry.tracing.context import is_sampled
from app.usecases.payments import BookingPayments

SETTLE_PAYMENT = "settle payment"


def settlement_jobs(events: Sequence[Event], now: datetime) -> list[Job]:
    """Return a SETTLE_PAYMENT job for each event of a booking that has a payment."""
    return [
        Job(f"{SETTLE_PAYMENT} {event.event_id}", SETTLE_PAYMENT, _payload(event), now, now)
        for event in events
        if event.data.get("payment_id")
    ]


def _payload(event: Event) -> dict[str, str]:
    """Return the booking's reference, and the trace to continue if it is sampled."""
    payload = {"reference": event.subject}
    return payload | {"trace_parent": event.trace_parent} if is_sampled(event.trace_parent) else payload


def settlement_handler(payments: BookingPayments) -> JobHandler:
    """Return the handler of SETTLE_PAYMENT."""

    async def settle(jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        references = {job.job_id: str(job.payload["reference"]) for job in jobs if "reference" in job.payload}
        trace_parents = {
            references[job.job_id]: str(job.payload.get("trace_parent", "")) for job in jobs if job.job_id in references
        }
        errors = await payments.settle(list(dict.fromkeys(references.values())), trace_parents)
        without_reference: dict[str, Exception | None] = {
            job.job_id: PermanentJobError("its payload has no reference") for job in jobs if job.job_id not in references
        }
        return without_reference | {job_id: errors[reference] for job_id, reference in references.items()}

    return settle
