"""Payment jobs: settling the payment of a booking after each event that may change what is owed.

Belongs here: which events need it, and the handler of the job. Does not belong here: settling (`payments.py`), what follows
from it (`app/usecases/notices/refund_notices.py`), nor when a job runs (`app/jobs`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from app.domain.events import Event
from app.domain.jobs import Job, PermanentJobError
from app.jobs.handlers import JobHandler
from app.telemetry.tracing.context import is_sampled
from app.usecases.payments import BookingPayments

SETTLE_PAYMENT = "settle payment"

# What follows from the settlement of bookings that give money back, by reference. May be called again with the same ones.
AfterRefunds = Callable[[Sequence[str]], Awaitable[None]]


def settlement_jobs(events: Sequence[Event], now: datetime) -> list[Job]:
    """Return a SETTLE_PAYMENT job for each event of a booking that has a payment."""
    return [
        Job(f"{SETTLE_PAYMENT} {event.event_id}", SETTLE_PAYMENT, _payload(event), now, now)
        for event in events
        if event.data.get("payment_id")
    ]


def _payload(event: Event) -> dict[str, str | bool]:
    """Return the booking's reference, whether it gives money back, and the trace to continue if it is sampled."""
    payload: dict[str, str | bool] = {"reference": event.subject}
    if event.data.get("refunded_minor"):
        payload["has_refunds"] = True
    return payload | {"trace_parent": event.trace_parent} if is_sampled(event.trace_parent) else payload


def settlement_handler(payments: BookingPayments, after_refunds: AfterRefunds | None = None) -> JobHandler:
    """Return the handler of SETTLE_PAYMENT.

    It calls `after_refunds` before its jobs are done, also for bookings of whose refunds some have failed. What that raises
    fails the batch, which is then settled again.
    """

    async def settle(jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        references = {job.job_id: str(job.payload["reference"]) for job in jobs if "reference" in job.payload}
        trace_parents = {
            references[job.job_id]: str(job.payload.get("trace_parent", "")) for job in jobs if job.job_id in references
        }
        errors = await payments.settle(list(dict.fromkeys(references.values())), trace_parents)
        refunding = {references[job.job_id] for job in jobs if job.job_id in references and job.payload.get("has_refunds")}
        if after_refunds is not None and refunding:
            await after_refunds(sorted(refunding))
        without_reference: dict[str, Exception | None] = {
            job.job_id: PermanentJobError("its payload has no reference") for job in jobs if job.job_id not in references
        }
        return without_reference | {job_id: errors[reference] for job_id, reference in references.items()}

    return settle
