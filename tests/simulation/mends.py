"""Faults of the service that the simulation has found, and that are mended here until they are mended there.

Belongs here: for each of them what goes wrong, and a stand-in for the mend, so that the histories can look for what else there
is. `test_breakages.py` shows that each is still found without its mend; once that fails, the mend has to go. Does not: faults
that are put in on purpose (`breakages.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from app.domain.limits import AUTHORIZATION_SECONDS_MAX
from app.domain.payments import Payment, PaymentState
from app.store.lane import Lane
from app.store.runs import KeptRun, TrainRuns
from app.usecases.paying import Paying

# Puts something in place of a part of the service, until the block ends.
Change = Callable[[], Any]


@contextmanager
def catching_up_reads_what_was_emptied() -> Iterator[None]:
    """`settle_left` empties a run's document without a new version. A server that knows the version before the last one then
    takes the document for all that the last commit changed, and goes on with bookings as they were.
    """
    catch_up = TrainRuns.catch_up

    async def mended(runs: TrainRuns, kept: KeptRun) -> KeptRun | None:
        kept.run.version -= 1  # as if more than one commit had been made: bookings at rest are read, too
        try:
            return await catch_up(runs, kept)
        except Exception:
            kept.run.version += 1
            raise

    with patch.object(TrainRuns, "catch_up", mended):
        yield


@contextmanager
def looking_up_notices_that_the_run_is_old() -> Iterator[None]:
    """A booking that is looked up may be newer than the run in memory: then the two contradict each other. Giving up a place in
    a line that the run has never heard of is a KeyError, and the whole batch is answered INTERNAL.
    """
    look_up = Lane._look_up

    async def mended(lane: Lane, kept: KeptRun, batch: Sequence[Any]) -> dict[str, Any]:
        elsewhere = await look_up(lane, kept, batch)
        if any(booking.revision > kept.run.version for booking in kept.run.bookings.values()):
            await lane._catch_up(kept)
        return elsewhere

    with patch.object(Lane, "_look_up", mended):
        yield


def money_that_is_being_let_go_is_not_used() -> AbstractContextManager[Any]:
    """What was set aside is let go by its age, and used again by when it last changed. A void that is not answered changes it:
    then whoever sends the request again is sold seats for money that is gone, and the booking is ended as unpaid.
    """

    def is_usable(paying: Paying, payment: Payment, now: datetime) -> bool:
        is_new = now - payment.create_time < timedelta(seconds=AUTHORIZATION_SECONDS_MAX / 2)
        return is_new and payment.state in (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED)

    return patch.object(Paying, "_is_usable", is_usable)


MENDS: dict[str, Change] = {
    "catching up reads what was emptied": catching_up_reads_what_was_emptied,
    "looking up notices that the run is old": looking_up_notices_that_the_run_is_old,
    "money that is being let go is not used": money_that_is_being_let_go_is_not_used,
}
# Those that some hundred histories come across; the others take ten thousands.
FOUND_SOON = ("catching up reads what was emptied", "looking up notices that the run is old")


@contextmanager
def mended(*, but: str = "") -> Iterator[None]:
    """All mends, but for one."""
    with ExitStack() as changes:
        for name, change in MENDS.items():
            if name != but:
                changes.enter_context(change())
        yield
